//! What a decision about apk's packages stands on: the image's tree and database, and where its repositories are.

use std::{collections::BTreeMap, sync::Arc};

use patchline_scanner::Distro;
use serde_json::Value;

use super::super::{Remediator, ability::Workable};
use crate::{
    Error, Result,
    apk::{Database, Repositories, Scripts, Sources, compare},
    executor::sandbox::apk,
    tree::Tree,
};

/// What a decision stands on, read once.
pub(crate) struct Ground {
    pub(crate) tree: Tree,
    pub(crate) database: Database,
    pub(super) scripts: Scripts,
    sources: Sources,
}

/// apk's name of an image's platform.
fn architecture(config: &Value) -> Option<&'static str> {
    let said = |key: &str| config.get(key).and_then(Value::as_str);
    Some(match (said("architecture")?, said("variant")) {
        ("amd64", _) => "x86_64",
        ("arm64", _) => "aarch64",
        ("386", _) => "x86",
        ("arm", Some("v6")) => "armhf",
        ("arm", _) => "armv7",
        ("ppc64le", _) => "ppc64le",
        ("s390x", _) => "s390x",
        ("riscv64", _) => "riscv64",
        ("loong64", _) => "loongarch64",
        _ => return None,
    })
}

impl Ground {
    /// Of a tree that was read for apk; none: it has no apk database.
    pub(crate) fn of(tree: Tree, config: &Value) -> Result<Option<Arc<Self>>> {
        let Some(database) = Database::read(&tree, architecture(config))? else { return Ok(None) };
        let scripts = Scripts::read(&tree, database.folder)?;
        let folders = ["etc/apk/repositories.d", "lib/apk/repositories.d"];
        let more = folders.iter().flat_map(|folder| tree.under(folder)).map(|(path, _)| path);
        let texts: Vec<_> = ["etc/apk/repositories"]
            .into_iter()
            .chain(more.filter(|path| path.ends_with(".list")))
            .filter_map(|path| tree.text(path))
            .collect();
        let sources = Sources::parse(texts.iter().map(|text| text.as_ref()), &database.architecture);
        Ok(Some(Arc::new(Self { tree, database, scripts, sources })))
    }

    /// The lowest version of each origin's installed packages.
    pub(crate) fn versions(&self) -> BTreeMap<String, String> {
        let mut lowest: BTreeMap<String, String> = BTreeMap::new();
        for package in self.database.packages.values() {
            let known = lowest.entry(package.origin.clone()).or_insert_with(|| package.version.clone());
            if compare(&package.version, known).is_lt() {
                known.clone_from(&package.version);
            }
        }
        lowest
    }

    /// Reads the image's repositories where they are mirrored.
    pub(crate) async fn repositories(
        &self,
        remediator: &Remediator,
        distro: Option<&Distro>,
    ) -> Result<Repositories> {
        let system = distro.map_or("the image".to_owned(), |distro| {
            distro.pretty_name.clone().unwrap_or_else(|| distro.id.clone())
        });
        let Some(apk) = &remediator.apk else { return Err(Error::NoApkMirror { system }) };
        let keys = apk.keys(self.database.keys(&self.tree)).await?;
        apk.repositories(&system, &self.sources, &self.database.architecture, keys).await
    }
}

impl Workable for Ground {
    fn tree(&self) -> &Tree {
        &self.tree
    }
    fn architecture(&self) -> &str {
        &self.database.architecture
    }
    fn has_tools(&self) -> Result<(), String> {
        apk::has_tools(&self.tree)
    }
}
