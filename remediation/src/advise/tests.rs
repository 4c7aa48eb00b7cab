use super::*;

fn stay(id: &str, ecosystem: &str, source: &str, fixed: Option<&str>, code: &str) -> Stay {
    Stay {
        id: id.into(),
        severity: Severity::Medium,
        ecosystem: ecosystem.into(),
        source: source.into(),
        packages: vec![source.into()],
        paths: if ecosystem.contains(':') { Vec::new() } else { vec!["app/METADATA".into(), "b".into()] },
        installed: "1.0".into(),
        fixed: fixed.map(str::to_owned),
        code: code.into(),
        reason: String::new(),
    }
}

#[test]
fn one_package_is_one_change_to_the_highest_version() {
    let mut severe = stay("CVE-2", "PyPI", "jinja2", Some("3.1.10"), "language-package");
    severe.severity = Severity::High;
    let stays = [
        stay("CVE-1", "PyPI", "jinja2", Some("3.1.9"), "language-package"),
        severe,
        stay("CVE-3", "Debian:12", "tar", None, "no-fix"),
        stay("CVE-4", "Debian:12", "glibc", Some("2"), "script-needs-sandbox"),
    ];
    let changes = changes(&stays, None);
    let told: Vec<_> =
        changes.iter().map(|c| (c.package.as_str(), c.require.as_deref(), c.ends.len())).collect();
    assert_eq!(told, [("jinja2", Some("3.1.10"), 2), ("glibc", Some("2"), 1), ("tar", None, 1)]);
    assert_eq!(changes[0].worst, Severity::High);
    let said = "require jinja2>=3.1.10 (pip, pyproject.toml); /app/METADATA and one more file hold 1.0";
    assert_eq!(changes[0].advice, said);
    assert!(changes[1].advice.contains("--executor sandbox"));
    assert!(changes[2].advice.contains("no version mends it yet"));
}

#[test]
fn what_has_ended_is_named() {
    let end =
        EndOfLife { release: "Debian 10 (buster)".into(), since: "2024-07-01".into(), long_term_until: None };
    let stays = [
        stay("CVE-1", "Debian:10", "tar", None, "no-fix"),
        stay("CVE-2", "Debian:10", "curl", Some("2"), "end-of-life"),
    ];
    for change in changes(&stays, Some(&end)) {
        assert!(change.advice.contains("Debian 10 (buster) gets no security updates"), "{}", change.advice);
    }
    let each = ["PyPI", "npm", "Maven", "Go", "RubyGems", "Packagist", "crates.io", ""];
    for ecosystem in each {
        let mut one = stay("CVE-1", ecosystem, "x", Some("2"), "language-package");
        one.paths = vec!["x".into()];
        assert!(changes(&[one], None)[0].advice.contains("/x holds 1.0"), "{ecosystem}");
    }
}
