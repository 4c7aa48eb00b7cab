//! Whether a sandbox, or a daemon's container, takes what cannot go up without running something; and what is said of it.

use std::sync::Arc;

use super::Remediator;
use crate::{
    Result,
    executor::{
        Choice, Executor,
        engine::Error as EngineError,
        sandbox::{Failure, Fault, machine},
    },
    plan::Blocked,
    tree::{Tree, image_blocking as blocking},
};

/// A system whose own tools may be asked to upgrade it.
pub(super) trait Workable: Send + Sync + 'static {
    fn tree(&self) -> &Tree;
    /// As its database names it.
    fn architecture(&self) -> &str;
    /// Whether it brings what is run; what it lacks, for people.
    fn has_tools(&self) -> Result<(), String>;
}

/// Whether a sandbox takes what needs one; asked for when the first does.
pub(super) enum Ability {
    Unknown,
    Able,
    /// And why not, where one was wished for.
    Unable(Option<String>),
}

impl Ability {
    /// Before anything needs one: found out at once where somebody asked for one for everything.
    ///
    /// # Errors
    /// It was asked for, and there is none.
    pub(super) async fn first(remediator: &Remediator, system: &Arc<impl Workable>) -> Result<Self> {
        match remediator.choice.always() {
            Some(_) => find(remediator, system).await,
            None => Ok(Self::Unknown),
        }
    }

    /// Whether this one can go up after all.
    pub(super) async fn takes(
        &mut self,
        remediator: &Remediator,
        system: &Arc<impl Workable>,
        why: &Blocked,
    ) -> Result<bool> {
        if why.code != "script-needs-sandbox" {
            return Ok(false);
        }
        if matches!(self, Self::Unknown) {
            *self = find(remediator, system).await?;
        }
        Ok(matches!(self, Self::Able))
    }

    /// A refusal that says why the sandbox did not take it, either.
    pub(super) fn explained(&self, why: &Blocked) -> Blocked {
        match self {
            Self::Unable(Some(reason)) if why.code == "script-needs-sandbox" => {
                Blocked { reason: format!("{}; {reason}", why.reason), ..why.clone() }
            }
            _ => why.clone(),
        }
    }
}

async fn find(remediator: &Remediator, system: &Arc<impl Workable>) -> Result<Ability> {
    let system = system.clone();
    if remediator.choice == Choice::EngineApi {
        let engine = remediator.engine()?.clone();
        let suits = move || {
            system.has_tools().map_err(|reason| EngineError::Unavailable { reason })?;
            Ok(engine.suits(system.tree(), system.architecture())?)
        };
        return blocking(suits).await.map(|()| Ability::Able);
    }
    let unable = match (remediator.choice, &remediator.sandbox) {
        (Choice::Native | Choice::EngineApi, _) | (Choice::Auto, None) => None,
        (Choice::Sandbox, None) => Some("nobody said how one is made".to_owned()),
        (Choice::Auto | Choice::Sandbox, Some(sandbox)) => {
            let sandbox = sandbox.clone();
            let suits = move || {
                let tools = system.has_tools();
                Ok(tools.and_then(|()| machine::suits(&sandbox, [system.tree()], system.architecture())))
            };
            let Err(reason) = blocking(suits).await? else { return Ok(Ability::Able) };
            Some(reason)
        }
    };
    match unable {
        Some(reason) if remediator.choice == Choice::Sandbox => {
            Err(Failure { fault: Fault::Unavailable, reason }.into())
        }
        unable => Ok(Ability::Unable(unable)),
    }
}

/// Who lays all of an image's upgrades, for they are one tree: `always` whoever was asked for, else the sandbox where one is
/// `needed`.
pub(super) fn executor(always: Option<Executor>, needed: bool) -> Executor {
    let by_itself = if needed { Executor::Sandbox } else { Executor::Native };
    always.unwrap_or(by_itself)
}

/// Why a package is laid by whom it is. `needed`: any of them needs a sandbox; `needs`: why this one does; `by_itself`: why it
/// would not.
pub(super) fn because(
    executor: Executor,
    needed: bool,
    needs: Option<&String>,
    by_itself: Option<&String>,
) -> String {
    match (executor, needs, by_itself) {
        (Executor::EngineApi, Some(needs), _) => {
            format!("run in a container of the daemon, as was asked for: {needs}")
        }
        (Executor::EngineApi, _, _) => "a container of the daemon was asked for".to_owned(),
        (_, Some(needs), _) => format!("run in the sandbox: {needs}"),
        (Executor::Sandbox, _, Some(by_itself)) if needed => {
            format!("goes along into the sandbox, one tool for one tree; by itself: {by_itself}")
        }
        (Executor::Sandbox, _, _) => "the sandbox was asked for".to_owned(),
        (Executor::Native, _, by_itself) => by_itself.cloned().unwrap_or_default(),
    }
}
