//! What the registry's own bytes tell of two images: files, layers, size, and packages that no plan speaks of.

use std::{collections::BTreeSet, time::Duration};

use patchline_registry::Digest;
use patchline_remediation::{
    Upgrade,
    diff::{Change, Changes, Count, FileChange},
};

use crate::{
    App, Result,
    bench::{Spot, locate},
    evidence::{self, Part},
    i18n::{Words, fill},
    seen::{self, ImageName},
    ui::format,
};

/// A comparison of known layers is there with the first look; what takes longer is asked for again by the page.
const WAIT: Duration = Duration::from_millis(800);
/// Rows of a table; the API has them all.
const MOST: usize = 300;

/// Where it stands.
pub(super) enum Compared {
    /// Under way.
    Running,
    /// Why there is none.
    Failed { code: &'static str, message: String },
    /// Both were read.
    Done(Box<Done>),
}

/// What differs.
pub(super) struct Done {
    /// Of an index, which of its images.
    pub(super) platform: Option<String>,
    pub(super) sizes: (String, String),
    pub(super) grown: String,
    pub(super) layers: (usize, usize),
    pub(super) shared: usize,
    pub(super) count: Count,
    pub(super) files: Vec<File>,
    pub(super) left_out: Option<String>,
    /// (package, before, after); empty text: not there.
    pub(super) packages: Vec<(String, String, String)>,
}

/// A path that differs.
pub(super) struct File {
    pub(super) path: String,
    pub(super) class: &'static str,
    pub(super) what: String,
    pub(super) before: String,
    pub(super) after: String,
}

impl Compared {
    /// Compares both, or the first platform of both that differs; none where nobody knows where they are.
    pub(super) async fn of(
        app: &App,
        before: &Digest,
        after: &Digest,
        upgrades: &[Upgrade],
        words: &'static Words,
    ) -> Result<Option<Self>> {
        let (Some((from, old)), Some((to, new))) = (known(app, before).await?, known(app, after).await?)
        else {
            return Ok(None);
        };
        let twin = |part: &Part| new.iter().find(|other| other.platform() == part.platform());
        let pairs = old.iter().filter_map(|part| Some((part, twin(part)?)));
        let Some((part, other)) = pairs.into_iter().find(|(a, b)| a.manifest != b.manifest) else {
            return Ok(None);
        };
        let compared = async {
            let (before, after) = (spot(app, &from, part).await?, spot(app, &to, other).await?);
            app.workbench.changes(before, after, WAIT).await
        };
        let platform = part.platform().filter(|_| old.len() > 1);
        Ok(Some(match compared.await {
            Ok(None) => Self::Running,
            Ok(Some(changes)) => Self::Done(Box::new(Done::new(&changes, upgrades, platform, words))),
            // The rest of the page stands without it.
            Err(error) => {
                error.log();
                Self::Failed { code: error.code(), message: error.message() }
            }
        }))
    }
}

async fn known(app: &App, digest: &Digest) -> Result<Option<(ImageName, Vec<Part>)>> {
    let Some(run) = seen::runs_of(&app.engine, digest).await?.into_iter().next() else { return Ok(None) };
    let name = ImageName::of(&run);
    let parts = evidence::parts(app, digest, Some(&name)).await?;
    Ok(Some((name, parts)))
}

async fn spot(app: &App, name: &ImageName, part: &Part) -> Result<Spot> {
    let at = ImageName { digest: Some(part.manifest.clone()), ..name.clone() };
    locate(app, &at.pinned(), None).await
}

impl Done {
    fn new(changes: &Changes, upgrades: &[Upgrade], platform: Option<String>, words: &'static Words) -> Self {
        let (before, after) = (&changes.image.before, &changes.image.after);
        let grown = match after.size.cmp(&before.size) {
            std::cmp::Ordering::Equal => words.same_size.to_owned(),
            std::cmp::Ordering::Greater => fill(words.more_size, format::bytes(after.size - before.size)),
            std::cmp::Ordering::Less => fill(words.less_size, format::bytes(before.size - after.size)),
        };
        let Count { added, changed, removed } = changes.count;
        let left = (added + changed + removed).saturating_sub(changes.image.files.len().min(MOST));
        let planned: BTreeSet<String> =
            upgrades.iter().map(|up| format!("{}:{}", up.package, up.architecture)).collect();
        let others = changes.packages.iter().filter(|(name, _, _)| !planned.contains(name));
        Self {
            platform,
            sizes: (format::bytes(before.size), format::bytes(after.size)),
            grown,
            layers: (before.layers.len(), after.layers.len()),
            shared: changes.image.shared,
            count: changes.count,
            files: changes.image.files.iter().take(MOST).map(|file| File::new(file, words)).collect(),
            left_out: (left > 0).then(|| fill(words.files_left_out, left)),
            packages: others.take(MOST).cloned().collect(),
        }
    }
}

impl File {
    fn new(file: &FileChange, words: &'static Words) -> Self {
        let (class, what) = match file.change {
            Change::Added => ("added", words.added.to_owned()),
            Change::Removed => ("removed", words.removed.to_owned()),
            Change::Changed => ("changed", format!("{}: {}", words.changed, file.what.join(words.comma))),
        };
        let size = |gone: Change, size: u64| {
            if file.change == gone { String::new() } else { format::bytes(size) }
        };
        Self {
            path: format!("/{}", format::cut(&file.path, 500)),
            class,
            what,
            before: size(Change::Added, file.size.0),
            after: size(Change::Removed, file.size.1),
        }
    }
}
