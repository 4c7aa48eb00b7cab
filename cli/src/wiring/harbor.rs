//! Scans that Harbor asks for: with the advisories, the facts and the store of the server.

use std::sync::Arc;

use async_trait::async_trait;
use jiff::Timestamp;
use patchline_registry::{Digest, Repository};
use patchline_scanner::{BoxError, LayerFacts, Reports, advisories::update};
use patchline_server::harbor::{Failed, Scans};

use super::judge::Judge;
use crate::database::Database;

/// What a scan needs.
pub(super) struct Scanning {
    judge: Judge,
    facts: Arc<dyn LayerFacts>,
    reports: Arc<dyn Reports>,
}

impl Scanning {
    pub(super) fn new(judge: Judge, database: &Database) -> Self {
        Self { judge, facts: database.facts.clone(), reports: database.reports.clone() }
    }
}

#[async_trait]
impl Scans for Scanning {
    async fn scan(&self, repository: Arc<dyn Repository>, image: &Digest) -> Result<String, Failed> {
        let scanned = patchline_scanner::inventory(repository.as_ref(), image, self.facts.clone()).await;
        let inventory = scanned.map_err(failed)?;
        self.reports.put_inventory(&inventory).await.map_err(stored)?;
        let report = self.judge.judge(inventory).await.map_err(failed)?.report;
        self.reports.put_report(&report).await.map_err(stored)
    }

    async fn updated(&self) -> Option<Timestamp> {
        let sources = update::status(self.judge.advisories().folder()).ok()?;
        sources.iter().filter_map(|source| source.loaded.parse().ok()).max()
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
