//! Which advisory sets hold for one image: the loaded ones, and what its security suite itself says.

use std::path::PathBuf;

use patchline_engine::{Context, ErrorClass, StepError};
use patchline_remediation::{Error as RemediationError, Remediator};
use patchline_scanner::{
    Inventory,
    advisories::{AdvisorySet, apt_security},
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
        folder: PathBuf,
        revision: Revision<'_>,
        remediator: &Remediator,
        inventory: &Inventory,
    ) -> Result<Self, StepError> {
        let wanted = match revision {
            Revision::Newest => None,
            Revision::Of(text) => Some(text.split(',').map(str::to_owned).collect::<Vec<_>>()),
        };
        // Opening reads megabytes: not on a thread that serves others.
        let loaded = tokio::task::spawn_blocking(move || open(&folder, wanted.as_deref()))
            .await
            .map_err(|e| {
                StepError::permanent("scan-aborted", format!("reading advisories was aborted: {e}"))
            })?
            .map_err(failure::scanner)?;
        let (derived, doubt) = derive(context, remediator, inventory).await?;
        Ok(Self { loaded, derived, doubt })
    }
    /// In order.
    pub(crate) fn all(&self) -> Vec<&AdvisorySet> {
        self.loaded.iter().chain(&self.derived).collect()
    }
}

/// One fix uses one revision for plan and proof: the newest only while it is the report's.
fn open(
    folder: &std::path::Path,
    wanted: Option<&[String]>,
) -> Result<Option<AdvisorySet>, patchline_scanner::Error> {
    let newest = AdvisorySet::open(folder)?;
    let Some(wanted) = wanted else { return Ok(newest) };
    if newest.as_ref().is_none_or(|set| wanted.iter().any(|w| w == set.revision())) {
        return Ok(newest);
    }
    // The other names are those of repository states, which lie in no folder.
    Ok(wanted.iter().find_map(|revision| AdvisorySet::open_revision(folder, revision).ok()))
}

/// What the security suite itself fixes. A suite that nobody configured, or
/// that is not there, leaves a report with less in it, which then says so;
/// one that cannot be trusted is an error.
async fn derive(
    context: &Context,
    remediator: &Remediator,
    inventory: &Inventory,
) -> Result<(Option<AdvisorySet>, Option<String>), StepError> {
    if inventory.distro.as_ref().is_none_or(|d| d.id != "debian") || inventory.packages.is_empty() {
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
    matches!(
        error,
        RemediationError::NoMirror { .. }
            | RemediationError::UnsupportedSystem { .. }
            | RemediationError::Status { status: 404 | 410, .. }
    )
}
