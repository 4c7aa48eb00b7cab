//! The `patchline` binary: one file per command, configuration, exit codes, wiring.

mod client;
mod commands;
mod config;
mod data;
mod database;
pub mod exit;
mod failure;
mod images;
mod limits;
mod observe;
mod pretty;
mod progress;
mod table;
mod terminal;
mod wiring;

use std::{path::PathBuf, process::ExitCode};

use clap::{Parser, Subcommand, ValueEnum};

/// Gates what is dangerous, and mends what can be mended.
///
/// Data goes to stdout, everything else to stderr. Exit codes: 0 fine, 1 error, 2 bad usage or
/// input, 3 denied by a gate, 4 denied but a fixed image passed, 5 stopped, and steps that did not end
/// in time were given back.
#[derive(Debug, Parser)]
#[command(name = "patchline", version, max_term_width = 100)]
struct Arguments {
    #[command(flatten)]
    flags: Flags,
    #[command(subcommand)]
    command: Command,
}

/// What every command takes, as it is typed.
#[derive(Debug, clap::Args)]
struct Flags {
    /// Data folder [default: /var/lib/patchline as root, else the XDG folder]
    #[arg(long, global = true, env = "PATCHLINE_DATA", value_name = "DIR")]
    data: Option<PathBuf>,
    /// Configuration [default: ./patchline.yaml, then /etc/patchline/patchline.yaml]
    #[arg(long, global = true, env = "PATCHLINE_CONFIG", value_name = "FILE")]
    config: Option<PathBuf>,
    /// How data is printed; sarif: `scan` and `chain validate`; cyclonedx, spdx, gitlab and junit: `scan` alone
    #[arg(long, global = true, value_enum, default_value_t)]
    output: Format,
    /// How logs are written, to stderr
    #[arg(
        long,
        global = true,
        value_enum,
        default_value_t,
        env = "PATCHLINE_LOG_FORMAT",
        value_name = "FORMAT"
    )]
    log_format: observe::logs::LogFormat,
}

/// How data is printed, as it is typed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
enum Format {
    #[default]
    #[value(alias = "text")]
    Table,
    Json,
    /// SARIF 2.1.0
    Sarif,
    /// CycloneDX 1.6 JSON
    Cyclonedx,
    /// SPDX 2.3 JSON
    Spdx,
    /// GitLab's container scanning report
    Gitlab,
    /// JUnit's XML
    Junit,
}

/// What every command takes.
#[derive(Debug)]
pub(crate) struct Global {
    data: Option<PathBuf>,
    config: Option<PathBuf>,
    output: Output,
    /// A form of other programs instead; only commands that know it see this.
    document: Option<Document>,
}

/// A form that other programs read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Document {
    Sarif,
    Cyclonedx,
    Spdx,
    Gitlab,
    Junit,
}

/// How data is printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Output {
    /// For people.
    Table,
    /// For programs; stable.
    Json,
}

impl Flags {
    fn for_command(self, command: &Command) -> failure::Result<Global> {
        let document = match self.output {
            Format::Table | Format::Json => None,
            Format::Sarif => Some(Document::Sarif),
            Format::Cyclonedx => Some(Document::Cyclonedx),
            Format::Spdx => Some(Document::Spdx),
            Format::Gitlab => Some(Document::Gitlab),
            Format::Junit => Some(Document::Junit),
        };
        let known = match (command, document) {
            (_, None) | (Command::Scan(_), _) => true,
            (Command::Chain(chain), Some(Document::Sarif)) => chain.knows_sarif(),
            _ => false,
        };
        if !known {
            let name = self.output.to_possible_value().map_or_else(String::new, |v| v.get_name().to_owned());
            let message = format!("this command does not print {name}");
            return Err(failure::Failure::usage("output-unsupported", message).hint("use --output json"));
        }
        let output = if self.output == Format::Table { Output::Table } else { Output::Json };
        Ok(Global { data: self.data, config: self.config, output, document })
    }
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Show the main job on a real outdated Debian image
    Demo(commands::demo::Demo),
    /// Run the server: API, pages, embedded registry, workers
    Serve(commands::serve::Serve),
    /// Work on the steps of a server's runs, over the PostgreSQL that both share
    Worker(commands::worker::Worker),
    /// Check, draw and run chains
    #[command(subcommand)]
    Chain(commands::chain::Chain),
    /// Tell what is in an image and what is wrong with it
    Scan(commands::scan::Scan),
    /// Mend images and push them beside the originals
    Fix(Box<commands::fix::Fix>),
    /// Tell what to change where no fix can be made
    Advise(commands::advise::Advise),
    /// Compare two images: packages and findings
    Diff(commands::diff::Diff),
    /// Assemble, copy, delete, list, group and sign images
    #[command(subcommand)]
    Image(commands::image::Image),
    /// Load advisories and tell how old they are
    #[command(subcommand)]
    Advisories(commands::advisories::Advisories),
    /// Look at the runs of a server, and say how they go on
    #[command(subcommand)]
    Runs(Box<commands::runs::Runs>),
    /// Messages that a server could not deliver
    #[command(subcommand)]
    Outbox(commands::outbox::Outbox),
    /// Back up, restore, check and move the database
    #[command(subcommand)]
    Admin(commands::admin::Admin),
    /// The inside of a sandbox that `fix` makes: started by this program itself
    #[command(hide = true)]
    SandboxInit(commands::sandbox_init::SandboxInit),
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    if let Command::SandboxInit(inside) = &arguments.command {
        // Before there is a second thread.
        return inside.run();
    }
    let stays = matches!(arguments.command, Command::Serve(_) | Command::Worker(_));
    let level = if stays { observe::logs::RUNNING } else { observe::logs::QUIET };
    if let Err(failure) = observe::logs::install(arguments.flags.log_format, level) {
        return failure.report();
    }
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return failure::io("start the runtime")(error).report(),
    };
    let ended = runtime.block_on(async {
        let global = &arguments.flags.for_command(&arguments.command)?;
        match arguments.command {
            Command::Demo(c) => Box::pin(c.run(global)).await,
            Command::Serve(c) => c.run(global).await,
            Command::Worker(c) => c.run(global).await,
            Command::Chain(c) => Box::pin(c.run(global)).await,
            Command::Scan(c) => c.run(global).await,
            Command::Fix(c) => Box::pin(c.run(global)).await,
            Command::Advise(c) => c.run(global).await,
            Command::Diff(c) => c.run(global).await,
            Command::Image(c) => c.run(global).await,
            Command::Advisories(c) => c.run(global).await,
            Command::Runs(c) => c.run(global).await,
            Command::Outbox(c) => c.run(global).await,
            Command::Admin(c) => c.run(global).await,
            // It never came as far as this.
            Command::SandboxInit(_) => Ok(exit::Exit::Ok),
        }
    });
    // A blocking read of a dead connection must not hold the process.
    runtime.shutdown_timeout(std::time::Duration::from_secs(2));
    match ended {
        Ok(exit) => exit.into(),
        Err(failure) => failure.report(),
    }
}
