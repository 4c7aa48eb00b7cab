//! Reading plans that were stored or sent: the version first.

use serde::{Deserialize, Deserializer, de::Error as _};

use super::Plan;

/// Of the form of plans that this program writes and reads.
const VERSION: u32 = 1;

/// A text that is no plan of ours.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Written by a later program.
    #[error("a plan of version {0}; this program reads version {VERSION}")]
    Version(u64),
    /// No JSON, or not that of a plan.
    #[error("not a plan")]
    Malformed(#[source] serde_json::Error),
}

impl Error {
    /// The stable code.
    pub fn code(&self) -> &'static str {
        match self {
            Error::Version(_) => "plan-version-unknown",
            Error::Malformed(_) => "plan-malformed",
        }
    }
}

impl Plan {
    /// Reads the JSON form that [`serde::Serialize`] gives.
    pub fn from_json(text: &str) -> Result<Plan, Error> {
        #[derive(Deserialize)]
        struct Head {
            version: u64,
        }
        // A later version may have other fields: it is told as what it is.
        let head: Head = serde_json::from_str(text).map_err(Error::Malformed)?;
        if head.version != u64::from(VERSION) {
            return Err(Error::Version(head.version));
        }
        serde_json::from_str(text).map_err(Error::Malformed)
    }
}

/// The version of whatever is deserialised as a plan; it stands first in the JSON.
pub(super) fn version<'de, D: Deserializer<'de>>(input: D) -> Result<u32, D::Error> {
    let found = u64::deserialize(input)?;
    if found == u64::from(VERSION) { Ok(VERSION) } else { Err(D::Error::custom(Error::Version(found))) }
}
