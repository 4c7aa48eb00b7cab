//! What a file of apt's sources lists, in one line or in stanzas (sources.list(5)), as far as it is read.

use std::sync::Arc;

use crate::deb::control;

/// Repositories of one file, or of one image: addresses are multiplied by suites.
pub(super) const MOST: usize = 1024;
/// Bytes of one address, and of one suite's name: each is held once for every other.
const LONGEST: usize = 2048;

/// One suite at one address, for packages that are built.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Listed {
    /// As written.
    pub(super) address: String,
    /// As written; with a `/` at its end it is a folder, and there are no components.
    pub(super) suite: String,
    /// All that a line or a stanza says besides, which its repositories share.
    pub(super) terms: Arc<Terms>,
}

/// What holds for all repositories of a line or stanza.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Terms {
    pub(super) components: Vec<String>,
    pub(super) architectures: Architectures,
    /// Paths, fingerprints, or a block of keys; none: it names no key.
    pub(super) signed_by: Option<String>,
}

/// For which architectures packages are taken from it.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Architectures {
    only: Option<Vec<String>>,
    more: Vec<String>,
    less: Vec<String>,
}

impl Architectures {
    /// Whether those of the image's own architecture are.
    pub(super) fn have(&self, architecture: &str) -> bool {
        let among = |all: &[String]| all.iter().any(|one| one == architecture);
        (self.only.as_deref().is_none_or(among) || among(&self.more)) && !among(&self.less)
    }
}

/// Reads a file by what its name ends with; other names, and what does not parse or is too long for an address, are left
/// out, as is what follows the 1,024th repository.
pub(super) fn read(name: &str, text: &str) -> Vec<Listed> {
    let mut all = Vec::new();
    if name.ends_with(".sources") {
        stanzas(text, &mut all);
    } else if name.ends_with(".list") {
        all.extend(text.lines().filter_map(one_line).take(MOST));
    }
    all
}

fn words(text: &str) -> Vec<String> {
    text.split([',', ' ', '\t', '\n', '\r']).filter(|word| !word.is_empty()).map(str::to_owned).collect()
}

fn one_line(line: &str) -> Option<Listed> {
    let line = line.split('#').next().unwrap_or_default().trim();
    let mut rest = line.strip_prefix("deb").filter(|rest| rest.starts_with([' ', '\t']))?.trim_start();
    let mut architectures = Architectures::default();
    let mut signed_by = None;
    if let Some(after) = rest.strip_prefix('[') {
        let (options, after) = after.split_once(']')?;
        for (key, value) in options.split_whitespace().filter_map(|option| option.split_once('=')) {
            match key {
                "arch" => architectures.only = Some(words(value)),
                "arch+" => architectures.more = words(value),
                "arch-" => architectures.less = words(value),
                "signed-by" => signed_by = Some(value.to_owned()),
                // `trusted`, `allow-insecure`, `check-valid-until`: who may be believed is no image's to say.
                _ => {}
            }
        }
        rest = after;
    }
    let mut words = rest.split_whitespace().map(str::to_owned);
    let (address, suite) = (words.next()?, words.next()?);
    let terms = Arc::new(Terms { components: words.collect(), architectures, signed_by });
    [&address, &suite].iter().all(|text| text.len() <= LONGEST).then_some(Listed { address, suite, terms })
}

fn stanzas(text: &str, all: &mut Vec<Listed>) {
    for stanza in control::stanzas("sources", text).flatten() {
        let get = |field: &str| stanza.get(field).unwrap_or_default();
        let disabled =
            stanza.get("Enabled").is_some_and(|v| matches!(v, "no" | "false" | "0" | "without" | "off"));
        if disabled || !get("Types").split_whitespace().any(|kind| kind == "deb") {
            continue;
        }
        let architectures = Architectures {
            only: stanza.get("Architectures").map(words),
            more: words(get("Architectures-Add")),
            less: words(get("Architectures-Remove")),
        };
        let components = get("Components").split_whitespace().map(str::to_owned).collect();
        let signed_by = stanza.get("Signed-By").map(str::to_owned);
        let terms = Arc::new(Terms { components, architectures, signed_by });
        for address in get("URIs").split_whitespace().filter(|text| text.len() <= LONGEST) {
            for suite in get("Suites").split_whitespace().filter(|text| text.len() <= LONGEST) {
                if all.len() >= MOST {
                    return;
                }
                all.push(Listed {
                    address: address.to_owned(),
                    suite: suite.to_owned(),
                    terms: terms.clone(),
                });
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_forms_say_the_same() {
        let line = "deb [arch=amd64,arm64 signed-by=/etc/apt/keyrings/a.gpg trusted=yes] https://a.example/x stable main extra # x\n\
                    deb-src https://a.example/x stable main\nde https://a.example/x stable main\ndeb [open https://a.example/x a\n";
        let stanza = "# one\nEnabled: yes\nTypes: deb deb-src\nURIs: https://a.example/x\nSuites: stable\nComponents: main extra\n\
                      Architectures: amd64 arm64\nSigned-By: /etc/apt/keyrings/a.gpg\nTrusted: yes\n\n\
                      Enabled: no\nTypes: deb\nURIs: https://b.example/x\nSuites: stable\nComponents: main\n\nbroken\n";
        let listed = read("a.list", line);
        assert_eq!(listed.len(), 1);
        assert_eq!(read("a.sources", stanza), listed);
        let one = &listed[0];
        assert_eq!((one.address.as_str(), one.suite.as_str()), ("https://a.example/x", "stable"));
        assert_eq!(one.terms.components, ["main", "extra"]);
        assert_eq!(one.terms.signed_by.as_deref(), Some("/etc/apt/keyrings/a.gpg"));
        assert!(one.terms.architectures.have("arm64") && !one.terms.architectures.have("i386"));
        assert!(read("a.list.save", line).is_empty());
    }

    #[test]
    fn architectures_are_added_and_taken_away() {
        let of = |options: &str| {
            read("x.list", &format!("deb {options} http://a.example x main\n"))
                .remove(0)
                .terms
                .architectures
                .clone()
        };
        assert!(of("").have("amd64"));
        assert!(!of("[arch-=amd64]").have("amd64") && of("[arch-=i386]").have("amd64"));
        assert!(of("[arch=i386 arch+=amd64]").have("amd64"));
    }

    #[test]
    fn a_block_of_keys_is_kept_and_a_product_is_bounded() {
        let text = "Types: deb\nURIs: http://a.example\nSuites: x\nComponents: y\nSigned-By:\n -----BEGIN PGP PUBLIC KEY BLOCK-----\n .\n AAAA\n -----END PGP PUBLIC KEY BLOCK-----\n";
        assert!(read("x.sources", text)[0].terms.signed_by.as_deref().unwrap().contains(" .\n AAAA"));
        let many = "a ".repeat(20_000);
        let text = format!("Types: deb\nURIs: {many}\nSuites: {many}\nComponents: y\n");
        assert_eq!(read("x.sources", &text).len(), MOST);
        let long = "a".repeat(LONGEST + 1);
        assert!(read("x.list", &format!("deb http://{long} x y\ndeb http://a {long} y\n")).is_empty());
        assert!(read("x.sources", &text.replace(&many, &format!("{long} "))).is_empty());
        assert_eq!(read("x.list", &"deb http://a x y\n".repeat(MOST + 5)).len(), MOST);
    }
}
