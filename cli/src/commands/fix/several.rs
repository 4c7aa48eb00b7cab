//! Several images: one that others are built on is mended first, and once.

use patchline_registry::Digest;
use patchline_remediation::{bases, tree};
use serde_json::json;

use super::{Fix, Ground, Mended, Outcome, rebase::Onto};
use crate::{
    Global, Output,
    exit::Exit,
    failure::{Failure, Result},
    images::{self, Image},
    terminal,
};

impl Fix {
    /// Mends all, lowest first. The first that fails ends the command; what was pushed until then is told.
    pub(super) async fn several(&self, ground: &Ground, global: &Global) -> Result<Exit> {
        self.of_one_image(ground.attest.is_some())?;
        let opened = open(ground, &self.images, self.platform.as_deref()).await?;
        let on = bases::stands_on(&opened.iter().map(|one| one.layers.as_slice()).collect::<Vec<_>>());
        let mut done: Vec<Option<Mended>> = opened.iter().map(|_| None).collect();
        let mut told = Vec::new();
        let mut failed = None;
        for at in bases::lowest_first(&on) {
            let Opened { name, image, .. } = &opened[at];
            let fixed = |base: usize| done[base].as_ref().and_then(|mended| mended.fixed.clone());
            let onto =
                on[at].and_then(|base| Some((base, fixed(base)?))).map(|(base, (reference, digest))| Onto {
                    base: opened[base].image.repository.clone(),
                    name: reference.split_once('@').map_or(reference.clone(), |(name, _)| name.to_owned()),
                    old: opened[base].image.manifest.clone(),
                    new: digest,
                });
            terminal::err(&match on[at] {
                Some(base) => format!("{name}, which is built on {}", opened[base].name),
                None => name.clone(),
            });
            let mended = match self.mend(ground, name, image, onto.as_ref()).await {
                Ok(Outcome::Mended(mended)) => *mended,
                // No plan is asked of several.
                Ok(Outcome::Planned(_)) => continue,
                Err(failure) => {
                    failed = Some(failure);
                    break;
                }
            };
            if global.output == Output::Table {
                mended.show();
            }
            let mut one = mended.json();
            one["image"] = json!(name);
            one["built_on"] = json!(on[at].map(|base| &opened[base].name));
            told.push(one);
            done[at] = Some(mended);
        }
        if global.output == Output::Json {
            crate::commands::json(&json!({"images": told}))?;
        }
        failed.map_or(Ok(Exit::Ok), Err)
    }

    /// Flags that can mean one image alone.
    fn of_one_image(&self, attest: bool) -> Result<()> {
        let flags = [
            ("--tag", self.tag.is_some()),
            ("--plan", self.plan),
            ("--with", self.choice.is_of_a_plan()),
            ("--rebase", self.rebase.asked()),
            // One that is set on its base and needs nothing more has no patch layer to attest.
            ("--attest", attest),
        ];
        match flags.iter().find(|(_, given)| *given) {
            Some((flag, _)) => {
                let message = format!("{flag} is for one image, {} are named", self.images.len());
                Err(Failure::usage("one-image-alone", message)
                    .hint(format!("leave {flag} away, or name one image")))
            }
            None => Ok(()),
        }
    }
}

/// An image that was named, and its layers.
struct Opened {
    name: String,
    image: Image,
    layers: Vec<Digest>,
}

async fn open(ground: &Ground, names: &[String], platform: Option<&str>) -> Result<Vec<Opened>> {
    let mut opened = Vec::with_capacity(names.len());
    for name in names {
        let image = images::open(&ground.registries, name, platform).await?;
        let layers = tree::open(image.repository.as_ref(), image.manifest.as_str()).await?.diff_ids;
        opened.push(Opened { name: name.clone(), image, layers });
    }
    Ok(opened)
}
