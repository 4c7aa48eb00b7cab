//! `patchline scan REF`

use patchline_scanner::{Completeness, Finding, Report, Severity};

use crate::{
    Global, Output,
    config::Config,
    data::Data,
    exit::Exit,
    failure::{Failure, Result},
    images,
    table::Table,
    terminal::{self, Colour, paint},
};

/// Tell what is in an image and what is wrong with it
#[derive(Debug, clap::Args)]
pub(crate) struct Scan {
    /// host/repository:tag, or oci:DIR:tag
    image: String,
    /// Which platform of an index, as linux/arm64 [default: this machine's]
    #[arg(long)]
    platform: Option<String>,
    /// Ask no package repository: loaded advisories alone
    #[arg(long)]
    offline: bool,
    /// Exit with 3 when a finding is at least this severe
    #[arg(long, value_name = "SEVERITY", value_parser = severity)]
    fail_on: Option<Severity>,
    #[command(flatten)]
    mirrors: super::MirrorFlags,
}

impl Scan {
    pub(crate) async fn run(self, global: &Global) -> Result<Exit> {
        let config = Config::load(global.config.as_deref())?;
        let data = Data::shared(Data::path(global.data.as_deref()))?;
        let registries = images::registries(&config)?;
        let image = images::open(&registries, &self.image, self.platform.as_deref()).await?;
        let apt = if self.offline { None } else { Some(self.mirrors.apt(&config, &data)?) };
        let scanned = images::scan(&data, apt.as_ref(), &image).await?;
        match global.output {
            Output::Json => super::json(&with_inventory(&scanned)?)?,
            Output::Table => print(&image.name, &scanned.report),
        }
        let worst = scanned.report.worst();
        let denied = self.fail_on.is_some_and(|least| worst.is_some_and(|w| w >= least));
        Ok(if denied { Exit::Denied } else { Exit::Ok })
    }
}

/// The report, with what it was made from: packages, their licences, layers.
fn with_inventory(scanned: &images::Scanned) -> Result<serde_json::Value> {
    let failed = |e: serde_json::Error| Failure::new("output-failed", &e);
    let mut all = serde_json::to_value(&scanned.report).map_err(failed)?;
    all["inventory"] = serde_json::to_value(&scanned.inventory).map_err(failed)?;
    Ok(all)
}

/// A severity by its word.
fn severity(text: &str) -> Result<Severity, String> {
    serde_json::from_value(text.to_lowercase().into())
        .map_err(|_| "one of unknown, negligible, low, medium, high, critical".to_owned())
}

/// Verdict first, then the table, then what to do.
fn print(name: &str, report: &Report) {
    let system =
        report.distro.as_ref().and_then(|d| d.pretty_name.clone()).unwrap_or_else(|| "unknown system".into());
    terminal::out(&format!("{name}  {}", paint(report.image.short(), Colour::Quiet)));
    terminal::out(&format!("{system}, {} packages, {}", report.packages, summary(report)));
    match &report.completeness {
        Completeness::Complete => {}
        Completeness::Incomplete { reasons } => {
            terminal::out(&paint(&format!("incomplete: {}", reasons.join("; ")), Colour::Medium));
        }
        Completeness::Undetermined { reason } => {
            terminal::out(&paint(&format!("undetermined: {reason}"), Colour::Medium));
        }
    }
    if report.findings.is_empty() {
        return;
    }
    terminal::out("");
    let mut table = Table::new(&["severity", "id", "source package", "installed", "fixed in"]);
    for finding in &report.findings {
        table.row([
            word(finding.severity).to_owned(),
            finding.id.clone(),
            finding.source.clone(),
            finding.installed.clone(),
            finding.fixed.clone().unwrap_or_else(|| "no fix yet".into()),
        ]);
    }
    terminal::out(&table.render());
    let fixable = report.findings.iter().filter(|f| f.fixable()).count();
    if fixable > 0 {
        terminal::err(&format!("\n{fixable} findings have a fix: `patchline fix {name}` mends the image"));
    }
}

/// `3 high, 12 unknown`.
pub(crate) fn summary(report: &Report) -> String {
    let counts = report.counts();
    let parts: Vec<String> = counts
        .iter()
        .rev()
        .filter(|(_, count)| **count > 0)
        .map(|(severity, count)| paint(&format!("{count} {}", word(*severity)), colour(*severity)))
        .collect();
    if parts.is_empty() { "no findings".into() } else { parts.join(", ") }
}

/// The severity's word.
pub(crate) fn word(severity: Severity) -> &'static str {
    match severity {
        Severity::Unknown => "unknown",
        Severity::Negligible => "negligible",
        Severity::Low => "low",
        Severity::Medium => "medium",
        Severity::High => "high",
        Severity::Critical => "critical",
    }
}

/// The severity's colour.
pub(crate) fn colour(severity: Severity) -> Colour {
    match severity {
        Severity::Critical => Colour::Critical,
        Severity::High => Colour::High,
        Severity::Medium => Colour::Medium,
        Severity::Low => Colour::Low,
        Severity::Negligible | Severity::Unknown => Colour::Quiet,
    }
}

/// Whether a finding can be mended, as far as anybody asked.
pub(crate) fn mendable(finding: &Finding) -> bool {
    finding.mendable == Some(true)
}
