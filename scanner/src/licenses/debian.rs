//! Debian's short names of licences as SPDX identifiers and expressions.

use crate::limits;

use std::{collections::HashMap, sync::LazyLock};

/// Short names that SPDX spells otherwise. What stands in neither list keeps its name behind `LicenseRef-`.
const NAMES: [(&str, &str); 27] = [
    ("expat", "MIT"),
    ("artistic", "Artistic-1.0-Perl"),
    ("artistic-1", "Artistic-1.0-Perl"),
    ("artistic-2", "Artistic-2.0"),
    ("apache", "LicenseRef-Apache"),
    ("apache2", "Apache-2.0"),
    ("asl-2.0", "Apache-2.0"),
    ("bsd-2", "BSD-2-Clause"),
    ("bsd-3", "BSD-3-Clause"),
    ("bsd-4", "BSD-4-Clause"),
    ("bsd2", "BSD-2-Clause"),
    ("bsd3", "BSD-3-Clause"),
    ("boost-1.0", "BSL-1.0"),
    ("bsl-1", "BSL-1.0"),
    ("cc0", "CC0-1.0"),
    ("openldap-2.8", "OLDAP-2.8"),
    ("openldap", "LicenseRef-OpenLDAP"),
    ("pd", "LicenseRef-public-domain"),
    ("public-domain", "LicenseRef-public-domain"),
    ("ofl-1", "OFL-1.1"),
    ("ofl", "LicenseRef-OFL"),
    ("perl", "Artistic-1.0-Perl OR GPL-1.0-or-later"),
    ("psf-2", "PSF-2.0"),
    ("unicode-dfs", "LicenseRef-Unicode-DFS"),
    ("zpl", "LicenseRef-ZPL"),
    ("cpl", "CPL-1.0"),
    ("eupl", "LicenseRef-EUPL"),
];

/// Exceptions whose usual name does not lead to SPDX's.
const EXCEPTIONS: [(&str, &str); 8] = [
    ("gcc-runtime", "GCC-exception-3.1"),
    ("gcc-runtime-3.1", "GCC-exception-3.1"),
    ("gcc-runtime-library", "GCC-exception-3.1"),
    ("gcc-3.1", "GCC-exception-3.1"),
    ("bison", "Bison-exception-2.2"),
    ("classpath", "Classpath-exception-2.0"),
    ("font", "Font-exception-2.0"),
    ("linux-syscall", "Linux-syscall-note"),
];

/// SPDX's identifiers by their lower-case spelling.
static IDENTIFIERS: LazyLock<HashMap<String, &'static str>> = LazyLock::new(|| {
    let all = spdx::identifiers::LICENSES.iter().filter(|l| l.flags & spdx::flags::IS_DEPRECATED == 0);
    // These two say that there is no name.
    let all = all.filter(|l| !["NONE", super::NO_ASSERTION].contains(&l.name));
    all.map(|l| (l.name.to_ascii_lowercase(), l.name)).collect()
});
static ADDITIONS: LazyLock<HashMap<String, &'static str>> = LazyLock::new(|| {
    let all = spdx::identifiers::EXCEPTIONS.iter().filter(|e| e.flags & spdx::flags::IS_DEPRECATED == 0);
    all.map(|e| (e.name.to_ascii_lowercase(), e.name)).collect()
});

/// Words of one name; more are a sentence.
const WORDS: usize = 2;

enum Terms {
    One(String),
    All(Vec<Terms>),
    Any(Vec<Terms>),
}

/// The expressions of a `License` line, all of which hold; none: it is a
/// sentence, not names. Copyright-format 1.0, "Syntax": `and` binds closer
/// than `or`, and both closer than where a comma stands before them.
pub(super) fn expressions(synopsis: &str) -> Option<Vec<String>> {
    let spaced = synopsis
        .replace("_or_", " or ")
        .replace("_and_", " and ")
        .replace(',', " , ")
        .replace('(', " ( ")
        .replace(')', " ) ");
    let tokens: Vec<&str> = spaced.split_whitespace().take(limits::licenses().tokens + 1).collect();
    if tokens.is_empty() || tokens.len() > limits::licenses().tokens {
        return None;
    }
    let mut parser = Parser { tokens: &tokens, depth: 0 };
    let terms = parser.list()?;
    parser.tokens.is_empty().then(|| conjuncts(&terms))
}

/// What all holds, each by itself: a list says `AND` already.
fn conjuncts(terms: &Terms) -> Vec<String> {
    match terms {
        Terms::All(all) => all.iter().flat_map(conjuncts).collect(),
        one => vec![written(one, false)],
    }
}

struct Parser<'a> {
    tokens: &'a [&'a str],
    depth: usize,
}

fn is(token: &str, word: &str) -> bool {
    token.eq_ignore_ascii_case(word)
}

impl<'a> Parser<'a> {
    fn take(&mut self, word: &str) -> bool {
        match self.tokens.split_first() {
            Some((first, rest)) if is(first, word) => {
                self.tokens = rest;
                true
            }
            _ => false,
        }
    }

    /// Parts between commas: what stands behind a comma joins them, `and` where nothing does.
    fn list(&mut self) -> Option<Terms> {
        let mut parts = vec![self.any()?];
        let mut joints = Vec::new();
        while self.take(",") {
            let or = self.take("or");
            let said = or || self.take("and");
            parts.push(self.any()?);
            joints.push(said.then_some(or));
        }
        // `A, B, or C` is a choice of three.
        let mut said = false;
        for joint in joints.iter_mut().rev() {
            said = joint.unwrap_or(said);
            *joint = Some(said);
        }
        let mut parts = parts.into_iter();
        let first = parts.next()?;
        Some(parts.zip(joints).fold(first, |before, (part, joint)| join(before, part, joint == Some(true))))
    }

    fn any(&mut self) -> Option<Terms> {
        let mut terms = self.all()?;
        while self.take("or") || self.take("|") {
            terms = join(terms, self.all()?, true);
        }
        Some(terms)
    }

    fn all(&mut self) -> Option<Terms> {
        let mut terms = self.one()?;
        while self.take("and") || self.take("&") {
            terms = join(terms, self.one()?, false);
        }
        Some(terms)
    }

    fn one(&mut self) -> Option<Terms> {
        if self.take("(") {
            self.depth += 1;
            let terms = if self.depth > limits::licenses().depth { None } else { self.list() };
            self.depth -= 1;
            return terms.filter(|_| self.take(")"));
        }
        let (name, exception) = (self.words(), if self.take("with") { self.words() } else { Vec::new() });
        if name.is_empty() || name.len() > WORDS || exception.len() > 3 * WORDS {
            return None;
        }
        Some(Terms::One(named(&name.join(" "), &exception.join(" "))))
    }

    fn words(&mut self) -> Vec<&'a str> {
        let ends = |t: &&str| [",", "(", ")", "|", "&", "and", "or", "with"].iter().any(|end| is(t, end));
        let length = self.tokens.iter().position(ends).unwrap_or(self.tokens.len());
        let (words, rest) = self.tokens.split_at(length);
        self.tokens = rest;
        words.to_vec()
    }
}

fn join(one: Terms, other: Terms, or: bool) -> Terms {
    match (one, or) {
        (Terms::Any(mut all), true) => {
            all.push(other);
            Terms::Any(all)
        }
        (Terms::All(mut all), false) => {
            all.push(other);
            Terms::All(all)
        }
        (one, true) => Terms::Any(vec![one, other]),
        (one, false) => Terms::All(vec![one, other]),
    }
}

/// As SPDX writes it; a choice inside a conjunction stands in brackets.
fn written(terms: &Terms, inside: bool) -> String {
    let joined =
        |all: &[Terms], word: &str| all.iter().map(|t| written(t, true)).collect::<Vec<_>>().join(word);
    match terms {
        Terms::One(name) => match name.contains(" OR ") && inside {
            true => format!("({name})"),
            false => name.clone(),
        },
        Terms::Any(all) if inside => format!("({})", joined(all, " OR ")),
        Terms::Any(all) => joined(all, " OR "),
        Terms::All(all) if inside => format!("({})", joined(all, " AND ")),
        Terms::All(all) => joined(all, " AND "),
    }
}

/// One name with what may stand behind `with`.
fn named(name: &str, exception: &str) -> String {
    let lower = name.to_ascii_lowercase();
    // `GPL-3+-with-GCC-exception` says the same in one word.
    if exception.is_empty()
        && (lower.ends_with("-exception") || lower.ends_with("-exceptions"))
        && let Some(at) = lower.find("-with-")
    {
        return named(&name[..at], &name[at + "-with-".len()..]);
    }
    let license = license(name);
    if exception.is_empty() {
        return license;
    }
    if license.contains(' ') || license.starts_with("LicenseRef-") {
        return reference("LicenseRef-", &format!("{name} with {exception}"));
    }
    format!("{license} WITH {}", addition(&license, exception))
}

/// One name without its exception.
fn license(name: &str) -> String {
    let lower = name.trim().to_ascii_lowercase().replace(' ', "-");
    if let Some((_, spdx)) = NAMES.iter().find(|(debian, _)| *debian == lower) {
        return (*spdx).to_owned();
    }
    if let Some(gnu) = gnu(&lower) {
        return gnu;
    }
    let (bare, plus) = match lower.strip_suffix('+') {
        Some(bare) => (bare, "+"),
        None => (lower.as_str(), ""),
    };
    let known = IDENTIFIERS.get(bare).or_else(|| IDENTIFIERS.get(&format!("{bare}.0")));
    match known {
        Some(id) => format!("{id}{plus}"),
        None => reference("LicenseRef-", name),
    }
}

/// `gpl-2+`, `lgplv2.1`, `agpl-3.0-only`, `gfdl-niv-1.3+`; none: another family.
fn gnu(lower: &str) -> Option<String> {
    let (rest, later) = match lower.strip_suffix('+').or_else(|| lower.strip_suffix("-or-later")) {
        Some(rest) => (rest, true),
        None => (lower.strip_suffix("-only").unwrap_or(lower), false),
    };
    let families = [("agpl", "AGPL"), ("lgpl", "LGPL"), ("gpl", "GPL"), ("gfdl", "GFDL")];
    let (family, rest) = families.iter().find_map(|(l, family)| Some((*family, rest.strip_prefix(l)?)))?;
    let (rest, no_invariants) = match rest.strip_prefix("-niv") {
        Some(rest) if family == "GFDL" => (rest, "-no-invariants"),
        _ => (rest, ""),
    };
    let version = rest.trim_start_matches('-').trim_start_matches('v');
    // Without a version any will do, as the licences themselves say.
    let (version, later) = match (version, family) {
        ("", "GPL") => ("1.0".to_owned(), true),
        ("", "LGPL") => ("2.0".to_owned(), true),
        // Version 1 was not the Free Software Foundation's.
        ("", "AGPL") => ("3.0".to_owned(), true),
        ("", _) => ("1.1".to_owned(), true),
        (v, _) if v.contains('.') => (v.to_owned(), later),
        (v, _) => (format!("{v}.0"), later),
    };
    let kind = if later { "or-later" } else { "only" };
    let id = format!("{family}-{version}{no_invariants}-{kind}");
    IDENTIFIERS.get(&id.to_ascii_lowercase()).map(|id| (*id).to_owned())
}

/// SPDX's identifier of an exception, which may depend on the licence's version.
fn addition(license: &str, exception: &str) -> String {
    let lower = exception.to_ascii_lowercase().replace([' ', '_'], "-");
    let bare = ["-exceptions", "-exception"].iter().find_map(|e| lower.strip_suffix(e)).unwrap_or(&lower);
    let bare = bare.strip_suffix("-data").unwrap_or(bare);
    if let Some((_, spdx)) = EXCEPTIONS.iter().find(|(debian, _)| *debian == bare) {
        return (*spdx).to_owned();
    }
    let version = if license.contains("-3.0") { "3.0" } else { "2.0" };
    let tries = [
        bare.to_owned(),
        format!("{bare}-exception"),
        format!("{bare}-exception-{version}"),
        format!("{bare}-note"),
        lower.clone(),
    ];
    match tries.iter().find_map(|name| ADDITIONS.get(name)) {
        Some(id) => (*id).to_owned(),
        None => reference("AdditionRef-", exception),
    }
}

/// SPDX specification, "idstring": letters, digits, `-` and `.`.
fn reference(prefix: &str, name: &str) -> String {
    let mut out = String::from(prefix);
    for c in name.trim().chars().take(100) {
        let fits = c.is_ascii_alphanumeric() || c == '.' || c == '-';
        if fits {
            out.push(c);
        } else if !out.ends_with('-') {
            out.push('-');
        }
    }
    let kept = out.trim_end_matches(['-', '.']).len().max(prefix.len());
    out.truncate(kept);
    if out.len() == prefix.len() {
        out.push_str("unnamed");
    }
    out
}

/// What naming a file of `common-licenses` says, with the lower-case text right before it; none: nothing sure.
pub(super) fn common_license(name: &str, before: &str) -> Option<String> {
    let lower = name.to_ascii_lowercase();
    match lower.as_str() {
        "bsd" => return Some("BSD-3-Clause".to_owned()),
        "artistic" | "apache-2.0" | "cc0-1.0" | "mpl-1.1" | "mpl-2.0" => return Some(license(name)),
        _ => {}
    }
    let family = ["lgpl", "gpl", "gfdl"].into_iter().find(|f| lower.starts_with(f))?;
    let words = before.split_whitespace().collect::<Vec<_>>().join(" ");
    let later = ["later version", "or later", "or newer", "newer version"].iter().any(|w| words.contains(w));
    let stated = words.rmatch_indices("version ").find_map(|(at, word)| {
        let rest = &words[at + word.len()..];
        let end = rest.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(rest.len());
        let version = rest[..end].trim_end_matches('.');
        (!version.is_empty() && version.len() <= 3).then(|| version.to_owned())
    });
    let filed = lower[family.len()..].trim_start_matches('-');
    let version = match (&stated, filed) {
        (Some(version), _) if later => version.as_str(),
        // The link without a version leads to the newest, which says nothing of this package's.
        (Some(version), "") => version.as_str(),
        (_, filed) => filed,
    };
    let plus = if later && !version.is_empty() { "+" } else { "" };
    // A version that this family does not have belongs to other words.
    gnu(&format!("{family}-{version}{plus}")).or_else(|| gnu(&format!("{family}-{filed}{plus}")))
}

#[cfg(test)]
#[path = "debian_tests.rs"]
mod tests;
