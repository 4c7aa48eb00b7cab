//! Scans that Harbor asks for: with the advisories, the facts and the store of the server.

use std::sync::Arc;

use async_trait::async_trait;
use jiff::Timestamp;
use patchline_registry::{Digest, Repository};
use patchline_remediation::apt::Apt;
use patchline_scanner::{
    BoxError, Completeness, Inventory, LayerFacts, Report, Reports,
    advisories::{
        Advisories, AdvisorySet,
        apt_security::{self, SecurityUploads as _},
        update,
    },
};
use patchline_server::harbor::{Failed, Scans};

use crate::database::Database;

/// What a scan needs.
pub(super) struct Scanning {
    apt: Apt,
    advisories: Advisories,
    facts: Arc<dyn LayerFacts>,
    reports: Arc<dyn Reports>,
}

impl Scanning {
    pub(super) fn new(apt: &Apt, advisories: &Advisories, database: &Database) -> Self {
        let (facts, reports) = (database.facts.clone(), database.reports.clone());
        Self { apt: apt.clone(), advisories: advisories.clone(), facts, reports }
    }

    /// What the security suite itself fixes; that it cannot be read is told, and the loaded advisories count alone.
    async fn derived(&self, inventory: &Inventory) -> (Option<AdvisorySet>, Option<String>) {
        if inventory.distro.as_ref().is_none_or(|d| d.id != "debian")
            || inventory.of_system().next().is_none()
        {
            return (None, None);
        }
        match self.apt.uploads(inventory).await {
            Ok((uploads, revision)) => (Some(apt_security::derive(inventory, &uploads, &revision)), None),
            Err(error) => (None, Some(format!("the security suite was not read: {error}"))),
        }
    }
}

#[async_trait]
impl Scans for Scanning {
    async fn scan(&self, repository: Arc<dyn Repository>, image: &Digest) -> Result<String, Failed> {
        let scanned = patchline_scanner::inventory(repository.as_ref(), image, self.facts.clone()).await;
        let inventory = scanned.map_err(failed)?;
        self.reports.put_inventory(&inventory).await.map_err(stored)?;
        self.advisories.fetch_newest().await.map_err(failed)?;
        let (derived, doubt) = self.derived(&inventory).await;
        let folder = self.advisories.folder().to_owned();
        // Opening and matching take a while: not on a thread that serves others.
        let matched = tokio::task::spawn_blocking(move || {
            let loaded = AdvisorySet::open(&folder)?;
            let sets: Vec<&AdvisorySet> = loaded.iter().chain(&derived).collect();
            let mut report = patchline_scanner::report(&inventory, &sets);
            let none = sets.is_empty().then(|| "no advisories are loaded".to_owned());
            doubt.into_iter().chain(none).for_each(|reason| note(&mut report, reason));
            Ok(report)
        });
        let aborted = |e: tokio::task::JoinError| failure("scan-aborted", e.to_string());
        let report = matched.await.map_err(aborted)?.map_err(failed)?;
        self.reports.put_report(&report).await.map_err(stored)
    }

    async fn updated(&self) -> Option<Timestamp> {
        let sources = update::status(self.advisories.folder()).ok()?;
        sources.iter().filter_map(|source| source.loaded.parse().ok()).max()
    }
}

fn note(report: &mut Report, reason: String) {
    match &mut report.completeness {
        Completeness::Complete => report.completeness = Completeness::Incomplete { reasons: vec![reason] },
        Completeness::Incomplete { reasons } => reasons.push(reason),
        Completeness::Undetermined { .. } => {}
    }
}

fn failure(code: &str, message: String) -> Failed {
    Failed { code: code.to_owned(), message }
}

fn failed(error: patchline_scanner::Error) -> Failed {
    let mut message = error.to_string();
    let mut source = std::error::Error::source(&error);
    while let Some(cause) = source {
        message.push_str(&format!(": {cause}"));
        source = cause.source();
    }
    failure(error.code(), message)
}

/// What the database said goes to the log alone.
fn stored(error: BoxError) -> Failed {
    tracing::error!(%error, "what was scanned for Harbor cannot be kept");
    failure("store-unreadable", "what was scanned cannot be kept".to_owned())
}
