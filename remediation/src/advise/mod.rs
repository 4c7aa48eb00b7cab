//! What whoever builds an image has to change where no fix can mend it: per package the version to require and where it
//! stands, the base image, and a patch of the Dockerfile. Nothing is asked or read here but what is handed in.

mod base;
mod diff;
mod dockerfile;
mod pins;

use std::collections::BTreeMap;

use patchline_registry::Digest;
use patchline_scanner::{Severity, version::Order};
use serde::Serialize;

use crate::{Draft, EndOfLife, Stay};

pub use base::{Base, Claim};
pub use diff::{Edit, unified};
pub use dockerfile::{Dockerfile, LONGEST as LONGEST_DOCKERFILE};

/// One package that somebody has to change, or wait for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Change {
    /// OSV's ecosystem: `Debian:12`, `PyPI`; empty: Debian's.
    pub ecosystem: String,
    /// Source package, or the package of a language.
    pub package: String,
    /// Binary packages.
    pub packages: Vec<String>,
    /// Installed version.
    pub installed: String,
    /// The lowest version that ends all of these findings; none: no advisory names one.
    pub require: Option<String>,
    /// Files of the image that tell of it.
    pub paths: Vec<String>,
    /// The findings that the change ends.
    pub ends: Vec<String>,
    /// Their worst severity.
    pub worst: Severity,
    /// Why no fix mends it, as in [`Stay::code`].
    pub code: String,
    /// What to do, for people.
    pub advice: String,
}

/// All of it.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Advice {
    /// Format, 1.
    pub version: u32,
    /// The image manifest.
    pub image: Digest,
    /// As os-release names it.
    pub system: Option<String>,
    /// What has ended of its support.
    pub end_of_life: Option<EndOfLife>,
    /// What it is built on, where it says so.
    pub base: Option<Base>,
    /// How many findings `patchline fix` would end.
    pub mendable: usize,
    /// Worst first.
    pub changes: Vec<Change>,
}

impl Advice {
    /// Of what a plan leaves.
    pub fn of(draft: &Draft, base: Option<Base>) -> Self {
        let mut mends: Vec<&String> = draft.plan.upgrades.iter().flat_map(|u| &u.mends).collect();
        mends.sort_unstable();
        mends.dedup();
        Self {
            version: 1,
            image: draft.image.clone(),
            system: draft.system.clone(),
            end_of_life: draft.end_of_life.clone(),
            base,
            mendable: mends.len(),
            changes: changes(&draft.stays, draft.end_of_life.as_ref()),
        }
    }
}

fn changes(stays: &[Stay], end: Option<&EndOfLife>) -> Vec<Change> {
    type Key<'a> = (bool, &'a str, &'a str, &'a [String], &'a str);
    let mut by: BTreeMap<Key<'_>, Vec<&Stay>> = BTreeMap::new();
    for stay in stays {
        let key = (stay.fixed.is_some(), &*stay.source, &*stay.installed, &*stay.paths, &*stay.code);
        by.entry(key).or_default().push(stay);
    }
    let mut changes: Vec<Change> = by.into_values().filter_map(|all| change(&all, end)).collect();
    // What can be changed stands before what can only be waited for.
    changes.sort_by(|a, b| {
        b.require
            .is_some()
            .cmp(&a.require.is_some())
            .then_with(|| b.worst.cmp(&a.worst))
            .then_with(|| (&a.package, &a.installed).cmp(&(&b.package, &b.installed)))
    });
    changes
}

fn change(all: &[&Stay], end: Option<&EndOfLife>) -> Option<Change> {
    let first = all.first()?;
    let order = if first.ecosystem.is_empty() {
        Order::Dpkg
    } else {
        Order::of_ecosystem(&first.ecosystem).unwrap_or(Order::SemVer)
    };
    let fixed = all.iter().filter_map(|stay| stay.fixed.as_deref());
    let require = fixed.max_by(|a, b| order.compare(a, b)).map(str::to_owned);
    let mut ends: Vec<String> = all.iter().map(|stay| stay.id.clone()).collect();
    ends.dedup();
    let mut packages: Vec<String> = all.iter().flat_map(|stay| stay.packages.clone()).collect();
    packages.sort_unstable();
    packages.dedup();
    Some(Change {
        ecosystem: first.ecosystem.clone(),
        package: first.source.clone(),
        packages,
        installed: first.installed.clone(),
        advice: advice(first, require.as_deref(), end),
        require,
        paths: first.paths.clone(),
        ends,
        worst: all.iter().map(|stay| stay.severity).max().unwrap_or(Severity::Unknown),
        code: first.code.clone(),
    })
}

/// One sentence of what to do.
fn advice(stay: &Stay, require: Option<&str>, end: Option<&EndOfLife>) -> String {
    let name = &stay.source;
    let Some(require) = require else {
        return match end.filter(|end| end.is_over()) {
            Some(end) => format!("nobody will mend it here, for {end}: build on a release that is supported"),
            None => {
                "no version mends it yet: wait for one, do without the package, or accept it by an exception"
                    .to_owned()
            }
        };
    };
    if let Some(path) = stay.paths.first() {
        let more = match stay.paths.len() - 1 {
            0 => " holds".to_owned(),
            1 => " and one more file hold".to_owned(),
            more => format!(" and {more} more files hold"),
        };
        let line = match Order::of_ecosystem(&stay.ecosystem) {
            Some(Order::Pep440) => format!("require {name}>={require} (pip, pyproject.toml)"),
            Some(Order::Npm) => format!("require {name}@^{require} (package.json, then the lock file)"),
            Some(Order::Maven) => format!("require {name}:{require} (pom.xml, build.gradle)"),
            Some(Order::Go) => {
                format!("build with {name} {require} or later (go get {name}@{})", go(require))
            }
            Some(Order::Gem) => format!("require gem \"{name}\", \">= {require}\" (Gemfile)"),
            Some(Order::Composer) => format!("require {name}:^{require} (composer.json)"),
            _ => format!("require {name} {require} or later"),
        };
        return format!("{line}; /{path}{more} {}", stay.installed);
    }
    match stay.code.as_str() {
        "script-needs-sandbox" => {
            "a script has to run: `patchline fix --executor sandbox`, or upgrade it in the Dockerfile"
                .to_owned()
        }
        "held" => "it is held: lift the hold or the pin, and fix again".to_owned(),
        "deny-listed" => "it is on the deny-list: take it off, and fix again".to_owned(),
        "new-dependency" | "conflict" => {
            format!(
                "upgrade it to {require} in the Dockerfile, where the package manager may take along what it needs"
            )
        }
        "shadowed" => {
            "a later layer has put another file in its place: leave that out, and fix again".to_owned()
        }
        "not-selected" | "not-chosen" => "it can be mended: select it in `patchline fix`".to_owned(),
        _ => match end.filter(|end| end.is_over()) {
            Some(end) => format!("{end}: build on a release that is supported"),
            None => format!("no repository has {name} {require}: build on a newer base image"),
        },
    }
}

/// Go's versions have a `v` in front.
fn go(version: &str) -> String {
    if version.starts_with('v') { version.to_owned() } else { format!("v{version}") }
}

#[cfg(test)]
#[path = "tests.rs"]
mod tests;
