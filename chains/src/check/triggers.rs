//! `on:` what starts a chain.

use super::Ctx;
use crate::cron;
use crate::diagnostics::{Diagnostic, shown};
use crate::plan::Plan;
use crate::yaml::{Entry, Node};

const KEYS: [&str; 3] = ["push", "schedule", "advisories"];
const LATER: [&str; 2] = ["import", "pull"];

impl Ctx<'_> {
    pub(super) fn triggers(&mut self, node: &Node, plan: &mut Plan) {
        let Some(entries) = self.entries(node) else { return };
        for entry in entries {
            match entry.key.as_str() {
                "push" => plan.on_push = self.settings(entry, "`push`", &[]),
                "schedule" => {
                    self.schedule(entry);
                    plan.on_schedule = Some(entry.value.to_value());
                }
                "advisories" => {
                    let fields = (entry.value.content != crate::yaml::Content::Null)
                        .then(|| self.fields(&entry.value, "`advisories`", &["severity"]))
                        .flatten();
                    let level = fields.and_then(|f| f.get("severity")).and_then(|n| self.level(n));
                    // None given: any that has a severity.
                    plan.on_advisories = Some(level.unwrap_or_else(|| "low".to_owned()));
                }
                key if LATER.contains(&key) => {
                    let message = format!("this version does not start chains on `{key}`");
                    self.push(
                        Diagnostic::error("unsupported-trigger", entry.key_span, message)
                            .hint(format!("use one of: {}", KEYS.join(", "))),
                    );
                }
                _ => self.unknown_key(entry, "`on`", &KEYS),
            }
        }
    }

    /// A trigger with a map of settings, or none at all. Gives true: it is there.
    fn settings(&mut self, entry: &Entry, owner: &str, known: &[&str]) -> bool {
        if entry.value.content != crate::yaml::Content::Null {
            self.fields(&entry.value, owner, known);
        }
        true
    }

    fn schedule(&mut self, entry: &Entry) {
        let Some(fields) = self.fields(&entry.value, "`schedule`", &["cron", "timezone", "images"]) else {
            return;
        };
        match fields.get("cron") {
            None => self.missing(entry.key_span, "cron", "the schedule", "such as `cron: \"0 3 * * *\"`"),
            Some(node) => {
                if let Some(Err(reason)) = self.text(node).map(cron::check) {
                    let message = format!("bad cron expression: it {reason}");
                    let hint = "minute, hour, day of the month, month, day of the week: \"0 3 * * 1-5\"";
                    self.push(Diagnostic::error("bad-cron", node.span, message).hint(hint));
                }
            }
        }
        if let Some(node) = fields.get("timezone")
            && let Some(zone) = self.text(node).filter(|z| !cron::zone_like(z))
        {
            let error =
                Diagnostic::error("bad-timezone", node.span, format!("`{}` is no time zone", shown(zone)));
            self.push(error.hint("such as `UTC` or `Asia/Shanghai`"));
        }
        let keys = ["pushed_within", "pulled_within", "running", "latest"];
        let Some(images) = fields.get("images").and_then(|n| self.fields(n, "`images`", &keys)) else {
            return;
        };
        for key in ["pushed_within", "pulled_within"] {
            images.get(key).and_then(|n| self.duration(n));
        }
        images.get("running").and_then(|n| self.boolean(n));
        images.get("latest").and_then(|n| self.integer(n, 1, 100_000));
    }
}
