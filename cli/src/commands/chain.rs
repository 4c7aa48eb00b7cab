//! `patchline chain validate|graph|run`

use std::{
    io::Read as _,
    path::{Path, PathBuf},
    sync::Arc,
};

use clap::{Subcommand, ValueEnum};
use patchline_chains::{Plan, Source, compile, draw};

use crate::{
    Global, Output,
    config::Config,
    exit::{self, Exit},
    failure::{Failure, Result, io},
    terminal,
};

/// Check, draw and run chains
#[derive(Debug, Subcommand)]
pub(crate) enum Chain {
    /// Say everything that is wrong with chain files, at once
    Validate {
        /// Files, folders, or - for standard input
        #[arg(required = true)]
        files: Vec<PathBuf>,
    },
    /// Draw a chain's DAG
    Graph {
        /// The chain file
        file: PathBuf,
        /// How to draw it
        #[arg(long, value_enum, default_value_t)]
        format: Format,
    },
    /// Run a chain over one image in this process, and wait for its end
    Run(Box<super::chain_run::ChainRun>),
}

/// How to draw.
#[derive(Debug, Clone, Copy, Default, ValueEnum)]
pub(crate) enum Format {
    /// In the terminal.
    #[default]
    Ascii,
    /// For a page.
    Svg,
    /// Graphviz.
    Dot,
    /// Markdown.
    Mermaid,
}

impl Chain {
    pub(crate) async fn run(self, global: &Global) -> Result<Exit> {
        match self {
            Self::Validate { files } => {
                let plans = load(&files)?;
                if global.output == Output::Json {
                    super::json(&plans)?;
                } else {
                    for plan in &plans {
                        terminal::out(&format!(
                            "{}: fine, {} steps, {}",
                            plan.chain,
                            plan.steps.len(),
                            plan.hash()
                        ));
                    }
                }
                Ok(Exit::Ok)
            }
            Self::Graph { file, format } => {
                for plan in load(&[file])? {
                    terminal::out(&match format {
                        Format::Ascii => draw::ascii(&plan),
                        Format::Svg => draw::svg(&plan),
                        Format::Dot => draw::dot(&plan),
                        Format::Mermaid => draw::mermaid(&plan),
                    });
                }
                Ok(Exit::Ok)
            }
            Self::Run(run) => {
                let config = Config::load(global.config.as_deref())?;
                let data = crate::data::Data::path(global.data.as_deref());
                run.run(global, &config, data).await
            }
        }
    }
}

/// Compiles files and folders; every mistake of every file is shown before the failure.
pub(crate) fn load(files: &[PathBuf]) -> Result<Vec<Arc<Plan>>> {
    let catalogue = patchline_steps::catalogue::catalogue();
    let mut plans = Vec::new();
    let (mut mistakes, mut of_files) = (0, 0);
    for path in expand(files)? {
        let (name, bytes) = read(&path)?;
        let compiled = compile(Source { name: &name, bytes: &bytes }, &catalogue);
        let text = String::from_utf8_lossy(&bytes);
        for diagnostic in &compiled.diagnostics {
            terminal::err(&diagnostic.render(&name, &text));
        }
        let errors =
            compiled.diagnostics.iter().filter(|d| d.severity == patchline_chains::Severity::Error).count();
        mistakes += errors;
        of_files += usize::from(errors > 0);
        plans.extend(compiled.plans.into_iter().map(Arc::new));
    }
    if mistakes > 0 {
        let what = if mistakes == 1 { "1 mistake".to_owned() } else { format!("{mistakes} mistakes") };
        let files = if of_files == 1 { "one file".to_owned() } else { format!("{of_files} files") };
        return Err(Failure {
            exit: exit::USAGE,
            ..Failure::says("chain-invalid", format!("{what} in {files}; nothing was started"))
        });
    }
    Ok(plans)
}

/// A folder stands for its `.yaml` and `.yml` files, sorted.
fn expand(files: &[PathBuf]) -> Result<Vec<PathBuf>> {
    let mut all = Vec::new();
    for path in files {
        if path.is_dir() {
            let entries = std::fs::read_dir(path).map_err(io(format!("read {}", path.display())))?;
            let mut found = Vec::new();
            for entry in entries {
                let path = entry.map_err(io(format!("read {}", path.display())))?.path();
                if path.extension().is_some_and(|e| e == "yaml" || e == "yml") {
                    found.push(path);
                }
            }
            found.sort();
            all.extend(found);
        } else {
            all.push(path.clone());
        }
    }
    Ok(all)
}

/// One byte above the language's limit is read, so that `compile` says so.
const LIMIT: u64 = 1024 * 1024 + 1;

fn read(path: &Path) -> Result<(String, Vec<u8>)> {
    let mut bytes = Vec::new();
    let name = if path.as_os_str() == "-" {
        std::io::stdin().lock().take(LIMIT).read_to_end(&mut bytes).map_err(io("read standard input"))?;
        "<stdin>".to_owned()
    } else {
        let file = std::fs::File::open(path).map_err(|error| Failure {
            exit: exit::USAGE,
            ..io(format!("read {}", path.display()))(error)
        })?;
        file.take(LIMIT).read_to_end(&mut bytes).map_err(io(format!("read {}", path.display())))?;
        path.display().to_string()
    };
    Ok((name, bytes))
}
