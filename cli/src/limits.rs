//! The configured limits: which of them a step falls under, and how much each allows.

use std::collections::BTreeMap;

use patchline_chains::glob::Pattern;
use patchline_engine::{Limit, Limits, Subject};

use crate::{
    config::LimitEntry,
    failure::{Failure, Result},
};

/// Entries, at most: each is looked at for each step that is claimed.
const MOST: usize = 1_000;

/// `limits` of `patchline.yaml`.
#[derive(Debug, Default)]
pub(crate) struct Configured {
    entries: Vec<Entry>,
    most: BTreeMap<String, usize>,
}

#[derive(Debug)]
struct Entry {
    over: Over,
    limit: Limit,
}

/// What an entry counts.
#[derive(Debug)]
enum Over {
    /// Steps over images of a registry.
    Registry(String),
    /// Steps over images of repositories, all that match together.
    Repository(Pattern),
    /// Steps of a chain.
    Chain(String),
}

impl Configured {
    /// Checks the entries.
    pub(crate) fn new(entries: &[LimitEntry]) -> Result<Self> {
        let mut limits = Self::default();
        let wrong = |why: String| Failure::usage("config-invalid", format!("limits: {why}"));
        if entries.len() > MOST {
            return Err(wrong(format!("there are more than {MOST}")));
        }
        for entry in entries {
            let (key, over) = match (&entry.registry, &entry.repository, &entry.chain) {
                (Some(name), None, None) => (format!("registry {name}"), Over::Registry(name.clone())),
                (None, Some(glob), None) => {
                    let pattern =
                        Pattern::new(glob).map_err(|why| wrong(format!("`{glob}` is no glob: {why}")))?;
                    (format!("repository {glob}"), Over::Repository(pattern))
                }
                (None, None, Some(name)) => (format!("chain {name}"), Over::Chain(name.clone())),
                _ => {
                    return Err(wrong("each names one of `registry`, `repository` and `chain`".to_owned()));
                }
            };
            if entry.steps == 0 {
                return Err(wrong(format!("`steps` of {key} is at least 1"))
                    .hint("to stop a chain for a while: patchline chain pause NAME --reason TEXT"));
            }
            if limits.most.insert(key.clone(), entry.steps).is_some() {
                return Err(wrong(format!("{key} stands twice")));
            }
            limits.entries.push(Entry { over, limit: Limit { key, most: entry.steps } });
        }
        Ok(limits)
    }
    /// Whether there is none.
    pub(crate) fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }
}

impl Limits for Configured {
    fn of(&self, chain: &str, subject: &Subject, _: &str) -> Vec<Limit> {
        if self.entries.is_empty() {
            return Vec::new();
        }
        let text = |name: &str| subject.context.get(name).and_then(|v| v.as_str()).unwrap_or_default();
        let (registry, repository) = (text("registry"), text("repository"));
        let whole = format!("{registry}/{repository}");
        let counts = |over: &Over| match over {
            Over::Registry(name) => name == registry,
            Over::Repository(pattern) => pattern.matches(&whole),
            Over::Chain(name) => name == chain,
        };
        self.entries.iter().filter(|entry| counts(&entry.over)).map(|entry| entry.limit.clone()).collect()
    }
    fn most(&self, key: &str) -> Option<usize> {
        self.most.get(key).copied()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_step_falls_under_each_limit_that_names_what_it_is_about() {
        let entry =
            |registry: Option<&str>, repository: Option<&str>, chain: Option<&str>, steps| LimitEntry {
                registry: registry.map(str::to_owned),
                repository: repository.map(str::to_owned),
                chain: chain.map(str::to_owned),
                steps,
            };
        let limits = Configured::new(&[
            entry(Some("main"), None, None, 4),
            entry(None, Some("main/shop/**"), None, 2),
            entry(None, None, Some("web"), 3),
        ])
        .unwrap();
        let keys = |chain: &str, registry: &str, repository: &str| {
            let context = serde_json::json!({"registry": registry, "repository": repository});
            let subject = Subject { identity: String::new(), context };
            limits.of(chain, &subject, "scan").into_iter().map(|l| (l.key, l.most)).collect::<Vec<_>>()
        };
        let (registry, shop, web) =
            (("registry main".into(), 4), ("repository main/shop/**".into(), 2), ("chain web".into(), 3));
        assert_eq!(keys("web", "main", "shop/a/b"), [registry.clone(), shop, web.clone()]);
        assert_eq!(keys("other", "main", "base"), [registry]);
        assert_eq!(keys("web", "other", "shop/a"), [web]);
        assert_eq!(keys("other", "other", "main/shop/a"), []);
        assert_eq!((limits.most("chain web"), limits.most("chain gone")), (Some(3), None));
    }
}
