//! What can go wrong while mending.

use crate::apt::{Distribution, Place};

/// Shorthand.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Every variant has a stable code, see [`Error::code`].
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The image's registry.
    #[error("the image cannot be read or written")]
    Registry(#[from] patchline_registry::Error),
    /// The scan before, or the proof after.
    #[error("the image cannot be scanned")]
    Scanner(#[from] patchline_scanner::Error),
    /// No mirror could be found or reached.
    #[error(
        "no {} mirror can be reached for {suite}: name one with {}, or `mirrors.{}` of the configuration",
        .place.distribution(), .place.flag(), .place.key()
    )]
    NoMirror {
        /// `bookworm`
        suite: String,
        /// What it would be a mirror of.
        place: Place,
    },
    /// A release that has ended, and that the mirror has no longer.
    #[error(
        "{suite} gets no updates any more, and the mirror has it no longer: name an archive with {}",
        .distribution.ended_flag()
    )]
    ReleaseEnded {
        /// `bullseye-security`
        suite: String,
        /// Whose.
        distribution: Distribution,
    },
    /// Nothing to verify releases with.
    #[error(
        "no {distribution} keyring is on this machine: install {}, or name one with --keyring",
        .distribution.keyring_package()
    )]
    NoKeyring {
        /// Whose.
        distribution: Distribution,
    },
    /// No mirror of an image's apk repositories is configured.
    #[error("no mirror of the package repositories of {system} is configured: name one with --apk-mirror")]
    NoApkMirror {
        /// `Alpine Linux v3.20`
        system: String,
    },
    /// Nothing to verify apk indexes with.
    #[error(
        "no key for apk repositories is configured, and no package of the image brought one: name one with --apk-key"
    )]
    NoApkKey,
    /// No mirror of an image's rpm repositories is configured.
    #[error("no mirror of the package repositories of {system} is configured: name one with --rpm-mirror")]
    NoRpmMirror {
        /// `Microsoft Azure Linux 3.0`
        system: String,
    },
    /// No registry of a language is configured.
    #[error("no registry of {ecosystem} is configured on this machine: name one with {flag}")]
    NoLanguageRegistry {
        /// OSV's: `npm`
        ecosystem: &'static str,
        /// `--npm-registry`
        flag: &'static str,
    },
    /// Nothing to verify rpm repositories with.
    #[error("no key for rpm repositories is configured, and this machine has none: name one with --rpm-key")]
    NoRpmKey,
    /// A format that is known and not read.
    #[error("{file} is in {format} format, which is not read yet")]
    Format {
        /// Which.
        file: String,
        /// Its name.
        format: &'static str,
    },
    /// `InRelease` does not verify.
    #[error("{suite} of the repository cannot be trusted: {reason}")]
    Untrusted {
        /// Which suite.
        suite: String,
        /// `no good signature by a known key`, `expired on …`
        reason: String,
    },
    /// A file that is not what the signed index promises.
    #[error("{file} is not what the signed index promises: {reason}")]
    Unverified {
        /// Path in the repository.
        file: String,
        /// Size or hash.
        reason: String,
    },
    /// The network.
    #[error("{file} cannot be fetched")]
    Fetch {
        /// Path in the repository, never the whole address.
        file: String,
        /// What the client said.
        #[source]
        source: reqwest::Error,
    },
    /// An answer that is not 200.
    #[error("the mirror answers {status} for {file}")]
    Status {
        /// Path in the repository.
        file: String,
        /// HTTP status.
        status: u16,
    },
    /// A .deb or control file that is none.
    #[error("{file} cannot be parsed: {reason}")]
    Malformed {
        /// Which.
        file: String,
        /// Why.
        reason: String,
    },
    /// Packages that cannot be installed together.
    #[error("no package set satisfies {relation}")]
    Unsatisfiable {
        /// `nginx-light depends on …`
        relation: String,
    },
    /// What was handed in as a plan is none.
    #[error("the plan cannot be read: {reason}")]
    PlanUnreadable {
        /// Where and why.
        reason: String,
    },
    /// A plan of something else.
    #[error("the plan is of {planned}, and the image is {image}")]
    PlanOfAnother {
        /// What the plan names.
        planned: patchline_registry::Digest,
        /// What was to be mended.
        image: patchline_registry::Digest,
    },
    /// A plan that cannot be carried out as it stands.
    #[error("the plan does not hold: {package}: {reason}")]
    PlanRefused {
        /// Binary package.
        package: String,
        /// Why it cannot go where the plan says.
        reason: String,
    },
    /// What was handed in as a Dockerfile is none.
    #[error("the Dockerfile cannot be read: {reason}")]
    Dockerfile {
        /// Why.
        reason: String,
    },
    /// The system is not one that we mend.
    #[error("{system} cannot be mended: {reason}")]
    UnsupportedSystem {
        /// From os-release.
        system: String,
        /// Why.
        reason: String,
    },
    /// Only the image's own rpm can write its database, and that takes a sandbox.
    #[error("{system} cannot be mended without a sandbox, where its own rpm writes /{path}: {reason}")]
    SandboxNeeded {
        /// From os-release.
        system: String,
        /// Its database.
        path: String,
        /// Why there is none.
        reason: String,
    },
    /// A database of headers, and nothing in the image that writes it.
    #[error(
        "{system} cannot be mended: its packages stand in /{path}, and the image has no rpm program to write it"
    )]
    RpmMissing {
        /// From os-release.
        system: String,
        /// Its database.
        path: String,
    },
    /// Images were named whose programs could do it, and none of them fits.
    #[error("no named image has the tools for it: {reason}")]
    ToolingUnfit {
        /// Of each of them, why.
        reason: String,
    },
    /// What an image is built on cannot be told.
    #[error("the image cannot be set on a newer {name}: {reason}")]
    Base {
        /// The base, as the image or whoever asked names it.
        name: String,
        /// Why.
        reason: String,
    },
    /// A build might have made another image of it.
    #[error("the image is not set on a newer base: {reason}")]
    RebaseRefused {
        /// Which files, packages or findings.
        reason: String,
    },
    /// The mended tree is not what was planned.
    #[error("the proof failed: {reason}")]
    Proof {
        /// Which file or package, and why.
        reason: String,
    },
    /// The fixed image cannot do what it was to show.
    #[error("the smoke command failed, and nothing was pushed: {reason}")]
    Smoke {
        /// How it ended, and the end of what it said.
        reason: String,
    },
    /// No sandbox for a smoke command: found out before any work.
    #[error("the smoke command cannot be run here, so nothing was done: {reason}")]
    SmokeUnavailable {
        /// Why not.
        reason: String,
    },
    /// A key that cannot sign, or cannot verify.
    #[error("the signing key cannot be used: {reason}")]
    Key {
        /// What is wrong with it; never a byte of it.
        reason: String,
    },
    /// Nothing that stands there was signed by the key.
    #[error("{what} has no good signature by this key: {reason}")]
    Unsigned {
        /// Which image or document.
        what: String,
        /// Why.
        reason: String,
    },
    /// Too much is attached already.
    #[error("{tag} holds {count} signatures or attestations already, and no more are added")]
    Crowded {
        /// cosign's tag.
        tag: String,
        /// How many.
        count: usize,
    },
    /// The sandbox.
    #[error(transparent)]
    Sandbox(#[from] crate::executor::sandbox::Failure),
    /// A daemon whose containers were to be used.
    #[error(transparent)]
    Engine(#[from] crate::executor::engine::Error),
    /// The disk.
    #[error("{operation}")]
    Io {
        /// What was done.
        operation: String,
        /// What the system said.
        #[source]
        source: std::io::Error,
    },
}

impl Error {
    /// The stable, kebab-case code.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Registry(e) => e.code(),
            Self::Scanner(e) => e.code(),
            Self::NoMirror { .. }
            | Self::NoApkMirror { .. }
            | Self::NoRpmMirror { .. }
            | Self::NoLanguageRegistry { .. } => "no-mirror",
            Self::ReleaseEnded { .. } => "release-ended",
            Self::NoKeyring { .. } | Self::NoApkKey | Self::NoRpmKey => "no-keyring",
            Self::Format { .. } => "format-unsupported",
            Self::Untrusted { .. } => "repository-untrusted",
            Self::Unverified { .. } => "file-unverified",
            Self::Fetch { .. } => "mirror-unreachable",
            Self::Status { .. } => "mirror-status",
            Self::Malformed { .. } => "package-malformed",
            Self::Unsatisfiable { .. } => "dependencies-unsatisfiable",
            Self::PlanUnreadable { .. } => "fix-plan-unreadable",
            Self::PlanOfAnother { .. } => "fix-plan-of-another",
            Self::PlanRefused { .. } => "fix-plan-refused",
            Self::Dockerfile { .. } => "dockerfile-unreadable",
            Self::UnsupportedSystem { .. } => "system-unsupported",
            Self::SandboxNeeded { .. } => "sandbox-needed",
            Self::RpmMissing { .. } => "rpm-missing",
            Self::ToolingUnfit { .. } => "tooling-unfit",
            Self::Base { .. } => "base-unfit",
            Self::RebaseRefused { .. } => "rebase-refused",
            Self::Proof { .. } => "proof-failed",
            Self::Smoke { .. } => "smoke-failed",
            Self::SmokeUnavailable { .. } => "smoke-unavailable",
            Self::Key { .. } => "signing-key-unusable",
            Self::Unsigned { .. } => "signature-missing",
            Self::Crowded { .. } => "signatures-too-many",
            Self::Sandbox(e) => e.code(),
            Self::Engine(e) => e.code(),
            Self::Io { .. } => "remediation-io",
        }
    }
    /// The same, with the repository named whose file it is of.
    pub(crate) fn of(self, repository: &str) -> Self {
        let named = |file: String| format!("{file} of {repository}");
        match self {
            Self::Fetch { file, source } => Self::Fetch { file: named(file), source },
            Self::Status { file, status } => Self::Status { file: named(file), status },
            Self::Unverified { file, reason } => Self::Unverified { file: named(file), reason },
            other => other,
        }
    }
    /// Whether it is the image's system that cannot be mended, whatever its packages are: an answer more than a failure.
    pub fn is_of_system(&self) -> bool {
        matches!(
            self,
            Self::UnsupportedSystem { .. }
                | Self::SandboxNeeded { .. }
                | Self::RpmMissing { .. }
                | Self::ToolingUnfit { .. }
        )
    }
    /// Whether trying again later may help.
    pub fn is_transient(&self) -> bool {
        matches!(self, Self::Fetch { .. })
            || matches!(self, Self::Engine(e) if e.is_transient())
            || matches!(self, Self::Status { status, .. } if *status >= 500 || *status == 429)
    }
}
