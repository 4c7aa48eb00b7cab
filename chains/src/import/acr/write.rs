//! The new chain as YAML that a person reads and goes on with.

use std::fmt::Write as _;

use serde_json::Value;

use super::policy::Act;
use super::{Node, Notes, Outline, Settings};

/// A text in double quotes, fit for YAML: what YAML cannot carry is left out.
pub(super) fn text(text: &str) -> String {
    let clean: String =
        text.chars().filter(|c| !crate::diagnostics::unsafe_to_show(*c) && *c != '\u{feff}').collect();
    Value::String(clean).to_string()
}

/// The whole document.
pub(super) fn yaml(outline: &Outline, notes: &mut Notes) -> String {
    // Writing into a String cannot fail.
    let mut out = String::from(
        "# Imported from a delivery chain of Alibaba Cloud Container Registry.\n\
         # What has no equal was told on import; places to edit are marked below.\n\
         version: 1\n",
    );
    let _ = writeln!(out, "chain: {}", outline.chain);
    if let Some(description) = &outline.description {
        let _ = writeln!(out, "description: {}", text(description));
    }
    let globs: Vec<String> = outline.repositories.iter().map(|glob| text(glob)).collect();
    let _ = writeln!(out, "\nscope:\n  repositories: [{}]", globs.join(", "));
    match outline.on_push {
        true => out.push_str("\non:\n  push: {}\n"),
        false => out.push_str(
            "\n# The original was switched off, so nothing starts this but a person: `on: {push: {}}`.\n",
        ),
    }
    out.push_str("\nsteps:\n");
    let mut steps = Steps { out, outline, notes, any: false };
    steps.all();
    let any = steps.any;
    let mut out = steps.out;
    if !any {
        out.push_str("  # Every node was switched off; a scan changes nothing.\n  scan:\n    uses: scan\n");
    }
    out
}

struct Steps<'o> {
    out: String,
    outline: &'o Outline,
    notes: &'o mut Notes,
    any: bool,
}

impl Steps<'_> {
    fn all(&mut self) {
        let gated = self.gated();
        if self.has(Node::Scan) {
            self.begin(Node::Scan, "What is in the image, and what is wrong with it.", "scan");
            self.settings(Node::Scan);
        }
        if gated {
            self.gate();
        }
        let kept = self.outline.policy.act != Act::Block && gated;
        if self.has(Node::Snapshot) || kept {
            self.backup(gated);
        }
        if self.outline.policy.act == Act::Delete && gated {
            self.lines(&[
                "  # The tag goes, the manifest stays; only once the copy has been verified.",
                "  delete:",
                "    uses: delete",
                "    needs: [backup]",
                "    with: {mode: untag}",
                "",
            ]);
        }
        if self.has(Node::Replicate) {
            self.begin(Node::Replicate, "EDIT `to`: [registry/]repository[:tag].", "replicate");
            self.lines(&["    with: {to: \"replica/{{image.repository}}:{{image.tag}}\"}"]);
            self.settings(Node::Replicate);
        }
        for (node, target) in
            [(Node::Trigger, "acr-trigger"), (Node::TriggerSnapshot, "acr-trigger-snapshot")]
        {
            if self.has(node) {
                self.begin(node, "EDIT `target`: one of `targets` in patchline.yaml.", "trigger");
                let _ = writeln!(self.out, "    with: {{target: {target}}}");
                self.settings(node);
            }
        }
        while self.out.ends_with("\n\n") {
            self.out.pop();
        }
    }

    fn has(&self, node: Node) -> bool {
        self.outline.nodes.contains_key(&node)
    }

    fn gated(&self) -> bool {
        self.has(Node::Scan) && !self.outline.policy.deny.is_empty()
    }

    fn lines(&mut self, lines: &[&str]) {
        for line in lines {
            self.out.push_str(line);
            self.out.push('\n');
        }
    }

    /// Comment, name, kind and needs.
    fn begin(&mut self, node: Node, comment: &str, kind: &str) {
        self.any = true;
        let _ = writeln!(self.out, "  # {comment}\n  {}:\n    uses: {kind}", node.step());
        let own = self.outline.needs.get(&node).into_iter().flatten();
        let mut needs: Vec<&str> = own
            .map(|need| match need {
                Node::Scan if self.gated() => "gate",
                other => other.step(),
            })
            .filter(|name| !name.is_empty())
            .collect();
        // A copy of what was denied is no ground to go on with the image itself.
        if node != Node::TriggerSnapshot && self.gated() && needs.contains(&"backup") {
            needs.retain(|name| *name != "backup");
            needs.push("gate");
        }
        needs.sort_unstable();
        needs.dedup();
        if !needs.is_empty() {
            let _ = writeln!(self.out, "    needs: [{}]", needs.join(", "));
        }
    }

    fn settings(&mut self, node: Node) {
        let settings = self.outline.nodes.get(&node).copied().unwrap_or_default();
        self.timing(settings, node);
        self.out.push('\n');
    }

    fn timing(&mut self, settings: Settings, node: Node) {
        match settings.timeout {
            // Ten years are the language's own bound.
            Some(seconds) if (1..=300_000_000).contains(&seconds) => {
                let span = match (seconds % 3_600, seconds % 60) {
                    (0, _) => format!("{}h", seconds / 3_600),
                    (_, 0) => format!("{}m", seconds / 60),
                    _ => format!("{seconds}s"),
                };
                let _ = writeln!(self.out, "    timeout: {span}");
            }
            Some(_) => self.out_of_range("Timeout", node),
            None => {}
        }
        match settings.retry {
            // They count the tries after the first.
            Some(retries) if retries < 100 => {
                let _ = writeln!(self.out, "    retry: {{attempts: {}}}", retries + 1);
            }
            Some(_) => self.out_of_range("Retry", node),
            None => {}
        }
    }

    fn out_of_range(&mut self, key: &str, node: Node) {
        let name = Node::ALL.iter().find(|(_, own)| *own == node).map_or("", |(name, _)| *name);
        let path = format!("$..Nodes[?(@.NodeName=='{name}')].NodeConfig.{key}");
        let message = format!("`{key}` is beyond what a step takes; the default stands");
        self.notes.add("import-unknown-value", &path, message, "choose a value, if the default does not do");
    }

    fn gate(&mut self) {
        self.lines(&[
            "  # What the scan node denied. A level counts from there up; an image that could",
            "  # not be understood whole is denied too.",
            "  gate:",
            "    uses: gate",
            "    needs: [scan]",
            "    with:",
            "      deny:",
        ]);
        for rule in &self.outline.policy.deny {
            let _ = writeln!(self.out, "        - {rule}");
        }
        self.lines(&["        - {undetermined: deny}", ""]);
    }

    fn backup(&mut self, gated: bool) {
        self.begin(Node::Snapshot, "EDIT `to`: where copies lie.", "backup");
        if gated {
            if !self.out.ends_with("needs: [gate]\n") {
                self.lines(&["    needs: [gate]"]);
            }
            self.lines(&["    when: steps.gate.denied"]);
        }
        self.lines(&["    with: {to: \"backup/{{image.repository}}\"}"]);
        self.settings(Node::Snapshot);
    }
}
