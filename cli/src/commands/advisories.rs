//! `patchline advisories update|status`

use std::path::PathBuf;

use clap::Subcommand;
use jiff::Timestamp;
use patchline_engine::{Clock as _, clock::SystemClock};
use patchline_scanner::advisories::update::{self, Feed, Origin, Place, SourceStatus};
use serde::Serialize;
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
    /// Load advisories in place of what was loaded of their source; what is there stays until the new set is whole
    Update {
        /// OSV records: a folder or all.zip in the OSV bucket's layout, or the bucket's address. Other sources:
        /// KIND:PATH or KIND:URL, where KIND is kev, epss, cve-severity, debian-tracker or alpine-secdb
        #[arg(long, value_name = "DIR|ZIP|URL")]
        from: String,
        /// Of a bucket, this ecosystem alone (Debian, npm, …); may be repeated
        #[arg(long, value_name = "NAME")]
        ecosystem: Vec<String>,
    },
    /// Per source: how many, how new, when loaded
    Status,
}

impl Advisories {
    pub(crate) async fn run(self, global: &Global) -> Result<Exit> {
        let data = Data::shared(Data::path(global.data.as_deref()))?;
        let now = SystemClock.now();
        let status = match self {
            Self::Update { from, ecosystem } => {
                let origin = origin(&from, ecosystem)?;
                update::update(&data.advisories(), &origin, &now.to_string()).await?
            }
            Self::Status => update::status(&data.advisories())?,
        };
        print(status, now, global.output)?;
        Ok(Exit::Ok)
    }
}

fn origin(text: &str, ecosystems: Vec<String>) -> Result<Origin> {
    let feed = text.split_once(':').and_then(|(kind, rest)| Some((Feed::named(kind)?, rest)));
    let (feed, text) = feed.map_or((None, text), |(feed, rest)| (Some(feed), rest));
    if !ecosystems.is_empty() && (feed.is_some() || address(text)?.is_none()) {
        let reason = format!("--ecosystem chooses from a bucket, and {text} is not the address of one");
        return Err(Failure::usage("invalid-url", reason));
    }
    Ok(match (feed, place(text)?) {
        (Some(feed), place) => Origin::Feed(feed, place),
        (None, Place::Url(base)) => Origin::Bucket { base, ecosystems },
        (None, Place::Path(path)) => Origin::Folder(path),
    })
}

fn address(text: &str) -> Result<Option<Url>> {
    if !text.starts_with("http://") && !text.starts_with("https://") {
        return Ok(None);
    }
    Url::parse(text).map(Some).map_err(|e| Failure::usage("invalid-url", e.to_string()))
}

fn place(text: &str) -> Result<Place> {
    if let Some(url) = address(text)? {
        return Ok(Place::Url(url));
    }
    let path = PathBuf::from(text);
    if path.exists() {
        Ok(Place::Path(path))
    } else {
        Err(Failure::usage("no-such-folder", format!("{text} is neither a folder nor a file nor an address")))
    }
}

/// A source, and how old it is now.
#[derive(Serialize)]
struct Line {
    source: String,
    advisories: usize,
    newest: Option<String>,
    loaded: String,
    /// Since it was loaded or last found unchanged.
    age_seconds: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    failed: Option<String>,
}

impl Line {
    fn new(status: SourceStatus, now: Timestamp) -> Self {
        let SourceStatus { source, advisories, newest, loaded, failed } = status;
        let age = loaded.parse::<Timestamp>().ok().map(|at| now.duration_since(at).as_secs().max(0));
        Self { source, advisories, newest, loaded, age_seconds: age, failed }
    }
}

fn print(status: Vec<SourceStatus>, now: Timestamp, output: Output) -> Result<()> {
    let lines: Vec<Line> = status.into_iter().map(|status| Line::new(status, now)).collect();
    if output == Output::Json {
        return super::json(&lines);
    }
    let mut table = Table::new(&["source", ">advisories", "newest", "loaded", ">age"]);
    for line in &lines {
        let newest = line.newest.clone().unwrap_or_else(|| "unknown".into());
        let age = line.age_seconds.map_or_else(|| "unknown".into(), age);
        table.row([line.source.clone(), line.advisories.to_string(), newest, line.loaded.clone(), age]);
    }
    if table.is_empty() {
        terminal::err(
            "no advisories are loaded: load some with `patchline advisories update --from DIR|URL`",
        );
    } else {
        terminal::out(&table.render());
    }
    for (source, reason) in lines.iter().filter_map(|l| Some((&l.source, l.failed.as_ref()?))) {
        terminal::err(&format!("{source} stays as it was loaded before: {reason}"));
    }
    Ok(())
}

/// In the largest unit that fits: `5m`, `7h`, `3d`.
fn age(seconds: i64) -> String {
    match seconds {
        0..3_600 => format!("{}m", seconds / 60),
        3_600..172_800 => format!("{}h", seconds / 3_600),
        _ => format!("{}d", seconds / 86_400),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sources_are_named_before_their_place() {
        assert!(matches!(
            origin("https://example.org/osv", vec!["npm".into()]).expect("a bucket"),
            Origin::Bucket { ecosystems, .. } if ecosystems == ["npm"]
        ));
        assert!(matches!(
            origin("kev:https://example.org/kev.json", vec![]).expect("a feed"),
            Origin::Feed(Feed::Kev, Place::Url(_))
        ));
        assert!(matches!(origin(".", vec![]).expect("a folder"), Origin::Folder(_)));
        assert!(origin("kev:nowhere", vec![]).is_err() && origin("nowhere", vec![]).is_err());
        assert!(origin(".", vec!["npm".into()]).is_err());
    }

    #[test]
    fn ages_are_short() {
        assert_eq!([30, 3_599, 7_200, 200_000].map(age), ["0m", "59m", "2h", "2d"]);
    }
}
