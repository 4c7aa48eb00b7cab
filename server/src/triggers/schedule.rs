//! What the firings of chains start: the images in a chain's scope that its window names, or that new advisories speak
//! of. The engine fires and submits; here the registries are asked.

use std::{path::PathBuf, sync::Arc};

use async_trait::async_trait;
use futures::{StreamExt, stream};
use patchline_chains::Plan;
use patchline_engine::{
    Subject,
    schedule::{Cause, Firing, Launch, LaunchError, Page},
};
use patchline_registry::{Descriptor, Digest, Reference};
use patchline_scanner::rematch::Matched;

use super::{
    admit, advisories,
    advisories::{Advisories, Current, Settled},
    embedded::passes,
    listing::{Listings, Place, Scope, problem},
    subject,
};
use crate::{Error, Result, ServerContext};

/// Images of a page.
const PAGE: usize = 50;
/// Images that are asked for at once.
const AT_ONCE: usize = 4;

/// Finds images for the engine's schedules.
pub struct Launcher {
    context: ServerContext,
    advisories: Advisories,
    listings: Listings,
}

impl Launcher {
    /// `advisories`: the folder where they are loaded to.
    pub fn new(context: ServerContext, advisories: PathBuf) -> Self {
        Self { context, advisories: Advisories::new(advisories), listings: Listings::default() }
    }

    async fn find(&self, plan: &Plan, firing: &Firing, cursor: Option<&str>) -> Result<Page> {
        let current = match firing.cause {
            Cause::Schedule => None,
            Cause::Advisories => match self.advisories.set(&firing.occasion).await? {
                Some(current) => Some(current),
                None => return Ok(Page::default()),
            },
        };
        // What another version has written is begun anew: nothing is started twice by that.
        let after: Place = cursor.and_then(|c| serde_json::from_str(c).ok()).unwrap_or_default();
        let name = name(firing);
        let window = match (firing.cause, &plan.on_schedule) {
            (Cause::Schedule, Some(schedule)) => schedule.images.clone(),
            _ => Default::default(),
        };
        let scope = Scope { context: &self.context, plan, window, listings: &self.listings, firing: &name };
        let part = scope.part(&after, PAGE).await?;
        let mut page = Page { failed: part.failed, ..Page::default() };
        let resolved: Vec<(Place, Result<Option<Descriptor>>)> = stream::iter(part.images)
            .map(|place| async {
                let at = self.resolve(&scope, &place).await;
                (place, at)
            })
            .buffered(AT_ONCE)
            .collect()
            .await;
        let there = resolved.iter().filter_map(|(_, at)| Some(at.as_ref().ok()?.as_ref()?.digest.clone()));
        let there: Vec<Digest> = there.collect();
        let mut settled = self.settled(current.as_deref(), &there).await;
        let mut notes = std::mem::take(&mut settled.notes);
        let looked: Vec<(Place, Result<Looked>)> = stream::iter(resolved)
            .map(|(place, at)| async {
                let looked = match at {
                    Ok(Some(at)) if !settled.has(&at.digest) => {
                        self.look(&scope, &place, at, current.as_ref()).await
                    }
                    Ok(_) => Ok(Looked::default()),
                    Err(error) => Err(error),
                };
                (place, looked)
            })
            .buffered(AT_ONCE)
            .collect()
            .await;
        let mut away = None;
        for (place, looked) in looked {
            match looked {
                Ok(Looked { subject, notes: more }) => {
                    notes.extend(more);
                    match subject {
                        Some(subject) => page.subjects.push(subject),
                        None => page.left_out += 1,
                    }
                }
                Err(error) => {
                    let image = format!("{}/{}:{}", place.registry, place.repository, place.tag);
                    page.failed.push((image, problem(&error)));
                    if passes(&error) {
                        away = Some(error);
                    }
                }
            }
        }
        // Not one could be read: the registry is away, and the page comes again.
        if let Some(error) = away.filter(|_| page.subjects.is_empty() && page.left_out == 0) {
            return Err(error);
        }
        // Without them the next revision looks at more than it would have to.
        if let Err(error) = self.context.inventories.set_matched(&notes).await {
            tracing::warn!(%error, "how far images were matched was not noted");
        }
        page.next = part.next.and_then(|place| serde_json::to_string(&place).ok());
        if page.next.is_none() {
            self.listings.forget(&name);
            self.advisories.forget();
        }
        Ok(page)
    }

    /// Where a tag points; none: it is gone.
    async fn resolve(&self, scope: &Scope<'_>, place: &Place) -> Result<Option<Descriptor>> {
        let opened = scope.open(&place.registry, &place.repository)?;
        Ok(opened.resolve(&place.tag).await?)
    }

    /// Images that new advisories do not touch: not even their manifests are read.
    async fn settled(&self, current: Option<&Current>, images: &[Digest]) -> Settled {
        let Some(current) = current else { return Settled::default() };
        let settled = current.settled(&*self.context.inventories, images).await;
        settled.unwrap_or_else(|error| {
            // Each is looked at by itself, and one that cannot be read is told of.
            tracing::warn!(%error, "the images that new advisories touch were not told from the others");
            Settled::default()
        })
    }

    /// What a run over the image is about, if it needs one.
    async fn look(
        &self,
        scope: &Scope<'_>,
        place: &Place,
        at: Descriptor,
        current: Option<&Arc<Current>>,
    ) -> Result<Looked> {
        let Place { registry, repository, tag } = place;
        let opened = scope.open(registry, repository)?;
        let target = subject::identity(registry, repository, Some(tag), &at.digest);
        // What pushes leave out is left out here: our own backups and fixed images, and what the chain has copied.
        if self.context.engine.is_own_effect("push", &target).await?
            || admit::copied_by(&self.context.engine.effects_on("copy", &target).await?, &scope.plan.chain)
        {
            return Ok(Looked::default());
        }
        let reference = Reference {
            registry: registry.clone(),
            repository: repository.clone(),
            tag: Some(tag.clone()),
            digest: Some(at.digest),
        };
        let Ok((subject, raw)) = admit::read(&self.context, &*opened, &reference).await? else {
            return Ok(Looked::default());
        };
        let mut looked =
            Looked { subject: Some(subject::for_chain(&subject, scope.plan)), notes: Vec::new() };
        if let Some(current) = current {
            let kept = (&*self.context.reports, &*self.context.inventories);
            let (news, notes) = advisories::is_news(kept, current, scope.plan, &raw).await?;
            looked = Looked { subject: looked.subject.filter(|_| news), notes };
        }
        Ok(looked)
    }
}

/// What became of one image.
#[derive(Default)]
struct Looked {
    /// Of its run; none: it needs none.
    subject: Option<Subject>,
    notes: Vec<Matched>,
}

#[async_trait]
impl Launch for Launcher {
    async fn revision(&self) -> Result<Option<String>, LaunchError> {
        self.advisories.revision().await.map_err(refused)
    }
    async fn page(&self, plan: &Plan, firing: &Firing, cursor: Option<&str>) -> Result<Page, LaunchError> {
        self.find(plan, firing, cursor).await.map_err(refused)
    }
}

fn name(firing: &Firing) -> String {
    format!("{} {} {}", firing.cause.word(), firing.chain, firing.occasion)
}

fn refused(error: Error) -> LaunchError {
    let retry = passes(&error);
    let problem = problem(&error);
    LaunchError { code: problem.code, message: problem.message, retry }
}
