//! What the firings of chains start: the images in a chain's scope that its window names, or that new advisories speak
//! of. The engine fires and submits; here the registries are asked.

use std::path::PathBuf;

use async_trait::async_trait;
use futures::{StreamExt, stream};
use patchline_chains::Plan;
use patchline_engine::{
    Subject,
    schedule::{Cause, Firing, Launch, LaunchError, Page},
};
use patchline_registry::Reference;
use patchline_scanner::advisories::AdvisorySet;

use super::{
    admit, advisories,
    advisories::Advisories,
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
        let set = match firing.cause {
            Cause::Schedule => None,
            Cause::Advisories => match self.advisories.set(&firing.occasion).await? {
                Some(set) => Some(set),
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
        let looked: Vec<(Place, Result<Option<Subject>>)> = stream::iter(part.images)
            .map(|place| async {
                let looked = self.look(&scope, &place, set.as_ref()).await;
                (place, looked)
            })
            .buffered(AT_ONCE)
            .collect()
            .await;
        let mut away = None;
        for (place, looked) in looked {
            match looked {
                Ok(Some(subject)) => page.subjects.push(subject),
                Ok(None) => page.left_out += 1,
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
        page.next = part.next.and_then(|place| serde_json::to_string(&place).ok());
        if page.next.is_none() {
            self.listings.forget(&name);
            self.advisories.forget();
        }
        Ok(page)
    }

    /// What a run over the image is about; none: it needs none.
    async fn look(
        &self,
        scope: &Scope<'_>,
        place: &Place,
        set: Option<&AdvisorySet>,
    ) -> Result<Option<Subject>> {
        let Place { registry, repository, tag } = place;
        let opened = scope.open(registry, repository)?;
        let Some(at) = opened.resolve(tag).await? else { return Ok(None) };
        let target = subject::identity(registry, repository, Some(tag), &at.digest);
        // What pushes leave out is left out here: our own backups and fixed images, and what the chain has copied.
        if self.context.engine.is_own_effect("push", &target).await?
            || admit::copied_by(&self.context.engine.effects_on("copy", &target).await?, &scope.plan.chain)
        {
            return Ok(None);
        }
        let reference = Reference {
            registry: registry.clone(),
            repository: repository.clone(),
            tag: Some(tag.clone()),
            digest: Some(at.digest),
        };
        let Ok((subject, raw)) = admit::read(&self.context, &*opened, &reference).await? else {
            return Ok(None);
        };
        if let Some(set) = set
            && !advisories::is_news(&*self.context.reports, set, scope.plan, &raw).await?
        {
            return Ok(None);
        }
        Ok(Some(subject::for_chain(&subject, scope.plan)))
    }
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
