//! `Package.resolved`, versions 1 to 3; Swift Package Manager, "Resolved versions (Package.resolved file)".

use crate::languages::{
    Component, Found, Kind, Named, Unreadable,
    input::{self, Size, Whole},
    tree::{self, Node},
};

pub(in crate::languages) static SWIFT: Whole = Whole {
    name: "swift",
    version: 1,
    named: &[Named::Is("Package.resolved")],
    wants: input::any,
    limit: Size::Whole,
    parse: |_, bytes| swift(bytes),
};

fn swift(bytes: &[u8]) -> Result<Found, Unreadable> {
    let document = tree::json(bytes)?;
    let pins = document.get("pins").items().iter().chain(document.get("object").get("pins").items());
    Ok(pins.filter_map(pin).collect())
}

/// Its name is its address; a branch stands for a version that there is none of.
fn pin(pin: &Node<'_>) -> Option<Component> {
    let address = match pin.get("location").text() {
        "" => pin.get("repositoryURL").text(),
        location => location,
    };
    let path = address.split_once("://").map_or(address, |(_, path)| path);
    let path = path.rsplit_once('@').map_or(path, |(_, path)| path);
    let path = path.strip_suffix(".git").unwrap_or(path).trim_matches('/').replacen(':', "/", 1);
    let state = pin.get("state");
    let version =
        [state.get("version"), state.get("branch")].into_iter().map(Node::text).find(|v| !v.is_empty())?;
    (!path.is_empty()).then(|| Component::locked(Kind::Swift, path, version).split_path())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pins_of_all_versions() {
        let json = br#"{"pins": [{"location": "https://h.example/o/A.git", "state": {"version": "1.0"}},
            {"location": "git@h.example:o/B.git", "state": {"branch": "main"}}, {"location": "https://h/x", "state": {}}],
            "object": {"pins": [{"repositoryURL": "ssh://git@h.example/o/C", "state": {"version": "2.0", "branch": null}}]}}"#;
        let found: Vec<_> = swift(json).expect("parses").components.iter().map(Component::purl).collect();
        assert_eq!(
            found,
            ["pkg:swift/h.example/o/A@1.0", "pkg:swift/h.example/o/B@main", "pkg:swift/h.example/o/C@2.0"]
        );
    }
}
