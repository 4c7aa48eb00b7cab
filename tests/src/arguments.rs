//! The command line of harnesses, which have a few flags each.

/// What it says. Cargo adds `--bench`, which says nothing.
pub struct Arguments(Vec<String>);

impl Arguments {
    /// This process's.
    pub fn of_process() -> Self {
        Self(std::env::args().skip(1).collect())
    }
    /// This process's, of which each flag must be one that is known: a bench that takes `--help` for nothing begins to
    /// measure. `flags`: those alone; `values`: those that a word follows.
    pub fn known(flags: &[&str], values: &[&str]) -> Self {
        let all = Self::of_process();
        let mut words = all.0.iter();
        while let Some(word) = words.next() {
            if values.contains(&word.as_str()) {
                words.next();
            } else if word != "--bench" && !flags.contains(&word.as_str()) {
                eprintln!("{word} is unknown; there are {}", [flags, values].concat().join(", "));
                std::process::exit(2);
            }
        }
        all
    }
    /// The word at a place, from 0.
    pub fn word(&self, at: usize) -> Option<&str> {
        self.0.get(at).map(String::as_str)
    }
    /// Whether a flag is there.
    pub fn has(&self, flag: &str) -> bool {
        self.0.iter().any(|a| a == flag)
    }
    /// What follows a flag.
    pub fn value(&self, flag: &str) -> Option<&str> {
        let at = self.0.iter().position(|a| a == flag)?;
        self.word(at + 1)
    }
    /// The same as a number; what is none ends the process.
    pub fn number(&self, flag: &str, default: u64) -> u64 {
        self.value(flag).map_or(default, |v| v.parse().unwrap_or_else(|_| panic!("{flag} {v}: no number")))
    }
}
