//! What a fix attaches to what it made: made from the proof, before the tag is written.

use jiff::Timestamp;
use patchline_engine::StepError;
use patchline_registry::Repository;
use patchline_remediation::{
    Error as RemediationError, FixedImage,
    attest::{self, Build, Found, Kind, Named, SigningKey},
};
use serde_json::Value;

use super::params::Params;
use crate::World;

/// Who vouches for provenance that a chain's fix wrote.
const BUILDER: &str = "https://patchline.dev/builder/chain";
/// Digests that an output names.
const MOST_NAMED: usize = 50;

/// What a chain asks for.
pub(super) struct Asked<'a> {
    world: &'a World,
    kinds: Vec<Kind>,
    key: Option<&'a SigningKey>,
    /// The step's parameters as they were rendered: what was asked for.
    with: Value,
    started: Timestamp,
}

impl<'a> Asked<'a> {
    /// Before anything is done: a key that is not there is told at once.
    pub(super) fn read(world: &'a World, params: &Params, with: &Value) -> Result<Self, StepError> {
        let key = params.sign_key.as_deref().map(|name| world.signers.get(name)).transpose()?;
        // Where packages are fetched from is this server's business.
        let mut with = with.clone();
        if let Some(with) = with.as_object_mut() {
            with.remove("mirrors");
        }
        let kinds = crate::attest::kinds(&params.attest)?;
        Ok(Self { world, kinds, key, with, started: world.clock.now() })
    }

    /// Attaches everything to one platform's fixed image, which stands in the repository by its digest.
    pub(super) async fn attach(
        &self,
        repository: &dyn Repository,
        fixed: &FixedImage,
        tag: &str,
        run: &str,
    ) -> Result<Vec<String>, RemediationError> {
        let home = repository.origin().map(|_| repository.name());
        let name = home.as_ref().map_or_else(|| tag.to_owned(), |home| format!("{home}:{tag}"));
        let named = Named { name: &name, repository: home.as_deref(), at: attest::created(&fixed.config) };
        let found = Found::of(fixed);
        let build = Build {
            builder: BUILDER,
            asked: self.with.clone(),
            invocation: Some(run.to_owned()),
            started: self.started,
            finished: self.world.clock.now(),
        };
        let mut documents = Vec::new();
        for kind in &self.kinds {
            documents.push(match kind {
                Kind::Sbom => attest::sbom(&named, &found)?,
                Kind::Vex => attest::vex(&named, &found)?,
                Kind::Provenance => attest::provenance(&named, fixed, &build)?,
            });
        }
        let subject = home.as_deref().unwrap_or(tag);
        let attached = attest::attach(repository, &fixed.manifest, subject, &documents, self.key).await?;
        Ok(attached.into_iter().take(MOST_NAMED).map(|one| one.digest.to_string()).collect())
    }
}
