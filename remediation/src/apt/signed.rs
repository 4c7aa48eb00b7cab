//! A release as an archive signs it: `InRelease`, or `Release` with its signature beside it in `Release.gpg`.

use jiff::Timestamp;
use patchline_registry::Digest;
use url::Url;

use super::{
    fetch::Fetcher,
    keyring::Keyring,
    verify::{detached, signed_text},
};
use crate::{Error, Result};

/// Of `InRelease` and of `Release`: Debian's have some hundred kilobytes.
const MAX_RELEASE: u64 = 8 << 20;
/// Of `Release.gpg`: one signature has some hundred bytes.
const MAX_SIGNATURE: u64 = 256 << 10;

/// What nobody has verified yet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Signed {
    /// `InRelease`: text and signature are one.
    Within(Vec<u8>),
    /// `Release`, and `Release.gpg`, which is over its bytes as they are.
    Beside { release: Vec<u8>, signature: Vec<u8> },
}

impl Signed {
    /// What stands in `folder` of an archive (`dists/bookworm`; empty: the base itself). `Release` is asked for only where there is no
    /// `InRelease`: a mirror that has both is not asked for what it would like to be believed. `suite` is its name in errors.
    ///
    /// # Errors
    /// There is neither: the answer for `InRelease`. There is no `Release.gpg`: [`Error::Untrusted`].
    pub(super) async fn fetch(fetcher: &Fetcher, base: &Url, folder: &str, suite: &str) -> Result<Self> {
        let path = |name: &str| match folder {
            "" => name.to_owned(),
            folder => format!("{folder}/{name}"),
        };
        let missing = match fetcher.bytes(base, &path("InRelease"), MAX_RELEASE).await {
            Err(missing @ Error::Status { status: 404, .. }) => missing,
            found => return found.map(Self::Within),
        };
        let release = match fetcher.bytes(base, &path("Release"), MAX_RELEASE).await {
            Err(Error::Status { status: 404, .. }) => return Err(missing),
            found => found?,
        };
        match fetcher.bytes(base, &path("Release.gpg"), MAX_SIGNATURE).await {
            Err(Error::Status { status: 404, .. }) => Err(Error::Untrusted {
                suite: suite.to_owned(),
                reason: "its Release is not signed: there is neither InRelease nor Release.gpg".to_owned(),
            }),
            found => found.map(|signature| Self::Beside { release, signature }),
        }
    }

    /// The signed text, with plain line ends, where a good signature by one of these keys stands over it; else why not.
    pub(super) fn text(&self, keyring: &Keyring, now: Timestamp) -> Result<String, String> {
        match self {
            Self::Within(bytes) => signed_text(bytes, keyring, now),
            Self::Beside { release, signature } => {
                detached(signature, release, keyring, "--keyring", now)?;
                let text = std::str::from_utf8(release).map_err(|_| "it is not text")?;
                Ok(text.replace("\r\n", "\n"))
            }
        }
    }

    /// SHA-256 of the file that holds the text.
    pub(super) fn hash(&self) -> String {
        let (Self::Within(bytes) | Self::Beside { release: bytes, .. }) = self;
        Digest::of(bytes).hex().to_owned()
    }
}

#[cfg(test)]
#[path = "signed_tests.rs"]
pub(super) mod tests;
