//! `scanner-limits`: what reading an image, an SBOM, advisories may cost, by the names of docs/limits.md.

use std::fmt;

use patchline_scanner::limits::Limits;
use serde::{
    Deserialize, Deserializer,
    de::{DeserializeSeed, Error, MapAccess, Visitor},
};

use super::Config;
use crate::failure::{Failure, Result};

/// Rooms with what differs from the defaults.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct ScannerLimits(pub(super) Limits);

impl<'de> Deserialize<'de> for ScannerLimits {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let mut limits = Limits::default();
        deserializer.deserialize_map(Rooms(&mut limits))?;
        Ok(Self(limits))
    }
}

struct Rooms<'a>(&'a mut Limits);

impl<'de> Visitor<'de> for Rooms<'_> {
    type Value = ();
    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("limits by room, as docs/limits.md has them")
    }
    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        while let Some(room) = map.next_key::<String>()? {
            map.next_value_seed(Room { limits: self.0, room: &room })?;
        }
        Ok(())
    }
}

struct Room<'a> {
    limits: &'a mut Limits,
    room: &'a str,
}

impl<'de> DeserializeSeed<'de> for Room<'_> {
    type Value = ();
    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for Room<'_> {
    type Value = ();
    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "limits of `{}` by name", self.room)
    }
    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        while let Some(name) = map.next_key::<String>()? {
            let Amount(value) = map.next_value()?;
            self.limits.change(self.room, &name, value).map_err(A::Error::custom)?;
        }
        Ok(())
    }
}

/// A count, or bytes with a unit: `2000000`, `64 MiB`.
#[derive(Debug, Clone, Copy)]
pub(super) struct Amount(u64);

impl<'de> Deserialize<'de> for Amount {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        #[serde(untagged)]
        enum Written {
            Number(u64),
            Text(String),
        }
        match Written::deserialize(deserializer) {
            Ok(Written::Number(number)) => Ok(Self(number)),
            Ok(Written::Text(text)) => amount(&text).map(Self).ok_or_else(|| {
                D::Error::custom(format!(
                    "`{text}` is no amount: write 2000000, or 64 MiB (KiB, MiB, GiB, TiB)"
                ))
            }),
            Err(_) => Err(D::Error::custom("a limit is a whole number, or one with a unit: 64 MiB")),
        }
    }
}

fn amount(text: &str) -> Option<u64> {
    let digits = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let (number, unit) = text.split_at(digits);
    let shift = match unit.trim() {
        "" => 0,
        "KiB" => 10,
        "MiB" => 20,
        "GiB" => 30,
        "TiB" => 40,
        _ => return None,
    };
    number.parse::<u64>().ok()?.checked_mul(1 << shift)
}

impl Config {
    /// What the caches of packages may hold, in bytes.
    pub(crate) fn package_cache(&self) -> u64 {
        self.package_cache.map_or(patchline_remediation::cache::MOST, |Amount(bytes)| bytes)
    }
    /// Puts the scanner's limits in force in this process, before it reads anything.
    pub(super) fn put_in_force(self) -> Result<Self> {
        patchline_scanner::limits::set(self.scanner_limits.0)
            .map_err(|error| Failure::usage("config-invalid", format!("scanner-limits: {error}")))?;
        Ok(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<ScannerLimits, String> {
        serde_saphyr::from_str(text).map_err(|error| error.to_string())
    }

    #[test]
    fn what_is_written_changes_and_the_rest_stays() {
        let read =
            read("layer: {entries: 5000, uncompressed: 2 GiB}\nsbom:\n  size: 1MiB\n").expect("is right");
        let mut expected = Limits::default();
        expected.layer.entries = 5000;
        expected.layer.uncompressed = 2 << 30;
        expected.sbom.size = 1 << 20;
        assert_eq!(read.0, expected);
    }

    #[test]
    fn a_mistake_is_named_with_its_line() {
        for (text, said) in [
            ("layer:\n  entires: 5\n", "no limit is called `entires`"),
            ("layers:\n  entries: 5\n", "no limits are called `layers`"),
            ("layer:\n  entries: 0\n", "`entries` is 0: it can be 1 to 32000000"),
            ("layer:\n  entries: 32000001\n", "it can be 1 to 32000000"),
            ("layer:\n  entries: -1\n", "a whole number"),
            ("layer:\n  uncompressed: 64 MB\n", "`64 MB` is no amount"),
            ("layer:\n  uncompressed: 99999999999 TiB\n", "is no amount"),
            ("layer:\n  entries: [1]\n", "a whole number"),
            ("layer: 5\n", "expected mapping"),
        ] {
            let error = read(text).expect_err(text);
            assert!(error.contains(said) && error.contains("line "), "{text}: {error}");
        }
    }
}
