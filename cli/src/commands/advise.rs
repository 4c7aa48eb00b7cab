//! `patchline advise REF`: what to change where no fix can be made.

use std::{io::Read as _, path::PathBuf, sync::Arc};

use patchline_registry::Registries;
use patchline_remediation::{
    Draft, Error, FixRequest, Selection, UpgradePolicy,
    advise::{Advice, Base, Change, Dockerfile, LONGEST_DOCKERFILE},
};
use patchline_scanner::{advisories::AdvisorySet, formats::clean, layers::FactsFolder};

use super::scan::{colour, findings, word, wrapped};
use crate::{
    Global, Output,
    config::Config,
    data::Data,
    exit::Exit,
    failure::{Result, io},
    images::{self, Image},
    progress::Bars,
    table::Table,
    terminal::{self, Colour, paint},
};

/// Characters of a name.
const NAME: usize = 300;

/// Tell what to change where no fix can be made
///
/// Per package: the version to require and the files that tell of it, the newer base image, what to lift. With
/// --dockerfile, standard output is a patch that `git apply` and `patch -p1` take; the rest goes to stderr.
#[derive(Debug, clap::Args)]
pub(crate) struct Advise {
    /// host/repository:tag, or oci:DIR:tag
    #[arg(value_name = "REF")]
    image: String,
    /// Which platform of an index, as linux/arm64 [default: this machine's]
    #[arg(long)]
    platform: Option<String>,
    /// The Dockerfile that the image is built from
    #[arg(long, value_name = "FILE")]
    dockerfile: Option<PathBuf>,
    /// The image that it is built on [default: what it says itself, where its registry is known]
    #[arg(long, value_name = "REF")]
    base: Option<String>,
    #[command(flatten)]
    mirrors: super::MirrorFlags,
}

impl Advise {
    pub(crate) async fn run(self, global: &Global) -> Result<Exit> {
        let dockerfile = self.dockerfile.as_deref().map(read).transpose()?;
        let config = Config::load(global.config.as_deref())?;
        let data = Data::shared(Data::path(global.data.as_deref()))?;
        let registries = images::registries(&config)?;
        let image = images::open(&registries, &self.image, self.platform.as_deref()).await?;
        let base = base(&registries, &image, self.base.as_deref()).await?;
        let bars = Bars::new();
        let draft = self.draft((&config, &data, &registries), &image, &bars).await?;
        bars.clear();
        let advice = Advice::of(&draft, base);
        let path =
            self.dockerfile.as_ref().map(|path| path.to_string_lossy().into_owned()).unwrap_or_default();
        let patch = dockerfile.map(|dockerfile| dockerfile.patch(&path, &advice));
        if global.output == Output::Json {
            let (patch, notes) = patch.unzip();
            let told =
                serde_json::json!({"advice": advice, "patch": patch, "notes": notes.unwrap_or_default()});
            super::json(&told)?;
            return Ok(Exit::Ok);
        }
        let text = text(&self.image, &advice, terminal::columns());
        let Some((patch, notes)) = patch else {
            terminal::out(&text);
            return Ok(Exit::Ok);
        };
        terminal::err(&text);
        for note in notes {
            terminal::err(&format!("by hand: {}", clean(&note, NAME)));
        }
        if patch.is_empty() {
            terminal::err("nothing of this can be changed in the Dockerfile");
        } else {
            terminal::out(patch.strip_suffix('\n').unwrap_or(&patch));
        }
        Ok(Exit::Ok)
    }

    /// The plan, whose rest is what advice is about; a system that cannot be mended has one that is empty.
    async fn draft(
        &self,
        (config, data, registries): (&Config, &Data, &Registries),
        image: &Image,
        bars: &Bars,
    ) -> Result<Draft> {
        let apt = self.mirrors.apt(config, data)?;
        let facts = Arc::new(FactsFolder::new(data.facts()));
        let remediator = crate::wiring::remediator(
            config,
            data,
            apt.clone(),
            facts,
            self.mirrors.tooling(config, registries)?,
        )
        .with_apk(self.mirrors.apk(config, data)?)
        .with_rpm(self.mirrors.rpm(config, data)?);
        let scanned = images::scan(data, Some(&apt), image).await?;
        let sets: Vec<&AdvisorySet> = scanned.advisories.iter().collect();
        let scratch = tempfile::tempdir().map_err(io("make a folder for work"))?;
        let request = FixRequest {
            recorded: None,
            repository: image.repository.as_ref(),
            manifest: image.manifest.clone(),
            tag: image.tag.clone(),
            report: &scanned.report,
            advisories: &sets,
            select: Selection::all(),
            policy: UpgradePolicy::Minimal,
            scratch: scratch.path().to_owned(),
            progress: bars.progress(),
        };
        match remediator.draft(&request).await {
            Ok(draft) => Ok(draft),
            Err(error) if error.is_of_system() || matches!(error, Error::NoApkMirror { .. }) => {
                Ok(Draft::of_nothing(&scanned.report, &error))
            }
            Err(other) => Err(other.into()),
        }
    }
}

fn read(path: &std::path::Path) -> Result<Dockerfile> {
    let failed = || io(format!("read the Dockerfile {}", path.display()));
    let mut bytes = Vec::new();
    let file = std::fs::File::open(path).map_err(failed())?;
    file.take(LONGEST_DOCKERFILE + 1).read_to_end(&mut bytes).map_err(failed())?;
    Ok(Dockerfile::read(&bytes)?)
}

/// What the image is built on.
async fn base(registries: &Registries, image: &Image, named: Option<&str>) -> Result<Option<Base>> {
    Ok(match super::base::of(registries, image, named).await? {
        None => None,
        Some(super::base::Named { claim, at: None }) => Some(Base::unasked(claim)),
        Some(super::base::Named { claim, at: Some(location) }) => {
            let target = super::base::target(&location);
            let now = registries.open(&location)?.resolve(&target).await?;
            Some(Base::asked(claim, now.map(|descriptor| descriptor.digest)))
        }
    })
}

fn text(name: &str, advice: &Advice, columns: usize) -> String {
    let mut lines = vec![format!("{}  {}", clean(name, NAME), paint(advice.image.short(), Colour::Quiet))];
    lines.push(clean(advice.system.as_deref().unwrap_or("unknown system"), NAME));
    if let Some(end) = &advice.end_of_life {
        lines.extend(wrapped(&end.to_string(), columns).iter().map(|line| paint(line, Colour::Medium)));
    }
    if let Some(base) = &advice.base {
        let line = format!("built on {}: {}", clean(&base.name, NAME), clean(&base.advice, NAME));
        lines.extend(wrapped(&line, columns));
    }
    if advice.mendable > 0 {
        let line = format!("`patchline fix` ends {}; this is about the rest", findings(advice.mendable));
        lines.extend(wrapped(&line, columns));
    }
    let (now, later): (Vec<&Change>, Vec<&Change>) =
        advice.changes.iter().partition(|change| change.require.is_some());
    for (head, changes) in [("to change:", now), ("to wait for:", later)] {
        if !changes.is_empty() {
            lines.extend([String::new(), paint(head, Colour::Strong), table(&changes, columns).render()]);
        }
    }
    if advice.changes.is_empty() {
        lines.push("nothing is left to change".to_owned());
    }
    lines.join("\n")
}

/// Each with its sentence below it; what is alike stands together.
fn table(changes: &[&Change], columns: usize) -> Table {
    let heads = ["worst", "package", "~installed", "~require", ">findings"];
    let mut table = Table::new(&heads).within(columns);
    let mut changes = changes.iter().peekable();
    while let Some(change) = changes.next() {
        let cells = [
            word(change.worst).to_owned(),
            clean(&change.package, NAME),
            clean(&change.installed, NAME),
            change.require.as_deref().map_or_else(String::new, |version| clean(version, NAME)),
            change.ends.len().to_string(),
        ];
        table.painted(colour(change.worst), cells);
        if changes.peek().is_some_and(|next| next.advice == change.advice) {
            continue;
        }
        for line in wrapped(&clean(&change.advice, 4 * NAME), columns.saturating_sub(4)) {
            table.line(format!("    {line}"), Some(Colour::Quiet));
        }
    }
    table
}
