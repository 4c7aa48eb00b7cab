//! Which maintainer scripts an upgrade would run, and whether leaving them out changes nothing (Debian Policy 6).
//!
//! A script that is byte-identical to the installed one has done its work when the package was installed
//! (Policy 6.2 asks for idempotency), unless it acts on what the package ships or on the version that it
//! comes from: [`super::guards`] looks for that. Everything that is not understood is refused by name.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::LazyLock,
};

use super::{allow, guards};

/// In the order in which an upgrade runs them; the old prerm and postrm run, too (Policy 6.6).
pub const SCRIPTS: [&str; 4] = ["preinst", "postinst", "prerm", "postrm"];

/// What the judge may look at.
pub struct Case<'a> {
    /// Binary package.
    pub package: &'a str,
    /// Installed version.
    pub from: &'a str,
    /// New version.
    pub to: &'a str,
    /// Control files as installed, by name.
    pub old: BTreeMap<&'a str, &'a [u8]>,
    /// Control files of the new package.
    pub new: &'a BTreeMap<String, Vec<u8>>,
    /// Shipped paths whose content changes or that come or go.
    pub changed: &'a dyn Fn(&str) -> bool,
    /// Whether the image has a command.
    pub has_command: &'a dyn Fn(&str) -> bool,
    /// Whether systemd runs in this image.
    pub systemd: bool,
}

/// Why nothing needs to run; or why not: the script, and the line.
pub fn judge(case: &Case<'_>) -> Result<String, String> {
    let mut reasons = BTreeSet::new();
    for name in SCRIPTS {
        let old = case.old.get(name).copied();
        let new = case.new.get(name).map(Vec::as_slice);
        if old.is_none() && new.is_none() {
            continue;
        }
        if let Some(reason) = allow::lookup(case.package, name, case.from, case.to) {
            reasons.insert(format!("allow-listed: {reason}"));
            continue;
        }
        match (old, new) {
            (Some(old), Some(new)) if old == new => {
                guards::check(case, name, new)?;
                reasons.insert("byte-identical scripts".to_owned());
            }
            (Some(old), Some(new))
                if normal(old, case.from).is_some_and(|old| Some(old) == normal(new, case.to)) =>
            {
                guards::check(case, name, new)?;
                reasons.insert("scripts that differ in version numbers alone".to_owned());
            }
            _ => {
                for script in [old, new].into_iter().flatten() {
                    boilerplate(case, name, script)?;
                }
                reasons.insert("debhelper boilerplate alone".to_owned());
            }
        }
    }
    triggers(case)?;
    if reasons.is_empty() {
        return Ok("no scripts".to_owned());
    }
    Ok(reasons.into_iter().collect::<Vec<_>>().join("; "))
}

/// Code lines of a script, without comments and blank lines and with its own version taken out.
fn normal(script: &[u8], version: &str) -> Option<Vec<String>> {
    let text = std::str::from_utf8(script).ok()?;
    let mut lines = text.lines();
    let shebang = lines.next().map(str::to_owned);
    let code = lines
        .map(str::trim_end)
        .filter(|line| !line.trim_start().starts_with('#') && !line.trim().is_empty())
        .map(|line| line.replace(version, "@VERSION@"));
    Some(shebang.into_iter().chain(code).collect())
}

/// Only what debhelper writes and what we know to do nothing here.
fn boilerplate(case: &Case<'_>, name: &str, script: &[u8]) -> Result<(), String> {
    let text = std::str::from_utf8(script).map_err(|_| format!("{name} is no shell script"))?;
    if !text.starts_with("#!/bin/sh") && !text.starts_with("#! /bin/sh") {
        let first = text.lines().next().unwrap_or_default();
        return Err(format!("{name} is not a plain shell script: {first}"));
    }
    let mut section: Option<&str> = None;
    for (number, line) in text.lines().enumerate().skip(1) {
        let trimmed = line.trim();
        if let Some(tool) = trimmed.strip_prefix("# Automatically added by ") {
            section = Some(tool.split(['/', ' ']).next().unwrap_or_default());
            continue;
        }
        if trimmed == "# End automatically added section" {
            section = None;
            continue;
        }
        if trimmed.is_empty() || trimmed.starts_with('#') {
            continue;
        }
        let fine = match section {
            Some(tool) => guards::section_is_noop(case, tool, trimmed),
            None => is_shell_frame(trimmed),
        };
        if !fine {
            return Err(format!("{name}, line {}: {}", number + 1, shown(trimmed)));
        }
    }
    Ok(())
}

/// What frames a script without doing anything.
fn is_shell_frame(line: &str) -> bool {
    static FRAME: LazyLock<BTreeSet<&str>> = LazyLock::new(|| {
        [
            "set -e",
            "set -eu",
            "set -u",
            ":",
            "exit 0",
            "true",
            ";;",
            "esac",
            "fi",
            "else",
            "case \"$1\" in",
            "case $1 in",
            "*)",
            "configure)",
            "upgrade)",
            "install)",
            "remove)",
            "purge)",
            "triggered)",
            "install|upgrade)",
            "abort-upgrade)",
            "abort-upgrade|abort-remove|abort-deconfigure)",
            "remove|upgrade|deconfigure)",
            "failed-upgrade)",
            "purge|remove|upgrade|failed-upgrade|abort-install|abort-upgrade|disappear)",
        ]
        .into()
    });
    FRAME.contains(line)
}

/// `ldconfig` alone may be activated anew, and what the package listens to must stay as it was:
/// dpkg keeps those interests in files that we leave untouched.
fn triggers(case: &Case<'_>) -> Result<(), String> {
    let directives = |text: Option<&[u8]>| -> BTreeSet<String> {
        text.map(String::from_utf8_lossy)
            .unwrap_or_default()
            .lines()
            .map(|line| {
                line.split('#').next().unwrap_or_default().split_whitespace().collect::<Vec<_>>().join(" ")
            })
            .filter(|line| !line.is_empty())
            .collect()
    };
    let old = directives(case.old.get("triggers").copied());
    let new = directives(case.new.get("triggers").map(Vec::as_slice));
    for line in old.symmetric_difference(&new) {
        if line.starts_with("interest") {
            return Err(format!("triggers: `{}` comes or goes", shown(line)));
        }
    }
    for line in new.iter().filter(|line| line.starts_with("activate")) {
        if line.split(' ').nth(1) != Some("ldconfig") {
            return Err(format!("triggers: {}", shown(line)));
        }
    }
    Ok(())
}

pub(super) fn shown(line: &str) -> String {
    let line = line.trim();
    if line.chars().count() <= 100 { line.to_owned() } else { line.chars().take(99).chain(['…']).collect() }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn judged(package: &str, old: &[(&str, &str)], new: &[(&str, &str)]) -> Result<String, String> {
        let new = new.iter().map(|(k, v)| ((*k).to_owned(), v.as_bytes().to_vec())).collect();
        judge(&Case {
            package,
            from: "1.0-1",
            to: "1.0-2",
            old: old.iter().map(|(k, v)| (*k, v.as_bytes())).collect(),
            new: &new,
            changed: &|path| path.starts_with("usr/share/pam-configs"),
            has_command: &|name| name != "update-initramfs",
            systemd: false,
        })
    }
    fn same(script: &str) -> Result<String, String> {
        judged("abc", &[("postinst", script)], &[("postinst", script)])
    }

    #[test]
    fn what_needs_nothing() {
        assert_eq!(judged("abc", &[], &[("triggers", "activate-noawait ldconfig\n")]).unwrap(), "no scripts");
        assert_eq!(same("#!/bin/sh\nset -e\nadduser x\n").unwrap(), "byte-identical scripts");
        let (old, new) = ("#!/bin/sh\n# by x/1\nx=1.0-1\n", "#!/bin/sh\n# by x/2\nx=1.0-2\n");
        assert!(judged("abc", &[("prerm", old)], &[("prerm", new)]).unwrap().contains("version numbers"));
        let added = "#!/bin/sh\nset -e\n# Automatically added by dh_python3\nif command -v py3clean >/dev/null 2>&1; then\n\tpy3clean -p abc\nfi\n# End automatically added section\n";
        assert!(judged("abc", &[], &[("prerm", added)]).unwrap().contains("boilerplate"));
    }

    #[test]
    fn what_is_refused_is_named_with_its_line() {
        let why = judged(
            "abc",
            &[("postinst", "#!/bin/sh\n:\n")],
            &[("postinst", "#!/bin/sh\nset -e\nrm -rf /x\n")],
        );
        assert_eq!(why.unwrap_err(), "postinst, line 3: rm -rf /x");
        assert!(judged("abc", &[("prerm", "#!/bin/sh\ndo-it\n")], &[]).unwrap_err().starts_with("prerm"));
        assert!(judged("abc", &[], &[("preinst", "#!/usr/bin/perl\nunlink;\n")]).is_err());
        assert!(judged("abc", &[], &[("triggers", "activate-noawait update-initramfs\n")]).is_err());
        assert!(judged("abc", &[], &[("triggers", "interest-noawait /usr/share/x\n")]).is_err());
        let new = BTreeMap::from([("preinst".to_owned(), b"\xff\xfe".to_vec())]);
        let case = Case {
            package: "abc",
            from: "1.0-1",
            to: "1.0-2",
            old: BTreeMap::from([("preinst", b"\xff\xfd".as_slice())]),
            new: &new,
            changed: &|_| false,
            has_command: &|_| false,
            systemd: false,
        };
        assert!(judge(&case).is_err(), "two texts that nobody can read are not one");
    }

    #[test]
    fn an_identical_script_may_still_act() {
        assert!(same("#!/bin/sh\nupdate-ca-certificates\n").is_err());
        assert!(same("#!/bin/sh\npam-auth-update --package\n").is_err());
        assert!(same("#!/bin/sh\nsetcap cap_net_raw+ep /bin/ping\n").is_err());
        assert!(same("#!/bin/sh\n[ -x /usr/sbin/update-initramfs ] && update-initramfs -u\n").is_ok());
        assert!(same("#!/bin/sh\nif dpkg --compare-versions \"$2\" lt 2.0; then migrate; fi\n").is_err());
        assert!(same("#!/bin/sh\nif dpkg --compare-versions \"$2\" lt 0.9; then migrate; fi\n").is_ok());
        for acts in [
            "dpkg --compare-versions \"$2\" lt 0.9 || dpkg --compare-versions \"$2\" lt 2.0 && migrate",
            "dpkg --compare-versions \"$installed\" gt 0.9 && migrate",
            "dpkg --compare-versions 2.0 gt \"$2\" && migrate",
            "dpkg --compare-versions \"$2\" \\",
            "dpkg-maintscript-helper rm_conffile /etc/x -- \"$@\"",
            "dpkg-maintscript-helper rm_conffile /a 0.1 -- \"$@\"; dpkg-maintscript-helper rm_conffile /b 2 -- \"$@\"",
        ] {
            assert!(same(&format!("#!/bin/sh\n{acts}\n")).is_err(), "{acts}");
        }
        assert!(same("#!/bin/sh\ndpkg --compare-versions 5.0 gt 3.2 && x\n").is_ok());
        assert!(same("#!/bin/sh\nif dpkg-maintscript-helper supports rm_conffile; then :; fi\n").is_ok());
        assert!(same("#!/bin/sh\ndpkg-maintscript-helper rm_conffile /etc/x 1.0-1\\~ -- \"$@\"\n").is_ok());
        assert!(same("#!/bin/sh\ndpkg-maintscript-helper rm_conffile /etc/x 1.0-2\\~ -- \"$@\"\n").is_err());
    }
}
