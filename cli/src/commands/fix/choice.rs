//! What of an image goes up: which findings, which packages never, or a plan that somebody has edited.

use std::{io::Read as _, path::PathBuf};

use patchline_registry::Digest;
use patchline_remediation::{Chosen, Denied, Edited, Selection, fix::LONGEST_PLAN};
use patchline_scanner::{Report, Severity};

use crate::{
    commands::scan,
    failure::{Result, io},
    terminal,
};

/// As it is typed.
#[derive(Debug, Default, clap::Args)]
pub(super) struct Flags {
    /// These findings alone
    #[arg(long = "id", value_name = "CVE")]
    ids: Vec<String>,
    /// The findings of this binary or source package alone; its source's other packages go up with it
    #[arg(long = "package", value_name = "NAME")]
    packages: Vec<String>,
    /// The findings of this severity and above alone
    #[arg(long, value_name = "SEVERITY", value_parser = scan::severity)]
    severity: Option<Severity>,
    /// A binary or source package that stays, or does not go to that version; * stands for anything
    #[arg(long = "deny-package", value_name = "NAME[=VERSION]")]
    denied: Vec<Denied>,
    /// What a plan that `--plan --output json` wrote names, and nothing else: upgrades may be taken out of it, and
    /// their `to` be another version that the repositories have
    #[arg(long, value_name = "PLAN.json", conflicts_with_all = ["ids", "packages", "severity", "latest"])]
    with: Option<PathBuf>,
}

impl Flags {
    /// A plan was handed in: it is of one image.
    pub(super) fn is_of_a_plan(&self) -> bool {
        self.with.is_some()
    }
    /// Which findings; a plan that was handed in is asked for nothing.
    pub(super) fn selection(&self) -> Selection {
        Selection { severity: self.severity, ids: self.ids.clone(), packages: self.packages.clone() }
    }
    /// What was asked for, as provenance tells of it.
    pub(super) fn asked(&self) -> serde_json::Value {
        serde_json::json!({
            "ids": self.ids,
            "packages": self.packages,
            "severity": self.severity,
            "denied": self.denied.iter().map(ToString::to_string).collect::<Vec<_>>(),
            "edited": self.with.is_some(),
        })
    }
    /// Packages that stay.
    pub(super) fn denied(&self) -> Vec<Denied> {
        self.denied.clone()
    }
    /// The upgrades of the plan that was handed in, where it is of this image; none: none was.
    pub(super) fn chosen(&self, image: &Digest) -> Result<Option<Vec<Chosen>>> {
        let Some(path) = &self.with else { return Ok(None) };
        let failed = || io(format!("read the plan in {}", path.display()));
        let file = std::fs::File::open(path).map_err(failed())?;
        let mut bytes = Vec::new();
        file.take(LONGEST_PLAN + 1).read_to_end(&mut bytes).map_err(failed())?;
        Ok(Some(Edited::read(&bytes)?.of(image)?))
    }
    /// Says which of the given words name nothing in a report.
    pub(super) fn tell_unknown(&self, report: &Report) {
        let one = |flag: &str, text: &str, selection: Selection| {
            if !report.findings.iter().any(|finding| selection.selects(finding)) {
                terminal::err(&format!("{flag} {text}: no finding has that name"));
            }
        };
        for id in &self.ids {
            one("--id", id, Selection { ids: vec![id.clone()], ..Selection::all() });
        }
        for name in &self.packages {
            one("--package", name, Selection { packages: vec![name.clone()], ..Selection::all() });
        }
    }
}
