//! What others expect of the same bytes, in the shared data folder, against what is read here: for tests and for
//! `cargo xtask corpus`.

mod data;
mod goldens;
mod languages;
mod matching;
mod systems;

use std::{collections::BTreeMap, path::Path};

pub use data::Data;

/// How one set of expectations came out.
#[derive(Debug, Default)]
pub struct Figures {
    /// What is held against what: `apk: Alpine's releases`.
    pub set: String,
    /// Expectations.
    pub cases: usize,
    /// Packages that they name; of matching, versions.
    pub packages: usize,
    /// Expectations that are met.
    pub hits: usize,
    /// Those that are wrong, or about what is not read on purpose, by the reason.
    pub named: BTreeMap<&'static str, Vec<String>>,
    /// What is read otherwise, and nobody says why.
    pub misses: Vec<String>,
    /// Expectations whose input is not in the folder; they are no cases.
    pub unstaged: Vec<String>,
    /// Reasons that nothing needs any more.
    pub stale: Vec<String>,
}

impl Figures {
    fn new(set: impl Into<String>) -> Self {
        Self { set: set.into(), ..Self::default() }
    }
    /// How many misses have a reason.
    pub fn named(&self) -> usize {
        self.named.values().map(Vec::len).sum()
    }
    /// Each expectation is met or has its reason, and each reason is needed.
    pub fn holds(&self) -> bool {
        self.misses.is_empty() && self.stale.is_empty()
    }
    /// One expectation; `missed`: what is read otherwise.
    fn judge(
        &mut self,
        case: String,
        packages: usize,
        missed: Option<String>,
        reason: impl FnOnce() -> Option<&'static str>,
    ) {
        self.cases += 1;
        self.packages += packages;
        match missed {
            None => self.hits += 1,
            Some(difference) => match reason() {
                Some(reason) => self.named.entry(reason).or_default().push(case),
                None => self.misses.push(format!("{case}: {difference}")),
            },
        }
    }
}

/// Why the data cannot be read.
pub type Fault = String;

/// Packages: every fixture with an expected list.
///
/// # Errors
/// A data folder without fixtures, or fixtures that are not as `SOURCES.md` says.
pub fn packages(data: &Data) -> Result<Vec<Figures>, Fault> {
    let mut all = systems::judge(data)?;
    all.extend(languages::judge(data)?);
    Ok(all)
}

/// Matching: what OSV records say of versions, by ecosystem, and what another scanner found.
///
/// # Errors
/// As [`packages`].
pub fn matching(data: &Data) -> Result<Vec<Figures>, Fault> {
    let mut all = matching::judge(data)?;
    all.push(goldens::judge(data)?);
    Ok(all)
}

/// The folder that a name gives, else the one that usually lies beside the repository; none: there is none.
pub fn data(named: Option<&Path>) -> Option<Data> {
    match named {
        Some(folder) => Data::of(folder),
        None => Data::at_hand(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn holds(judge: impl FnOnce(&Data) -> Result<Vec<Figures>, Fault>) {
        let Some(data) = Data::at_hand() else {
            println!("skipped: the shared data folder is not at hand");
            return;
        };
        let all = judge(&data).expect("the data is as its SOURCES.md says");
        for f in &all {
            println!("{}: {} cases, {} hits, {} named", f.set, f.cases, f.hits, f.named());
        }
        let bad: Vec<_> = all.iter().filter(|f| !f.holds()).collect();
        assert!(bad.is_empty(), "{bad:#?}");
        assert!(all.iter().any(|f| f.hits > 0));
    }

    #[test]
    fn packages_are_what_others_expect_or_it_is_said_why_not() {
        holds(packages);
    }

    #[test]
    fn what_another_scanner_found_is_found() {
        holds(|data| goldens::judge(data).map(|figures| vec![figures]));
    }

    /// All ecosystems take as long as a hundred other tests: `cargo xtask corpus matching` has them.
    #[test]
    fn records_of_two_ecosystems_say_what_they_say() {
        holds(|data| ["Maven", "RubyGems"].into_iter().map(|e| matching::ecosystem(data, e)).collect());
    }

    #[test]
    #[ignore = "takes a minute: `cargo xtask corpus matching` does the same"]
    fn every_record_says_what_it_says() {
        holds(matching);
    }

    #[test]
    fn a_miss_without_a_reason_is_one() {
        let mut figures = Figures::new("a");
        figures.judge("hit".into(), 2, None, || None);
        figures.judge("named".into(), 1, Some("x".into()), || Some("why"));
        assert!(figures.holds() && (figures.hits, figures.named(), figures.packages) == (1, 1, 3));
        figures.judge("miss".into(), 1, Some("x".into()), || None);
        assert!(!figures.holds() && figures.misses == ["miss: x"]);
    }
}
