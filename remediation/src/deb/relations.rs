//! Relations between packages, Debian Policy 7.1.

use std::{cmp::Ordering, fmt};

use patchline_scanner::version::compare_debian;

/// How versions must relate.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Operator {
    /// `<<`
    Earlier,
    /// `<=`
    EarlierOrEqual,
    /// `=`
    Equal,
    /// `>=`
    LaterOrEqual,
    /// `>>`
    Later,
}

impl Operator {
    /// Whether `left OP right` holds.
    pub fn holds(self, left: &str, right: &str) -> bool {
        let order = compare_debian(left, right);
        match self {
            Self::Earlier => order == Ordering::Less,
            Self::EarlierOrEqual => order != Ordering::Greater,
            Self::Equal => order == Ordering::Equal,
            Self::LaterOrEqual => order != Ordering::Less,
            Self::Later => order == Ordering::Greater,
        }
    }
    fn symbol(self) -> &'static str {
        match self {
            Self::Earlier => "<<",
            Self::EarlierOrEqual => "<=",
            Self::Equal => "=",
            Self::LaterOrEqual => ">=",
            Self::Later => ">>",
        }
    }
}

/// One package, perhaps of some versions: `libc6 (>= 2.36)`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Relation {
    /// Binary or virtual package.
    pub name: String,
    /// `any` of `python3:any`.
    pub qualifier: Option<String>,
    /// Which versions.
    pub version: Option<(Operator, String)>,
    /// `[amd64 !i386]`, as written; empty: all.
    pub architectures: Vec<String>,
}

impl Relation {
    /// Whether a real package satisfies it.
    pub fn matches(&self, name: &str, version: &str) -> bool {
        self.name == name && self.version.as_ref().is_none_or(|(op, wanted)| op.holds(version, wanted))
    }
    /// Whether an entry of `Provides` satisfies it: without a version it satisfies no versioned relation.
    pub fn matches_provided(&self, provided: &Self) -> bool {
        self.name == provided.name
            && match (&self.version, &provided.version) {
                (None, _) => true,
                (Some((op, wanted)), Some((Operator::Equal, version))) => op.holds(version, wanted),
                (Some(_), _) => false,
            }
    }
    /// Whether the restriction to architectures lets it count on this one.
    pub fn applies_to(&self, architecture: &str) -> bool {
        let names = |listed: &str| listed == architecture || matches!(listed, "any" | "linux-any");
        if self.architectures.is_empty() {
            return true;
        }
        let (not, only): (Vec<_>, Vec<_>) = self.architectures.iter().partition(|a| a.starts_with('!'));
        !not.iter().any(|a| names(&a[1..])) && (only.is_empty() || only.iter().any(|a| names(a)))
    }
}

impl fmt::Display for Relation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.name)?;
        if let Some(qualifier) = &self.qualifier {
            write!(f, ":{qualifier}")?;
        }
        if let Some((op, version)) = &self.version {
            write!(f, " ({} {version})", op.symbol())?;
        }
        if !self.architectures.is_empty() {
            write!(f, " [{}]", self.architectures.join(" "))?;
        }
        Ok(())
    }
}

/// Alternatives, one of which must hold.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Clause {
    /// In the order of preference; never empty.
    pub alternatives: Vec<Relation>,
}

impl fmt::Display for Clause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, relation) in self.alternatives.iter().enumerate() {
            write!(f, "{}{relation}", if i == 0 { "" } else { " | " })?;
        }
        Ok(())
    }
}

/// Parses a whole relation field; the error says what is wrong with it.
pub fn parse(text: &str) -> Result<Vec<Clause>, String> {
    text.split(',')
        .map(str::trim)
        .filter(|clause| !clause.is_empty())
        .map(|clause| {
            let alternatives = clause.split('|').map(relation).collect::<Result<_, _>>()?;
            Ok(Clause { alternatives })
        })
        .collect()
}

fn relation(text: &str) -> Result<Relation, String> {
    let bad = |why: &str| {
        let shown: String = text.trim().chars().take(120).collect();
        format!("`{shown}` {why}")
    };
    let text = text.trim();
    let end = text.find(|c: char| c.is_whitespace() || "([<".contains(c)).unwrap_or(text.len());
    let (name, mut rest) = text.split_at(end);
    let (name, qualifier) = match name.split_once(':') {
        Some((name, qualifier)) => (name, Some(qualifier.to_owned())),
        None => (name, None),
    };
    if name.is_empty() {
        return Err(bad("names no package"));
    }
    let mut version = None;
    let mut architectures = Vec::new();
    loop {
        rest = rest.trim_start();
        let Some(opening) = rest.chars().next() else { break };
        let closing = match opening {
            '(' => ')',
            '[' => ']',
            '<' => '>',
            _ => return Err(bad("goes on after its end")),
        };
        let close = rest.find(closing).ok_or_else(|| bad("does not close a bracket"))?;
        let inner = rest[1..close].trim();
        match opening {
            '(' if version.is_none() => {
                version = Some(constraint(inner).ok_or_else(|| bad("has no version"))?)
            }
            '[' => architectures.extend(inner.split_whitespace().map(str::to_owned)),
            // Build profiles do not stand in binary packages; they restrict nothing here.
            '<' => {}
            _ => return Err(bad("has two versions")),
        }
        rest = &rest[close + 1..];
    }
    Ok(Relation { name: name.to_owned(), qualifier, version, architectures })
}

fn constraint(text: &str) -> Option<(Operator, String)> {
    // The single `<` and `>` are dpkg's deprecated spellings of `<=` and `>=`.
    let (operator, version) = [
        ("<<", Operator::Earlier),
        ("<=", Operator::EarlierOrEqual),
        (">>", Operator::Later),
        (">=", Operator::LaterOrEqual),
        ("=", Operator::Equal),
        ("<", Operator::EarlierOrEqual),
        (">", Operator::LaterOrEqual),
    ]
    .into_iter()
    .find_map(|(symbol, operator)| text.strip_prefix(symbol).map(|rest| (operator, rest.trim())))?;
    (!version.is_empty() && !version.contains(char::is_whitespace)).then(|| (operator, version.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn one(text: &str) -> Relation {
        let mut clauses = parse(text).unwrap();
        assert_eq!(clauses.len(), 1);
        clauses.remove(0).alternatives.remove(0)
    }

    #[test]
    fn the_grammar_round_trips() {
        let text =
            "libc6 (>= 2.36), debconf (>= 0.5) | debconf-2.0, python3:any (<< 4~) [amd64 !i386], a(=1)";
        let clauses = parse(text).unwrap();
        let shown: Vec<_> = clauses.iter().map(ToString::to_string).collect();
        assert_eq!(
            shown,
            [
                "libc6 (>= 2.36)",
                "debconf (>= 0.5) | debconf-2.0",
                "python3:any (<< 4~) [amd64 !i386]",
                "a (= 1)"
            ]
        );
        assert!(parse("").unwrap().is_empty());
        assert_eq!(parse("a,\n b,").unwrap().len(), 2);
    }

    #[test]
    fn nonsense_is_refused() {
        for text in ["(>= 1)", "a (1)", "a (>=)", "a (>= 1", "a b", "a || b", "a (= 1) (= 2)", "a (= 1 2)"] {
            assert!(parse(text).is_err(), "{text}");
        }
    }

    #[test]
    fn versions_and_provides_decide() {
        let wanted = one("libc6 (>= 2.36)");
        assert!(wanted.matches("libc6", "2.36-9"));
        assert!(!wanted.matches("libc6", "2.36~rc1"));
        assert!(!wanted.matches("libc", "2.36-9"));
        assert!(!wanted.matches_provided(&one("libc6")));
        assert!(wanted.matches_provided(&one("libc6 (= 2.40)")));
        assert!(one("libc6").matches_provided(&one("libc6 (= 2.40)")));
        assert!(one("a (<< 2)").matches("a", "1") && !one("a (<< 2)").matches("a", "2"));
        assert!(one("a (>> 2)").matches("a", "3") && !one("a (>> 2)").matches("a", "2"));
    }

    #[test]
    fn architectures_restrict() {
        assert!(one("a").applies_to("amd64"));
        assert!(one("a [amd64]").applies_to("amd64") && !one("a [arm64]").applies_to("amd64"));
        assert!(!one("a [!amd64]").applies_to("amd64") && one("a [!amd64]").applies_to("arm64"));
        assert!(one("a [linux-any]").applies_to("arm64"));
    }
}
