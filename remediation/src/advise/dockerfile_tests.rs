use patchline_registry::Digest;
use patchline_scanner::Severity;

use super::*;
use crate::advise::{Base, Claim};

fn change(ecosystem: &str, package: &str, require: &str, code: &str) -> Change {
    let of_system = ecosystem.contains(':');
    Change {
        ecosystem: ecosystem.into(),
        package: package.into(),
        packages: vec![package.into()],
        installed: "1".into(),
        require: Some(require.into()),
        paths: if of_system { Vec::new() } else { vec!["x".into()] },
        ends: vec!["CVE-1".into()],
        worst: Severity::High,
        code: code.into(),
        advice: String::new(),
    }
}

fn advice(base: Option<Base>, changes: Vec<Change>) -> Advice {
    let image = Digest::of(b"image");
    Advice { version: 1, image, system: None, end_of_life: None, base, mendable: 0, changes }
}

fn base(name: &str) -> Option<Base> {
    let claim = Claim { name: name.into(), digest: Some(Digest::of(b"old")) };
    Some(Base::asked(claim, Some(Digest::of(b"new"))))
}

fn read(text: &str) -> Dockerfile {
    Dockerfile::read(text.as_bytes()).unwrap()
}

/// Lines that the patch takes away and adds, and the notes.
fn patched(text: &str, advice: &Advice) -> (Vec<String>, Vec<String>) {
    let (patch, notes) = read(text).patch("Dockerfile", advice);
    let signed =
        |line: &&str| line.starts_with(['+', '-']) && !line.starts_with("+++") && !line.starts_with("---");
    (patch.lines().filter(signed).map(str::to_owned).collect(), notes)
}

#[test]
fn a_pinned_base_is_moved_through_stages() {
    let (old, new) = (Digest::of(b"old"), Digest::of(b"new"));
    let text = format!(
        "# syntax=docker/dockerfile:1\nFROM golang AS build\nRUN make\nFROM --platform=$TARGETPLATFORM debian:12@{old} AS base\n\
         FROM base AS more\nFROM More\nCOPY --from=build /x /x\n"
    );
    let (lines, notes) = patched(&text, &advice(base("docker.io/library/debian:12"), Vec::new()));
    assert_eq!(notes, [""; 0]);
    assert_eq!(
        lines,
        [
            format!("-FROM --platform=$TARGETPLATFORM debian:12@{old} AS base"),
            format!("+FROM --platform=$TARGETPLATFORM debian:12@{new} AS base"),
        ]
    );
    for (from, said) in [
        ("FROM debian:12", "names no digest"),
        ("ARG BASE=debian:12\nFROM $BASE", "an argument names the base"),
        ("FROM debian:13", "is not what the image says"),
    ] {
        let (lines, notes) = patched(from, &advice(base("debian:12"), Vec::new()));
        assert!(lines.is_empty() && notes[0].contains(said), "{from}: {notes:?}");
    }
    let (lines, notes) = patched("FROM a AS a\nFROM b AS b\nFROM a AS b\nFROM b", &advice(None, Vec::new()));
    assert!(lines.is_empty() && notes.is_empty(), "stages of one name end");
}

#[test]
fn what_is_refused_is_upgraded_behind_the_last_from() {
    let changes = vec![
        change("Debian:12", "libc6", "2", "script-needs-sandbox"),
        change("Debian:12", "curl", "2", "conflict"),
        change("Debian:12", "held", "2", "held"),
        change("Debian:12", "$(reboot)", "2", "conflict"),
        change("Debian:12", "-o=x", "2", "conflict"),
        change("PyPI", "jinja2", "3", "language-package"),
    ];
    let (lines, notes) = patched("FROM a AS b\nFROM debian:12 \\\n  AS c\nRUN x\n", &advice(None, changes));
    assert_eq!(
        lines,
        [
            "+RUN apt-get update \\",
            "+ && apt-get install --yes --no-install-recommends --only-upgrade curl libc6 \\",
            "+ && rm -rf /var/lib/apt/lists/*",
        ]
    );
    assert!(notes[0].contains("needs root"));
    let apk = advice(None, vec![change("Alpine:v3.20", "busybox", "2", "script-needs-sandbox")]);
    assert_eq!(patched("FROM alpine\n", &apk).0, ["+RUN apk upgrade --no-cache busybox"]);
}

#[test]
fn pins_are_raised_where_they_are_run() {
    let changes = vec![
        change("PyPI", "jinja2", "3.1.4", "language-package"),
        change("npm", "lodash", "4.17.21", "language-package"),
        change("PyPI", "flask", "1; reboot", "language-package"),
    ];
    let text = "FROM a\nLABEL x=\"jinja2==1\"\nRUN pip install \\\n    # jinja2==1\n    jinja2==1 \\\n    flask==0.1\n\
                RUN <<EOF\nnpm install lodash@4.0.0\nEOF\nRUN echo jinja2==1\n";
    let (lines, _) = patched(text, &advice(None, changes));
    assert_eq!(
        lines,
        [
            "-    jinja2==1 \\",
            "+    jinja2==3.1.4 \\",
            "-npm install lodash@4.0.0",
            "+npm install lodash@4.17.21",
        ]
    );
}

#[test]
fn instructions_have_their_lines() {
    let text = "# escape=`\nFROM a `\n\n  # between\n  AS b\nRUN <<-A <<\"B\"\nFROM x\n\tA\nFROM y\nB\nCMD x << y\nRUN cat <<E\nx";
    let found = read(text).instructions;
    let told: Vec<(&str, RangeInclusive<usize>)> =
        found.iter().map(|i| (i.name.as_str(), i.lines.clone())).collect();
    assert_eq!(told, [("FROM", 1..=4), ("RUN", 5..=9), ("CMD", 10..=10), ("RUN", 11..=12)]);
    assert_eq!(found[0].arguments, "a    AS b");
}

#[test]
fn what_is_no_dockerfile_is_refused() {
    for (bytes, said) in [
        (vec![b'#'; LONGEST as usize + 1], "longer than 1 MiB"),
        (b"FROM \xff".to_vec(), "UTF-8"),
        (b"FROM a\0".to_vec(), "no text"),
        (b"RUN x".to_vec(), "no FROM"),
        (b"FROM a\n".repeat(MOST_LINES + 1), "more than"),
    ] {
        let error = Dockerfile::read(&bytes).unwrap_err();
        assert_eq!(error.code(), "dockerfile-unreadable");
        assert!(error.to_string().contains(said), "{error}");
    }
    for odd in ["FROM", "FROM \\", "FROM a\nRUN <<", "FROM a\n\\", "FROM --x"] {
        let (patch, _) = read(odd).patch("Dockerfile", &advice(base("a"), Vec::new()));
        assert_eq!(patch, "", "{odd}");
    }
}
