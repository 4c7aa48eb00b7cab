//! Comparisons and plans that the server is asked for: with its advisories, its repositories and its store.

use std::{path::PathBuf, sync::Arc};

use async_trait::async_trait;
use patchline_remediation::{
    Draft, FixRequest, Remediator,
    diff::{self, Changes},
    fix::Fixes,
    languages::{Languages, Sources},
};
use patchline_scanner::{Inventory, LayerFacts};
use patchline_server::{
    Error, Result,
    bench::{Ask, Bench, Spot},
};

use super::judge::{Judge, Judged};

/// What the work needs.
pub(super) struct Benching {
    pub(super) judge: Judge,
    pub(super) remediator: Remediator,
    pub(super) facts: Arc<dyn LayerFacts>,
    pub(super) fixes: Arc<dyn Fixes>,
    /// Emptied at the start.
    pub(super) scratch: PathBuf,
}

impl Benching {
    async fn look(&self, spot: &Spot, facts: Arc<dyn LayerFacts>) -> Result<(Inventory, Judged)> {
        let inventory = patchline_scanner::inventory(spot.repository.as_ref(), &spot.manifest, facts).await?;
        Ok((inventory.clone(), self.judge.judge(inventory).await?))
    }
}

#[async_trait]
impl Bench for Benching {
    async fn changes(&self, before: Spot, after: Spot) -> Result<Changes> {
        let image = diff::images(
            (before.repository.as_ref(), &before.manifest),
            (after.repository.as_ref(), &after.manifest),
            &self.facts,
        )
        .await?;
        let (old, was) = self.look(&before, self.facts.clone()).await?;
        let (new, is) = self.look(&after, self.facts.clone()).await?;
        Ok(Changes::of((&old, &was.report), (&new, &is.report), image))
    }

    async fn draft(&self, ask: Ask) -> Result<Draft> {
        let Ask { spot, select, policy, executor, denied, languages } = ask;
        let mut remediator = self.remediator.clone().choosing(executor).denying(denied);
        if languages {
            remediator = remediator.with_languages(Languages::new(Sources::from_machine()));
        }
        // Each layer is read once, for the scan and for the plan.
        // Nobody says here which platform it is; most images are of their server's.
        let beside = remediator.beside(&crate::images::this_platform());
        let (_, judged) = self.look(&spot, beside.clone()).await?;
        let keeping = beside.keep().await?;
        let remediator = remediator.having_read(beside);
        let stored = |source| Error::Stored { what: "fix", source };
        let recorded = self.fixes.fix_of(&spot.manifest).await.map_err(stored)?;
        let scratch = tempfile::tempdir_in(&self.scratch).map_err(|source| patchline_scanner::Error::Io {
            operation: "the folder for work cannot be made".to_owned(),
            source,
        })?;
        let request = FixRequest {
            repository: spot.repository.as_ref(),
            manifest: spot.manifest.clone(),
            tag: spot.tag.clone(),
            recorded: recorded.map(|(origin, _)| origin),
            report: &judged.report,
            advisories: &judged.sets(),
            select,
            policy,
            scratch: scratch.path().to_owned(),
            progress: Arc::new(|_, _, _| {}),
        };
        let draft = remediator.draft(&request).await?;
        keeping.done().await?;
        Ok(draft)
    }
}
