use super::*;
use crate::{
    UpgradePolicy,
    plan::{Want, wanted},
    tree::{LayerTree, Tree},
};

fn database(status: &str) -> Database {
    let mut builder = tar::Builder::new(Vec::new());
    let mut header = tar::Header::new_gnu();
    header.set_size(status.len() as u64);
    header.set_mode(0o644);
    header.set_uid(0);
    header.set_gid(0);
    header.set_mtime(0);
    builder.append_data(&mut header, "var/lib/dpkg/status", status.as_bytes()).unwrap();
    let bytes = builder.into_inner().unwrap();
    let mut tree = Tree::default();
    tree.apply(LayerTree::read(&patchline_registry::Digest::of(b""), bytes.as_slice()).unwrap());
    Database::read(&tree, "amd64").unwrap().unwrap()
}

fn stanza(name: &str, version: &str, more: &str) -> String {
    format!(
        "Package: {name}\nVersion: {version}\nArchitecture: amd64\nStatus: install ok installed\n{more}\n"
    )
}

/// What goes up, and what is refused with which code.
fn solved(
    installed: &[String],
    offered: &[String],
    fix: &[(&str, &str)],
) -> (Vec<String>, Vec<(String, &'static str)>) {
    let database = database(&installed.concat());
    let suite = Suite::new("s-security", "hash", "date", true, offered.concat()).unwrap();
    let suites = [Arc::new(suite)];
    let mut want = Want::default();
    for (source, version) in fix {
        want.fixed.insert((*source).to_owned(), (*version).to_owned());
    }
    let mut blocked = BTreeMap::new();
    let first = wanted(&database, &suites, &want, UpgradePolicy::Minimal, &mut blocked).unwrap();
    let picks = Solver::new(&database, &suites).unwrap().solve(&first, &mut blocked).unwrap();
    (
        picks.iter().map(|(key, pick)| format!("{} {}", key.0, pick.record.version)).collect(),
        blocked.iter().map(|(key, why)| (key.0.clone(), why.code)).collect(),
    )
}

#[test]
fn a_source_goes_up_whole_to_the_lowest_version_that_mends() {
    let installed = [stanza("tool", "1-1", "Source: src\n"), stanza("libtool0", "1-1", "Source: src\n")];
    let offered: Vec<_> = ["1-2", "1-3", "1-4"]
        .iter()
        .flat_map(|v| {
            [
                stanza("tool", v, "Source: src\n"),
                stanza("libtool0", &format!("{v}+b1"), &format!("Source: src ({v})\n")),
            ]
        })
        .collect();
    let (up, refused) = solved(&installed, &offered, &[("src", "1-3")]);
    assert_eq!(up, ["libtool0 1-3+b1", "tool 1-3"]);
    assert_eq!(refused, []);
    let (up, refused) = solved(&installed, &offered, &[("src", "2")]);
    assert!(up.is_empty());
    assert_eq!(refused, [("libtool0".into(), "not-in-repository"), ("tool".into(), "not-in-repository")]);
}

#[test]
fn what_is_bound_is_refused_together_and_the_rest_goes_on() {
    let installed = [
        stanza("ab-bin", "1", "Source: ab\nDepends: ab-lib (= 1)\n"),
        stanza("ab-lib", "1", "Source: ab\n"),
        stanza("other", "1", ""),
    ];
    let offered = [
        stanza("ab-bin", "2", "Source: ab\nDepends: ab-lib (= 2)\n"),
        stanza("ab-lib", "2", "Source: ab\nDepends: brand-new | newer\n"),
        stanza("other", "2", ""),
    ];
    let (up, refused) = solved(&installed, &offered, &[("ab", "2"), ("other", "2")]);
    assert_eq!(up, ["other 2"]);
    assert_eq!(refused, [("ab-bin".into(), "new-dependency"), ("ab-lib".into(), "new-dependency")]);
}

#[test]
fn an_installed_dependency_goes_along() {
    let installed =
        [stanza("tool", "1", ""), stanza("libx", "1", ""), stanza("user", "1", "Depends: libx (= 1)\n")];
    let offered = [
        stanza("tool", "2", "Depends: libx (>= 2)\n"),
        stanza("libx", "2", ""),
        stanza("user", "2", "Depends: libx (= 2)\n"),
    ];
    let (up, refused) = solved(&installed, &offered, &[("tool", "2")]);
    assert_eq!(up, ["libx 2", "tool 2", "user 2"]);
    assert_eq!(refused, []);
    // Where the one that is bound to the old version has no newer one, the whole upgrade is refused.
    let (up, refused) = solved(&installed, &offered[..2], &[("tool", "2")]);
    assert!(up.is_empty(), "{up:?}");
    assert!(refused.iter().any(|(package, code)| package == "tool" && *code == "conflict"), "{refused:?}");
}

#[test]
fn breaks_and_provides_count() {
    let installed =
        [stanza("tool", "1", ""), stanza("old", "1", ""), stanza("mta", "1", "Provides: mail (= 3)\n")];
    let breaking = [stanza("tool", "2", "Breaks: old (<< 2)\nDepends: mail (>= 2)\n")];
    let (up, refused) = solved(&installed, &breaking, &[("tool", "2")]);
    assert!(up.is_empty());
    assert_eq!(refused, [("tool".into(), "conflict")]);
    let with_old = [breaking[0].clone(), stanza("old", "2", "")];
    assert_eq!(solved(&installed, &with_old, &[("tool", "2")]).0, ["old 2", "tool 2"]);
    let unversioned = [installed[0].clone(), stanza("mta", "1", "Provides: mail\n")];
    let (up, refused) =
        solved(&unversioned, &[stanza("tool", "2", "Depends: mail (>= 2)\n")], &[("tool", "2")]);
    assert!(up.is_empty() && refused.len() == 1, "a provide without a version meets no versioned relation");
}
