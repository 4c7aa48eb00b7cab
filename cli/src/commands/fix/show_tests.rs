//! What a person sees of a plan.

use patchline_chains::columns::width;
use patchline_registry::Digest;
use patchline_remediation::EndOfLife;

use super::*;

fn made() -> Draft {
    let up = |package: &str, source: &str, mends: &[&str]| Upgrade {
        package: package.into(),
        architecture: "amd64".into(),
        source: source.into(),
        from: "3.0.11-1~deb12u2".into(),
        to: "3.0.14-1~deb12u1".into(),
        mends: mends.iter().map(|id| (*id).to_owned()).collect(),
        because: "no scripts".into(),
        repository: "bookworm-security".into(),
        size: 2 << 20,
        ..Upgrade::default()
    };
    let many: Vec<String> = (0..40).map(|n| format!("CVE-2024-{n:04}")).collect();
    let mut libssl = up("libssl3", "openssl", &[]);
    libssl.mends = many;
    let mut along = up("libc6", "glibc", &[]);
    along.along = true;
    along.executor = Executor::Sandbox;
    along.because = "run in the sandbox: postinst, line 3: rm -rf /x".into();
    let refused = Refusal {
        package: "login\u{1b}[31m".into(),
        from: "1:4.13+dfsg1-1".into(),
        to: Some("1:4.13+dfsg1-2".into()),
        code: "deny-listed".into(),
        reason: "kept back: login is on the deny-list".into(),
        leaves: vec!["CVE-2023-4641".into()],
    };
    let stay = |id: &str, severity, code: &str| Stay {
        id: id.into(),
        severity,
        ecosystem: "Debian:11".into(),
        source: "x".into(),
        packages: vec!["x".into()],
        paths: Vec::new(),
        installed: "1".into(),
        fixed: None,
        code: code.into(),
        reason: "no advisory names a fixed version".into(),
    };
    Draft {
        version: 1,
        image: Digest::of(b"image"),
        origin: Digest::of(b"image"),
        system: Some("Debian GNU/Linux 11 (bullseye)".into()),
        end_of_life: Some(EndOfLife {
            release: "Debian 11 (bullseye)".into(),
            since: "2026-09-01".into(),
            long_term_until: None,
        }),
        download: 6 << 20,
        plan: FixPlan {
            version: 1,
            upgrades: vec![along, libssl, up("openssl", "openssl", &["CVE-2024-0001"])],
            refused: vec![refused],
            repositories: Vec::new(),
            advisory_revision: String::new(),
            smoked: Vec::new(),
        },
        stays: vec![
            stay("CVE-2023-4641", Severity::Medium, "deny-listed"),
            stay("CVE-1", Severity::Low, "no-fix"),
            stay("CVE-2", Severity::High, "no-fix"),
        ],
    }
}

#[test]
fn a_plan_is_read_at_a_glance() {
    let narrow = draft("registry.example/web:v1", &made(), 80);
    for said in [
        "Debian 11 (bullseye) gets no security updates since 2026-09-01",
        "3 packages of 2 sources go up and end 40 findings; 6.00 MiB to fetch; in a",
        "openssl from bookworm-security, ends 40: CVE-2024-0000, CVE-2024-0001",
        "libc6 (needed)",
        "    sandbox: run in the sandbox: postinst, line 3: rm -rf /x",
        "1 package cannot go up:",
        "    kept back: login is on the deny-list",
        "3 findings are there afterwards:",
    ] {
        assert!(narrow.contains(said), "{said}\n{narrow}");
    }
    assert!(!narrow.contains("native: no scripts"), "the rule needs no line\n{narrow}");
    let row = narrow.lines().find(|line| line.starts_with("libssl3")).unwrap();
    assert_eq!(row, "libssl3         3.0.11-1~deb12u2  3.0.14-1~deb12u1  2.00 MiB    40");
    let stay = narrow.lines().find(|line| line.starts_with("high")).unwrap();
    assert!(stay.contains("no-fix") && stay.ends_with("CVE-1, CVE-2"), "{stay}");

    let wide = draft("registry.example/web:v1", &made(), 120);
    assert!(wide.contains("40  native: no scripts"), "{wide}");
    for (text, room) in [(&narrow, 80), (&wide, 120)] {
        assert!(!text.contains('\u{1b}'), "a stranger's name moves no cursor");
        for line in text.lines() {
            assert!(width(line) <= room, "{room}: {line}");
        }
    }
}

#[test]
fn where_nothing_goes_up_it_says_so() {
    let mut plan = made();
    plan.plan.upgrades.clear();
    let text = draft("web", &plan, 80);
    assert!(text.contains("nothing goes up") && !text.contains("to fetch"), "{text}");
}
