//! Laying what was decided: dpkg's changes as executors take them, and the ways into a sandbox.

use std::{fs::File, path::Path, sync::Arc};

use patchline_registry::Repository;
use tokio::io::AsyncSeekExt;
use tokio_util::sync::CancellationToken;

use super::{FixRequest, apk, decide::Ready, ground::Ground, rpm};
use crate::{
    Error, Result,
    executor::{
        Runner,
        native::{Built, Change},
        sandbox::dpkg,
    },
    tree::{Image, image_blocking as blocking},
};

pub(super) fn changes(ground: &Ground, ready: Vec<Ready>) -> Vec<Change<'_>> {
    let change = |one: Ready| Change {
        installed: &ground.database.packages[&one.key],
        record: one.record,
        deb: one.deb,
        unpacked: Some(one.unpacked),
        control: one.control,
        shadows: one.shadows,
    };
    ready.into_iter().map(change).collect()
}

/// An image's layers as files without a name, verified as they are read, so that nothing of them stays whatever ends this.
pub(super) async fn layers(
    repository: &dyn Repository,
    image: &Image,
    request: &FixRequest<'_>,
) -> Result<Vec<File>> {
    let io = |source| Error::Io { operation: "keep a layer for the sandbox".to_owned(), source };
    let all = image.manifest.layers.len() as u64;
    let mut layers = Vec::new();
    for layer in &image.manifest.layers {
        (request.progress)("fetch layers", layers.len() as u64, all);
        let mut blob = repository.blob(layer).await?;
        let mut file = tokio::fs::File::from_std(tempfile::tempfile_in(&request.scratch).map_err(io)?);
        tokio::io::copy(&mut blob, &mut file).await.map_err(io)?;
        file.rewind().await.map_err(io)?;
        layers.push(file.into_std().await);
    }
    (request.progress)("fetch layers", all, all);
    Ok(layers)
}

/// The layer as the distribution's own tools make it, where a runner has them. Whoever stops waiting for it ends them. `own`: the
/// image's layers, and those of its tools behind them.
async fn run(
    runner: Runner,
    request: &FixRequest<'_>,
    mut own: Vec<File>,
    lay: impl FnOnce(&Runner, &mut [File], &Path, &dyn Fn(&str, u64, u64)) -> Result<Built> + Send + 'static,
) -> Result<Built> {
    let (scratch, progress) = (request.scratch.clone(), request.progress.clone());
    let stop = CancellationToken::new();
    let (runner, _waited_for) = (runner.until(stop.clone()), stop.drop_guard());
    blocking(move || lay(&runner, &mut own, &scratch, &*progress)).await
}

/// By the image's own dpkg.
pub(super) async fn by_dpkg(
    runner: Runner,
    request: &FixRequest<'_>,
    origin: &Image,
    ground: Arc<Ground>,
    ready: Vec<Ready>,
) -> Result<Built> {
    let own = layers(request.repository, origin, request).await?;
    run(runner, request, own, move |runner, layers, scratch, progress| {
        let changes = changes(&ground, ready);
        let before =
            dpkg::Before { tree: &ground.tree, database: &ground.database, filters: &ground.filters };
        dpkg::build(runner, before, &changes, layers, scratch, progress)
    })
    .await
}

/// By rpm, its own or another image's.
pub(super) async fn by_rpm(
    runner: Runner,
    request: &FixRequest<'_>,
    origin: &Image,
    ground: Arc<rpm::Ground>,
    ready: Vec<rpm::Ready>,
) -> Result<Built> {
    let mut all = layers(request.repository, origin, request).await?;
    if let Some(tools) = ground.tools() {
        all.extend(layers(&*tools.repository, &tools.image, request).await?);
    }
    let lay =
        move |runner: &Runner, layers: &mut [File], scratch: &Path, progress: &dyn Fn(&str, u64, u64)| {
            rpm::lay_by_tools(runner, &ground, ready, layers, scratch, progress)
        };
    run(runner, request, all, lay).await
}

/// By the image's own apk.
pub(super) async fn by_apk(
    runner: Runner,
    request: &FixRequest<'_>,
    origin: &Image,
    ground: Arc<apk::Ground>,
    ready: Vec<apk::Ready>,
) -> Result<Built> {
    let own = layers(request.repository, origin, request).await?;
    let lay =
        move |runner: &Runner, layers: &mut [File], scratch: &Path, progress: &dyn Fn(&str, u64, u64)| {
            apk::lay_by_tools(runner, &ground, ready, layers, scratch, progress)
        };
    run(runner, request, own, lay).await
}
