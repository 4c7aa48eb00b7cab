//! What fixes left in a daemon because they were killed: found by its label, removed once nobody can work with it any more.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::json;

use super::{
    Error,
    client::Client,
    limits::{LABEL, LEFTOVERS, UNTIL},
};

/// "List containers" and "List images", as far as they are of use.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Listed {
    id: String,
    #[serde(default)]
    labels: Option<BTreeMap<String, String>>,
}

impl Listed {
    /// Whether its fix has ended, however.
    fn is_over(&self, now: i64) -> bool {
        let until = self.labels.as_ref().and_then(|labels| labels.get(UNTIL)?.parse::<i64>().ok());
        until.is_some_and(|until| until < now)
    }
    /// What may stand in an address: a digest, with or without its algorithm.
    fn is_plain(&self) -> bool {
        !self.id.is_empty() && self.id.bytes().all(|b| b.is_ascii_alphanumeric() || b == b':')
    }
}

/// Removes them. A daemon that cannot say what there is fails no fix: it is asked for more at once.
pub(super) fn remove(client: &Client) {
    // Containers before the images that they are made of.
    for kind in ["containers", "images"] {
        match old(client, kind) {
            Ok(all) => all.iter().for_each(|one| client.remove(&format!("{kind}/{}", one.id))),
            Err(error) => {
                tracing::warn!(error = &error as &dyn std::error::Error, "leftovers in the daemon");
            }
        }
    }
}

fn old(client: &Client, kind: &str) -> Result<Vec<Listed>, Error> {
    let filters = json!({"label": [LABEL]}).to_string();
    let request = client.get(&format!("{kind}/json")).query(&[("all", "true"), ("filters", &filters)]);
    let all: Vec<Listed> = client.json(request, "list what is left of fixes")?;
    let now = crate::clock::now().as_second();
    Ok(all.into_iter().filter(|one| one.is_over(now) && one.is_plain()).take(LEFTOVERS).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_over_is_removed() {
        let listed = |labels: serde_json::Value| -> Listed {
            serde_json::from_value(json!({"Id": "sha256:0a", "Labels": labels})).unwrap()
        };
        assert!(listed(json!({LABEL: "x", UNTIL: "9"})).is_over(10));
        assert!(!listed(json!({LABEL: "x", UNTIL: "10"})).is_over(10), "somebody works with it");
        for other in [json!(null), json!({LABEL: "x"}), json!({UNTIL: "soon"})] {
            assert!(!listed(other).is_over(10), "it is not ours");
        }
        let odd: Listed = serde_json::from_value(json!({"Id": "../x"})).unwrap();
        assert!(!odd.is_plain() && listed(json!(null)).is_plain());
    }
}
