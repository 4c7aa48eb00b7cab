//! `grace`: a vulnerability that was only just published warns instead of denying.

use std::time::Duration;

use jiff::Timestamp;
use patchline_chains::{Param, ParamType, duration};
use patchline_engine::StepError;
use patchline_scanner::Finding;
use serde::Deserialize;

use crate::catalogue::{optional, required};

/// From here on it is likely that somebody uses it: no grace.
const LIKELY: f64 = 0.5;

/// The parameter, as chains are checked.
pub(super) fn param() -> Param {
    let keys = ParamType::Map(vec![
        required(
            "new_advisory",
            ParamType::Duration,
            "how long after its publication a vulnerability only warns",
        )
        .example("7d"),
    ]);
    optional(
        "grace",
        keys,
        "time for new advisories; not for malware, for what is known to be exploited, or with an EPSS above 0.5",
    )
    .example("{new_advisory: 7d}")
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawGrace {
    new_advisory: String,
}

/// Checked; none given: nothing is within it.
#[derive(Debug, Clone, Default)]
pub(super) struct Grace {
    /// As written, and how long.
    given: Option<(String, Duration)>,
    now: Timestamp,
}

impl Grace {
    pub(super) fn new(raw: Option<RawGrace>, now: Timestamp) -> Result<Self, StepError> {
        let read = |raw: RawGrace| match duration::parse(&raw.new_advisory) {
            Ok(long) => Ok((raw.new_advisory, long)),
            Err(e) => Err(StepError::permanent("parameters-invalid", format!("`grace.new_advisory`: {e}"))),
        };
        Ok(Self { given: raw.map(read).transpose()?, now })
    }

    /// Whether this finding only warns. What has no date, or one that is yet to come, has no grace.
    pub(super) fn covers(&self, finding: &Finding) -> bool {
        let Some((_, long)) = &self.given else { return false };
        let Some(published) = finding.published.filter(|at| *at <= self.now) else { return false };
        let malware = std::iter::once(&finding.id).chain(&finding.aliases).any(|id| id.starts_with("MAL-"));
        let likely = finding.epss.is_some_and(|epss| epss > LIKELY);
        let age = self.now.duration_since(published).unsigned_abs();
        age < *long && !malware && !likely && !finding.known_exploited
    }

    /// Why something only warns.
    pub(super) fn reason(&self) -> String {
        let long = self.given.as_ref().map_or("", |(text, _)| text);
        format!("published within the last {long}, so it only warns yet")
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn finding(published: Option<&str>, more: Value) -> Finding {
        let mut finding = json!({
            "id": "CVE-1", "aliases": [], "packages": ["a"], "source": "a", "installed": "1", "fixed": null,
            "severity": "high", "severity_source": "debian", "mendable": null, "known_exploited": false,
            "epss": null, "layer": null, "summary": null, "because": "test", "published": published,
        });
        for (key, value) in more.as_object().expect("a map") {
            finding[key] = value.clone();
        }
        serde_json::from_value(finding).expect("a finding")
    }

    #[test]
    fn young_and_harmless() {
        let now = "2026-06-10T00:00:00Z".parse().expect("a moment");
        let grace = Grace::new(Some(RawGrace { new_advisory: "7d".into() }), now).expect("a grace");
        for (published, more, covered) in [
            (Some("2026-06-09T00:00:00Z"), json!({}), true),
            (Some("2026-06-03T00:00:01Z"), json!({}), true),
            (Some("2026-06-03T00:00:00Z"), json!({}), false),
            (Some("2020-01-01T00:00:00Z"), json!({}), false),
            // Nobody said, or nobody can have.
            (None, json!({}), false),
            (Some("2026-06-11T00:00:00Z"), json!({}), false),
            // It is in use, or will be.
            (Some("2026-06-09T00:00:00Z"), json!({"known_exploited": true}), false),
            (Some("2026-06-09T00:00:00Z"), json!({"epss": 0.51}), false),
            (Some("2026-06-09T00:00:00Z"), json!({"epss": 0.5}), true),
            (Some("2026-06-09T00:00:00Z"), json!({"aliases": ["MAL-2026-1"]}), false),
        ] {
            assert_eq!(grace.covers(&finding(published, more.clone())), covered, "{published:?} {more}");
        }
        let none = Grace::new(None, now).expect("no grace");
        assert!(!none.covers(&finding(Some("2026-06-09T00:00:00Z"), json!({}))));
        assert!(Grace::new(Some(RawGrace { new_advisory: "soon".into() }), now).is_err());
    }
}
