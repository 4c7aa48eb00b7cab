//! A folder that holds the root of a system, read like the only layer of an image.

mod content;
mod notes;
mod walk;

use std::{
    path::{Path, PathBuf},
    sync::Arc,
};

use patchline_registry::Digest;

use crate::{
    Error, Inventory, Result, image, inventory,
    layers::facts::{self, Collector, Facts},
    limits,
};

/// See [`crate::rootfs`].
pub(crate) async fn rootfs(folder: &Path) -> Result<Inventory> {
    let folder = PathBuf::from(folder);
    tokio::task::spawn_blocking(move || read(&folder)).await.map_err(|e| Error::Io {
        operation: "look into the folder".to_owned(),
        source: std::io::Error::other(e),
    })?
}

fn read(folder: &Path) -> Result<Inventory> {
    let mut collector = Collector::default();
    let notes = walk::walk(folder, &mut collector)?;
    let facts = collector.finish(Digest::of(b""));
    let image = digest(&facts, &notes)?;
    let mut inventory = image::assemble(image, inventory::unknown(), &[], &[Arc::new(facts)])?;
    inventory.platform = inventory::platform(&inventory.packages);
    inventory.incomplete.extend(notes);
    Ok(inventory)
}

/// A folder has no manifest. What stands in its place is made of what was found and could not be found, and of who
/// looked: equal folders have one digest, wherever they lie, and one package more is another.
fn digest(facts: &Facts, notes: &[String]) -> Result<Digest> {
    let all = serde_json::to_vec(&(facts::analysers(), &facts.files, notes))
        .map_err(|e| Error::Io { operation: "encode what was found".to_owned(), source: e.into() })?;
    Ok(Digest::of(&all))
}
