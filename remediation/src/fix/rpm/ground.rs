//! What a decision about rpm's packages stands on: the image's tree and database, and where its repositories are.

use std::{
    collections::BTreeSet,
    sync::{Arc, OnceLock},
};

use patchline_scanner::Distro;
use serde_json::Value;

use super::super::Remediator;
use crate::{
    Error, Result,
    executor::{
        Choice, Executor,
        engine::Error as EngineError,
        sandbox::{Failure, Fault, machine, rpm},
    },
    plan::rpm::shadow::Accounts,
    rpm::{Database, Repositories, Variables},
    tooling::{Tools, Wanted},
    tree::{Tree, image_blocking as blocking},
};

/// Read once.
pub(crate) struct Ground {
    pub(crate) tree: Tree,
    pub(crate) database: Database,
    pub(super) accounts: Accounts,
    architecture: String,
    /// The same as the image's configuration has it.
    platform: String,
    /// Another image's rpm, where this one has none; found when it is first asked for.
    tools: OnceLock<Tools>,
    /// How people call the system.
    system: String,
    /// Of the image's own repositories.
    texts: Vec<String>,
}

/// rpm's name of an image's platform.
fn architecture(config: &Value) -> Option<&'static str> {
    Some(match config.get("architecture").and_then(Value::as_str)? {
        "amd64" => "x86_64",
        "arm64" => "aarch64",
        "386" => "i686",
        "arm" => "armv7hl",
        "ppc64le" => "ppc64le",
        "s390x" => "s390x",
        "riscv64" => "riscv64",
        "loong64" => "loongarch64",
        _ => return None,
    })
}

/// How people call a system.
fn called(distro: Option<&Distro>) -> String {
    distro.map_or("the image".to_owned(), |distro| {
        distro.pretty_name.clone().unwrap_or_else(|| distro.id.clone())
    })
}

impl Ground {
    /// Of a tree that was read for rpm; none: it has no database of rpm.
    ///
    /// # Errors
    /// It has a damaged one.
    pub(crate) fn of(tree: Tree, config: &Value, distro: Option<&Distro>) -> Result<Option<Arc<Self>>> {
        let Some(database) = Database::read(&tree)? else { return Ok(None) };
        let architecture = database.architecture().or_else(|| architecture(config));
        let architecture = architecture.unwrap_or("noarch").to_owned();
        let files = tree.under("etc/yum.repos.d").map(|(path, _)| path);
        let mut left = crate::rpm::limits::SOURCE_TEXT;
        let texts = files
            .filter(|path| path.ends_with(".repo"))
            .filter_map(|path| tree.text(path).map(|text| text.into_owned()))
            .take_while(|text| {
                let fits = text.len() <= left;
                left = left.saturating_sub(text.len());
                fits
            })
            .collect();
        let accounts = Accounts::of(&tree);
        let system = called(distro);
        let platform = config.get("architecture").and_then(Value::as_str).unwrap_or_default().to_owned();
        let tools = OnceLock::new();
        let this = Self { tree, database, accounts, architecture, platform, tools, system, texts };
        Ok(Some(Arc::new(this)))
    }

    /// Who writes its database.
    pub(crate) fn executor(&self, choice: Choice) -> Executor {
        match self.database.headers {
            Some(_) => choice.always().unwrap_or(Executor::Sandbox),
            None => Executor::Native,
        }
    }

    /// Whose rpm writes its database; none: its own.
    pub(crate) fn tools(&self) -> Option<&Tools> {
        self.tools.get()
    }

    /// The lowest version of each source's installed packages.
    pub(crate) fn versions(&self) -> std::collections::BTreeMap<String, String> {
        self.database.lowest()
    }

    /// Reads the image's repositories where they are mirrored.
    ///
    /// # Errors
    /// Whoever must write its database may not, or cannot here; and what the repositories say.
    pub(crate) async fn repositories(
        self: &Arc<Self>,
        remediator: &Remediator,
        distro: Option<&Distro>,
    ) -> Result<Repositories> {
        self.can_be_written(remediator, distro).await?;
        let Some(rpm) = &remediator.rpm else {
            return Err(Error::NoRpmMirror { system: self.system.clone() });
        };
        let variables = Variables {
            distribution: distro.map(|distro| distro.id.clone()).unwrap_or_default(),
            release: distro.and_then(|distro| distro.version_id.clone()).unwrap_or_default(),
            architecture: self.architecture.clone(),
        };
        let names: BTreeSet<String> = self.database.packages.keys().cloned().collect();
        rpm.repositories(&self.system, &self.texts, &variables, names).await
    }

    /// Before anything is fetched.
    async fn can_be_written(
        self: &Arc<Self>,
        remediator: &Remediator,
        distro: Option<&Distro>,
    ) -> Result<()> {
        let Some(path) = self.database.headers else {
            let reason = "images with rpm's text manifests have no rpm that could run in one".to_owned();
            return match remediator.choice {
                Choice::Sandbox => Err(Failure { fault: Fault::Unavailable, reason }.into()),
                Choice::EngineApi => Err(EngineError::Unavailable { reason }.into()),
                Choice::Auto | Choice::Native => Ok(()),
            };
        };
        let (system, path) = (self.system.clone(), path.to_owned());
        if rpm::program(&self.tree).is_none() && !self.has_tools(remediator, distro, &path).await? {
            return Err(Error::RpmMissing { system, path });
        }
        if remediator.choice == Choice::EngineApi && self.tools().is_some() {
            let reason = "tools of another image work in the sandbox alone".to_owned();
            return Err(EngineError::Unavailable { reason }.into());
        }
        if remediator.choice == Choice::EngineApi {
            let (engine, ground) = (remediator.engine()?.clone(), self.clone());
            return blocking(move || Ok(engine.suits(&ground.tree, &ground.architecture)?)).await;
        }
        let reason = match (remediator.choice, &remediator.sandbox) {
            (Choice::Native, _) => "the executor `native` was asked for, which runs nothing".to_owned(),
            (_, None) => "nobody said how one is made".to_owned(),
            (_, Some(sandbox)) => {
                let (sandbox, ground) = (sandbox.clone(), self.clone());
                let suits = move || {
                    let trees = [&ground.tree].into_iter().chain(ground.tools().map(|tools| &tools.tree));
                    Ok(machine::suits(&sandbox, trees, &ground.architecture))
                };
                let suits = blocking(suits).await?;
                let Err(reason) = suits else { return Ok(()) };
                reason
            }
        };
        Err(Error::SandboxNeeded { system, path, reason })
    }

    /// Whether somebody named an image whose rpm can do it.
    async fn has_tools(
        &self,
        remediator: &Remediator,
        distro: Option<&Distro>,
        database: &str,
    ) -> Result<bool> {
        let Some(tooling) = remediator.tooling.as_ref().filter(|_| self.tools().is_none()) else {
            return Ok(self.tools().is_some());
        };
        let wanted = Wanted { architecture: &self.platform, distro, database };
        Ok(match tooling.find(&wanted, &remediator.facts).await? {
            // Whoever was here first found the same.
            Some(tools) => {
                self.tools.get_or_init(|| tools);
                true
            }
            None => false,
        })
    }
}
