//! `patchline chain schema`: the JSON Schema of a chain, for editors and other programs.

use std::path::PathBuf;

use super::write;
use crate::{
    exit::Exit,
    failure::{Failure, Result},
};

/// Print the JSON Schema of a chain document
#[derive(Debug, clap::Args)]
pub(crate) struct Schema {
    /// Write it into a file, as editors want it; replaces what stands there
    #[arg(long, value_name = "FILE", default_value = "-")]
    out: PathBuf,
}

impl Schema {
    pub(super) fn run(self) -> Result<Exit> {
        let schema = patchline_chains::schema::chain(&patchline_steps::catalogue());
        let text = serde_json::to_string_pretty(&schema).map_err(|e| Failure::new("output-failed", &e))?;
        write::to(&self.out, &format!("{text}\n"), true)?;
        Ok(Exit::Ok)
    }
}
