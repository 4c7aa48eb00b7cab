//! What may not go up whatever is wanted, and the word that a plan which a person has edited is held to.

use std::collections::BTreeMap;

use patchline_scanner::version::compare_debian;

use super::ground::Ground;
use crate::{
    Error, Result,
    plan::{Blocked, Chosen, Key, Pick, Rules, Want, pinned},
};

/// What may not go up whatever is wanted.
pub(super) fn holds(ground: &Ground, rules: &Rules) -> BTreeMap<Key, Blocked> {
    let because = |code, reason| Blocked { code, reason, to: None };
    let mut blocked = BTreeMap::new();
    for (key, package) in &ground.database.packages {
        let why = if let Some(why) = rules.keeps(&package.record.name, &package.record.source) {
            Some(why)
        } else if package.is_held() {
            Some(because("held", "dpkg's selection is `hold`".to_owned()))
        } else if !package.is_whole() {
            Some(because("conflict", format!("dpkg says `{}` of it", package.status)))
        } else {
            let pin = pinned(&ground.tree, &package.record.name, &package.record.source);
            pin.map(|why| because("held", why))
        };
        if let Some(why) = why {
            blocked.insert(key.clone(), why);
        }
    }
    blocked
}

/// Whether an edited plan holds as it was written: nothing of it is refused, nothing else goes along, and nothing that a
/// former fix had reached goes back.
pub(super) fn held_to(
    ground: &Ground,
    want: &Want,
    rules: &Rules,
    picks: &BTreeMap<Key, Pick>,
    blocked: &BTreeMap<Key, Blocked>,
) -> Result<()> {
    let Some(chosen) = &rules.exactly else { return Ok(()) };
    let refuse =
        |package: &str, reason: String| Err(Error::PlanRefused { package: package.to_owned(), reason });
    let is_chosen = |key: &Key| chosen.iter().any(|one: &Chosen| one.package == key.0);
    if let Some((key, why)) = blocked.iter().find(|(key, _)| is_chosen(key)) {
        return refuse(&key.0, why.reason.clone());
    }
    if let Some((key, pick)) = picks.iter().find(|(key, _)| !is_chosen(key)) {
        return refuse(
            &key.0,
            format!("it has to go to {} as well, and is not in the plan", pick.record.version),
        );
    }
    for (key, package) in &ground.database.packages {
        let Some(floor) = want.floors.get(&package.record.source) else { continue };
        let reaches =
            picks.get(key).map_or(&package.record.source_version, |pick| &pick.record.source_version);
        if compare_debian(reaches, floor).is_lt() {
            return refuse(&key.0, format!("the image has {floor} of its source already, and would go back"));
        }
    }
    Ok(())
}
