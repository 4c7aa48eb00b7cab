//! `/images/{digest}`: verdict and reason first, then findings by package with the version that mends them.

use askama::Template;
use axum::{
    extract::{Path, State},
    response::Response,
};
use patchline_engine::RunView;
use patchline_registry::Digest;
use patchline_scanner::{Completeness, Finding};

use super::{
    Visit,
    format::{self, ShortDigest},
    state::Badge,
    table::RunRow,
    verdict,
    weigh::{self, Group, Scale},
};
use crate::{
    App, Error, Result, evidence,
    evidence::{Lineage, Part},
    i18n::Words,
    seen::{self, ImageName},
};

#[derive(Template)]
#[template(path = "image.html")]
struct Page<'a> {
    visit: &'a Visit,
    words: &'static Words,
    title: String,
    registry: String,
    digest: ShortDigest,
    badge: Option<Badge>,
    mended: bool,
    reasons: Vec<String>,
    scale: Option<Scale>,
    platforms: Vec<Platform>,
    bar: Option<String>,
    compare: Option<String>,
    made_from: Option<(String, ShortDigest)>,
    again: Option<Again>,
    /// Where a plan is asked for, and of which manifest, where there is one to choose.
    plan: Option<(String, Digest)>,
    rows: Vec<RunRow>,
}

/// What a start of the chain over this image takes.
struct Again {
    chain: String,
    image: String,
}

/// The findings of one platform.
struct Platform {
    name: Option<String>,
    system: Option<String>,
    packages: Option<usize>,
    layers: Option<usize>,
    advisories: Option<String>,
    /// Why the report is not whole.
    gaps: Vec<String>,
    scanned: bool,
    groups: Vec<Group>,
    /// Where its own plan is asked for: of several platforms each has one.
    plan: Option<(String, Digest)>,
}

pub(super) async fn page(visit: Visit, State(app): State<App>, Path(digest): Path<String>) -> Response {
    visit.answer(build(&visit, &app, &digest).await)
}

async fn build<'a>(visit: &'a Visit, app: &App, text: &str) -> Result<Page<'a>> {
    let words = visit.words;
    let digest = crate::api::digest(text)?;
    let runs = seen::runs_of(&app.engine, &digest).await?;
    let name = runs.first().map(ImageName::of);
    let parts = evidence::parts(app, &digest, name.as_ref()).await?;
    if runs.is_empty() && parts.is_empty() {
        return Err(Error::NoSuchImage(digest));
    }
    let newest = match runs.first() {
        Some(run) => Some(app.engine.run(&run.id).await?),
        None => None,
    };
    let lineage = lineage(app, &digest, &parts).await?;
    let all: Vec<Finding> = parts.iter().flat_map(|part| part.findings().iter().cloned()).collect();
    let scanned = parts.iter().any(|part| part.report.is_some());
    let made_from = lineage
        .made_by
        .as_ref()
        .map(|(origin, _)| (format!("/images/{origin}"), ShortDigest::new(origin, words)));
    let comparable = made_from.is_some() || !lineage.fixes.is_empty();
    let now = format::now();
    // A plan is carried out under a name, and there is something to plan for.
    let plan = |part: &Part| {
        let fixable = name.is_some() && part.findings().iter().any(Finding::fixable);
        fixable.then(|| (format!("/images/{digest}/plans"), part.manifest.clone()))
    };
    let several = parts.len() > 1;
    Ok(Page {
        visit,
        words,
        title: name.as_ref().map_or_else(|| digest.short().to_owned(), ImageName::short),
        registry: name.as_ref().map(|n| n.registry.clone()).unwrap_or_default(),
        digest: ShortDigest::new(&digest, words),
        badge: newest.as_ref().map(|run| Badge::run(run, words)).or_else(|| undetermined(&parts, words)),
        mended: made_from.is_some(),
        reasons: newest.as_ref().map(verdict::reasons).unwrap_or_default(),
        scale: scanned.then(|| Scale::of(&all, words)),
        platforms: parts
            .iter()
            .map(|part| Platform::new(part, several, plan(part).filter(|_| several), words))
            .collect(),
        bar: (!all.is_empty()).then(|| weigh::bar(&all, words)),
        compare: comparable.then(|| format!("/images/{digest}/compare")),
        made_from,
        again: newest.as_ref().and_then(|run| again(app, run)),
        plan: parts.first().filter(|_| !several).and_then(plan),
        rows: runs.iter().take(20).map(|run| RunRow::new(run, now, words)).collect(),
    })
}

/// Where its manifest, or one of its platforms, stands between original and fixed.
pub(super) async fn lineage(app: &App, digest: &Digest, parts: &[Part]) -> Result<Lineage> {
    let mut lineage = evidence::lineage(app, digest).await?;
    for part in parts {
        if lineage.made_by.is_some() || !lineage.fixes.is_empty() || part.manifest == *digest {
            continue;
        }
        lineage = evidence::lineage(app, &part.manifest).await?;
    }
    Ok(lineage)
}

/// Only a chain that is still loaded can be started.
fn again(app: &App, run: &RunView) -> Option<Again> {
    app.chains
        .iter()
        .any(|plan| plan.chain == run.chain)
        .then(|| Again { chain: run.chain.clone(), image: ImageName::of(run).reference() })
}

fn undetermined(parts: &[Part], words: &'static Words) -> Option<Badge> {
    parts
        .iter()
        .filter_map(|part| part.report.as_ref())
        .any(|(_, report)| matches!(report.completeness, Completeness::Undetermined { .. }))
        .then(|| Badge::undetermined(words))
}

impl Platform {
    fn new(part: &Part, several: bool, plan: Option<(String, Digest)>, words: &'static Words) -> Self {
        let report = part.report.as_ref().map(|(_, report)| report);
        let distro = part
            .inventory
            .as_ref()
            .and_then(|i| i.distro.as_ref())
            .or_else(|| report.and_then(|r| r.distro.as_ref()));
        Self {
            name: part.platform().or_else(|| several.then(|| part.manifest.short().to_owned())),
            system: distro.map(|d| {
                let plain = || format!("{} {}", d.id, d.version_id.as_deref().unwrap_or_default());
                format::cut(&d.pretty_name.clone().unwrap_or_else(plain), 120)
            }),
            packages: part.inventory.as_ref().map(|i| i.packages.len()).or(report.map(|r| r.packages)),
            layers: part.inventory.as_ref().map(|i| i.layers.len()),
            advisories: report.map(|r| format::cut(&r.advisory_revision, 60)),
            gaps: match report.map(|r| &r.completeness) {
                Some(Completeness::Incomplete { reasons }) => {
                    reasons.iter().take(10).map(|reason| format::cut(reason, 500)).collect()
                }
                Some(Completeness::Undetermined { reason }) => vec![format::cut(reason, 500)],
                Some(Completeness::Complete) | None => Vec::new(),
            },
            scanned: report.is_some(),
            groups: weigh::group(part.findings(), words),
            plan,
        }
    }
}
