//! The upgrades of a plan that a person has edited: each as it is written there, from the repositories as they are now.

use std::{collections::BTreeMap, sync::Arc};

use super::{
    Blocked, Chosen, Key, Pick, Rules,
    choose::{offer, offered},
};
use crate::{Result, apt::Suite, installed::Database};

/// The record of every chosen upgrade; what is not installed as the plan says, or what no repository has, is blocked.
pub fn exactly(
    database: &Database,
    suites: &[Arc<Suite>],
    chosen: &[Chosen],
    rules: &Rules,
    blocked: &mut BTreeMap<Key, Blocked>,
) -> Result<BTreeMap<Key, Pick>> {
    let mut picks = BTreeMap::new();
    for one in chosen {
        let of_name =
            database.packages.iter().filter(|(key, p)| key.0 == one.package && p.record.version == one.from);
        let found: Vec<_> = of_name.collect();
        let by_architecture = found.iter().find(|(key, _)| key.1 == one.architecture);
        let Some((key, installed)) = by_architecture.or(found.first()).copied() else {
            let reason = format!("{} {} is not installed", one.package, one.from);
            let key = (one.package.clone(), one.architecture.clone());
            blocked.insert(key, Blocked { code: "not-installed", reason, to: Some(one.to.clone()) });
            continue;
        };
        let mut records = offered(suites, installed)?;
        records.retain(|record| record.version == one.to);
        let Some(record) = records.into_iter().next() else {
            let reason = format!("no verified repository has {} {}", one.package, one.to);
            let why = Blocked { code: "not-in-repository", reason, to: Some(one.to.clone()) };
            blocked.entry(key.clone()).or_insert(why);
            continue;
        };
        match rules.against(&offer(&record)) {
            Some(why) => {
                blocked.entry(key.clone()).or_insert(why);
            }
            None => {
                picks.insert(key.clone(), Pick { record, along: false });
            }
        }
    }
    Ok(picks)
}
