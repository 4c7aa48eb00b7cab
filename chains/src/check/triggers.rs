//! `on:` what starts a chain.

use super::Ctx;
use crate::diagnostics::{Diagnostic, shown};
use crate::plan::{ImageWindow, Plan, Schedule};
use crate::schema::keys::{ADVISORIES, IMAGES, ON, SCHEDULE};
use crate::yaml::{Content, Entry, Node};
use crate::{cron, zones};

const LATER: [&str; 2] = ["import", "pull"];

impl Ctx<'_> {
    pub(super) fn triggers(&mut self, node: &Node, plan: &mut Plan) {
        let Content::Map(entries) = &node.content else {
            self.no_map(node, &ON);
            return;
        };
        let known: Vec<&str> = ON.iter().map(|key| key.name).collect();
        for entry in entries {
            match entry.key.as_str() {
                "push" => {
                    plan.on_push = true;
                    if entry.value.content != Content::Null {
                        self.fields(&entry.value, "`push`", &[]);
                    }
                }
                "schedule" => plan.on_schedule = self.schedule(entry),
                "advisories" => {
                    let fields = (entry.value.content != Content::Null)
                        .then(|| self.fields(&entry.value, "`advisories`", &ADVISORIES))
                        .flatten();
                    let level = fields.and_then(|f| f.get("severity")).and_then(|n| self.level(n));
                    // None given: any that has a severity.
                    plan.on_advisories = Some(level.unwrap_or_else(|| "low".to_owned()));
                }
                key if LATER.contains(&key) => {
                    let message = format!("this version does not start chains on `{key}`");
                    self.push(
                        Diagnostic::error("unsupported-trigger", entry.key_span, message)
                            .hint(format!("use one of: {}", known.join(", "))),
                    );
                }
                _ => self.unknown_key(entry, "`on`", &known),
            }
        }
    }

    fn schedule(&mut self, entry: &Entry) -> Option<Schedule> {
        let fields = self.fields(&entry.value, "`schedule`", &SCHEDULE)?;
        let cron = match fields.get("cron") {
            None => {
                self.missing(entry.key_span, "cron", "the schedule", "such as `cron: \"0 3 * * *\"`");
                None
            }
            Some(node) => self.cron(node),
        };
        let zone = fields.get("timezone").map_or(Some("UTC"), |n| self.zone(n));
        let images = fields.get("images").map(|n| self.window(n)).unwrap_or_default();
        Some(Schedule { cron: cron?, timezone: zone?.to_owned(), images })
    }

    fn cron(&mut self, node: &Node) -> Option<String> {
        match cron::parse(self.text(node)?) {
            Ok(cron) => Some(cron),
            Err(fault) => {
                let span = self.inside(node, fault.place);
                let message = format!("bad cron expression: {}", fault.message);
                self.push(Diagnostic::error("bad-cron", span, message).hint(fault.hint));
                None
            }
        }
    }

    fn zone<'n>(&mut self, node: &'n Node) -> Option<&'n str> {
        let zone = self.text(node)?;
        if zones::known(zone) {
            return Some(zone);
        }
        let message = format!("`{}` is no time zone", shown(zone));
        let error = Diagnostic::error("bad-timezone", node.span, message);
        self.push(match zones::nearest(zone) {
            None => error.hint("a name of the tz database, such as `UTC` or `Asia/Shanghai`"),
            near => error.did_you_mean(near),
        });
        None
    }

    fn window(&mut self, node: &Node) -> ImageWindow {
        let Some(fields) = self.fields(node, "`images`", &IMAGES) else { return ImageWindow::default() };
        let latest = fields.get("latest").and_then(|n| self.integer(n, 1, 100_000));
        ImageWindow {
            pushed_within: fields.get("pushed_within").and_then(|n| self.duration(n)),
            pulled_within: fields.get("pulled_within").and_then(|n| self.duration(n)),
            running: fields.get("running").and_then(|n| self.boolean(n)).unwrap_or(false),
            latest: latest.and_then(|n| u32::try_from(n).ok()),
        }
    }
}
