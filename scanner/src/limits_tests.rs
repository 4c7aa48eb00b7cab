//! docs/limits.md against the code: each limit with its value, and no other.

use std::collections::BTreeSet;

use crate::layers::Limits;

/// Where limits stand.
const FILES: [(&str, &str); 7] = [
    ("image.rs", include_str!("image.rs")),
    ("layers/facts.rs", include_str!("layers/facts.rs")),
    ("layers/docs.rs", include_str!("layers/docs.rs")),
    ("packages/limits.rs", include_str!("packages/limits.rs")),
    ("languages/limits.rs", include_str!("languages/limits.rs")),
    ("advisories/limits.rs", include_str!("advisories/limits.rs")),
    ("formats/limits.rs", include_str!("formats/limits.rs")),
];

/// File, name and value.
type Row = (String, String, u64);

/// A number, or one that is shifted: `32 << 20`.
fn value(text: &str) -> Option<u64> {
    let number = |text: &str| text.trim().replace('_', "").parse::<u64>().ok();
    match text.split_once("<<") {
        Some((a, b)) => number(a)?.checked_shl(u32::try_from(number(b)?).ok()?),
        None => number(text),
    }
}

/// The constants of a file that are numbers.
fn constants(file: &str, text: &str) -> Vec<Row> {
    let constant = |line: &str| {
        let line = line.strip_suffix(';')?;
        let (_, after) = line.split_once("const ").filter(|(b, _)| b.is_empty() || b.starts_with("pub"))?;
        let (name, rest) = after.split_once(": ")?;
        let (kind, number) = rest.split_once(" = ")?;
        let counts = matches!(kind, "u64" | "usize" | "u32");
        counts.then(|| (file.to_owned(), name.to_owned(), value(number).unwrap_or_else(|| panic!("{line}"))))
    };
    text.lines().filter_map(constant).collect()
}

#[test]
fn the_page_of_limits_says_what_the_code_says() {
    let Limits { entries, uncompressed, free, ratio, path, headers } = Limits::default();
    let layer = [
        ("entries", entries),
        ("uncompressed", uncompressed),
        ("free", free),
        ("ratio", ratio),
        ("path", path as u64),
        ("headers", headers),
    ];
    let layer = layer.map(|(name, value)| ("layers::Limits".to_owned(), name.to_owned(), value));
    let code: BTreeSet<Row> =
        FILES.iter().flat_map(|(file, text)| constants(file, text)).chain(layer).collect();
    let (mut place, mut page) = (String::new(), BTreeSet::new());
    for line in include_str!("../../docs/limits.md").lines() {
        let word = |text: &str| text.trim().trim_matches('`').to_owned();
        let row = line.strip_prefix("| `").and_then(|row| row.split_once(" | "));
        if line.starts_with('`') {
            place = word(line).trim_start_matches("scanner/src/").to_owned();
        } else if let Some((name, rest)) = row {
            let number = rest.split(" | ").next().unwrap_or_default();
            page.insert((place.clone(), word(name), value(number).unwrap_or_else(|| panic!("{line}"))));
        }
    }
    let lacks: Vec<_> = code.difference(&page).collect();
    let invents: Vec<_> = page.difference(&code).collect();
    assert!(lacks.is_empty() && invents.is_empty(), "docs/limits.md lacks {lacks:?} and has {invents:?}");
    assert!(code.len() > 90, "{} limits", code.len());
}
