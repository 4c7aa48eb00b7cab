//! The installed packages as the merged tree's dpkg database tells them, with what they brought.

use std::{
    collections::{BTreeMap, BTreeSet},
    ops::Range,
};

use crate::{
    Error, Result,
    deb::{PackageRecord, control},
    executor::native::filters::Filters,
    tree::{Kind, Tree},
};

/// Where the database lies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Layout {
    /// `var/lib/dpkg/status` and `info/`.
    Status,
    /// Distroless: one file a package under `status.d/`, with `<name>.md5sums`.
    StatusD,
}

/// A configuration file as the database recorded it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Conffile {
    /// Without the leading `/`.
    pub path: String,
    /// Of what the package shipped; `newconffile` and the like as written.
    pub md5: String,
    /// No longer shipped, left by an earlier version.
    pub obsolete: bool,
}

/// One installed package.
#[derive(Debug, Clone)]
pub struct Installed {
    /// Its stanza.
    pub record: PackageRecord,
    /// `Status` as written: `install ok installed`.
    pub status: String,
    /// Where its stanza stands in the status file (all of it for `status.d`).
    pub span: Range<usize>,
    /// The file of its stanza.
    pub file: String,
    /// The layer whose database brought it in this version, from 0.
    pub layer: usize,
    /// Names of its files under `info/` begin with this, without the dot.
    pub info: String,
    /// What it shipped, folders too, without the leading `/`.
    pub files: Vec<String>,
    /// MD5 in hexadecimal digits by path.
    pub md5sums: BTreeMap<String, String>,
    /// `Conffiles`.
    pub conffiles: Vec<Conffile>,
}

impl Installed {
    /// Unpacked and configured.
    pub fn is_whole(&self) -> bool {
        self.status.split_whitespace().nth(2) == Some("installed")
    }
    /// `hold` in the selection.
    pub fn is_held(&self) -> bool {
        self.status.split_whitespace().next() == Some("hold")
    }
    /// A control file of it, as installed (`postinst`, `triggers` …).
    pub fn member<'t>(&self, tree: &'t Tree, name: &str) -> Option<&'t [u8]> {
        tree.content(&format!("var/lib/dpkg/info/{}.{name}", self.info))
    }
}

/// The whole database.
#[derive(Debug, Clone)]
pub struct Database {
    /// Which of the two.
    pub layout: Layout,
    /// Whether `info/` names files `package:architecture` (`info/format` is 1).
    pub multiarch_names: bool,
    /// `var/lib/dpkg/status` as it stands; empty for `status.d`.
    pub status: String,
    /// dpkg's own architecture.
    pub architecture: String,
    /// By name and architecture.
    pub packages: BTreeMap<(String, String), Installed>,
}

const STATUS: &str = "var/lib/dpkg/status";
const STATUS_D: &str = "var/lib/dpkg/status.d";

impl Database {
    /// Reads it; none: there is no dpkg database.
    pub fn read(tree: &Tree, architecture: &str) -> Result<Option<Self>> {
        let status_d: Vec<&str> = tree
            .under(STATUS_D)
            .filter(|(path, node)| node.entry.kind == Kind::File && !path.ends_with(".md5sums"))
            .map(|(path, _)| path)
            .collect();
        let status = tree.content(STATUS).filter(|s| !s.is_empty());
        let mut database = Self {
            layout: Layout::Status,
            multiarch_names: tree.text("var/lib/dpkg/info/format").is_some_and(|t| t.trim() == "1"),
            status: String::new(),
            architecture: architecture.to_owned(),
            packages: BTreeMap::new(),
        };
        if let Some(status) = status {
            database.status = String::from_utf8(status.to_vec())
                .map_err(|_| Error::Malformed { file: STATUS.into(), reason: "it is no UTF-8".into() })?;
            let text = database.status.clone();
            for (start, end) in control::Spans::new(&text) {
                let stanza = control::parse(STATUS, &text[start..end])?;
                if !stanza.is_empty() {
                    database.add(tree, STATUS, &stanza, start..end)?;
                }
            }
        } else if !status_d.is_empty() {
            database.layout = Layout::StatusD;
            for path in status_d {
                let Some(text) = tree.text(path).map(std::borrow::Cow::into_owned) else { continue };
                let stanza = control::single(path, &text)?;
                database.add(tree, path, &stanza, 0..text.len())?;
            }
        } else {
            return Ok(None);
        }
        Ok(Some(database))
    }

    fn add(
        &mut self,
        tree: &Tree,
        file: &str,
        stanza: &control::Stanza<'_>,
        span: Range<usize>,
    ) -> Result<()> {
        let status = stanza.get("Status").unwrap_or("install ok installed").to_owned();
        if status.ends_with("config-files") || status.ends_with("not-installed") {
            return Ok(());
        }
        let record = PackageRecord::from_stanza(file, stanza, None)?;
        let (info, list) = match self.layout {
            Layout::StatusD => (record.name.clone(), String::new()),
            Layout::Status => [format!("{}:{}", record.name, record.architecture), record.name.clone()]
                .into_iter()
                .map(|info| {
                    let list = format!("var/lib/dpkg/info/{info}.list");
                    (info, list)
                })
                .find(|(_, list)| tree.get(list).is_some())
                .unwrap_or_else(|| (record.name.clone(), String::new())),
        };
        let md5sums_path = match self.layout {
            Layout::Status => format!("var/lib/dpkg/info/{info}.md5sums"),
            Layout::StatusD => format!("{file}.md5sums"),
        };
        let md5sums: BTreeMap<String, String> = tree
            .text(&md5sums_path)
            .map(|text| {
                text.lines()
                    .filter_map(|line| line.split_once(char::is_whitespace))
                    .map(|(md5, path)| {
                        let path = path.trim_start().trim_start_matches("./").trim_start_matches('/');
                        (path.to_owned(), md5.to_owned())
                    })
                    .collect()
            })
            .unwrap_or_default();
        let files: Vec<String> = match tree.text(&list) {
            Some(text) => text
                .lines()
                .map(|line| line.trim_start_matches('/'))
                .filter(|line| !line.is_empty() && *line != ".")
                .map(str::to_owned)
                .collect(),
            None => md5sums.keys().cloned().collect(),
        };
        let conffiles = stanza.get("Conffiles").map(conffiles).unwrap_or_default();
        let brought = match self.layout {
            Layout::Status => tree.get(&list),
            Layout::StatusD => tree.get(file),
        };
        let layer = brought.map_or(0, |node| node.layer);
        self.packages.insert(
            (record.name.clone(), record.architecture.clone()),
            Installed { status, span, file: file.to_owned(), layer, info, files, md5sums, conffiles, record },
        );
        Ok(())
    }

    /// An installed package by name; the machine's own architecture first.
    pub fn named(&self, name: &str) -> Option<&Installed> {
        let start = (name.to_owned(), String::new());
        let mut found: Option<&Installed> = None;
        for ((key, architecture), package) in self.packages.range(start..) {
            if key != name {
                break;
            }
            if architecture == &self.architecture || architecture == "all" || found.is_none() {
                found = Some(package);
            }
        }
        found
    }

    /// Real paths (links followed) of all files that packages other than `except` own.
    pub fn owned_except(
        &self,
        tree: &Tree,
        filters: &Filters,
        except: &BTreeSet<(String, String)>,
    ) -> BTreeSet<String> {
        let others = self.packages.iter().filter(|(key, _)| !except.contains(*key));
        others
            .flat_map(|((name, _), package)| package.files.iter().map(move |path| (name, path)))
            .map(|(name, path)| tree.through(filters.diverted(name, path)).into_owned())
            .collect()
    }
}

fn conffiles(text: &str) -> Vec<Conffile> {
    text.lines()
        .filter_map(|line| {
            let mut words = line.trim().rsplitn(4, ' ');
            let last = words.next()?;
            let (obsolete, md5, rest) = if last == "obsolete" || last == "remove-on-upgrade" {
                let md5 = words.next()?;
                (true, md5, line.trim().strip_suffix(last)?.trim_end().strip_suffix(md5)?)
            } else {
                (false, last, line.trim().strip_suffix(last)?)
            };
            let path = rest.trim().trim_start_matches('/');
            (!path.is_empty()).then(|| Conffile { path: path.to_owned(), md5: md5.to_owned(), obsolete })
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn conffiles_are_read() {
        let all = conffiles("\n /etc/a b 0123\n /etc/c 4567 obsolete\n");
        assert_eq!(all[0], Conffile { path: "etc/a b".into(), md5: "0123".into(), obsolete: false });
        assert_eq!(all[1], Conffile { path: "etc/c".into(), md5: "4567".into(), obsolete: true });
    }
}
