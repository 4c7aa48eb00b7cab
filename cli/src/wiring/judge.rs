//! What the server itself looks at, apart from any run: an inventory, held against the advisories of now.

use patchline_remediation::apt::Apt;
use patchline_scanner::{
    Completeness, Error, Inventory, Report,
    advisories::{
        Advisories, AdvisorySet,
        apt_security::{self, SecurityUploads as _},
    },
};

/// What is known today.
#[derive(Clone)]
pub(super) struct Judge {
    apt: Apt,
    advisories: Advisories,
}

/// A report and what it was made from.
pub(super) struct Judged {
    pub(super) report: Report,
    sets: Vec<AdvisorySet>,
}

impl Judged {
    /// In the order in which the report was made from them.
    pub(super) fn sets(&self) -> Vec<&AdvisorySet> {
        self.sets.iter().collect()
    }
}

impl Judge {
    pub(super) fn new(apt: &Apt, advisories: &Advisories) -> Self {
        Self { apt: apt.clone(), advisories: advisories.clone() }
    }

    pub(super) fn advisories(&self) -> &Advisories {
        &self.advisories
    }

    /// What is wrong with what was found. A report that less was known for says so.
    pub(super) async fn judge(&self, inventory: Inventory) -> Result<Judged, Error> {
        self.advisories.fetch_newest().await?;
        let (derived, doubt) = self.derived(&inventory).await;
        let folder = self.advisories.folder().to_owned();
        // Opening and matching take a while: not on a thread that serves others.
        let matched = tokio::task::spawn_blocking(move || {
            let sets: Vec<AdvisorySet> = AdvisorySet::open(&folder)?.into_iter().chain(derived).collect();
            let mut report = patchline_scanner::report(&inventory, &sets.iter().collect::<Vec<_>>());
            let none = sets.is_empty().then(|| "no advisories are loaded".to_owned());
            doubt.into_iter().chain(none).for_each(|reason| note(&mut report, reason));
            Ok(Judged { report, sets })
        });
        matched.await.map_err(|aborted| Error::Io {
            operation: "the image was not matched with the advisories".to_owned(),
            source: std::io::Error::other(aborted),
        })?
    }

    /// What the security suite itself fixes; that it cannot be read is told, and the loaded advisories count alone.
    async fn derived(&self, inventory: &Inventory) -> (Option<AdvisorySet>, Option<String>) {
        if !self.apt.reads_uploads(inventory) || inventory.of_system().next().is_none() {
            return (None, None);
        }
        match self.apt.uploads(inventory).await {
            Ok((uploads, revision)) => (Some(apt_security::derive(inventory, &uploads, &revision)), None),
            Err(error) => (None, Some(format!("the security suite was not read: {error}"))),
        }
    }
}

fn note(report: &mut Report, reason: String) {
    match &mut report.completeness {
        Completeness::Complete => report.completeness = Completeness::Incomplete { reasons: vec![reason] },
        Completeness::Incomplete { reasons } => reasons.push(reason),
        Completeness::Undetermined { .. } => {}
    }
}
