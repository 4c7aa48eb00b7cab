//! Content digests, OCI image-spec "Descriptors, Digests".

use std::{fmt, str::FromStr};

/// A validated `sha256:<64 lower-case hex>` digest.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Digest(String);

impl Digest {
    /// The SHA-256 of `bytes`.
    pub fn of(bytes: &[u8]) -> Self {
        use sha2::Digest as _;
        Self(format!("sha256:{}", hex::encode(sha2::Sha256::digest(bytes))))
    }
    /// From a finished SHA-256 state's 32 bytes.
    pub fn from_sha256(hash: &[u8]) -> Self {
        const DIGITS: &[u8; 16] = b"0123456789abcdef";
        // Hundreds of thousands are made when stored inventories are read: in one allocation each.
        let mut text = String::with_capacity(7 + 2 * hash.len());
        text.push_str("sha256:");
        for byte in hash {
            text.push(DIGITS[usize::from(byte >> 4)].into());
            text.push(DIGITS[usize::from(byte & 15)].into());
        }
        Self(text)
    }
    /// The whole text, `sha256:…`.
    pub fn as_str(&self) -> &str {
        &self.0
    }
    /// The 64 hexadecimal digits.
    pub fn hex(&self) -> &str {
        &self.0[7..]
    }
    /// The first twelve hexadecimal digits, for people.
    pub fn short(&self) -> &str {
        &self.0[7..19]
    }
}

/// A text that is no `sha256` digest.
#[derive(Debug, thiserror::Error)]
#[error("`{0}` is not a sha256 digest")]
pub struct DigestError(pub String);

impl FromStr for Digest {
    type Err = DigestError;
    fn from_str(s: &str) -> Result<Self, DigestError> {
        let ok = s.strip_prefix("sha256:").is_some_and(|h| {
            h.len() == 64 && h.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b))
        });
        if ok { Ok(Self(s.to_owned())) } else { Err(DigestError(s.chars().take(100).collect())) }
    }
}
impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}
impl fmt::Debug for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}
impl serde::Serialize for Digest {
    fn serialize<S: serde::Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        s.serialize_str(&self.0)
    }
}
impl<'de> serde::Deserialize<'de> for Digest {
    fn deserialize<D: serde::Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        let text = String::deserialize(d)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_lower_case_sha256_of_full_length_is_taken() {
        let good = Digest::of(b"");
        assert_eq!(good.hex(), "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
        assert_eq!(good.as_str().parse::<Digest>().unwrap(), good);
        let long = format!("{good}0");
        let upper = good.as_str().to_uppercase();
        for bad in ["", "sha256:", "sha256:../../etc/passwd", "sha512:00", &long, &upper] {
            assert!(bad.parse::<Digest>().is_err(), "{bad}");
        }
    }
}
