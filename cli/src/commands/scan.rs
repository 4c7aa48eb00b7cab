//! `patchline scan REF`

mod compare;
mod explain;
mod input;
mod select;
mod show;

use std::mem::ManuallyDrop;

use jiff::Timestamp;
use patchline_engine::{Clock as _, clock::SystemClock};
use patchline_scanner::{
    Completeness, Finding, Report, Severity, adapters,
    formats::{self, cyclonedx, gitlab, junit, sarif, spdx},
};

use crate::{
    Document, Global, Output,
    config::Config,
    data::Data,
    exit::Exit,
    failure::{Failure, Result},
    images,
    terminal::{self, Colour, paint},
};

pub(crate) use self::{explain::wrapped, select::findings};

/// Every input with an example.
const INPUTS: &str = "\
What can be scanned:
  nginx:1.25, registry.example/shop/web:v1   an image in a registry
  oci:DIR:v1                                 an image in an OCI layout
  docker-archive:FILE, …:FILE:app:1          what `docker save` wrote
  docker:app:1, docker-daemon:app:1          an image that Docker or Podman holds here
  rootfs:/mnt/root                           a folder that holds the root of a system
  sbom:bom.json                              CycloneDX or SPDX in JSON, which gzip may have packed";

/// Tell what is in an image and what is wrong with it
///
/// Findings stand below the source package, or the file, that brings them, with the version that mends them and the
/// layer they came with. For other programs: --output json, sarif, cyclonedx, spdx (packages alone), gitlab or junit;
/// SOURCE_DATE_EPOCH is the time that these bear, where it is set.
#[derive(Debug, clap::Args)]
#[command(after_help = INPUTS)]
pub(crate) struct Scan {
    /// An image, rootfs:DIR or sbom:FILE
    #[arg(value_name = "REF")]
    image: String,
    /// Which platform of an index, as linux/arm64 [default: this machine's]
    #[arg(long)]
    platform: Option<String>,
    /// Believe this scanner of the configuration instead of our own
    #[arg(long, value_name = "NAME", default_value = adapters::BUILTIN)]
    scanner: String,
    /// Hold what it says against what this scanner says: builtin, or one of the configuration
    #[arg(long, value_name = "NAME")]
    compare: Option<String>,
    /// What to do with SBOMs that are attached to the image
    #[arg(long, value_enum, default_value_t, value_name = "HOW")]
    sbom: input::Sboms,
    /// Ask no package repository: loaded advisories alone
    #[arg(long)]
    offline: bool,
    #[command(flatten)]
    select: select::Flags,
    /// Say for each finding why it matches, its other names, who judged it, its files and its layer
    #[arg(long)]
    explain: bool,
    /// Exit with 3 when a finding is at least this severe, shown or not; one that --fixable sets aside does not count
    #[arg(long, value_name = "SEVERITY", value_parser = severity)]
    fail_on: Option<Severity>,
    #[command(flatten)]
    mirrors: super::MirrorFlags,
}

impl Scan {
    pub(crate) async fn run(self, global: &Global) -> Result<Exit> {
        let config = Config::load(global.config.as_deref())?;
        if let (Some(_), Some(_)) = (&self.compare, global.document) {
            return Err(Failure::usage("compare-in-this-form", "a comparison is a table, or JSON"));
        }
        let data = Data::shared(Data::path(global.data.as_deref()))?;
        let scanners = config.scanners(&data.handed_over())?;
        for name in self.compare.iter().chain([&self.scanner]) {
            compare::known(&scanners, name)?;
        }
        let apt = if self.offline { None } else { Some(self.mirrors.apt(&config, &data)?) };
        let (scanned, image) = self.scanned(&config, &data, apt.as_ref()).await?;
        let mut scanned = ManuallyDrop::new(scanned);
        let compared = match &self.compare {
            Some(name) => Some(compare::said_by(&scanners, name, image.as_ref(), &scanned).await?),
            None => None,
        };
        scanned.report = compare::said_by(&scanners, &self.scanner, image.as_ref(), &scanned).await?;
        let compared = compared
            .zip(self.compare.as_deref())
            .map(|(theirs, name)| compare::Compared::new(&self.scanner, &scanned.report, name, &theirs));
        let whole = scanned.report.clone();
        let denied = self.select.denied(&whole, self.fail_on);
        scanned.report.findings.retain(|finding| self.select.shows(finding));
        match (global.document, global.output) {
            (Some(document), _) => print(document, &self.image, &scanned)?,
            (None, Output::Json) => {
                let mut all = with_inventory(&scanned)?;
                if let Some(compared) = &compared {
                    all["comparison"] = compared.json()?;
                }
                super::json(&all)?;
            }
            (None, Output::Table) => show::print(&show::Shown {
                name: &self.image,
                inventory: &scanned.inventory,
                whole: &whole,
                findings: &scanned.report.findings,
                explain: self.explain,
                denied: denied.as_deref(),
                columns: terminal::columns(),
            }),
        }
        if let (Some(compared), None, Output::Table) = (&compared, global.document, global.output) {
            terminal::out(&compared.text(terminal::columns()));
        }
        self.select.told(&whole).iter().for_each(|line| terminal::err(line));
        if let Some(why) = denied.as_ref().filter(|_| global.output == Output::Json) {
            // The table says it itself.
            terminal::err(why);
        }
        Ok(if denied.is_some() { Exit::Denied } else { Exit::Ok })
    }
}

/// The report, with what it was made from: packages, their licences, layers.
fn with_inventory(scanned: &images::Scanned) -> Result<serde_json::Value> {
    let failed = |e: serde_json::Error| Failure::new("output-failed", &e);
    let mut all = serde_json::to_value(&scanned.report).map_err(failed)?;
    all["inventory"] = serde_json::to_value(&scanned.inventory).map_err(failed)?;
    Ok(all)
}

/// A form of other programs, to stdout.
fn print(document: Document, name: &str, scanned: &images::Scanned) -> Result<()> {
    let scanned = formats::Scanned {
        inventory: &scanned.inventory,
        report: &scanned.report,
        name,
        version: env!("CARGO_PKG_VERSION"),
        at: time(),
    };
    match document {
        Document::Sarif => last(sarif::log(&scanned)),
        Document::Cyclonedx => last(cyclonedx::document(&scanned)),
        Document::Spdx => last(spdx::document(&scanned)),
        Document::Gitlab => last(gitlab::document(&scanned)),
        Document::Junit => {
            terminal::out(junit::document(&scanned).trim_end());
            Ok(())
        }
    }
}

/// What a process prints before it ends: its memory goes with it, which is sooner than piece by piece.
fn last(document: impl serde::Serialize) -> Result<()> {
    super::json(&*ManuallyDrop::new(document))
}

/// Now, or what a build that must be the same twice says it is (reproducible-builds.org, `SOURCE_DATE_EPOCH`).
fn time() -> Timestamp {
    let given = std::env::var("SOURCE_DATE_EPOCH").ok().and_then(|seconds| seconds.parse().ok());
    given.and_then(|seconds| Timestamp::from_second(seconds).ok()).unwrap_or_else(|| SystemClock.now())
}

/// A severity by its word.
pub(crate) fn severity(text: &str) -> Result<Severity, String> {
    serde_json::from_value(text.to_lowercase().into())
        .map_err(|_| "one of unknown, negligible, low, medium, high, critical".to_owned())
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
    match (parts.is_empty(), &report.completeness) {
        (false, _) => parts.join(", "),
        (true, Completeness::Undetermined { .. }) => "no findings, which says nothing here".into(),
        (true, _) => "no findings".into(),
    }
}

/// The severity's word.
pub(crate) fn word(severity: Severity) -> &'static str {
    formats::word(severity)
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
