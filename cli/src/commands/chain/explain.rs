//! `patchline chain explain CODE`: what a code means, at length.

use clap::ValueEnum;
use patchline_chains::explain::{self, Language};
use serde_json::json;

use super::sarif;
use crate::{
    Global, Output,
    exit::Exit,
    failure::{Failure, Result},
    terminal,
};

/// Explain a code: what it means, an example that gives it, the same mended, and why
#[derive(Debug, clap::Args)]
pub(crate) struct Explain {
    /// As it stands in brackets: unknown-key
    code: String,
    /// Language of the explanation
    #[arg(long, value_enum, default_value_t)]
    language: Tongue,
}

/// Languages of explanations.
#[derive(Debug, Clone, Copy, Default, ValueEnum)]
enum Tongue {
    #[default]
    En,
    Zh,
}

impl Explain {
    pub(super) fn run(self, global: &Global) -> Result<Exit> {
        let catalogue = patchline_steps::catalogue();
        let language = match self.language {
            Tongue::En => Language::En,
            Tongue::Zh => Language::Zh,
        };
        if let Some(found) = explain::explain(&self.code, &catalogue) {
            match global.output {
                Output::Json => super::super::json(&json!({
                    "code": found.code,
                    "meaning": found.meaning.in_language(language),
                    "erroneous": found.erroneous,
                    "corrected": found.corrected,
                    "reason": found.reason.in_language(language),
                }))?,
                Output::Table => terminal::out(found.render(language).trim_end()),
            }
            return Ok(Exit::Ok);
        }
        // Codes that no chain gives stand in the table alone.
        if let Some((means, todo)) = sarif::texts().get(self.code.as_str()) {
            match global.output {
                Output::Json => {
                    super::super::json(&json!({"code": self.code, "meaning": means, "todo": todo}))?
                }
                Output::Table => terminal::out(&format!("# {}\n\n{means}\n\n{todo}", self.code)),
            }
            return Ok(Exit::Ok);
        }
        let shown: String = self.code.chars().filter(|c| !c.is_control()).take(60).collect();
        let failure = Failure::usage("unknown-code", format!("there is no code `{shown}`"));
        Err(match explain::nearest(&self.code, &catalogue) {
            Some(near) => failure.hint(format!("did you mean `{near}`?")),
            None => failure.hint("all of them stand in docs/errors.md"),
        })
    }
}
