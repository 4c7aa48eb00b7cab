//! `sign`: signs the pinned image as cosign does, once its gate has passed.
//!
//! What a chain's `needs` and `when` say is not enough here: a signature is a promise to others. So the step looks for
//! itself whether a gate of this run has passed and none has not. A fixed image has a run of its own, and in it a gate of
//! its own: a signature of the original never covers it (decision 31).

use async_trait::async_trait;
use patchline_chains::{
    Field, Param, ParamType, StepKind, ValueType,
    catalogue::{Effect, Objection, Rehearsed, StepInPlan},
};
use patchline_engine::{Context, Outcome, Step, StepError, StepStatus, step::Intent};
use patchline_registry::{Error as RegistryError, Repository};
use patchline_remediation::attest::cosign;
use serde::Deserialize;
use serde_json::json;

use crate::{
    World,
    catalogue::{objection, required},
    doubt::Doubt,
    failure,
    image::Image,
    params,
};

/// As chains are checked.
pub(crate) struct Kind;

impl StepKind for Kind {
    fn name(&self) -> &'static str {
        "sign"
    }

    fn summary(&self) -> &'static str {
        "signs the image as cosign does, with a key of the server's configuration, once its gate has passed"
    }

    fn params(&self) -> Vec<Param> {
        vec![required("key", ParamType::String, "a signing key of the configuration").example("release")]
    }

    fn outputs(&self) -> Vec<Field> {
        vec![
            Field::new("digest", ValueType::Text, "that was signed"),
            Field::new("tag", ValueType::Text, "where the signature is"),
            Field::new("key", ValueType::Text, "the name of the key"),
            Field::new("verified", ValueType::Bool, "the signature was read back and holds"),
            Field::new("summary", ValueType::Text, "one line for people"),
        ]
    }

    fn check(&self, step: &StepInPlan<'_>) -> Vec<Objection> {
        if params::stands_before(step, "gate") {
            return Vec::new();
        }
        vec![objection(
            &[],
            "sign-without-gate",
            "a signature needs a gate before it: it says that the image has passed",
            "add a step that `uses: gate` before it",
        )]
    }

    fn effects(&self, step: &Rehearsed<'_>) -> Vec<Effect> {
        let target = Image::rehearsed(step.image).map(|image| image.named(None)).unwrap_or_default();
        vec![Effect { verb: "sign", target }]
    }
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Params {
    key: String,
}

/// The step.
pub(crate) struct Sign {
    world: World,
}

impl Sign {
    pub(crate) fn new(world: World) -> Self {
        Self { world }
    }
}

#[async_trait]
impl Step for Sign {
    fn kind(&self) -> &'static str {
        "sign"
    }

    async fn run(&self, context: Context) -> Result<Outcome, StepError> {
        let params: Params = params::read(&context.with)?;
        passed(&context)?;
        let key = self.world.signers.get(&params.key)?;
        let public = key.verifying_key();
        let image = Image::of(&context)?;
        let repository = image.open(&self.world.registries)?;
        let target = image.place(&self.world.registries).target(None, &image.digest);
        let doubt = Doubt::of(&context, "sign", &target).await?;
        let intent = Intent { kind: "sign".into(), target, detail: json!({"key": params.key}), done: false };
        let log = &context.effects.log;
        log.intend(&context.run, &context.step, &intent).await.map_err(failure::engine)?;
        let signing = async {
            let tag = cosign::sign(&*repository, &image.digest, &repository.name(), key).await?;
            // Somebody else may have signed in the same moment, and a registry may say yes and keep nothing.
            cosign::verify(&*repository, &image.digest, &public).await?;
            Ok::<_, patchline_remediation::Error>(tag)
        };
        let tag = match signing.await.map_err(failure::remediation) {
            Ok(tag) => tag,
            Err(error) => {
                let stands = async || stands(&*repository, &image, &public).await;
                return Err(doubt.failed(error, true, stands).await);
            }
        };
        doubt.made().await?;
        Ok(Outcome::succeeded(json!({
            "digest": image.digest,
            "tag": tag,
            "key": params.key,
            "verified": true,
            "summary": format!("{} signed with {}", image.short(), params.key),
        })))
    }
}

/// Whether a signature of this key is there, whoever made it.
async fn stands(
    repository: &dyn Repository,
    image: &Image,
    key: &patchline_remediation::attest::VerifyingKey,
) -> Result<bool, RegistryError> {
    use patchline_remediation::Error;
    match cosign::verify(repository, &image.digest, key).await {
        Ok(_) => Ok(true),
        Err(Error::Registry(error)) => Err(error),
        Err(_) => Ok(false),
    }
}

/// At least one gate of this run has passed, and none has not.
fn passed(context: &Context) -> Result<(), StepError> {
    let gates = || context.steps.iter().filter(|(_, kind, _)| kind == "gate");
    let refused = gates().find(|(.., status)| {
        matches!(
            status,
            StepStatus::Denied | StepStatus::Failed | StepStatus::Cancelled | StepStatus::Unknown
        )
    });
    if let Some((name, ..)) = refused {
        let text = format!("gate `{name}` has not let this image pass, and it is not signed");
        return Err(StepError::permanent("gate-not-passed", text));
    }
    if !gates().any(|(.., status)| *status == StepStatus::Succeeded) {
        return Err(StepError::permanent(
            "gate-not-passed",
            "no gate of this run has passed yet, and the image is not signed",
        ));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use patchline_registry::Digest;
    use patchline_remediation::attest::SigningKey;
    use serde_json::Value;

    use super::*;
    use crate::{
        signers::Signers,
        testing::{self, Bench},
    };

    async fn bench() -> (Bench, Digest, SigningKey) {
        let mut bench = Bench::start().await;
        bench.world.signers =
            std::sync::Arc::new(Signers::new([("release".to_owned(), testing::key())].into()));
        let digest = bench.push("shop/web", "v1", "one").await;
        (bench, digest, testing::key())
    }

    async fn sign(bench: &Bench, digest: &Digest, key: &str, gates: &[StepStatus]) -> Result<Value, String> {
        let steps: Vec<_> = gates.iter().map(|status| ("gate", "gate", *status, json!({}))).collect();
        let context = bench.context(("shop/web", Some("v1"), digest), json!({"key": key}), &steps);
        match Sign::new(bench.world.clone()).run(context).await {
            Ok(Outcome::Succeeded { output, .. }) => Ok(output),
            Ok(other) => panic!("{other:?}"),
            Err(error) => Err(error.code),
        }
    }

    #[tokio::test]
    async fn an_image_is_signed_once_its_gate_has_passed() {
        let (bench, digest, key) = bench().await;
        let repository = bench.repository("shop/web");
        for gates in [
            vec![],
            vec![StepStatus::Denied],
            vec![StepStatus::Failed],
            vec![StepStatus::Skipped],
            vec![StepStatus::Blocked],
            vec![StepStatus::Succeeded, StepStatus::Denied],
        ] {
            let refused = sign(&bench, &digest, "release", &gates).await;
            assert_eq!(refused, Err("gate-not-passed".to_owned()), "{gates:?}");
        }
        assert_eq!(
            sign(&bench, &digest, "no", &[StepStatus::Succeeded]).await,
            Err("signing-key-unknown".into())
        );
        assert!(bench.memory.all().is_empty(), "nothing was begun");
        assert_eq!(repository.tags().await.expect("tags"), ["v1"]);

        for _ in 0..2 {
            let output =
                sign(&bench, &digest, "release", &[StepStatus::Succeeded, StepStatus::Skipped]).await;
            let output = output.expect("signed");
            assert_eq!(output["tag"], format!("sha256-{}.sig", digest.hex()));
            assert!(crate::fits::misfits(&Kind.outputs(), &output).is_empty(), "{output}");
        }
        let signatures = cosign::verify(&*repository, &digest, &key.verifying_key()).await;
        assert_eq!(signatures.expect("signed"), 1, "twice is once");
        assert!(bench.memory.open().await.is_empty(), "nothing is in doubt");
        let kept = format!("{:?}", bench.memory.all());
        assert!(!kept.contains("PRIVATE") && !kept.contains(&testing::KEY[..16]), "no key is kept: {kept}");
    }

    #[tokio::test]
    async fn an_image_that_is_gone_is_not_signed() {
        let (bench, digest, _) = bench().await;
        bench.repository("shop/web").delete_manifest(&digest).await.expect("deleted");
        let refused = sign(&bench, &digest, "release", &[StepStatus::Succeeded]).await;
        assert_eq!(refused, Err("image-not-found".to_owned()));
        let tag = cosign::tag(&digest, "sig");
        assert!(bench.repository("shop/web").resolve(&tag).await.expect("an answer").is_none());
    }
}
