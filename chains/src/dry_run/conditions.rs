//! A step's `when` in words.

use crate::plan::{PlanStep, ShortForm};

/// `when scan has succeeded`; an expression that is more than a row of plain terms stays as it is.
pub(super) fn words(step: &PlanStep) -> String {
    let needs = &step.needs;
    let form = step.when.as_deref().map_or(Some(ShortForm::Succeeded), ShortForm::parse);
    let (and, or) = (row(needs, "and"), row(needs, "or"));
    let have = if needs.len() == 1 { "has" } else { "have" };
    match form {
        Some(ShortForm::Always | ShortForm::Succeeded) if needs.is_empty() => "at once".to_owned(),
        Some(ShortForm::Always) => format!("once {and} {have} ended, however"),
        Some(ShortForm::Succeeded) => format!("when {and} {have} succeeded"),
        Some(ShortForm::Denied) => format!("when {or} has denied"),
        Some(ShortForm::Failed) => format!("when {or} has failed"),
        None => {
            let when =
                step.when.as_deref().unwrap_or_default().split_whitespace().collect::<Vec<_>>().join(" ");
            match plain(&when) {
                Some(words) => format!("when {words}"),
                None => format!("when `{when}`"),
            }
        }
    }
}

/// `a, b and c`
fn row(names: &[String], word: &str) -> String {
    match names {
        [] => String::new(),
        [one] => one.clone(),
        [first @ .., last] => format!("{} {word} {last}", first.join(", ")),
    }
}

/// A conjunction of terms that have words, in words.
fn plain(when: &str) -> Option<String> {
    let terms: Option<Vec<String>> = when.split("&&").map(|term| self::term(term.trim())).collect();
    Some(row(&terms?, "and"))
}

fn term(term: &str) -> Option<String> {
    let (not, path) = match term.strip_prefix('!') {
        Some(rest) => (true, rest.trim()),
        None => (false, term),
    };
    let name = |text: &str| !text.is_empty() && text.chars().all(|c| c.is_alphanumeric() || c == '_');
    let parts: Vec<&str> = path.split('.').collect();
    let words = match parts.as_slice() {
        ["steps", step, "output", output] if name(step) && name(output) => {
            let is = if not { "is not" } else { "is" };
            return Some(format!("{step} says it {is} {}", output.replace('_', " ")));
        }
        ["steps", step, how] if name(step) => match (*how, not) {
            ("succeeded", false) => format!("{step} has succeeded"),
            ("succeeded", true) => format!("{step} has not succeeded"),
            ("denied", false) => format!("{step} has denied"),
            ("denied", true) => format!("{step} has not denied"),
            ("failed", false) => format!("{step} has failed"),
            ("failed", true) => format!("{step} has not failed"),
            ("skipped", false) => format!("{step} was skipped"),
            ("skipped", true) => format!("{step} was not skipped"),
            _ => return None,
        },
        _ => return None,
    };
    Some(words)
}
