//! `patchline chain import --from acr FILE`: another system's chain as one of ours.

use std::path::PathBuf;

use clap::ValueEnum;
use patchline_chains::{Source, compile, import};

use super::{load, show, write};
use crate::{
    exit::{self, Exit},
    failure::{Failure, Result},
    terminal,
};

/// Write another system's chain as one of ours
///
/// The chain goes to stdout. What has no equal is told on stderr, each with its place in the file;
/// with --strict, any of it makes the exit code 2.
#[derive(Debug, clap::Args)]
pub(crate) struct Import {
    /// Where the chain comes from
    #[arg(long, value_enum)]
    from: System,
    /// Its file, or - for standard input
    file: PathBuf,
    /// The repositories that it handles, as a glob, where the file does not name them
    #[arg(long, value_name = "GLOB")]
    scope: Option<String>,
    /// Write the chain into a file that is not there yet
    #[arg(long, value_name = "FILE", default_value = "-")]
    out: PathBuf,
    /// Fail, and write nothing, where something has no equal
    #[arg(long)]
    strict: bool,
}

/// Systems whose chains are read.
#[derive(Debug, Clone, Copy, ValueEnum)]
enum System {
    /// Alibaba Cloud Container Registry, Enterprise Edition: what GetChain answers
    Acr,
}

impl Import {
    pub(super) fn run(self) -> Result<Exit> {
        let (name, bytes) = load::read(&self.file)?;
        let System::Acr = self.from;
        let imported = import::acr::import(&bytes, self.scope.as_deref())
            .map_err(|error| Failure { exit: exit::USAGE, ..Failure::new(error.code(), &error) })?;
        let colours = terminal::err_colours();
        for note in &imported.notes {
            let text = format!(
                "warning[{}]: {}\n --> {name} {}\n  = help: {}\n",
                note.code, note.message, note.path, note.hint
            );
            terminal::err(&if colours { show::painted(&text) } else { text });
        }
        if self.strict && !imported.notes.is_empty() {
            let message = format!("{} parts of {name} have no equal", imported.notes.len());
            return Err(
                Failure::usage("import-incomplete", message).hint("leave out --strict to get the rest")
            );
        }
        let source = Source { name: "the imported chain", bytes: imported.yaml.as_bytes() };
        let compiled = compile(source, &patchline_steps::catalogue());
        for found in &compiled.diagnostics {
            terminal::err(&found.render(source.name, &imported.yaml));
        }
        write::to(&self.out, &imported.yaml, false)?;
        if compiled.is_ok() {
            return Ok(Exit::Ok);
        }
        Err(Failure::usage("import-invalid", "the chain that came of it has mistakes")
            .hint("mend what is shown above in what was written"))
    }
}
