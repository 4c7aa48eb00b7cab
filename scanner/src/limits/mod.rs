//! What reading strangers' bytes may cost: every count, size, depth, ratio and time that this crate bounds, in one place.
//!
//! They bound what a process may need, so a process has one set of them: `set` comes once, before anything is read, and
//! whoever reads asks `get`. See docs/decisions/0029 for why they are not handed from function to function.
//! docs/limits.md is made from what stands here.

mod adapters;
mod advisories;
mod documents;
mod image;
mod languages;
mod layers;
mod packages;
mod room;
mod sbom;

#[cfg(test)]
mod reached;
#[cfg(test)]
mod tests;

use std::sync::OnceLock;

pub use adapters::Adapters;
pub use advisories::Advisories;
pub use documents::Documents;
pub use image::{Image, Rematch, Rootfs};
pub use languages::{Archives, Binaries, Languages};
pub use layers::{Facts, Layer, Licenses};
pub use packages::Packages;
use room::Room;
pub use room::{Invalid, Limit};
pub use sbom::Sbom;

/// All of them, by room.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Limits {
    /// One image.
    pub image: Image,
    /// A layer's archive.
    pub layer: Layer,
    /// What is kept of a layer.
    pub facts: Facts,
    /// Copyright files.
    pub licenses: Licenses,
    /// Package databases.
    pub packages: Packages,
    /// Files of languages.
    pub languages: Languages,
    /// Java archives.
    pub archives: Archives,
    /// Compiled programs.
    pub binaries: Binaries,
    /// Folders in an image's place.
    pub rootfs: Rootfs,
    /// SBOMs.
    pub sbom: Sbom,
    /// Advisories.
    pub advisories: Advisories,
    /// Matching again.
    pub rematch: Rematch,
    /// Other scanners.
    pub adapters: Adapters,
    /// What is written.
    pub documents: Documents,
}

impl Limits {
    /// Names of rooms, and each with all of its limits, as configuration writes them: `java-archives`, `held-one`.
    pub fn rooms(&self) -> Vec<(&'static str, Vec<Limit>)> {
        let mut all = *self;
        let names = ROOMS.iter().map(|(name, _)| *name);
        names.map(|name| (name, all.room(name).map(|room| room.all()).unwrap_or_default())).collect()
    }

    /// Sets one, by the names that configuration has.
    ///
    /// # Errors
    /// There is none of that name, or the value is none that it can have.
    pub fn change(&mut self, room: &str, name: &str, value: u64) -> Result<(), Invalid> {
        let found = self.room(room).ok_or_else(|| Invalid::Room(room.to_owned()))?;
        found.change(name, value)
    }

    fn room(&mut self, name: &str) -> Option<&mut dyn Room> {
        let (_, find) = ROOMS.iter().find(|(known, _)| *known == name)?;
        Some(find(self))
    }

    /// Equal for limits under which a layer's bytes say the same.
    pub(crate) fn of_layers(&self) -> impl PartialEq + std::fmt::Debug + use<> {
        let Self { layer, facts, licenses, packages, languages, archives, binaries, .. } = *self;
        (layer, facts, licenses, packages, languages, archives, binaries)
    }
}

type Find = fn(&mut Limits) -> &mut dyn Room;

/// Rooms by their names, in the order in which the page tells of them.
const ROOMS: [(&str, Find); 14] = [
    ("image", |all| &mut all.image),
    ("layer", |all| &mut all.layer),
    ("facts", |all| &mut all.facts),
    ("licenses", |all| &mut all.licenses),
    ("packages", |all| &mut all.packages),
    ("languages", |all| &mut all.languages),
    ("archives", |all| &mut all.archives),
    ("binaries", |all| &mut all.binaries),
    ("rootfs", |all| &mut all.rootfs),
    ("sbom", |all| &mut all.sbom),
    ("advisories", |all| &mut all.advisories),
    ("rematch", |all| &mut all.rematch),
    ("adapters", |all| &mut all.adapters),
    ("documents", |all| &mut all.documents),
];

static OF_PROCESS: OnceLock<Limits> = OnceLock::new();

/// Those of this process; the defaults, where nothing was set before somebody asked.
pub fn get() -> &'static Limits {
    OF_PROCESS.get_or_init(Limits::default)
}

macro_rules! rooms {
    ($($room:ident: $Room:ty,)+) => { $(
        pub(crate) fn $room() -> &'static $Room {
            &get().$room
        }
    )+ };
}

rooms! {
    image: Image,
    layer: Layer,
    facts: Facts,
    licenses: Licenses,
    packages: Packages,
    languages: Languages,
    archives: Archives,
    binaries: Binaries,
    rootfs: Rootfs,
    sbom: Sbom,
    advisories: Advisories,
    rematch: Rematch,
    adapters: Adapters,
    documents: Documents,
}

/// Sets those of this process; the same once more is harmless.
///
/// # Errors
/// Others are in force, and something may have been read under them.
pub fn set(limits: Limits) -> Result<(), Invalid> {
    if *OF_PROCESS.get_or_init(|| limits) == limits { Ok(()) } else { Err(Invalid::InForce) }
}
