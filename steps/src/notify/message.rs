//! What a notification says: the verdict first, then why, then what was done about it.

use patchline_engine::{Context, StepStatus};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::{evidence, image::Image};

/// Of a message's template.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Language {
    #[default]
    En,
    Zh,
}

/// How the run stands when the message is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Verdict {
    Passed,
    Remediated,
    Denied,
    Failed,
    /// No gate has spoken.
    Open,
}

/// What there is to tell of a run so far.
#[derive(Debug)]
pub(super) struct Story {
    verdict: Verdict,
    chain: String,
    image: String,
    digest: String,
    run: String,
    url: Option<String>,
    /// What each rule that denied says.
    reasons: Vec<String>,
    warnings: Vec<String>,
    counts: Value,
    /// The output of the fix that ran, if any.
    fix: Option<Value>,
    failed: Vec<String>,
    ask: Option<String>,
}

/// Packages and reasons that a message names.
const MOST_NAMED: usize = 10;

impl Story {
    pub(super) fn read(context: &Context, image: &Image) -> Self {
        let of = |kind: &'static str| context.steps.iter().filter(move |(_, k, _)| k == kind);
        let texts = |value: &Value| -> Vec<String> {
            value
                .as_array()
                .into_iter()
                .flatten()
                .filter_map(|d| d["message"].as_str())
                .map(str::to_owned)
                .collect()
        };
        let (mut reasons, mut warnings, mut counts, mut ask) = (Vec::new(), Vec::new(), Value::Null, None);
        let (mut denied, mut judged) = (false, false);
        for (name, _, status) in of("gate") {
            let output = evidence::output(context, name);
            denied |= *status == StepStatus::Denied;
            judged |= matches!(status, StepStatus::Denied | StepStatus::Succeeded);
            reasons.extend(texts(&output["denied_by"]));
            warnings.extend(texts(&output["warned_by"]));
            if counts.is_null() {
                counts = output["counts"].clone();
            }
            if *status == StepStatus::Denied {
                ask = ask.or_else(|| output["message"].as_str().map(str::to_owned));
            }
        }
        let mended = of("fix").any(|(.., status)| *status == StepStatus::Succeeded);
        let fix = of("fix")
            .filter(|(.., status)| matches!(status, StepStatus::Succeeded | StepStatus::Denied))
            .map(|(name, ..)| evidence::output(context, name).clone())
            .next_back();
        let failed: Vec<String> = context
            .steps
            .iter()
            .filter(|(name, _, status)| {
                matches!(status, StepStatus::Failed | StepStatus::Unknown) && *name != context.step
            })
            .map(|(name, ..)| name.clone())
            .collect();
        let verdict = match (failed.is_empty(), denied, mended) {
            (false, ..) => Verdict::Failed,
            (_, true, true) => Verdict::Remediated,
            (_, true, false) => Verdict::Denied,
            (_, false, _) if judged => Verdict::Passed,
            _ => Verdict::Open,
        };
        if counts.is_null() {
            let mut scans = of("scan").map(|(name, ..)| evidence::output(context, name)["counts"].clone());
            counts = scans.next_back().unwrap_or(Value::Null);
        }
        Self {
            verdict,
            chain: context.chain.clone(),
            image: image.place_text(),
            digest: image.digest.to_string(),
            run: context.run.0.clone(),
            url: context.names["run"]["url"].as_str().filter(|u| !u.is_empty()).map(str::to_owned),
            reasons,
            warnings,
            counts,
            fix,
            failed,
            ask,
        }
    }

    /// The CloudEvent's type: stable.
    pub(super) fn event_type(&self) -> &'static str {
        match self.verdict {
            Verdict::Passed => "dev.patchline.gate.passed",
            Verdict::Remediated => "dev.patchline.image.remediated",
            Verdict::Denied => "dev.patchline.gate.denied",
            Verdict::Failed => "dev.patchline.run.failed",
            Verdict::Open => "dev.patchline.run.report",
        }
    }

    pub(super) fn title(&self, language: Language) -> String {
        let verdict = match (language, self.verdict) {
            (Language::En, Verdict::Passed) => "Passed",
            (Language::En, Verdict::Remediated) => "Remediated",
            (Language::En, Verdict::Denied) => "Denied",
            (Language::En, Verdict::Failed) => "Failed",
            (Language::En, Verdict::Open) => "Scanned",
            (Language::Zh, Verdict::Passed) => "已通过",
            (Language::Zh, Verdict::Remediated) => "已修复",
            (Language::Zh, Verdict::Denied) => "已拦截",
            (Language::Zh, Verdict::Failed) => "执行失败",
            (Language::Zh, Verdict::Open) => "已扫描",
        };
        format!("{verdict}: {}", self.image)
    }

    /// (name, value), for channels that show tables.
    pub(super) fn facts(&self, language: Language) -> Value {
        let label = |en: &'static str, zh: &'static str| if language == Language::En { en } else { zh };
        let mut facts = vec![
            json!({"name": label("image", "镜像"), "value": self.image}),
            json!({"name": label("digest", "摘要"), "value": self.digest}),
            json!({"name": label("chain", "交付链"), "value": self.chain}),
        ];
        if let Some(risk) = self.risk() {
            facts.push(json!({"name": label("risk", "风险"), "value": risk}));
        }
        if let Some(fixed) = self.fixed() {
            facts.push(json!({"name": label("fixed image", "修复后的镜像"), "value": fixed}));
        }
        Value::Array(facts)
    }

    pub(super) fn markdown(&self, language: Language) -> String {
        let label = |en: &'static str, zh: &'static str| if language == Language::En { en } else { zh };
        let mut lines = vec![format!("**{}**", self.title(language))];
        let mut section = |heading: &str, items: &[String], total: usize| {
            if items.is_empty() {
                return;
            }
            let named = items.iter().take(MOST_NAMED).map(|i| format!("- {}", plain(i))).collect::<Vec<_>>();
            let mut text = format!("{heading}\n{}", named.join("\n"));
            if total > named.len() {
                text.push_str(&format!("\n- … +{}", total - named.len()));
            }
            lines.push(text);
        };
        let count = |items: &[String]| items.len();
        section(label("Why", "原因"), &self.reasons, count(&self.reasons));
        section(label("Warnings", "警告"), &self.warnings, count(&self.warnings));
        section(label("Failed steps", "失败的步骤"), &self.failed, count(&self.failed));
        if let Some(fix) = &self.fix {
            let list = |key: &str| -> Vec<String> {
                let items = fix[key].as_array().into_iter().flatten();
                items.filter_map(|i| i.as_str().map(str::to_owned)).collect()
            };
            let total = |key: &str, listed: &[String]| {
                fix[key].as_u64().and_then(|n| usize::try_from(n).ok()).unwrap_or(listed.len())
            };
            let fixed: Vec<String> = self.fixed().map(str::to_owned).into_iter().collect();
            section(label("Fixed image", "修复后的镜像"), &fixed, 1);
            let (packages, refused) = (list("packages"), list("refused"));
            section(label("Upgraded", "已升级"), &packages, total("upgrades", &packages));
            section(label("Not upgraded", "未升级"), &refused, total("refusals", &refused));
            let why: Vec<String> = fix["message"].as_str().map(str::to_owned).into_iter().collect();
            section(label("Not fixed", "未修复"), &why, 1);
        }
        if let Some(risk) = self.risk() {
            lines.push(format!("{}: {risk}", label("Risk", "风险")));
        }
        if let Some(ask) = &self.ask {
            lines.push(plain(ask));
        }
        let run = match &self.url {
            Some(url) => format!("[{} {}]({url})", label("run", "运行"), self.run),
            None => format!("{} {}", label("run", "运行"), self.run),
        };
        lines.push(format!("{} `{}` · {run}", label("chain", "交付链"), self.chain));
        lines.join("\n\n")
    }

    /// For machines.
    pub(super) fn data(&self) -> Value {
        json!({
            "verdict": match self.verdict {
                Verdict::Passed => "passed",
                Verdict::Remediated => "remediated",
                Verdict::Denied => "denied",
                Verdict::Failed => "failed",
                Verdict::Open => "open",
            },
            "chain": self.chain,
            "run": {"id": self.run, "url": self.url},
            "image": self.image,
            "digest": self.digest,
            "counts": self.counts,
            "reasons": self.reasons.iter().take(MOST_NAMED).collect::<Vec<_>>(),
            "fix": self.fix.as_ref().map(|fix| json!({
                "fixed": fix["fixed"], "tag": fix["tag"], "digest": fix["digest"],
                "upgrades": fix["upgrades"], "packages": fix["packages"], "refusals": fix["refusals"],
                "before": fix["before"], "after": fix["after"], "reason": fix["reason"],
            })),
        })
    }

    fn fixed(&self) -> Option<&str> {
        self.fix.as_ref().and_then(|f| f["fixed"].as_str())
    }

    /// `critical 1, high 4 → critical 0, high 0`, severities that are there before.
    fn risk(&self) -> Option<String> {
        let text = |counts: &Value| {
            let all = counts.as_object()?;
            let some: Vec<String> = all
                .iter()
                .filter(|(_, n)| n.as_u64().unwrap_or(0) > 0)
                .map(|(severity, n)| format!("{severity} {n}"))
                .collect();
            Some(if some.is_empty() { "none".to_owned() } else { some.join(", ") })
        };
        let before = text(&self.counts)?;
        let after = self.fix.as_ref().and_then(|f| text(&f["after"]));
        Some(after.map_or_else(|| before.clone(), |after| format!("{before} → {after}")))
    }
}

/// What comes from an image or an advisory starts no link, image or mention.
fn plain(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '\n' | '\r' => out.push(' '),
            '[' | ']' | '<' | '!' => {
                out.push('\\');
                out.push(c);
            }
            c if c.is_control() => {}
            c => out.push(c),
        }
    }
    out
}
