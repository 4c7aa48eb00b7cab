//! `scope:` which images a chain handles.

use super::{Ctx, platforms};
use crate::plan::Scope;
use crate::schema::keys::SCOPE;
use crate::yaml::Node;

impl Ctx<'_> {
    pub(super) fn scope(&mut self, node: &Node) -> Scope {
        let mut scope = Scope::default();
        let Some(fields) = self.fields(node, "`scope`", &SCOPE) else { return scope };
        scope.registry = fields.get("registry").and_then(|n| self.text(n)).map(str::to_owned);
        scope.repositories = fields.get("repositories").map(|n| self.globs(n)).unwrap_or_default();
        scope.tags = fields.get("tags").map(|n| self.globs(n)).unwrap_or_default();
        for (platform, item) in fields.get("platforms").map(|n| self.texts(n)).unwrap_or_default() {
            match platforms::fault(platform, |place| self.inside(item, place)) {
                None => scope.platforms.push(platform.to_owned()),
                Some(problem) => self.push(problem),
            }
        }
        scope
    }
}
