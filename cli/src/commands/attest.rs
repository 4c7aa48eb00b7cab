//! What a person says of attestations and keys: flags, key files, and what is asked of `remediation::attest`.

use std::path::{Path, PathBuf};

use jiff::Timestamp;
use patchline_engine::{Clock as _, clock::SystemClock};
use patchline_registry::{Location, Registries, Repository, remote::Secret};
use patchline_remediation::{
    FixedImage,
    attest::{self, Attached, Build, Document, Found, Kind, Named, SigningKey, VerifyingKey, cosign},
};
use serde_json::Value;

use crate::{
    failure::{Failure, Result, io},
    images, terminal,
};

/// Who vouches for provenance that this command line wrote.
const BUILDER: &str = "https://patchline.dev/builder/command-line";
/// Where the password of an encrypted key stands, as for cosign itself.
const PASSWORD: &str = "COSIGN_PASSWORD";
/// A key's file is a few hundred bytes.
const MOST_KEY: u64 = 64 << 10;

/// What can be attached, as it is typed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum What {
    /// What is in it: CycloneDX 1.6
    Sbom,
    /// Which vulnerabilities it is free of, and which not: OpenVEX
    Vex,
    /// How it was made: SLSA provenance v1
    Provenance,
}

impl From<What> for Kind {
    fn from(what: What) -> Self {
        match what {
            What::Sbom => Self::Sbom,
            What::Vex => Self::Vex,
            What::Provenance => Self::Provenance,
        }
    }
}

/// What is said of a fixed image beside it.
#[derive(Debug, Clone, Default, clap::Args)]
pub(crate) struct AttestFlags {
    /// Attach these to the fixed image, as OCI referrers
    #[arg(long, value_enum, value_delimiter = ',', value_name = "WHAT")]
    attest: Vec<What>,
    /// Sign what is attached with this private key: PKCS#8 or cosign's own form, whose password stands in COSIGN_PASSWORD
    #[arg(long, value_name = "FILE", requires = "attest")]
    sign_key: Option<PathBuf>,
}

/// What was asked for, with its key read, before anything is done.
pub(crate) struct Asked {
    kinds: Vec<Kind>,
    key: Option<SigningKey>,
    started: Timestamp,
}

impl AttestFlags {
    /// Reads the key; none: nothing is to be attached.
    pub(crate) fn read(&self) -> Result<Option<Asked>> {
        let mut kinds: Vec<Kind> = self.attest.iter().copied().map(Kind::from).collect();
        kinds.sort_unstable();
        kinds.dedup();
        if kinds.is_empty() {
            return Ok(None);
        }
        let key = self.sign_key.as_deref().map(signing_key).transpose()?;
        Ok(Some(Asked { kinds, key, started: SystemClock.now() }))
    }
}

impl Asked {
    /// Attaches everything to a fixed image that stands in the repository already.
    pub(crate) async fn attach(
        &self,
        repository: &dyn Repository,
        fixed: &FixedImage,
        tag: &str,
        asked: Value,
    ) -> Result<Vec<Attached>> {
        let home = repository.origin().map(|_| repository.name());
        let name = match &home {
            Some(home) => format!("{home}:{tag}"),
            // A folder's path is nobody's business but its owner's.
            None => tag.to_owned(),
        };
        let at = epoch().unwrap_or_else(|| attest::created(&fixed.config));
        let named = Named { name: &name, repository: home.as_deref(), at };
        let found = Found::of(fixed);
        let build = Build {
            builder: BUILDER,
            asked,
            invocation: None,
            started: self.started,
            finished: SystemClock.now(),
        };
        let documents: Result<Vec<Document>, _> = self
            .kinds
            .iter()
            .map(|kind| match kind {
                Kind::Sbom => attest::sbom(&named, &found),
                Kind::Vex => attest::vex(&named, &found),
                Kind::Provenance => attest::provenance(&named, fixed, &build),
            })
            .collect();
        let subject = home.as_deref().unwrap_or(tag);
        Ok(attest::attach(repository, &fixed.manifest, subject, &documents?, self.key.as_ref()).await?)
    }
}

/// The time that a build which must be the same twice says it is (reproducible-builds.org, `SOURCE_DATE_EPOCH`).
fn epoch() -> Option<Timestamp> {
    let given = std::env::var("SOURCE_DATE_EPOCH").ok()?;
    Timestamp::from_second(given.parse().ok()?).ok()
}

fn read(path: &Path) -> Result<String> {
    use std::io::Read as _;
    let failed = || io(format!("read the key {}", path.display()));
    let mut text = String::new();
    let file = std::fs::File::open(path).map_err(failed())?;
    file.take(MOST_KEY).read_to_string(&mut text).map_err(failed())?;
    Ok(text)
}

/// A private key from its file.
pub(crate) fn signing_key(path: &Path) -> Result<SigningKey> {
    let password = std::env::var(PASSWORD).ok().map(Secret::new);
    SigningKey::from_pem(&read(path)?, password.as_ref()).map_err(|error| {
        Failure::from(error)
            .hint("`openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256` makes one")
    })
}

/// What is signed or verified: whatever the reference points at, be it an index.
async fn pinned(
    registries: &Registries,
    text: &str,
) -> Result<(std::sync::Arc<dyn Repository>, patchline_registry::Digest, String)> {
    let location = images::location(registries, text)?;
    let repository = registries.open(&location)?;
    let digest = repository.manifest(&location.target()).await?.digest;
    let name = match &location {
        Location::Registry(_) => repository.name(),
        Location::Layout { tag, .. } => tag.clone().unwrap_or_else(|| "image".to_owned()),
    };
    Ok((repository, digest, name))
}

/// `patchline image sign`
pub(crate) async fn sign(registries: &Registries, image: &str, key: &Path) -> Result<Value> {
    let key = signing_key(key)?;
    let (repository, digest, name) = pinned(registries, image).await?;
    let tag = cosign::sign(repository.as_ref(), &digest, &name, &key).await?;
    // Somebody else may have signed in the same moment, and a registry may say yes and keep nothing.
    cosign::verify(repository.as_ref(), &digest, &key.verifying_key()).await?;
    terminal::err(&format!("signed {digest} under the tag {tag}"));
    Ok(serde_json::json!({"digest": digest, "tag": tag}))
}

/// `patchline image verify`
pub(crate) async fn verify(registries: &Registries, image: &str, key: &Path) -> Result<Value> {
    let key = VerifyingKey::from_pem(&read(key)?)?;
    let (repository, digest, _) = pinned(registries, image).await?;
    let signatures = cosign::verify(repository.as_ref(), &digest, &key).await?;
    terminal::err(&format!(
        "{digest} has {signatures} good {}",
        if signatures == 1 { "signature" } else { "signatures" }
    ));
    Ok(serde_json::json!({"digest": digest, "signatures": signatures}))
}
