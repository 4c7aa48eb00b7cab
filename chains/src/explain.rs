//! What a code means, at length: `patchline chain explain CODE`, as a compiler explains its errors.

mod names;
mod shapes;
mod steps;
mod values;
mod yaml;

use crate::catalogue::Catalogue;

/// A code explained.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Explanation {
    /// `bad-cron`
    pub code: &'static str,
    /// What it means.
    pub meaning: Words,
    /// A file that gives this code and no other; empty where a text cannot show it.
    pub erroneous: &'static str,
    /// The same, mended: it compiles without a complaint.
    pub corrected: &'static str,
    /// Why there is such a rule.
    pub reason: Words,
}

/// Sentences in each language, in Markdown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Words {
    /// English.
    pub en: &'static str,
    /// Chinese.
    pub zh: &'static str,
}

/// Languages of explanations.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Language {
    /// English.
    #[default]
    En,
    /// Chinese.
    Zh,
}

impl Words {
    /// In one language.
    pub fn in_language(&self, language: Language) -> &'static str {
        match language {
            Language::En => self.en,
            Language::Zh => self.zh,
        }
    }
}

/// The explanations of this crate's own codes: see [`crate::diagnostics::CODES`].
pub fn own() -> impl Iterator<Item = &'static Explanation> {
    [yaml::ALL, shapes::ALL, values::ALL, names::ALL, steps::ALL].into_iter().flatten()
}

/// What a code means: one of this crate's, or one that a step kind of the catalogue objects with.
pub fn explain(wanted: &str, catalogue: &dyn Catalogue) -> Option<Explanation> {
    let kinds = catalogue.explanations().iter().copied();
    own().copied().chain(kinds).find(|e| e.code == wanted)
}

/// The code that was meant by one that does not exist.
pub fn nearest(wanted: &str, catalogue: &dyn Catalogue) -> Option<&'static str> {
    let kinds = catalogue.explanations().iter().map(|e| e.code);
    crate::suggest::nearest(wanted, own().map(|e| e.code).chain(kinds))
}

impl Explanation {
    /// As text for a terminal, in Markdown, ending in a line feed.
    pub fn render(&self, language: Language) -> String {
        let (wrong, right, why) = match language {
            Language::En => ("Erroneous:", "Corrected:", "Why:"),
            Language::Zh => ("错误示例：", "修正之后：", "为什么："),
        };
        let mut out = format!("# {}\n\n{}\n", self.code, self.meaning.in_language(language));
        let heads = [(wrong, self.erroneous), (right, self.corrected)];
        for (head, text) in heads.into_iter().filter(|(_, text)| !text.is_empty()) {
            // What steers a terminal, or is too long for it, is told in words above.
            let safe: String = text
                .chars()
                .map(|c| if c != '\n' && crate::diagnostics::unsafe_to_show(c) { '\u{fffd}' } else { c })
                .collect();
            out.push_str(&format!("\n{head}\n\n```yaml\n{safe}```\n"));
        }
        out.push_str(&format!("\n{why} {}\n", self.reason.in_language(language)));
        out
    }
}

/// Every field, in short.
const fn explanation(
    code: &'static str,
    meaning: Words,
    reason: Words,
    erroneous: &'static str,
    corrected: &'static str,
) -> Explanation {
    Explanation { code, meaning, erroneous, corrected, reason }
}

const fn words(en: &'static str, zh: &'static str) -> Words {
    Words { en, zh }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::diagnostics::CODES;

    #[test]
    fn every_code_is_explained_once_in_both_languages() {
        let codes: Vec<&str> = own().map(|e| e.code).collect();
        let sorted: BTreeSet<&str> = codes.iter().copied().collect();
        assert_eq!(sorted.len(), codes.len(), "a code is explained twice");
        assert_eq!(sorted.into_iter().collect::<Vec<_>>(), CODES);
        for e in own() {
            for words in [e.meaning, e.reason] {
                assert!(words.en.ends_with('.') && words.zh.ends_with('。'), "{}", e.code);
            }
            assert!(e.erroneous.is_empty() || e.erroneous.ends_with('\n'), "{}", e.code);
            assert!(e.corrected.ends_with('\n') && e.corrected != e.erroneous, "{}", e.code);
        }
    }

    #[test]
    fn what_is_shown_steers_no_terminal() {
        let catalogue = crate::tests::catalogue::small();
        for code in CODES {
            for language in [Language::En, Language::Zh] {
                let text = explain(code, &catalogue).unwrap().render(language);
                assert!(text.starts_with(&format!("# {code}\n")) && !text.contains('\u{1b}'), "{code}");
            }
        }
        assert_eq!(explain("no-such-code", &catalogue), None);
        assert_eq!(nearest("bad-corn", &catalogue), Some("bad-cron"));
    }
}
