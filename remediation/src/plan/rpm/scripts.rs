//! Which scriptlets and triggers an upgrade would run, and whether leaving them out changes nothing.
//!
//! An upgrade runs the new package's `pretrans`, `pre`, `post` and `posttrans` with 2 for an argument, and the old one's
//! `preun`, `postun`, `preuntrans` and `postuntrans` with 1 (rpm-scriptlets(7)). What is not understood is refused by
//! name. Triggers of packages that stay are in no text manifest, and images that have one have no rpm that runs them.

use std::collections::BTreeSet;

use crate::{
    plan::apk::scripts::ACTING,
    rpm::{Script, Scripts},
};

/// Slot, whether it is the new package's, and the argument that it gets.
const RUN: [(&str, bool, Option<i64>); 8] = [
    ("pretrans", true, None),
    ("pre", true, Some(2)),
    ("post", true, Some(2)),
    ("preuntrans", false, None),
    ("preun", false, Some(1)),
    ("postun", false, Some(1)),
    ("posttrans", true, None),
    ("postuntrans", false, None),
];

/// The same of rpm's distributions alone.
const ACTING_HERE: [&str; 6] = [
    "update-ca-trust",
    "update-crypto-policies",
    "update-alternatives",
    "alternatives",
    "systemd-sysusers",
    "systemd-tmpfiles",
];

/// Why nothing needs to run; or why not: the slot and line.
pub(crate) fn judge(old: &Scripts, new: &Scripts) -> Result<String, String> {
    let mut reasons = BTreeSet::new();
    for (slot, of_new, argument) in RUN {
        let (script, other) = match of_new {
            true => (new.slots.get(slot), old.slots.get(slot)),
            false => (old.slots.get(slot), new.slots.get(slot)),
        };
        let Some(script) = script else { continue };
        reasons.insert(one(&format!("%{slot}"), script, other, argument)?);
    }
    let triggers = new.triggers.iter().chain(&old.triggers);
    for (kind, text) in triggers {
        let (waits, body) = text.split_once('\n').unwrap_or((text, ""));
        let script = Script { interpreter: Vec::new(), text: body.to_owned() };
        let name = format!("its {kind} for {}", waits.chars().take(80).collect::<String>());
        let both = [old, new].iter().all(|scripts| scripts.triggers.contains(&(*kind, text.clone())));
        let other = (both && *kind == "trigger").then_some(&script);
        reasons.insert(one(&name, &script, other, None)?);
    }
    if reasons.is_empty() {
        return Ok("no scripts".to_owned());
    }
    Ok(reasons.into_iter().collect::<Vec<_>>().join("; "))
}

fn one(name: &str, script: &Script, other: Option<&Script>, argument: Option<i64>) -> Result<String, String> {
    match harmless(script, argument) {
        Ok(reason) => Ok(reason.to_owned()),
        Err(_) if other == Some(script) => {
            acts(name, script)?;
            Ok("byte-identical scripts".to_owned())
        }
        Err((number, line)) => Err(shown(name, number, &line, "nobody knows what it would do")),
    }
}

fn shown(name: &str, number: usize, line: &str, why: &str) -> String {
    let line: String = line.chars().take(100).collect();
    format!("{name}, line {number}: {line} ({why})")
}

/// Fails where an identical script works on what changes.
fn acts(name: &str, script: &Script) -> Result<(), String> {
    for (number, line) in script.text.lines().enumerate().filter(|(_, line)| !line.trim().starts_with('#')) {
        let mut words = line.split(|c: char| !(c.is_ascii_alphanumeric() || "-_.".contains(c)));
        if words.any(|word| ACTING.contains(&word) || ACTING_HERE.contains(&word)) {
            return Err(shown(name, number + 1, line.trim(), "it works on files that change"));
        }
    }
    Ok(())
}

/// Why a script does nothing on an upgrade that is not made natively; or the line that may.
fn harmless(script: &Script, argument: Option<i64>) -> Result<&'static str, (usize, String)> {
    const LINKER: [&str; 3] = ["/sbin/ldconfig", "/usr/sbin/ldconfig", "ldconfig"];
    let program = script.interpreter.join(" ");
    let linker = "the linker's cache stays valid";
    if LINKER.contains(&program.as_str()) && script.text.trim().is_empty() {
        return Ok(linker);
    }
    if !matches!(program.as_str(), "" | "/bin/sh" | "/usr/bin/sh" | "/bin/bash" | "/usr/bin/bash") {
        return Err((0, format!("it is run by {program}")));
    }
    let mut reason = "scripts that do nothing on an upgrade";
    // Of each open `if`: whether what stands in it runs.
    let mut open: Vec<bool> = Vec::new();
    for (number, line) in script.text.lines().enumerate() {
        let line = line.trim();
        let runs = open.iter().all(|runs| *runs);
        let fail = || Err((number + 1, line.to_owned()));
        let bare = line.trim_end_matches("|| :").trim_end_matches("||:").trim_end_matches("|| true").trim();
        let bare = ["&>/dev/null", "2>/dev/null", ">/dev/null", "2>&1"]
            .iter()
            .fold(bare.to_owned(), |bare, word| bare.replace(word, ""));
        let bare = bare.trim();
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        if let Some(condition) = line.strip_prefix("if ") {
            let (condition, rest) = condition.split_once(';').unwrap_or((condition, ""));
            let value = match (runs, holds(condition, argument)) {
                (false, _) => false,
                (true, Some(value)) => value,
                (true, None) => return fail(),
            };
            match rest.trim() {
                "then" | "" => open.push(value),
                // All on one line.
                rest if rest.starts_with("then ") && rest.ends_with("fi") && !value => {}
                _ => return fail(),
            }
            continue;
        }
        match line.trim_end_matches(';').trim() {
            "then" if !open.is_empty() => continue,
            "else" if !open.is_empty() => {
                let outer = open[..open.len() - 1].iter().all(|runs| *runs);
                let last = open.len() - 1;
                open[last] = outer && !open[last];
                continue;
            }
            "fi" if !open.is_empty() => {
                open.pop();
                continue;
            }
            _ if !runs => {
                // A block that we do not follow might end this one.
                if line.starts_with("elif") || line.starts_with("case ") || line.contains("<<") {
                    return fail();
                }
                continue;
            }
            _ => {}
        }
        if bare == "exit 0" {
            return Ok(reason);
        }
        if LINKER.contains(&bare) {
            reason = linker;
        } else if let Some((condition, _)) = line.split_once("&&") {
            if holds(condition, argument) != Some(false) || line.contains("||") && bare.contains("||") {
                return fail();
            }
        } else if let Some((condition, "exit 0")) = line.split_once("||").map(|(c, rest)| (c, rest.trim())) {
            match holds(condition, argument) {
                Some(true) => {}
                Some(false) => return Ok(reason),
                None => return fail(),
            }
        } else if !matches!(bare, ":" | "true" | "exit") {
            return fail();
        }
    }
    if open.is_empty() {
        Ok(reason)
    } else {
        Err((script.text.lines().count(), "an `if` has no end".to_owned()))
    }
}

/// Whether `[ $1 -eq 0 ]` holds; none: it is another condition, or nobody knows the argument.
fn holds(condition: &str, argument: Option<i64>) -> Option<bool> {
    let argument = argument?;
    let text = condition.trim().replace('"', "").replace("${1}", "$1");
    let inner = text
        .strip_prefix("[[ ")
        .and_then(|rest| rest.strip_suffix(" ]]"))
        .or_else(|| text.strip_prefix("[ ").and_then(|rest| rest.strip_suffix(" ]")))
        .or_else(|| text.strip_prefix("test "))?;
    let words: Vec<&str> = inner.split_whitespace().collect();
    let ["$1" | "x$1", operator, number] = words.as_slice() else { return None };
    let number: i64 = number.trim_start_matches('x').parse().ok()?;
    Some(match *operator {
        "-eq" | "=" | "==" => argument == number,
        "-ne" | "!=" => argument != number,
        "-gt" => argument > number,
        "-ge" => argument >= number,
        "-lt" => argument < number,
        "-le" => argument <= number,
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn script(program: &str, text: &str) -> Script {
        Script { interpreter: vec![program.to_owned()], text: text.to_owned() }
    }

    #[test]
    fn what_does_nothing_on_an_upgrade() {
        let fine = |argument, text: &str| harmless(&script("/bin/sh", text), Some(argument)).is_ok();
        assert!(harmless(&script("/sbin/ldconfig", ""), Some(2)).is_ok());
        assert!(fine(1, "\n# comment\n/sbin/ldconfig\n"));
        assert!(fine(
            1,
            "if [ $1 -eq 0 ]; then\n  if [ -x /bin/x ]; then\n    rm -rf /etc/x\n  fi\nfi\nexit 0\n"
        ));
        assert!(fine(2, "if [ \"$1\" = \"1\" ]\nthen\n  useradd x\nelse\n  :\nfi\n"));
        assert!(fine(1, "[ $1 -eq 0 ] && rm /x\n[ $1 = 0 ] || exit 0\nrm -rf /\n"));
        assert!(fine(1, "if [ $1 -eq 0 ]; then rm /x; fi\n"));
        assert!(!fine(2, "if [ $1 -eq 2 ]; then\n  migrate\nfi\n"));
        assert!(!fine(1, "if [ $1 -eq 0 ]; then\n  :\nelse\n  restart x\nfi\n"));
        assert!(!fine(2, "getent passwd x || useradd x\n"));
        assert!(!fine(1, "if [ $1 -eq 0 ]; then\n  x\n"));
        assert!(!fine(1, "if [ -f /x ]; then\n:\nfi\n"));
        // Whose argument nobody knows.
        assert!(harmless(&script("/bin/sh", "if [ $1 -eq 0 ]; then\n:\nfi\n"), None).is_err());
        assert_eq!(harmless(&script("<lua>", "x"), Some(2)).unwrap_err().1, "it is run by <lua>");
    }

    #[test]
    fn an_identical_script_must_not_act_on_what_changes() {
        let same = script("/bin/sh", "echo hello\n");
        assert_eq!(one("%post", &same, Some(&same), Some(2)).unwrap(), "byte-identical scripts");
        assert!(one("%post", &same, None, Some(2)).unwrap_err().contains("%post, line 1: echo hello"));
        let acting = script("/bin/sh", "echo x\nupdate-ca-trust extract\n");
        assert!(one("%post", &acting, Some(&acting), Some(2)).unwrap_err().contains("line 2"));
    }
}
