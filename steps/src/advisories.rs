//! Which advisory sets hold for one image: the loaded ones, and what its security suite itself says.

use std::path::Path;

use patchline_engine::{Context, ErrorClass, StepError};
use patchline_registry::Digest;
use patchline_remediation::{Error as RemediationError, Remediator};
use patchline_scanner::{
    Error as ScannerError, Inventory,
    advisories::{Advisories, AdvisorySet, apt_security},
};

use crate::failure;

/// The sets, in the order in which reports are made from them.
pub(crate) struct Sets {
    loaded: Option<AdvisorySet>,
    derived: Option<AdvisorySet>,
    /// Why the security suite was not read, where it should have been.
    pub(crate) doubt: Option<String>,
}

/// Which of the loaded revisions.
pub(crate) enum Revision<'a> {
    /// The newest.
    Newest,
    /// The one that a report was made from: `report.advisory_revision`.
    Of(&'a str),
}

impl Sets {
    /// Opens the loaded set and derives the other one.
    pub(crate) async fn read(
        context: &Context,
        advisories: &Advisories,
        revision: Revision<'_>,
        remediator: &Remediator,
        inventory: &Inventory,
    ) -> Result<Self, StepError> {
        let wanted = match revision {
            Revision::Newest => None,
            Revision::Of(text) => Some(text.to_owned()),
        };
        // Another machine may have loaded it: then it is fetched, once.
        match wanted.as_deref().map(|text| names(text).find(|name| is_loaded(name))) {
            None => drop(advisories.fetch_newest().await.map_err(failure::scanner)?),
            Some(Some(revision)) => advisories.fetch(revision).await.map_err(failure::scanner)?,
            Some(None) => {}
        }
        // Opening reads megabytes: not on a thread that serves others.
        let (of_report, folder) = (wanted.clone(), advisories.folder().to_owned());
        let loaded =
            tokio::task::spawn_blocking(move || open(&folder, of_report.as_deref())).await.map_err(
                |e| StepError::permanent("scan-aborted", format!("reading advisories was aborted: {e}")),
            )??;
        let (derived, doubt) = derive(context, remediator, inventory).await?;
        if let (Some(wanted), None) = (&wanted, &derived)
            && let Some(state) = names(wanted).find(|name| !is_loaded(name))
        {
            let why = doubt.as_deref().unwrap_or(
                "the image has no packages of that system any more, or its mirror is named no longer",
            );
            return Err(gone(&format!("state {state} of the security suite"), why));
        }
        Ok(Self { loaded, derived, doubt })
    }
    /// In order.
    pub(crate) fn all(&self) -> Vec<&AdvisorySet> {
        self.loaded.iter().chain(&self.derived).collect()
    }
}

/// One fix uses one revision for plan and proof: the newest only while it is the report's. A report's revision that
/// is gone is an error, never silence: a proof by fewer advisories would prove too much.
fn open(folder: &Path, wanted: Option<&str>) -> Result<Option<AdvisorySet>, StepError> {
    let newest = || AdvisorySet::open(folder).map_err(failure::scanner);
    let Some(wanted) = wanted else { return newest() };
    let Some(revision) = names(wanted).find(|name| is_loaded(name)) else { return Ok(None) };
    match AdvisorySet::open_revision(folder, revision) {
        Ok(set) => Ok(Some(set)),
        Err(ScannerError::Io { source, .. }) if source.kind() == std::io::ErrorKind::NotFound => {
            Err(gone(&format!("revision {revision} of the advisories"), "newer ones have taken its place"))
        }
        Err(error) => Err(failure::scanner(error)),
    }
}

/// The sets of a report, as `report.advisory_revision` names them.
fn names(revision: &str) -> impl Iterator<Item = &str> {
    revision.split(',').filter(|name| *name != "none")
}

/// Whether a set of the advisory folder is meant, which has its content's digest as its name, and not the state of a
/// repository.
fn is_loaded(name: &str) -> bool {
    name.parse::<Digest>().is_ok()
}

fn gone(what: &str, why: &str) -> StepError {
    StepError::permanent(
        "advisory-revision-gone",
        format!("the scan used {what}, which cannot be read again ({why}): start the chain again"),
    )
}

/// What the security suite itself fixes. A suite that nobody configured, or
/// that is not there, leaves a report with less in it, which then says so;
/// one that cannot be trusted is an error.
async fn derive(
    context: &Context,
    remediator: &Remediator,
    inventory: &Inventory,
) -> Result<(Option<AdvisorySet>, Option<String>), StepError> {
    if !remediator.apt().reads_uploads(inventory) || inventory.of_system().next().is_none() {
        return Ok((None, None));
    }
    context.news.progress("security suite", 0, 0);
    let source: &dyn apt_security::SecurityUploads = remediator.apt();
    match source.uploads(inventory).await {
        Ok((uploads, revision)) => Ok((Some(apt_security::derive(inventory, &uploads, &revision)), None)),
        Err(error) => match error.downcast::<RemediationError>() {
            Ok(error) if is_absent(&error) => {
                let reason = StepError::new(ErrorClass::Permanent, error.code(), &*error).message;
                let reason = format!("the security suite was not read: {reason}");
                context.news.note(reason.clone()).await;
                Ok((None, Some(reason)))
            }
            Ok(error) => Err(failure::remediation(*error)),
            Err(error) => Err(StepError::new(ErrorClass::Permanent, "security-suite-failed", &*error)),
        },
    }
}

/// No repository to ask, as against one that fails or lies.
pub(crate) fn is_absent(error: &RemediationError) -> bool {
    error.is_of_system()
        || matches!(
            error,
            RemediationError::NoMirror { .. }
                | RemediationError::NoApkMirror { .. }
                | RemediationError::Status { status: 404 | 410, .. }
        )
}

#[cfg(test)]
mod tests {
    use patchline_scanner::advisories::update::{Origin, update};
    use serde_json::json;

    use super::*;

    /// Loads a set of one advisory; its revision.
    async fn load(folder: &Path, package: &str) -> String {
        let from = tempfile::tempdir().expect("a folder");
        let record = json!({"id": "DSA-1-1", "modified": "2025-01-02T00:00:00Z", "upstream": ["CVE-2025-0001"],
            "affected": [{"package": {"ecosystem": "Debian:12", "name": package},
                "ranges": [{"type": "ECOSYSTEM", "events": [{"introduced": "0"}, {"fixed": "2"}]}]}]});
        std::fs::write(from.path().join("DSA-1-1.json"), record.to_string()).expect("a file");
        let origin = Origin::Folder(from.path().to_owned());
        update(folder, &origin, "2026-01-01T00:00:00Z").await.expect("loads");
        AdvisorySet::open(folder).expect("opens").expect("a set").revision().to_owned()
    }

    #[tokio::test]
    async fn a_proof_uses_the_reports_advisories_or_none() {
        let folder = tempfile::tempdir().expect("a folder");
        let folder = folder.path();
        let state = "ab".repeat(32);
        let revision = |wanted: Option<&str>| {
            open(folder, wanted).map(|set| set.map(|s| s.revision().to_owned())).map_err(|e| e.code)
        };
        let first = load(folder, "a").await;
        let of_report = format!("{first},{state}");
        assert_eq!(revision(Some(&of_report)), Ok(Some(first.clone())));
        let second = load(folder, "b").await;
        assert_eq!(revision(None), Ok(Some(second)));
        assert_eq!(revision(Some(&of_report)), Ok(Some(first)), "the report's, while it is there");
        // A report from the security suite alone: nothing that was loaded meanwhile is its own.
        assert_eq!(revision(Some(&state)), Ok(None));
        assert_eq!(revision(Some("none")), Ok(None));
        for package in ["c", "d", "e", "f", "g"] {
            load(folder, package).await;
        }
        assert_eq!(revision(Some(&of_report)), Err("advisory-revision-gone".to_owned()));
        std::fs::remove_file(folder.join("current.json")).expect("removed");
        assert_eq!(revision(None), Ok(None));
        assert_eq!(
            revision(Some(&of_report)),
            Err("advisory-revision-gone".to_owned()),
            "no folder is no excuse"
        );
    }
}
