//! Limits by themselves: their names, what they may be, and the page that tells of them.

use std::{fmt::Write as _, path::Path};

use super::{Invalid, Limits};

/// 64 MiB where that is what it is: nobody reads bytes in eleven digits.
fn amount(value: u64) -> String {
    for (shift, unit) in [(40, "TiB"), (30, "GiB"), (20, "MiB"), (10, "KiB")] {
        if value >= 1 << shift && value.is_multiple_of(1 << shift) {
            return format!("{} {unit}", value >> shift);
        }
    }
    value.to_string()
}

fn page() -> String {
    let mut out = String::from(HEAD);
    for (room, limits) in Limits::default().rooms() {
        let _ = write!(out, "\n## `{room}`\n\n| limit | usually | at most | of what |\n|---|---|---|---|\n");
        for limit in limits {
            let (usual, most) = (amount(limit.value), amount(limit.most));
            let _ = writeln!(out, "| `{}` | {usual} | {most} | {} |", limit.name, limit.what);
        }
    }
    out
}

const HEAD: &str = "# Limits

All that the scanner reads was written by strangers. What each of them may cost is bounded below, by name. Where a limit is
reached, the scan fails with `limit-exceeded`, or the report says that it is `incomplete` and of which file; only licences
that are beyond theirs stay unknown, and unreadable files beyond the number that is remembered are not told of.

`scanner-limits` in `patchline.yaml` sets them, by these names, for all commands that read it; a number, or bytes with a unit:

```yaml
scanner-limits:
  layer:
    uncompressed: 16 GiB
    entries: 500000
  archives:
    depth: 4
```

A limit of 1 is the least; the most is in the table. What was understood of a layer is kept with the limits under which it
was, so other limits never meet old answers. Whoever raises them says how much memory and time a stranger may have: a layer is
read as a stream, but what is held of one file grows with `languages.whole`, `facts.file` and `archives.held`.
";

/// As `PATCHLINE_BLESS=1` writes it.
#[test]
fn the_page_of_limits_says_what_the_code_says() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/limits.md");
    if std::env::var_os("PATCHLINE_BLESS").is_some_and(|v| v == "1") {
        std::fs::write(&path, page()).expect("writes");
    }
    let there = std::fs::read_to_string(&path).expect("the page");
    let differs =
        there.lines().zip(page().lines().map(str::to_owned).collect::<Vec<_>>()).find(|(a, b)| a != b);
    assert!(
        there == page(),
        "docs/limits.md is not what the code says: {differs:?}; PATCHLINE_BLESS=1 writes it"
    );
}

#[test]
fn every_limit_can_be_set_to_its_bounds_and_no_further() {
    for (room, limits) in Limits::default().rooms() {
        for limit in limits {
            assert!((1..=limit.most).contains(&limit.value), "{room}.{}", limit.name);
            let mut all = Limits::default();
            for value in [1, limit.most] {
                all.change(room, &limit.name, value).unwrap_or_else(|e| panic!("{room}: {e}"));
                let rooms = all.rooms();
                let (_, changed) = rooms.iter().find(|(name, _)| *name == room).expect("the room");
                let changed = changed.iter().find(|l| l.name == limit.name).expect("the limit");
                assert_eq!(changed.value, value, "{room}.{}", limit.name);
            }
            for value in [0, limit.most + 1, u64::MAX] {
                let error = all.change(room, &limit.name, value).expect_err("out of range");
                assert_eq!(error, Invalid::Range { name: limit.name.clone(), value, most: limit.most });
            }
        }
    }
    let mut all = Limits::default();
    assert_eq!(all.change("layer", "entires", 1), Err(Invalid::Name("entires".into())));
    assert_eq!(all.change("layers", "entries", 1), Err(Invalid::Room("layers".into())));
    assert_eq!(all, Limits::default());
}

#[test]
fn other_limits_are_other_facts() {
    let mut all = Limits::default();
    let usual = all.of_layers();
    all.sbom.size = 1;
    assert!(all.of_layers() == usual, "an SBOM is no layer");
    all.archives.depth = 1;
    assert!(all.of_layers() != usual);
}
