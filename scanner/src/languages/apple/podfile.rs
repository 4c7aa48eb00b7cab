//! `Podfile.lock`; CocoaPods, "Podfile.lock".

use crate::languages::{
    Component, Found, Kind, Named, Unreadable,
    input::{self, Size, Whole},
    tree,
};

pub(in crate::languages) static PODFILE: Whole = Whole {
    name: "cocoapods",
    version: 1,
    named: &[Named::Is("Podfile.lock")],
    wants: input::any,
    limit: Size::Whole,
    parse: |_, bytes| podfile(&input::text(bytes)),
};

/// Each is `Name/Subspec (1.0)`, or a map of that to what it needs.
fn podfile(text: &str) -> Result<Found, Unreadable> {
    let documents = tree::yaml(text)?;
    let pods = documents.iter().flat_map(|document| document.get("PODS").items());
    let mut found = Found::default();
    for pod in pods {
        let text = pod.entries().first().map_or(pod.text(), |(text, _)| text);
        let parts = text.split_once(" (").and_then(|(name, rest)| Some((name, rest.strip_suffix(')')?)));
        let (name, version) = parts.ok_or_else(|| Unreadable::new(format!("{text:?} is no pod")))?;
        found.add(Component::locked(Kind::Cocoapods, name, version));
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pods_and_subspecs() {
        let text = "PODS:\n  - A (1.0):\n    - A/Core (= 1.0)\n  - A/Core (1.0)\n\nCOCOAPODS: 1.11.2\n";
        let found: Vec<_> = podfile(text).expect("parses").components.iter().map(Component::purl).collect();
        assert_eq!(found, ["pkg:cocoapods/A@1.0", "pkg:cocoapods/A@1.0#Core"]);
        assert!(podfile("PODS:\n - A\n").is_err());
    }
}
