//! `patchline chain validate FILE|DIR…`: everything that is wrong, at once, as text, JSON or SARIF.

use std::path::PathBuf;

use patchline_chains::{Plan, Severity, Span};
use serde::Serialize;

use super::{
    load::{Loaded, Problem},
    sarif,
};
use crate::{
    Global, Output,
    exit::Exit,
    failure::{Failure, Result},
    terminal,
};

/// Say everything that is wrong with chain files, at once
///
/// Complaints go to stderr, one line for each fine chain to stdout; with --output json or sarif,
/// one document with everything goes to stdout. Exit codes: 0 fine (warnings alone are), 2 mistakes.
#[derive(Debug, clap::Args)]
pub(crate) struct Validate {
    /// Files, folders of .yaml and .yml files, or - for standard input
    #[arg(required = true, value_name = "FILE|DIR")]
    files: Vec<PathBuf>,
}

impl Validate {
    pub(super) fn run(self, global: &Global) -> Result<Exit> {
        let loaded = Loaded::read(&self.files)?;
        if loaded.files.is_empty() {
            let message = format!("{} holds no .yaml or .yml file", self.files[0].display());
            return Err(Failure::usage("no-chain-files", message));
        }
        match (global.document, global.output) {
            (Some(_), _) => super::super::json(&sarif::log(&loaded))?,
            (None, Output::Json) => super::super::json(&Document::of(&loaded))?,
            (None, Output::Table) => text(&loaded),
        }
        loaded.verdict()?;
        Ok(Exit::Ok)
    }
}

fn text(loaded: &Loaded) {
    loaded.show();
    for chain in &loaded.chains {
        let plan = &chain.plan;
        let bad = |p: &&Problem| p.file == chain.file && p.diagnostic.severity == Severity::Error;
        if loaded.problems.iter().find(bad).is_none() {
            let steps = plan.steps.len();
            let s = if steps == 1 { "" } else { "s" };
            terminal::out(&format!("{}: fine, {steps} step{s}, {}", plan.chain, plan.hash()));
        }
    }
}

/// What `--output json` prints.
#[derive(Debug, Serialize)]
struct Document<'a> {
    files: Vec<File<'a>>,
    chains: Vec<Chain<'a>>,
    diagnostics: Vec<Complaint<'a>>,
}

#[derive(Debug, Serialize)]
struct File<'a> {
    name: &'a str,
    errors: usize,
    warnings: usize,
}

#[derive(Debug, Serialize)]
struct Chain<'a> {
    chain: &'a str,
    file: &'a str,
    hash: String,
    plan: &'a Plan,
}

#[derive(Debug, Serialize)]
struct Complaint<'a> {
    file: &'a str,
    severity: Severity,
    code: &'a str,
    message: &'a str,
    span: Span,
    related: Vec<Related<'a>>,
    hint: Option<&'a str>,
}

#[derive(Debug, Serialize)]
struct Related<'a> {
    file: &'a str,
    span: Span,
    label: &'a str,
}

impl<'a> Document<'a> {
    fn of(loaded: &'a Loaded) -> Self {
        let name = |file: usize| loaded.files[file].name.as_str();
        let count = |file: usize, severity: Severity| {
            let of = |p: &&Problem| p.file == file && p.diagnostic.severity == severity;
            loaded.problems.iter().filter(of).count()
        };
        let files = loaded.files.iter().enumerate().map(|(at, file)| File {
            name: &file.name,
            errors: count(at, Severity::Error),
            warnings: count(at, Severity::Warning),
        });
        let chains = loaded.chains.iter().map(|chain| Chain {
            chain: &chain.plan.chain,
            file: name(chain.file),
            hash: chain.plan.hash(),
            plan: &chain.plan,
        });
        let diagnostics = loaded.problems.iter().map(|problem| {
            let diagnostic = &problem.diagnostic;
            let here = diagnostic.related.iter().map(|(span, label)| (problem.file, *span, label.as_str()));
            let related = here.chain(problem.elsewhere);
            Complaint {
                file: name(problem.file),
                severity: diagnostic.severity,
                code: diagnostic.code,
                message: &diagnostic.message,
                span: diagnostic.span,
                related: related
                    .map(|(file, span, label)| Related { file: name(file), span, label })
                    .collect(),
                hint: diagnostic.hint.as_deref(),
            }
        });
        Self { files: files.collect(), chains: chains.collect(), diagnostics: diagnostics.collect() }
    }
}
