use super::*;
use crate::{
    UpgradePolicy,
    apt::Place,
    plan::{Chosen, Want, exactly, wanted},
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
    let (up, refused) = ruled(installed, offered, fix, &Rules::default());
    (up, refused.into_iter().map(|(package, why)| (package, why.code)).collect())
}

/// The same under rules, with the reasons.
fn ruled(
    installed: &[String],
    offered: &[String],
    fix: &[(&str, &str)],
    rules: &Rules,
) -> (Vec<String>, Vec<(String, Blocked)>) {
    let database = database(&installed.concat());
    let suite =
        Suite::new("s-security", "hash", "date", Place::DebianSecurity, vec![offered.concat()]).unwrap();
    let suites = [Arc::new(suite)];
    let mut want = Want::default();
    for (source, version) in fix {
        want.fixed.insert((*source).to_owned(), (*version).to_owned());
    }
    let mut blocked = BTreeMap::new();
    for (key, package) in &database.packages {
        let kept = rules.keeps(&package.record.name, &package.record.source);
        blocked.extend(kept.map(|why| (key.clone(), why)));
    }
    let first = match &rules.exactly {
        Some(chosen) => exactly(&database, &suites, chosen, rules, &mut blocked).unwrap(),
        None => wanted(&database, &suites, &want, UpgradePolicy::Minimal, rules, &mut blocked).unwrap(),
    };
    let picks = Solver::new(&database, &suites, rules).unwrap().solve(&first, &mut blocked).unwrap();
    (
        picks.iter().map(|(key, pick)| format!("{} {}", key.0, pick.record.version)).collect(),
        blocked.iter().map(|(key, why)| (key.0.clone(), why.clone())).collect(),
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

fn rules(denied: &[&str]) -> Rules {
    Rules { denied: denied.iter().map(|entry| entry.parse().unwrap()).collect(), ..Rules::default() }
}

#[test]
fn what_is_denied_stays_by_name_and_so_does_what_needs_it() {
    let installed = [stanza("tool", "1", ""), stanza("libx", "1", ""), stanza("other", "1", "")];
    let offered = [
        stanza("tool", "2", "Depends: libx (>= 2)\n"),
        stanza("libx", "2", ""),
        stanza("libx", "3", ""),
        stanza("other", "2", ""),
        stanza("other", "3", ""),
    ];
    let fix = [("tool", "2"), ("other", "2")];
    let (up, refused) = ruled(&installed, &offered, &fix, &rules(&["libx"]));
    assert_eq!(up, ["other 2"]);
    let tool = refused.iter().find(|(package, _)| package == "tool").unwrap();
    assert_eq!(tool.1.code, "deny-listed");
    assert_eq!(
        tool.1.reason,
        "tool 2 needs libx (>= 2), and libx stays: kept back: libx is on the deny-list"
    );

    // One version: the next one is taken, where there is one.
    let (up, refused) = ruled(&installed, &offered, &fix, &rules(&["libx=2", "other=2"]));
    assert_eq!((up, refused), (vec!["libx 3".into(), "other 3".into(), "tool 2".into()], vec![]));
    let (up, refused) =
        ruled(&installed, &offered, &fix, &rules(&["libx=2", "libx=3", "other=2", "other=3"]));
    assert!(up.is_empty(), "{up:?}");
    let codes: Vec<_> = refused.iter().map(|(package, why)| (package.as_str(), why.code)).collect();
    assert_eq!(codes, [("other", "deny-listed"), ("tool", "deny-listed")]);
}

#[test]
fn an_edited_plan_is_followed_to_the_letter_or_refused() {
    let installed = [stanza("tool", "1", ""), stanza("libx", "1", ""), stanza("other", "1", "Source: src\n")];
    let offered = [
        stanza("tool", "2", "Depends: libx (>= 2)\n"),
        stanza("libx", "2", ""),
        stanza("libx", "3", ""),
        stanza("other", "2", "Source: src\n"),
    ];
    let plan = |chosen: &[(&str, &str, &str)]| {
        let one = |(package, from, to): &(&str, &str, &str)| Chosen {
            package: (*package).into(),
            architecture: "amd64".into(),
            from: (*from).into(),
            to: (*to).into(),
            ..Chosen::default()
        };
        let exactly = Some(chosen.iter().map(one).collect());
        ruled(&installed, &offered, &[], &Rules { exactly, ..Rules::default() })
    };
    let (up, refused) = plan(&[("tool", "1", "2"), ("libx", "1", "3")]);
    assert_eq!((up, refused), (vec!["libx 3".into(), "tool 2".into()], vec![]));
    for (chosen, package, code, said) in [
        (("tool", "1", "2"), "tool", "not-chosen", "libx 2 is not in the plan"),
        (("tool", "1", "9"), "tool", "not-in-repository", "no verified repository has tool 9"),
        (("tool", "0", "2"), "tool", "not-installed", "tool 0 is not installed"),
        (("gone", "1", "2"), "gone", "not-installed", "gone 1 is not installed"),
        (("libx", "1", "1"), "libx", "not-in-repository", "no verified repository has libx 1"),
    ] {
        let (up, refused) = plan(&[chosen]);
        assert!(up.is_empty(), "{chosen:?}: {up:?}");
        let found: Vec<_> = refused.iter().map(|(p, why)| (p.as_str(), why.code)).collect();
        assert_eq!(found, [(package, code)]);
        assert!(refused[0].1.reason.contains(said), "{}", refused[0].1.reason);
    }
}
