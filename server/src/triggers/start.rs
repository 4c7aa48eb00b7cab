//! A start by a person or the API: the chain by name, the image by reference, parameters checked.

use std::sync::Arc;

use patchline_chains::Plan;
use patchline_engine::{Subject, Submission, Submitted, Trigger, TriggerKind};
use patchline_registry::Reference;
use serde_json::{Map, Value};

use super::subject;
use crate::{Error, Result, ServerContext};

/// Starts `chain` over `image`; `source` says through what (`api`, `cli`). Starting again what runs already gives that run.
pub async fn start(
    context: &ServerContext,
    source: &str,
    chain: &str,
    image: &str,
    params: Map<String, Value>,
) -> Result<Submitted> {
    let plan = context.chains.iter().find(|plan| plan.chain == chain).ok_or_else(|| Error::NoSuchChain {
        name: chain.chars().take(100).collect(),
        known: context.chains.iter().map(|plan| plan.chain.clone()).collect(),
    })?;
    check_params(plan, &params)?;
    // Not a `Location`: a request from the network must not open folders of this machine.
    let reference: Reference = image.parse()?;
    let subject = over(context, plan, &subject::named(&context.registries, &reference)).await?;
    submit(context, source, plan, subject, params).await
}

/// What a run of this chain over an image is about, where the chain handles it.
pub(crate) async fn over(context: &ServerContext, plan: &Plan, reference: &Reference) -> Result<Subject> {
    if !context.registries.is_configured(&reference.registry) {
        return Err(patchline_registry::Error::UnknownRegistry(reference.registry.clone()).into());
    }
    if !plan.matches(&reference.registry, &reference.repository, reference.tag.as_deref()) {
        return Err(Error::OutOfScope { image: reference.to_string(), chain: plan.chain.clone() });
    }
    let subject = subject::resolve(&context.registries, &*context.fixes, reference).await?;
    Ok(subject::for_chain(&subject, plan))
}

/// Starts it by hand.
pub(crate) async fn submit(
    context: &ServerContext,
    source: &str,
    plan: &Arc<Plan>,
    subject: Subject,
    params: Map<String, Value>,
) -> Result<Submitted> {
    let submission = Submission {
        subject,
        plan: Some(Arc::clone(plan)),
        trigger: Trigger { kind: TriggerKind::Manual, source: source.to_owned(), event_id: None },
        params: Value::Object(params),
        parent: None,
    };
    let mut submitted = context.engine.submit(vec![submission]).await?;
    submitted.pop().ok_or(Error::Engine(patchline_engine::Error::Stopping))
}

/// Every name is one of the chain's, every value of its default's type.
fn check_params(plan: &Plan, params: &Map<String, Value>) -> Result<()> {
    for (name, value) in params {
        let invalid = |reason: String| Error::InvalidParam { name: name.chars().take(100).collect(), reason };
        let Some(default) = plan.params.get(name) else {
            return Err(invalid(format!("is not one of chain `{}`", plan.chain)));
        };
        if !default.is_null() && kind(default) != kind(value) {
            return Err(invalid(format!("is {}, expected {}", kind(value), kind(default))));
        }
    }
    Ok(())
}

fn kind(value: &Value) -> &'static str {
    match value {
        Value::Null => "nothing",
        Value::Bool(_) => "true or false",
        Value::Number(_) => "a number",
        Value::String(_) => "a text",
        Value::Array(_) => "a list",
        Value::Object(_) => "a map",
    }
}
