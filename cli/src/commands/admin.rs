//! `patchline admin backup|restore|check|migrate-store`: what an operator does to a whole database.

use std::path::{Path, PathBuf};

use clap::Subcommand;
use patchline_store::{
    Sqlite,
    admin::{self, Checked, Progress},
};
use serde::Serialize;

use crate::{
    Global, Output,
    config::Config,
    data::Data,
    database::{Database, Kind},
    exit::Exit,
    failure::{Failure, Result},
    progress::Bars,
    table::Table,
    terminal,
};

/// Back up, restore, check and move the database
#[derive(Debug, Subcommand)]
pub(crate) enum Admin {
    /// Copy the data folder's database as of one moment, while a server works with it
    Backup {
        /// The copy; nothing is overwritten
        file: PathBuf,
    },
    /// Put a backup in the place of the data folder's database; what was there stays beside it
    Restore {
        /// A copy that `backup` made
        file: PathBuf,
    },
    /// Look at every row, and at what must hold between rows; exits with 1 where something is wrong
    Check,
    /// Move the data folder's runs into the configured, empty PostgreSQL
    MigrateStore,
}

impl Admin {
    pub(crate) async fn run(self, global: &Global) -> Result<Exit> {
        let config = Config::load(global.config.as_deref())?;
        let root = Data::path(global.data.as_deref());
        match self {
            Self::Backup { file } => backup(&config, root, &file, global.output).await,
            Self::Restore { file } => restore(root, &file, global.output).await,
            Self::Check => check(&config, root, global.output).await,
            Self::MigrateStore => migrate(&config, root, global.output).await,
        }
    }
}

async fn backup(config: &Config, root: PathBuf, file: &Path, output: Output) -> Result<Exit> {
    if config.database.is_some() {
        return Err(Failure::usage(
            "backup-elsewhere",
            "the runs are kept in PostgreSQL, which has tools of its own",
        )
        .hint("use pg_dump, or base backups with an archive of the log"));
    }
    let data = Data::shared(root)?;
    let shown = Shown::new();
    let done = admin::backup(&data.database(), file, &mut shown.watch()).await?;
    shown.end();
    say(output, &done, || format!("{} bytes in {}, checked", done.bytes, done.path.display()))
}

async fn restore(root: PathBuf, file: &Path, output: Output) -> Result<Exit> {
    // A server that runs meanwhile would work on what was replaced under it.
    let data = Data::owned(root)?;
    let shown = Shown::new();
    let done = admin::restore(file, &data.database(), &mut shown.watch()).await?;
    shown.end();
    say(output, &done, || {
        let before = done.before.as_ref().map(|path| format!("; what was there is {}", path.display()));
        format!("{} is as the backup was{}", done.path.display(), before.unwrap_or_default())
    })
}

async fn check(config: &Config, root: PathBuf, output: Output) -> Result<Exit> {
    let data = Data::shared(root)?;
    let database = match &config.database {
        Some(_) => Database::shared(config, "patchline admin").await?,
        None => Database::local(&existing(data)?).await?,
    };
    let shown = Shown::new();
    let checked = match database.kind() {
        Kind::Sqlite(store) => store.check(&mut shown.watch()).await?,
        Kind::Postgres(store) => store.check(&mut shown.watch()).await?,
    };
    shown.end();
    database.close().await;
    match output {
        Output::Json => super::json(&checked)?,
        Output::Table => terminal::out(&found(&checked)),
    }
    if checked.is_whole() {
        return Ok(Exit::Ok);
    }
    let count = checked.findings.len() as u64 + checked.more;
    Err(Failure::says(
        "database-not-whole",
        format!("{count} things in the database are not as they must be"),
    )
    .hint("restore a backup from before, and report what is shown above"))
}

async fn migrate(config: &Config, root: PathBuf, output: Output) -> Result<Exit> {
    // Nobody may write to what is read.
    let data = existing(Data::owned(root)?)?;
    let target = Database::shared(config, "patchline admin").await?;
    let to = target.postgres().ok_or_else(crate::database::not_shared)?;
    let from = Sqlite::open(&data.database()).await?;
    let shown = Shown::new();
    let moved = admin::migrate(&from, to, &mut shown.watch()).await?;
    shown.end();
    from.close().await;
    target.close().await;
    match output {
        Output::Json => super::json(&moved)?,
        Output::Table => {
            let mut table = Table::new(&["table", ">rows", "checksum, the same on both sides"]);
            for one in &moved.tables {
                table.row([one.name.to_owned(), one.rows.to_string(), one.checksum.clone()]);
            }
            terminal::out(&table.render());
            terminal::err("moved; the data folder's database stays as it was");
        }
    }
    Ok(Exit::Ok)
}

/// Opening a database that is not there would make an empty one.
fn existing(data: Data) -> Result<Data> {
    let file = data.database();
    if file.is_file() { Ok(data) } else { Err(admin::Error::Missing(file).into()) }
}

fn say<T: Serialize>(output: Output, done: &T, text: impl FnOnce() -> String) -> Result<Exit> {
    match output {
        Output::Json => super::json(done)?,
        Output::Table => terminal::out(&text()),
    }
    Ok(Exit::Ok)
}

/// For people: what was looked at, then what is wrong.
fn found(checked: &Checked) -> String {
    let mut rows = Table::new(&["table", ">rows"]);
    for (table, count) in &checked.rows {
        rows.row([(*table).to_owned(), count.to_string()]);
    }
    let mut text = rows.render();
    if checked.is_whole() {
        text.push_str("\n\nnothing is wrong");
        return text;
    }
    let mut wrong = Table::new(&["table", "row", "what is wrong"]);
    for finding in &checked.findings {
        wrong.row([finding.table.to_owned(), finding.row.clone(), finding.what.clone()]);
    }
    text.push_str("\n\n");
    text.push_str(&wrong.render());
    if checked.more > 0 {
        text.push_str(&format!("\nand {} more", checked.more));
    }
    text
}

/// A line of progress on stderr.
struct Shown(Bars);

impl Shown {
    fn new() -> Self {
        Self(Bars::new())
    }
    fn watch(&self) -> impl FnMut(Progress) + Send {
        let bars = self.0.clone();
        move |progress| bars.set("admin", progress.what, progress.done, progress.total)
    }
    fn end(&self) {
        self.0.clear();
    }
}
