//! `patchline advisories update|status`

use std::path::PathBuf;

use clap::Subcommand;
use patchline_engine::{Clock as _, clock::SystemClock};
use patchline_scanner::advisories::update::{self, Origin, SourceStatus};
use url::Url;

use crate::{
    Global, Output,
    data::Data,
    exit::Exit,
    failure::{Failure, Result},
    table::Table,
    terminal,
};

/// Load advisories and tell how old they are
#[derive(Debug, Subcommand)]
pub(crate) enum Advisories {
    /// Load OSV records; what is there stays until the new set is whole
    Update {
        /// A folder or all.zip in the OSV bucket's layout, or the bucket's address
        #[arg(long, value_name = "DIR|ZIP|URL")]
        from: String,
    },
    /// Per source: how many, how new, when loaded
    Status,
}

impl Advisories {
    pub(crate) async fn run(self, global: &Global) -> Result<Exit> {
        let data = Data::shared(Data::path(global.data.as_deref()))?;
        let status = match self {
            Self::Update { from } => {
                let origin = origin(&from)?;
                update::update(&data.advisories(), &origin, &SystemClock.now().to_string()).await?
            }
            Self::Status => update::status(&data.advisories())?,
        };
        print(&status, global.output)?;
        Ok(Exit::Ok)
    }
}

fn origin(text: &str) -> Result<Origin> {
    if text.starts_with("http://") || text.starts_with("https://") {
        let url = Url::parse(text).map_err(|e| Failure::usage("invalid-url", e.to_string()))?;
        return Ok(Origin::Bucket(url));
    }
    let path = PathBuf::from(text);
    if path.exists() {
        Ok(Origin::Folder(path))
    } else {
        Err(Failure::usage("no-such-folder", format!("{text} is neither a folder nor a file nor an address")))
    }
}

fn print(status: &[SourceStatus], output: Output) -> Result<()> {
    if output == Output::Json {
        return super::json(status);
    }
    let mut table = Table::new(&["source", ">advisories", "newest", "loaded"]);
    for source in status {
        let newest = source.newest.clone().unwrap_or_else(|| "unknown".into());
        table.row([source.source.clone(), source.advisories.to_string(), newest, source.loaded.clone()]);
    }
    if table.is_empty() {
        terminal::err(
            "no advisories are loaded: load some with `patchline advisories update --from DIR|URL`",
        );
    } else {
        terminal::out(&table.render());
    }
    Ok(())
}
