//! What is upgraded to which version, by which executor, and why; and what is refused.

mod allow;
pub(crate) mod apk;
mod choose;
pub(crate) mod eol;
mod exact;
mod guards;
mod pins;
pub(crate) mod rpm;
mod rules;
pub mod scripts;
pub mod shadow;
mod solve;

use serde::{Deserialize, Serialize};

use crate::executor::Executor;

pub use choose::{Pick, Want, wanted};
pub use eol::EndOfLife;
pub use exact::exactly;
pub use pins::pinned;
pub(crate) use rules::Offer;
pub use rules::{Chosen, Denied, NoEntry, Rules};
pub use solve::{Blocked, Solver};

/// Binary package and architecture, as dpkg tells packages apart.
pub type Key = (String, String);

/// One package that goes up.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Upgrade {
    /// Binary package.
    pub package: String,
    /// Its architecture in dpkg.
    pub architecture: String,
    /// Source package.
    pub source: String,
    /// Installed version.
    pub from: String,
    /// New version.
    pub to: String,
    /// Findings that it mends; empty: it goes along with its source's other packages.
    pub mends: Vec<String>,
    /// Why no script needs to run: `no scripts`, `byte-identical scripts`, `allow-listed: …`; or why one must.
    pub because: String,
    /// Who lays it; plans of before there was a choice name none, and were native.
    #[serde(default)]
    pub executor: Executor,
    /// The suite or repository that it comes from; older plans name none.
    #[serde(default)]
    pub repository: String,
    /// Bytes of its archive.
    #[serde(default)]
    pub size: u64,
    /// Nobody asked for it: another upgrade needs it.
    #[serde(default)]
    pub along: bool,
    /// OSV's ecosystem of a language's package, `npm`; empty: it is the system's.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub ecosystem: String,
    /// The file that tells of a language's package; empty: it is the system's.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub path: String,
}

impl Upgrade {
    /// The operating system's database lists it.
    pub fn is_of_system(&self) -> bool {
        self.ecosystem.is_empty()
    }
    /// Whether a file tells of this package where it lies: a wheel's folder and a jar have their version in their names.
    pub fn lies_at(&self, path: &str) -> bool {
        let above = |path: &str| path.rsplit_once('/').map_or(String::new(), |(folder, _)| folder.to_owned());
        path == self.path
            || match self.ecosystem.as_str() {
                "PyPI" => above(&above(path)) == above(&above(&self.path)),
                "Maven" => above(path) == above(&self.path),
                _ => false,
            }
    }
}

/// One package that stays, by name and with the reason.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Refusal {
    /// Binary package.
    pub package: String,
    /// Installed version.
    pub from: String,
    /// What it would have become.
    pub to: Option<String>,
    /// Kebab-case: `script-needs-sandbox`, `held`, `deny-listed`, `new-dependency`, `conflict`, `not-in-repository`, `shadowed`,
    /// `unfixed-copy`, `finding-returns`, `end-of-life`.
    pub code: String,
    /// For people.
    pub reason: String,
    /// Findings that stay because of it.
    pub leaves: Vec<String>,
}

/// A command that the fixed image was to run before it was given out; what fails gives no image.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Smoked {
    /// `linux/amd64`
    pub platform: String,
    /// Program and arguments.
    pub command: Vec<String>,
    /// Why it was not run; none: it was, and ended well.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub skipped: Option<String>,
}

/// The whole decision.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FixPlan {
    /// Format, 1.
    pub version: u32,
    /// What goes up, by package name.
    pub upgrades: Vec<Upgrade>,
    /// What stays, by package name.
    pub refused: Vec<Refusal>,
    /// Which repository state was read: suite and InRelease hash.
    pub repositories: Vec<(String, String)>,
    /// Advisory revision of the report that was planned from.
    pub advisory_revision: String,
    /// What was asked of the fixed image; of before there is one, and where nothing was, nothing.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub smoked: Vec<Smoked>,
}

impl FixPlan {
    /// Before anything is decided, or where nothing needs to be.
    pub fn nothing() -> Self {
        Self {
            version: 1,
            upgrades: Vec::new(),
            refused: Vec::new(),
            repositories: Vec::new(),
            advisory_revision: String::new(),
            smoked: Vec::new(),
        }
    }
}
