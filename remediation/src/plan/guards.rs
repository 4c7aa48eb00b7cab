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
        if version_limits(line).iter().any(|(verb, limit)| acts_from(verb, case.from, limit)) {
            return acts("it acts when coming from the installed version");
        }
        for (word, files) in DATA_DRIVEN {
            // What is not in the image cannot have run.
            let acts_here = (case.has_command)(word) && files.is_none_or(|files| (case.changed)(files));
            if names(line, word) && acts_here {
                return acts("it works on files that change");
            }
        }
    }
    Ok(())
}

/// What counts as acting, for it cannot be judged.
const UNKNOWN: &str = "?";

/// Every `--compare-versions "$2" lt 1.0` and the last version of every `dpkg-maintscript-helper` of a line:
/// the comparison, and with what.
fn version_limits(line: &str) -> Vec<(&str, String)> {
    let compared = line.split("--compare-versions").skip(1).filter_map(compared);
    let helped = line.split("dpkg-maintscript-helper ").skip(1).filter_map(helped);
    compared.chain(helped).collect()
}

fn unquoted(word: &str) -> String {
    word.replace('\\', "").trim_matches(['"', '\'', ';', ')']).to_owned()
}

/// What follows `--compare-versions`; none: it compares two literals.
fn compared(rest: &str) -> Option<(&str, String)> {
    let mut words = rest.split_whitespace().skip_while(|word| *word == "--");
    let (Some(left), Some(verb), Some(right)) = (words.next(), words.next(), words.next()) else {
        return Some((UNKNOWN, String::new()));
    };
    let from_old = matches!(
        left.trim_matches('"'),
        "$2" | "${2}" | "${2:-}" | "$preversion" | "$oldver" | "$old_version" | "$oldversion"
    );
    let literal = |word: &str| !word.contains(['$', '`']);
    match from_old {
        true => Some((verb, unquoted(right))),
        false if literal(left) && literal(right) => None,
        // It may well be the version that we come from, under a name of its own.
        false => Some((UNKNOWN, unquoted(right))),
    }
}

/// What follows `dpkg-maintscript-helper`; none: it asks what the helper can.
fn helped(rest: &str) -> Option<(&str, String)> {
    let words: Vec<&str> = rest.split_whitespace().take_while(|word| *word != "--").collect();
    if words.first() == Some(&"supports") {
        return None;
    }
    // The last version follows one path for rm_conffile, two for the rest (deb: dpkg-maintscript-helper(1)).
    let at = if words.first() == Some(&"rm_conffile") { 2 } else { 3 };
    // Without one it acts on every upgrade.
    let last = words.get(at).map(|last| unquoted(last)).filter(|last| !last.is_empty());
    Some(last.map_or((UNKNOWN, String::new()), |last| ("le-nl", last)))
}

fn acts_from(verb: &str, from: &str, limit: &str) -> bool {
    use std::cmp::Ordering::{Equal, Greater, Less};
    // A limit that is a variable cannot be judged: it counts as acting.
    if limit.contains(['$', '`']) {
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
            let limits = version_limits(line);
            line.starts_with("dpkg-maintscript-helper ")
                && !limits.is_empty()
                && limits.iter().all(|(verb, limit)| !acts_from(verb, case.from, limit))
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
