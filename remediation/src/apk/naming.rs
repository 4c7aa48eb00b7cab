//! Texts with places to fill, `${name}-${version}.apk`, as apk 3 has them in repositories and indexes (apk-repositories(5)).

use super::{Checksum, IndexEntry, index::is_word};

/// Characters of what comes of it.
const MAX: usize = 2048;

/// Fills every `${name}`, of which `${name:3}` takes the first three characters; none: a name is not known, a place has no
/// end, or it grows too long.
pub(super) fn filled(text: &str, of: impl Fn(&str) -> Option<String>) -> Option<String> {
    let (mut filled, mut rest) = (String::new(), text);
    while let Some((before, place)) = rest.split_once("${") {
        let (place, after) = place.split_once('}')?;
        let (name, most) = match place.split_once(':') {
            Some((name, most)) => (name, most.parse().ok()?),
            None => (place, usize::MAX),
        };
        filled.push_str(before);
        filled.extend(of(name)?.chars().take(most));
        rest = after;
        if filled.len() > MAX {
            return None;
        }
    }
    filled.push_str(rest);
    (filled.len() <= MAX).then_some(filled)
}

/// Where a package lies below its repository's address; none: nowhere there.
pub(super) fn package_path(naming: &str, architecture: &str, entry: &IndexEntry) -> Option<String> {
    let path = filled(naming, |name| match name {
        "name" => Some(entry.name.clone()),
        "version" => Some(entry.version.clone()),
        // It lies with those of the machine that asks.
        "arch" => {
            let of_package = entry.field('A').filter(|of_package| *of_package != "noarch");
            Some(of_package.unwrap_or(architecture).to_owned())
        }
        "hash" => Some(match entry.checksum {
            Checksum::Sha1(bytes) | Checksum::Cut(bytes) => hex::encode(bytes),
            Checksum::Sha256(bytes) => hex::encode(bytes),
        }),
        _ => None,
    })?;
    path.split('/').all(is_word).then_some(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_filled() {
        let of = |name: &str| (name == "name").then(|| "musl".to_owned());
        assert_eq!(filled("${name:2}/${name}.apk", of).as_deref(), Some("mu/musl.apk"));
        for text in ["${other}", "${name", "${name:x}", "${name:-1}"] {
            assert_eq!(filled(text, of), None, "{text}");
        }
        assert_eq!(filled(&"${name}".repeat(1000), of), None);
    }

    #[test]
    fn a_package_lies_below_its_repository() {
        let entry = IndexEntry {
            name: "musl".to_owned(),
            version: "1.2-r0".to_owned(),
            origin: "musl".to_owned(),
            checksum: Checksum::Cut([0xab; 20]),
            size: 1,
            depends: Vec::new(),
            provides: Vec::new(),
            install_if: Vec::new(),
            fields: vec![('A', "noarch".to_owned())],
            repository: 0,
        };
        let path = |naming: &str| package_path(naming, "x86_64", &entry);
        assert_eq!(path("${arch}/${name}-${version}.apk").as_deref(), Some("x86_64/musl-1.2-r0.apk"));
        assert_eq!(path("by/${hash:4}.apk").as_deref(), Some("by/abab.apk"));
        for elsewhere in
            ["https://evil.example/${name}", "../${name}.apk", "/${name}", "a//${name}", "${name}?x"]
        {
            assert_eq!(path(elsewhere), None, "{elsewhere}");
        }
    }
}
