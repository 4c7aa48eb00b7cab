//! Addresses of mirrors and proxies: as they are, or, where they hold a password, named as a secret is.

use serde::Deserialize;
use url::Url;

use super::SecretRef;
use crate::failure::{Failure, Result};

/// One address.
#[derive(Clone)]
pub(crate) enum Address {
    /// As it stands in the file.
    Plain(Url),
    /// Where it is found.
    Named(SecretRef),
}

/// Host and path alone: a password that stands in it all the same is not shown.
impl std::fmt::Debug for Address {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Plain(url) => write!(f, "{}{}", url.host_str().unwrap_or_default(), url.path()),
            Self::Named(named) => named.fmt(f),
        }
    }
}

impl<'de> Deserialize<'de> for Address {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(AddressVisitor)
    }
}

struct AddressVisitor;

impl<'de> serde::de::Visitor<'de> for AddressVisitor {
    type Value = Address;

    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("an address, or one by its name: {env: NAME} or {file: PATH}")
    }
    fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<Address, E> {
        parse(text).map(Address::Plain).map_err(E::custom)
    }
    fn visit_map<A: serde::de::MapAccess<'de>>(self, map: A) -> Result<Address, A::Error> {
        SecretRef::deserialize(serde::de::value::MapAccessDeserializer::new(map)).map(Address::Named)
    }
}

impl Address {
    /// The address, read where it is named; `key` says where it stands in the file. A failure shows nothing of it.
    pub(super) fn resolve(&self, key: &str) -> Result<Url> {
        match self {
            Self::Plain(url) => Ok(url.clone()),
            Self::Named(named) => parse(named.resolve()?.expose().trim())
                .map_err(|reason| Failure::usage("config-invalid", format!("what `{key}` names: {reason}"))),
        }
    }
}

/// What is wrong with it is said without a word of it.
fn parse(text: &str) -> Result<Url, String> {
    let url = Url::parse(text).map_err(|error| format!("it is no address: {error}"))?;
    match url.scheme() {
        "http" | "https" | "file" => Ok(url),
        _ => Err("it is no address of http, https or file".to_owned()),
    }
}

/// The same of one that may be missing.
pub(super) fn resolved(address: Option<&Address>, key: &str) -> Result<Option<Url>> {
    address.map(|address| address.resolve(key)).transpose()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_stands_or_is_named_and_is_never_shown() {
        let folder = tempfile::tempdir().expect("a folder");
        let file = folder.path().join("mirror");
        std::fs::write(&file, "https://me:hush@mirror.example/debian\n").expect("written");
        let read = |text: &str| serde_saphyr::from_str::<Address>(text);
        let named = read(&format!("{{file: '{}'}}", file.display())).expect("named");
        assert_eq!(named.resolve("x").expect("an address").password(), Some("hush"));
        let plain = read("https://me:hush@mirror.example/debian").expect("plain");
        assert_eq!(plain.resolve("x").expect("an address").username(), "me");
        assert!(!format!("{plain:?} {named:?}").contains("hush"));
        std::fs::write(&file, "me:hush@ mirror\n").expect("written");
        let failure = named.resolve("mirrors.debian").expect_err("no address");
        assert_eq!(failure.code, "config-invalid");
        let said = failure.causes.join(" ");
        assert!(said.contains("mirrors.debian") && !said.contains("hush"), "{said}");
        for wrong in ["{url: x}", "[a]", "mirror", "ftp://mirror.example", "{env: A, file: B}"] {
            assert!(read(wrong).is_err(), "{wrong}");
        }
    }
}
