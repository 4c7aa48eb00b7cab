//! When images were seen: what registries and others tell, kept for the windows of schedules. Only the server needs it.

use async_trait::async_trait;
use jiff::Timestamp;
use patchline_scanner::Digest;

use crate::{
    column::{digest, timestamp},
    error::Result,
};

/// An image as a registry or somebody else named it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Seen {
    /// The registry's configured name.
    pub registry: String,
    /// `shop/web`
    pub repository: String,
    /// A tag; none: it was named by digest.
    pub tag: Option<String>,
    /// Of the manifest.
    pub digest: Digest,
}

/// What was seen of an image.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sight {
    /// It was pushed.
    Pushed,
    /// Its manifest was pulled.
    Pulled,
    /// It runs somewhere.
    Running,
    /// It says itself that it was made then.
    Created,
}

/// When one tag, or digest, was seen last.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sighting {
    /// A tag; none: it was named by digest.
    pub tag: Option<String>,
    /// Where the tag pointed then.
    pub digest: Digest,
    /// When it was pushed.
    pub pushed: Option<Timestamp>,
    /// When its manifest was pulled.
    pub pulled: Option<Timestamp>,
    /// When it was known to run.
    pub running: Option<Timestamp>,
    /// When it was made, as it says itself.
    pub created: Option<Timestamp>,
}

/// The persistence of sightings.
#[async_trait]
pub trait Sightings: Send + Sync + 'static {
    /// Notes that images were seen at `at`; an earlier time than the one that stands changes nothing.
    async fn saw(&self, images: &[(Seen, Sight)], at: Timestamp) -> Result<(), BoxError>;
    /// All of a repository.
    async fn of_repository(&self, registry: &str, repository: &str) -> Result<Vec<Sighting>, BoxError>;
}

/// What the database may say went wrong.
pub type BoxError = Box<dyn std::error::Error + Send + Sync>;

pub(crate) const TABLE: &str = "sightings";
/// Rows of a repository, at most.
pub(crate) const MOST: i64 = 100_000;

/// Reference and digest; when it was pushed, pulled, running, created.
pub(crate) type Row = (String, String, Option<i64>, Option<i64>, Option<i64>, Option<i64>);

pub(crate) fn sighting((reference, of, pushed, pulled, running, created): Row) -> Result<Sighting> {
    let time = |at: Option<i64>| at.map(|at| timestamp(TABLE, at)).transpose();
    Ok(Sighting {
        digest: digest(TABLE, &of)?,
        tag: (reference != of).then_some(reference),
        pushed: time(pushed)?,
        pulled: time(pulled)?,
        running: time(running)?,
        created: time(created)?,
    })
}
