//! `scope:` which images a chain handles.

use super::Ctx;
use crate::diagnostics::{Diagnostic, shown};
use crate::plan::Scope;
use crate::yaml::Node;

const KEYS: [&str; 4] = ["registry", "repositories", "tags", "platforms"];

impl Ctx<'_> {
    pub(super) fn scope(&mut self, node: &Node) -> Scope {
        let mut scope = Scope::default();
        let Some(fields) = self.fields(node, "`scope`", &KEYS) else { return scope };
        scope.registry = fields.get("registry").and_then(|n| self.text(n)).map(str::to_owned);
        scope.repositories = fields.get("repositories").map(|n| self.globs(n)).unwrap_or_default();
        scope.tags = fields.get("tags").map(|n| self.globs(n)).unwrap_or_default();
        for (platform, item) in fields.get("platforms").map(|n| self.texts(n)).unwrap_or_default() {
            if platform_like(platform) {
                scope.platforms.push(platform.to_owned());
            } else {
                let message = format!("`{}` is no platform", shown(platform));
                let hint = "write operating system and architecture: `linux/amd64`, `linux/arm/v7`";
                self.push(Diagnostic::error("bad-platform", item.span, message).hint(hint));
            }
        }
        scope
    }
}

/// `os/architecture[/variant]`, as in an image index.
fn platform_like(text: &str) -> bool {
    let part = |p: &str| {
        !p.is_empty()
            && p.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || matches!(b, b'_' | b'.'))
    };
    (2..=3).contains(&text.split('/').count()) && text.split('/').all(part)
}
