//! Chains made up at random, each written in two ways: the same plan, the same hash, and back from JSON.

use proptest::prelude::*;
use serde_json::{Map, Value, json};

use super::compiled;
use crate::plan::Plan;

/// A chain as JSON, valid whatever is drawn.
fn chain() -> impl Strategy<Value = Value> {
    let words = prop::sample::select(vec![
        "ours",
        "yes",
        "1.10",
        "# no",
        "a: b",
        "it's",
        "a \"b\"",
        "té 扫描",
        "- x",
        "{",
        "~",
    ]);
    let duration = prop::sample::select(vec!["1s", "90s", "15m", "1h30m", "2w", "500ms"]);
    let head = (
        prop::option::of(words.clone()),
        prop::option::of(prop::sample::select(vec!["shop/**", "!shop/x-*", "{a,b}/[x-z]?"])),
        prop::option::of((
            prop::sample::select(vec!["UTC", "Asia/Shanghai"]),
            prop::option::of(duration.clone()),
            1..9_i64,
        )),
        prop::option::of(prop::sample::select(vec!["queue", "supersede", "reject"])),
        prop::option::of((1..50_i64, 50..90_i64)),
        any::<bool>(),
    );
    let step = (
        0..3_usize,
        prop::collection::vec(any::<prop::sample::Index>(), 0..3),
        prop::option::of(duration),
        words,
        any::<bool>(),
    );
    (head, prop::collection::vec(step, 1..6)).prop_map(|((about, globs, schedule, busy, bounds, push), steps)| {
        let mut root = json!({"version": 1, "chain": "web"});
        if let Some(text) = about {
            root["description"] = json!(text);
        }
        if let Some(glob) = globs {
            root["scope"] = json!({"repositories": [glob, "z"], "tags": ["v1.10"], "platforms": ["linux/amd64"]});
        }
        let mut on = Map::new();
        if push {
            on.insert("push".into(), json!({}));
        }
        if let Some((zone, within, latest)) = schedule {
            let mut images = json!({"latest": latest});
            if let Some(within) = within {
                images["pushed_within"] = json!(within);
            }
            on.insert("schedule".into(), json!({"cron": "*/5 3 * * 1-5", "timezone": zone, "images": images}));
        }
        root["on"] = Value::Object(on);
        if let Some((least, most)) = bounds {
            root["params"] = json!({
                "days": {"type": "integer", "minimum": least, "maximum": most, "default": least},
                "level": {"enum": ["low", "high"], "default": "high", "description": "how bad"},
                "wait": {"type": "duration", "maximum": "1w", "default": "1h"},
            });
        }
        if let Some(busy) = busy {
            root["concurrency"] = json!({"key": "{{image.repository}}", "limit": 2, "when_busy": busy});
        }
        let mut map = Map::new();
        for (i, (kind, needs, timeout, text, patient)) in steps.into_iter().enumerate() {
            let mut step = match kind {
                0 => json!({"uses": "scan", "with": {"checks": ["os"]}}),
                1 => json!({"uses": "gate", "with": {"deny": [{"severity": ">= high", "count": 2, "message": text}]}}),
                _ => json!({"uses": "notify", "when": "always", "with": {"template": text, "channels": ["a", "b"]}}),
            };
            let mut before: Vec<String> = needs.iter().filter(|_| i > 0).map(|n| format!("s{}", n.index(i.max(1)))).collect();
            before.sort();
            before.dedup();
            step["needs"] = json!(before);
            if let Some(timeout) = timeout {
                step["timeout"] = json!(timeout);
                step["retry"] = json!({"attempts": 2, "max_backoff": "10m"});
            }
            step["continue_on_failure"] = json!(patient);
            map.insert(format!("s{i}"), step);
        }
        root["steps"] = Value::Object(map);
        root
    })
}

/// Writes YAML in a manner that the bits of `style` choose: order of keys, block or flow, quotes, comments, blank lines.
struct Writer {
    style: u64,
}

impl Writer {
    fn choose(&mut self, of: u64) -> u64 {
        // Linear congruence: only variety matters.
        self.style =
            self.style.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.style >> 33) % of
    }

    fn scalar(&mut self, value: &Value) -> String {
        let Some(text) = value.as_str() else { return value.to_string() };
        let bare = text.starts_with(|c: char| c.is_ascii_alphabetic())
            && text.bytes().all(|b| b.is_ascii_alphanumeric() || b"/_.-".contains(&b))
            && !["yes", "true", "false", "null"].contains(&text);
        match self.choose(3) {
            0 if bare => text.to_owned(),
            1 => format!("'{}'", text.replace('\'', "''")),
            _ => serde_json::to_string(text).unwrap(),
        }
    }

    fn flow(&mut self, value: &Value) -> String {
        match value {
            Value::Object(map) => {
                let mut items: Vec<String> = map
                    .iter()
                    .map(|(k, v)| format!("{}: {}", self.scalar(&json!(k)), self.flow(v)))
                    .collect();
                self.turn(&mut items);
                let space = if self.choose(2) == 0 { " " } else { "" };
                format!("{{{space}{}{space}}}", items.join(", "))
            }
            Value::Array(items) => {
                let items: Vec<String> = items.iter().map(|v| self.flow(v)).collect();
                format!("[{}]", items.join(if self.choose(2) == 0 { ", " } else { " , " }))
            }
            scalar => self.scalar(scalar),
        }
    }

    /// Maps have no order.
    fn turn(&mut self, items: &mut [String]) {
        for i in (1..items.len()).rev() {
            let j = usize::try_from(self.choose(i as u64 + 1)).unwrap();
            items.swap(i, j);
        }
    }

    fn block(&mut self, value: &Value, indent: usize) -> String {
        let pad = " ".repeat(indent);
        let noise = |own: &mut Self| match own.choose(5) {
            0 => format!("{pad}# why\n"),
            1 => "\n".to_owned(),
            _ => String::new(),
        };
        match value {
            Value::Object(map) if !map.is_empty() && self.choose(4) > 0 => {
                let mut items: Vec<String> = Vec::new();
                for (key, value) in map {
                    let key = self.scalar(&json!(key));
                    let below = self.block(value, indent + 2);
                    items.push(format!("{}{pad}{key}:{below}", noise(self)));
                }
                self.turn(&mut items);
                format!("\n{}", items.concat())
            }
            Value::Array(list) if !list.is_empty() && self.choose(2) > 0 => {
                let items: Vec<String> =
                    list.iter().map(|v| format!("{}{pad}- {}\n", noise(self), self.flow(v))).collect();
                format!("\n{}", items.concat())
            }
            other => {
                let comment = if self.choose(4) == 0 { "   # so" } else { "" };
                format!(" {}{comment}\n", self.flow(other))
            }
        }
    }
}

fn written(chain: &Value, style: u64) -> String {
    let mut writer = Writer { style };
    let Value::Object(map) = chain else { return String::new() };
    let mut items: Vec<String> =
        map.iter().map(|(key, value)| format!("{key}:{}", writer.block(value, 2))).collect();
    writer.turn(&mut items);
    let text = items.concat();
    if writer.choose(2) == 0 { text.replace('\n', "\r\n") } else { text }
}

fn plan(text: &str) -> Plan {
    let mut found = compiled(text);
    assert_eq!(found.diagnostics, [], "{text}");
    found.plans.remove(0)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn writing_does_not_change_the_meaning(chain in chain(), one in any::<u64>(), two in any::<u64>()) {
        let (first, second) = (plan(&written(&chain, one)), plan(&written(&chain, two)));
        prop_assert_eq!(first.hash(), second.hash());
        let json = serde_json::to_string(&first).unwrap();
        let back = Plan::from_json(&json).unwrap();
        prop_assert_eq!(&back, &first);
        prop_assert_eq!(back.hash(), first.hash());
        prop_assert_eq!(serde_json::to_string(&back).unwrap(), json);
    }

    #[test]
    fn another_meaning_is_another_hash(chain in chain(), style in any::<u64>()) {
        let mut other = chain.clone();
        other["steps"]["s0"]["timeout"] = json!("7h");
        prop_assert_ne!(plan(&written(&chain, style)).hash(), plan(&written(&other, style)).hash());
    }
}
