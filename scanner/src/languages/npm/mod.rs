//! JavaScript: installed packages and the lock files of npm, yarn, pnpm and bun.

mod bun;
mod package;
mod package_lock;
mod pnpm;
mod yarn;

pub(super) use bun::BUN;
pub(super) use package::PACKAGE;
pub(super) use package_lock::PACKAGE_LOCK;
pub(super) use pnpm::PNPM;
pub(super) use yarn::YARN;

use super::{Component, Kind, tree::Node};

/// A package by its whole name; none: it is no name that the registry would take.
fn component(name: &str, version: &str) -> Option<Component> {
    let (scope, bare) = match name.strip_prefix('@') {
        Some(scoped) => {
            let (scope, bare) = scoped.split_once('/')?;
            (Some(scope), bare)
        }
        None => (None, name),
    };
    let fits = |part: &str| {
        !part.is_empty() && !part.contains(|c: char| c == '/' || c == '\\' || c == '@' || c.is_whitespace())
    };
    if !fits(bare) || !scope.is_none_or(fits) {
        return None;
    }
    Some(Component { namespace: scope.map(|s| format!("@{s}")), ..Component::new(Kind::Npm, bare, version) })
}

/// npm-docs, "package.json: license", and the older forms: `{type, url}`, and lists of either.
fn licenses(license: &Node<'_>) -> Vec<String> {
    let one = |node: &Node<'_>| {
        let text = if node.entries().is_empty() { node.text() } else { node.get("type").text() };
        // A number is a text here, and no licence.
        super::input::license_name(text).filter(|name| name.parse::<f64>().is_err())
    };
    match license {
        Node::List(all) => all.iter().filter_map(one).collect(),
        other => one(other).into_iter().collect(),
    }
}

/// `name@rest`, where the name may begin with an `@` of its own.
fn split_at(text: &str) -> Option<(&str, &str)> {
    let at = text.char_indices().skip(1).find(|(_, c)| *c == '@')?.0;
    Some((&text[..at], &text[at + 1..]))
}

/// Where a package manager took it from, as far as it says: a package of the registry and its
/// relatives is believed to be what its name says, a folder of the project is not.
fn from_registry(source: &str) -> bool {
    let local = ["file:", "link:", "portal:", "workspace:", "exec:", "root:", "./", "../", "/"];
    !local.iter().any(|l| source.starts_with(l))
}
