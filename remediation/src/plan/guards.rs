//! What a script may do on an upgrade although its text has not changed: act on the version that it comes
//! from, or on files that the package ships.

use patchline_scanner::version::compare_debian;

use super::scripts::{Case, shown};

/// Commands whose effect depends on what the package ships: (word, the shipped files that matter; none: always).
const DATA_DRIVEN: &[(&str, Option<&str>)] = &[
    ("update-ca-certificates", None),
    ("pam-auth-update", Some("usr/share/pam-configs/")),
    ("glib-compile-schemas", Some("usr/share/glib-2.0/schemas/")),
    ("gio-querymodules", None),
    ("gdk-pixbuf-query-loaders", None),
    ("update-mime-database", Some("usr/share/mime/")),
    ("fc-cache", Some("usr/share/fonts/")),
    ("locale-gen", Some("usr/share/i18n/")),
    ("systemd-hwdb", Some("usr/lib/udev/hwdb.d/")),
    ("systemd-sysusers", Some("usr/lib/sysusers.d/")),
    ("update-initramfs", None),
    ("update-grub", None),
    ("setcap", None),
    ("jks-keystore", None),
    ("mysql_upgrade", None),
    ("mariadb-upgrade", None),
    ("pg_upgradecluster", None),
    ("newaliases", None),
    ("texhash", None),
    ("mktexlsr", None),
    ("ucf", None),
];

/// Whether a command word stands in a line (not as a part of another word).
fn names(line: &str, word: &str) -> bool {
    let part = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
    line.match_indices(word).any(|(at, _)| {
        !line[..at].chars().next_back().is_some_and(part)
            && !line[at + word.len()..].chars().next().is_some_and(part)
    })
}

/// Fails with the script and line that would act.
pub(super) fn check(case: &Case<'_>, name: &str, script: &[u8]) -> Result<(), String> {
    let text = String::from_utf8_lossy(script);
    // The old scripts have the same text: what they do on removal alone does not happen here.
    for (number, line) in text.lines().enumerate() {
        let line = line.trim();
        if line.starts_with('#') {
            continue;
        }
        let acts = |why: &str| Err(format!("{name}, line {}: {} ({why})", number + 1, shown(line)));
        if let Some((verb, limit)) = version_limit(line)
            && acts_from(verb, case.from, &limit)
        {
            return acts("it acts when coming from the installed version");
        }
        for (word, files) in DATA_DRIVEN {
            if names(line, word) && files.is_none_or(|files| (case.changed)(files)) {
                return acts("it works on files that change");
            }
        }
    }
    Ok(())
}

/// `--compare-versions "$2" lt 1.0` and the last version of a `dpkg-maintscript-helper`: the comparison, and with what.
fn version_limit(line: &str) -> Option<(&str, String)> {
    let unquoted = |word: &str| word.replace('\\', "").trim_matches(['"', '\'', ';', ')']).to_owned();
    if let Some((_, rest)) = line.split_once("--compare-versions") {
        let mut words = rest.split_whitespace().skip_while(|word| *word == "--");
        let left = words.next()?;
        let verb = words.next()?;
        let right = words.next()?;
        // Anything that is not "the version we come from" is not about the installed package.
        if !matches!(
            left.trim_matches('"'),
            "$2" | "${2}" | "$preversion" | "$oldver" | "$old_version" | "$oldversion"
        ) {
            return None;
        }
        return Some((verb, unquoted(right)));
    }
    let (_, rest) = line.split_once("dpkg-maintscript-helper ")?;
    let words: Vec<&str> = rest.split_whitespace().take_while(|word| *word != "--").collect();
    // The last version follows one path for rm_conffile, two for the rest (deb: dpkg-maintscript-helper(1)).
    let at = if words.first() == Some(&"rm_conffile") { 2 } else { 3 };
    let last = words.get(at)?;
    Some(("le-nl", unquoted(last)))
}

fn acts_from(verb: &str, from: &str, limit: &str) -> bool {
    use std::cmp::Ordering::{Equal, Greater, Less};
    // A limit that is a variable cannot be judged: it counts as acting.
    if limit.contains('$') {
        return true;
    }
    let order = compare_debian(from, limit);
    match verb {
        "lt" | "lt-nl" | "<<" => order == Less,
        "le" | "le-nl" | "<=" | "<" => order != Greater,
        "eq" | "=" => order == Equal,
        // `ge` and the like are true for every later version, too: an identical script has met them before.
        "ge" | "ge-nl" | "gt" | "gt-nl" | ">>" | ">=" | ">" | "ne" => false,
        _ => true,
    }
}

/// A line inside debhelper's section: whether it does nothing on an upgrade in an image.
pub(super) fn section_is_noop(case: &Case<'_>, tool: &str, line: &str) -> bool {
    match tool {
        // Byte code is remade when its source's time or size differ.
        "dh_python3" | "dh_pypy" | "dh_python2" => true,
        // ldconfig's trigger; the maintainer's helper with a version long past.
        "dh_makeshlibs" => true,
        "dh_installdeb" => {
            line.starts_with("dpkg-maintscript-helper ")
                && version_limit(line).is_some_and(|(verb, limit)| !acts_from(verb, case.from, &limit))
        }
        // No service runs in an image: without systemd these only touch its state files.
        "dh_installsystemd"
        | "dh_systemd_enable"
        | "dh_systemd_start"
        | "dh_installinit"
        | "dh_installsystemduser" => !case.systemd,
        _ => false,
    }
}
