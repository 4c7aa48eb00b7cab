//! `patchline chain init [FILE]`: a commented chain to begin with.

use std::path::PathBuf;

use super::write;
use crate::{exit::Exit, failure::Result, terminal};

/// What is written. It compiles without a warning.
const STARTER: &str = include_str!("starter.yaml");

/// Write a commented chain to begin with
#[derive(Debug, clap::Args)]
pub(crate) struct Init {
    /// Where to, or - for standard output
    #[arg(default_value = "chain.yaml")]
    file: PathBuf,
    /// Replace what stands there
    #[arg(long)]
    force: bool,
}

impl Init {
    pub(super) fn run(self) -> Result<Exit> {
        write::to(&self.file, STARTER, self.force)?;
        if self.file.as_os_str() != "-" {
            terminal::err(&format!("wrote {}", self.file.display()));
            terminal::err("check it: patchline chain validate; rehearse it: patchline chain plan");
        }
        Ok(Exit::Ok)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_starter_compiles_without_a_word_and_replaces_nothing_unasked() {
        let source = patchline_chains::Source { name: "starter", bytes: STARTER.as_bytes() };
        let compiled = patchline_chains::compile(source, &patchline_steps::catalogue());
        assert_eq!(compiled.diagnostics, []);
        assert_eq!(compiled.plans.len(), 1);
        assert!(STARTER.starts_with("# yaml-language-server: $schema="));
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("chain.yaml");
        Init { file: file.clone(), force: false }.run().unwrap();
        std::fs::write(&file, "mine").unwrap();
        assert_eq!(Init { file: file.clone(), force: false }.run().unwrap_err().code, "file-exists");
        assert_eq!(std::fs::read_to_string(&file).unwrap(), "mine");
        Init { file: file.clone(), force: true }.run().unwrap();
        assert_eq!(std::fs::read_to_string(&file).unwrap(), STARTER);
    }
}
