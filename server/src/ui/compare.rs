//! `/images/{digest}/compare`: the original beside the fixed image, the seam between them.

mod compared;

use std::collections::{BTreeMap, BTreeSet};

use askama::Template;
use axum::{
    extract::{Path, State},
    response::Response,
};
use patchline_registry::Digest;
use patchline_remediation::{Refusal, Upgrade};
use patchline_scanner::{Finding, Severity};

use self::compared::Compared;
use super::{
    Visit,
    format::{self, ShortDigest},
    image,
    state::Badge,
    weigh::{Line, Scale},
};
use crate::{
    App, Error, Result, evidence,
    evidence::Part,
    i18n::Words,
    seen::{self, ImageName},
};

#[derive(Template)]
#[template(path = "compare.html")]
struct Page<'a> {
    visit: &'a Visit,
    words: &'static Words,
    title: String,
    /// None: nothing was made of this image, and it was made of none.
    pair: Option<Pair>,
}

struct Pair {
    before: Side,
    after: Side,
    gone: Vec<Line>,
    left: Vec<Line>,
    new: Vec<Line>,
    upgrades: Vec<Up>,
    refused: Vec<Refusal>,
    files: Option<Compared>,
}

struct Side {
    title: String,
    href: String,
    digest: ShortDigest,
    badge: Option<Badge>,
    scale: Option<Scale>,
    packages: Option<usize>,
    size: Option<String>,
    layers: Option<usize>,
}

struct Up {
    package: String,
    from: String,
    to: String,
    mends: Vec<String>,
    because: String,
}

pub(super) async fn page(visit: Visit, State(app): State<App>, Path(digest): Path<String>) -> Response {
    visit.answer(build(&visit, &app, &digest).await)
}

async fn build<'a>(visit: &'a Visit, app: &App, text: &str) -> Result<Page<'a>> {
    let words = visit.words;
    let digest = crate::api::digest(text)?;
    let name = seen::runs_of(&app.engine, &digest).await?.first().map(ImageName::of);
    let parts = evidence::parts(app, &digest, name.as_ref()).await?;
    if name.is_none() && parts.is_empty() {
        return Err(Error::NoSuchImage(digest));
    }
    let title = name.as_ref().map_or_else(|| digest.short().to_owned(), ImageName::short);
    let lineage = image::lineage(app, &digest, &parts).await?;
    let (before, after, plan) = match (lineage.made_by, lineage.fixes.into_iter().next_back()) {
        (Some((origin, plan)), _) => (origin, digest, plan),
        (None, Some((fixed, plan))) => (digest, fixed, plan),
        (None, None) => return Ok(Page { visit, words, title, pair: None }),
    };
    let files = Compared::of(app, &before, &after, &plan.upgrades, words).await?;
    let (before, old) = side(app, &before, words).await?;
    let (after, fresh) = side(app, &after, words).await?;
    let (gone, left, new) = difference(&old, &fresh, words);
    let pair = Pair {
        before,
        after,
        gone,
        left,
        new,
        upgrades: plan.upgrades.into_iter().map(Up::from).collect(),
        refused: plan.refused,
        files,
    };
    Ok(Page { visit, words, title, pair: Some(pair) })
}

async fn side(app: &App, digest: &Digest, words: &'static Words) -> Result<(Side, Vec<Finding>)> {
    let run = seen::runs_of(&app.engine, digest).await?.into_iter().next();
    let name = run.as_ref().map(ImageName::of);
    let parts = evidence::parts(app, digest, name.as_ref()).await?;
    let findings: Vec<Finding> = parts.iter().flat_map(|part| part.findings().iter().cloned()).collect();
    let weight = match &name {
        Some(name) => evidence::weight(app, digest, name).await,
        None => None,
    };
    let known = parts.iter().find_map(|part| part.inventory.as_ref());
    let side = Side {
        title: name.as_ref().map_or_else(|| digest.short().to_owned(), ImageName::short),
        href: format!("/images/{digest}"),
        digest: ShortDigest::new(digest, words),
        badge: run.as_ref().map(|run| Badge::run(run, words)),
        scale: parts.iter().any(|part: &Part| part.report.is_some()).then(|| Scale::of(&findings, words)),
        packages: known.map(|inventory| inventory.packages.len()),
        size: weight.map(|w| format::bytes(w.bytes)),
        layers: weight.map(|w| w.layers).or(known.map(|inventory| inventory.layers.len())),
    };
    Ok((side, findings))
}

/// (gone, left, new), each worst first.
fn difference(
    before: &[Finding],
    after: &[Finding],
    words: &'static Words,
) -> (Vec<Line>, Vec<Line>, Vec<Line>) {
    type Keyed<'a> = BTreeMap<(&'a str, &'a str), &'a Finding>;
    let keyed = |some: &'_ [Finding]| -> BTreeSet<(String, String)> {
        some.iter().map(|f| (f.id.clone(), f.source.clone())).collect()
    };
    let (old, fresh) = (keyed(before), keyed(after));
    let lines = |some: &[Finding], wanted: &dyn Fn(&(String, String)) -> bool| {
        let mut unique: Keyed<'_> = BTreeMap::new();
        for finding in some {
            if wanted(&(finding.id.clone(), finding.source.clone())) {
                unique.insert((&finding.id, &finding.source), finding);
            }
        }
        let mut unique: Vec<(Severity, &Finding)> = unique.into_values().map(|f| (f.severity, f)).collect();
        unique.sort_by(|(a, x), (b, y)| b.cmp(a).then_with(|| x.id.cmp(&y.id)));
        unique.into_iter().map(|(_, finding)| Line::new(finding, words)).collect::<Vec<_>>()
    };
    (
        lines(before, &|key| !fresh.contains(key)),
        lines(after, &|key| old.contains(key)),
        lines(after, &|key| !old.contains(key)),
    )
}

impl From<Upgrade> for Up {
    fn from(upgrade: Upgrade) -> Self {
        Self {
            package: upgrade.package,
            from: upgrade.from,
            to: upgrade.to,
            mends: upgrade.mends,
            because: upgrade.because,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{i18n::EN, ui::weigh::tests::finding};

    #[test]
    fn a_finding_is_gone_left_or_new() {
        let before = [
            finding("CVE-1", "curl", Severity::Low, Some("2")),
            finding("CVE-2", "curl", Severity::High, Some("2")),
            finding("CVE-3", "tar", Severity::Low, None),
        ];
        let after =
            [finding("CVE-3", "tar", Severity::Low, None), finding("CVE-4", "curl", Severity::Medium, None)];
        let (gone, left, new) = difference(&before, &after, &EN);
        let ids = |lines: &[Line]| lines.iter().map(|l| l.id.clone()).collect::<Vec<_>>();
        assert_eq!(ids(&gone), ["CVE-2", "CVE-1"]);
        assert_eq!(ids(&left), ["CVE-3"]);
        assert_eq!(ids(&new), ["CVE-4"]);
    }
}
