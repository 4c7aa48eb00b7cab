//! `usr/share/doc/<package>/copyright`: machine-readable (DEP-5, "copyright-format 1.0"), or free text.
//!
//! A package has the licences of all its source's files, so the list is a
//! conjunction. Of free text only what names one of Debian's common licences
//! is believed; that there may be more is said with `NOASSERTION`.

use crate::limits;

use std::collections::BTreeSet;

use super::{NO_ASSERTION, debian};

/// Where Debian keeps the texts that packages need not repeat.
const COMMON: &str = "/usr/share/common-licenses/";

/// The SPDX expressions that all hold, sorted; `NOASSERTION` among them where there is more that is not understood.
pub(crate) fn of_copyright_file(bytes: &[u8]) -> Vec<String> {
    let text = String::from_utf8_lossy(bytes);
    let mut found = match paragraphs(&text) {
        Some(paragraphs) => of_paragraphs(&paragraphs),
        None => of_free_text(&text),
    };
    let all = found.len();
    found.retain(|license| license.len() <= limits::licenses().expression);
    if found.is_empty() || found.len() < all || all > limits::licenses().names {
        found.insert(NO_ASSERTION.to_owned());
    }
    let mut found: Vec<String> = found.into_iter().collect();
    if found.len() > limits::licenses().names {
        found.retain(|license| license != NO_ASSERTION);
        found.truncate(limits::licenses().names - 1);
        found.push(NO_ASSERTION.to_owned());
        found.sort_unstable();
    }
    found
}

/// What of a paragraph matters.
#[derive(Default)]
struct Paragraph<'a> {
    format: bool,
    files: bool,
    /// The first line of `License`, and the line below it.
    license: Option<(&'a str, Option<&'a str>)>,
}

/// None: the file does not say that it is machine-readable.
fn paragraphs(text: &str) -> Option<Vec<Paragraph<'_>>> {
    let mut all: Vec<Paragraph<'_>> = Vec::new();
    let mut open = false;
    let mut in_license = false;
    for line in text.trim_start_matches('\u{feff}').lines() {
        if line.trim().is_empty() {
            open = false;
            in_license = false;
            continue;
        }
        if line.starts_with([' ', '\t']) {
            if let (true, Some(Paragraph { license: Some((_, below @ None)), .. })) =
                (in_license, all.last_mut())
            {
                *below = Some(line.trim());
            }
            continue;
        }
        in_license = false;
        let Some((name, value)) = line.split_once(':') else { continue };
        if !open {
            all.push(Paragraph::default());
            open = true;
        }
        let Some(paragraph) = all.last_mut() else { continue };
        match name.trim().to_ascii_lowercase().as_str() {
            "format" | "format-specification" => paragraph.format |= is_format(value),
            "files" => paragraph.files = true,
            "license" | "licence" => {
                paragraph.license.get_or_insert((value.trim(), None));
                in_license = true;
            }
            _ => {}
        }
    }
    // Some files begin with a comment: the header is then not the very first paragraph.
    all.iter().take(3).any(|p| p.format).then_some(all)
}

fn is_format(value: &str) -> bool {
    let value = value.to_ascii_lowercase();
    ["copyright-format", "dep5", "dep-5", "machine-readable", "copyrightformat"]
        .iter()
        .any(|word| value.contains(word))
}

/// Paragraphs without `Files` only give the text of a name.
fn of_paragraphs(paragraphs: &[Paragraph<'_>]) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    for paragraph in paragraphs.iter().filter(|p| p.files || (p.format && p.license.is_some())) {
        let expressions = match paragraph.license {
            Some(("", Some(below))) => debian::expressions(below).filter(|all| all.iter().all(|e| known(e))),
            Some((synopsis, _)) if !synopsis.is_empty() => debian::expressions(synopsis),
            _ => None,
        };
        match expressions {
            Some(all) => found.extend(all),
            None => drop(found.insert(NO_ASSERTION.to_owned())),
        }
        if found.len() > limits::licenses().names {
            break;
        }
    }
    found
}

/// No part of it is a name that we made.
fn known(expression: &str) -> bool {
    !expression.contains("LicenseRef-") && !expression.contains("AdditionRef-")
}

fn of_free_text(text: &str) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    let mut rest_from = 0;
    while let Some(at) = text[rest_from..].find(COMMON) {
        let name_from = rest_from + at + COMMON.len();
        let tail = &text[name_from..];
        let length =
            tail.find(|c: char| !c.is_ascii_alphanumeric() && !".+-".contains(c)).unwrap_or(tail.len());
        let name = tail[..length].trim_end_matches(['.', '-', '+']);
        let mut from = rest_from.max((rest_from + at).saturating_sub(limits::licenses().conditions));
        while !text.is_char_boundary(from) {
            from += 1;
        }
        let before = &text[from..rest_from + at];
        found.extend(debian::common_license(name, &before.to_ascii_lowercase()));
        rest_from = name_from + length;
    }
    let lower = text.to_ascii_lowercase();
    // Perl's own terms are a choice of two.
    let artistic = "Artistic-1.0-Perl".to_owned();
    if lower.split_whitespace().collect::<Vec<_>>().join(" ").contains("same terms as perl")
        && found.contains(&artistic)
    {
        let gpl: Vec<String> = found.iter().filter(|l| l.starts_with("GPL-")).cloned().collect();
        if let [gpl] = gpl.as_slice() {
            found.remove(gpl);
            found.remove(&artistic);
            found.insert(format!("{artistic} OR {gpl}"));
        }
    }
    found.insert(NO_ASSERTION.to_owned());
    found
}

#[cfg(test)]
#[path = "copyright_tests.rs"]
mod tests;
