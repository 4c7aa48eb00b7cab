//! The reports that a gate or a fix builds on: those of the run's own scans.

use patchline_engine::{Context, StepError, StepStatus};
use patchline_registry::Digest;
use patchline_scanner::Report;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::{World, failure};

/// One line of a scan's `output.reports`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct ReportLine {
    pub(crate) platform: Option<String>,
    pub(crate) image: Digest,
    pub(crate) report: String,
}

/// One platform's report.
#[derive(Debug, Clone)]
pub(crate) struct Evidence {
    pub(crate) line: ReportLine,
    pub(crate) report: Report,
}

/// Loads what the succeeded scans of this run found, each report once.
pub(crate) async fn load(world: &World, context: &Context) -> Result<Vec<Evidence>, StepError> {
    let mut all: Vec<Evidence> = Vec::new();
    for line in lines(context)? {
        if all.iter().any(|e| e.line.report == line.report) {
            continue;
        }
        let report = world.reports.report(&line.report).await.map_err(failure::store)?.ok_or_else(|| {
            StepError::permanent("report-missing", format!("report {} is not in the store", line.report))
        })?;
        all.push(Evidence { line, report });
    }
    if all.is_empty() {
        return Err(StepError::permanent(
            "no-scan",
            "no scan of this run has succeeded, so nothing is known",
        ));
    }
    Ok(all)
}

fn lines(context: &Context) -> Result<Vec<ReportLine>, StepError> {
    let mut lines = Vec::new();
    for (name, kind, status) in &context.steps {
        if kind != "scan" || *status != StepStatus::Succeeded {
            continue;
        }
        let reports = output(context, name).get("reports").cloned().unwrap_or(Value::Null);
        let found: Vec<ReportLine> = serde_json::from_value(reports).map_err(|e| {
            StepError::permanent("output-invalid", format!("the output of `{name}` names no reports: {e}"))
        })?;
        lines.extend(found);
    }
    Ok(lines)
}

/// A step's output; null when there is none.
pub(crate) fn output<'a>(context: &'a Context, step: &str) -> &'a Value {
    &context.names["steps"][step]["output"]
}
