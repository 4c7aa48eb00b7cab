//! `patchline fix` as a person calls it.

use std::{
    path::Path,
    process::{Command, Output},
};

use patchline_tests::machine::{patchline, run, text};
use serde_json::Value;

/// What a fix said.
pub(crate) struct Fixed {
    /// `oci:…:tag@digest`; none: there was nothing to upgrade.
    pub(crate) reference: Option<String>,
    pub(crate) plan: Value,
}

/// Our program over a data folder.
pub(crate) fn program(data: &Path) -> Command {
    let mut command = Command::new(patchline());
    command.env_remove("PATCHLINE_CONFIG").arg("--data").arg(data);
    command
}

/// A fix that must go well. A mirror may be frozen: what is looked at here is not its freshness.
pub(crate) fn fix(data: &Path, image: &str, executor: &str, more: &[&str]) -> Result<Fixed, String> {
    let mut command = program(data);
    command.args(["fix", "--allow-expired", "--output", "json", "--executor", executor]);
    let output = command.args(more).arg(image).output().unwrap();
    told(&output)
}

/// What it said, or its error.
pub(crate) fn told(output: &Output) -> Result<Fixed, String> {
    if !output.status.success() {
        return Err(String::from_utf8_lossy(&output.stderr).trim().to_owned());
    }
    let said: Value = serde_json::from_slice(&output.stdout).map_err(|e| e.to_string())?;
    Ok(Fixed { reference: said["fixed"].as_str().map(str::to_owned), plan: said["plan"].clone() })
}

/// The package that a mirror has lost, where that is the error: mirrors drop what belongs to releases that have ended
/// before they drop its indexes, an architecture at a time.
pub(crate) fn lost(error: &str) -> Option<&str> {
    let said = error.strip_prefix("error[mirror-status]: the mirror answers 404 for ")?;
    said.split_whitespace().next().filter(|file| file.starts_with("pool/"))
}

impl Fixed {
    pub(crate) fn upgrades(&self) -> &[Value] {
        self.plan["upgrades"].as_array().map_or(&[], Vec::as_slice)
    }
    pub(crate) fn refused(&self) -> &[Value] {
        self.plan["refused"].as_array().map_or(&[], Vec::as_slice)
    }
    /// Names of what went up.
    pub(crate) fn names(&self) -> Vec<String> {
        self.upgrades().iter().map(|u| u["package"].as_str().unwrap().to_owned()).collect()
    }
    /// Who laid it.
    pub(crate) fn executor(&self) -> &str {
        self.upgrades().first().and_then(|u| u["executor"].as_str()).unwrap_or("-")
    }
    /// What needs a script to run.
    pub(crate) fn scripted(&self) -> Vec<String> {
        let scripts = self.refused().iter().filter(|r| r["code"] == "script-needs-sandbox");
        scripts.map(|r| r["package"].as_str().unwrap().to_owned()).collect()
    }
    /// Its digest alone.
    pub(crate) fn digest(&self) -> Option<&str> {
        Some(self.reference.as_ref()?.rsplit_once('@')?.1)
    }
}

/// Findings of an image: (id, packages).
pub(crate) fn findings(data: &Path, image: &str, more: &[String]) -> Vec<(String, Vec<String>)> {
    let mut command = program(data);
    let said =
        text(&run(command.args(["scan", "--allow-expired", "--output", "json"]).args(more).arg(image)));
    let report: Value = serde_json::from_str(&said).unwrap();
    let all = report["findings"].as_array().expect("a scan tells of findings");
    let packages = |f: &Value| -> Vec<String> {
        let named = f["packages"].as_array();
        named.into_iter().flatten().filter_map(|p| p.as_str().map(str::to_owned)).collect()
    };
    all.iter().map(|f| (f["id"].as_str().unwrap().to_owned(), packages(f))).collect()
}
