//! `/images/{digest}/plans/{id}`: what a fix would do, package by package, and doing what a person has chosen of it.

mod rows;

use std::time::Duration;

use askama::Template;
use axum::{
    extract::{Path, State, rejection::StringRejection},
    http::HeaderMap,
    response::{IntoResponse, Redirect, Response},
};
use patchline_registry::Digest;
use patchline_remediation::{Draft, Edited, Said, UpgradePolicy};
use serde_json::{Value, json};

use self::rows::{Refused, Severities, Stays, Up};
use super::{
    Failure, Visit, encode,
    form::Form,
    format::{self, ShortDigest},
};
use crate::{
    App, Error, Result,
    api::said,
    bench::{Ask, locate},
    evidence,
    i18n::{Words, fill},
    mend::{self, Mend},
    seen::{self, ImageName},
};

/// A quick plan is there with the first look; what takes longer is asked for again by the page.
const WAIT: Duration = Duration::from_millis(400);

#[derive(Template)]
#[template(path = "plan.html")]
struct Page<'a> {
    visit: &'a Visit,
    words: &'static Words,
    title: String,
    image_href: String,
    digest: ShortDigest,
    /// None: it is being made.
    made: Option<Made>,
}

enum Made {
    Plan(Box<Plan>),
    /// Why there is none.
    Failed {
        code: &'static str,
        message: String,
        hint: Option<String>,
    },
}

struct Plan {
    manifest: Digest,
    system: String,
    /// What has ended of its support, and whether that is over.
    end_of_life: Option<(String, bool)>,
    /// A fixed image is mended from its original.
    origin: Option<ShortDigest>,
    ends: usize,
    download: String,
    ups: Vec<Up>,
    refused: Vec<Refused>,
    stays: Stays,
    /// The first is what is meant unless another is chosen.
    chains: Vec<String>,
    /// Where the choice goes.
    post: String,
    /// `#` stands for how many are ticked.
    chosen: String,
}

/// `GET`: the plan, or that it is being made.
pub(super) async fn page(
    visit: Visit,
    State(app): State<App>,
    Path((digest, id)): Path<(String, String)>,
) -> Response {
    visit.answer(build(&visit, &app, &digest, &id).await)
}

async fn build<'a>(visit: &'a Visit, app: &App, text: &str, id: &str) -> Result<Page<'a>> {
    let words = visit.words;
    let digest = crate::api::digest(text)?;
    let name = named(app, &digest).await?;
    let made = match app.workbench.planned(id, WAIT).await {
        Ok(None) => None,
        Ok(Some(draft)) => {
            let parts = evidence::parts(app, &digest, Some(&name)).await?;
            let known = Severities::of(parts.iter().flat_map(evidence::Part::findings));
            let mut plan = Plan::new(&draft, &known, words);
            plan.post = format!("/images/{digest}/plans/{}/mend", encode(id));
            let chains = mend::chains(app, &name.pinned().parse()?);
            plan.chains = chains.iter().map(|chain| chain.chain.clone()).collect();
            Some(Made::Plan(Box::new(plan)))
        }
        // Said on the page itself: whoever waits for it is looking at it.
        Err(error @ Error::Shared(_)) => {
            Some(Made::Failed { code: error.code(), message: error.message(), hint: error.hint() })
        }
        Err(error) => return Err(error),
    };
    Ok(Page {
        visit,
        words,
        title: name.short(),
        image_href: format!("/images/{digest}"),
        digest: ShortDigest::new(&digest, words),
        made,
    })
}

/// The name that runs over this image have seen it under: a plan is read and carried out there.
async fn named(app: &App, digest: &Digest) -> Result<ImageName> {
    let runs = seen::runs_of(&app.engine, digest).await?;
    runs.first().map(ImageName::of).ok_or_else(|| Error::NoSuchImage(digest.clone()))
}

/// `POST`: begins a plan, then shows it.
pub(super) async fn ask(
    visit: Visit,
    State(app): State<App>,
    Path(digest): Path<String>,
    headers: HeaderMap,
    body: Result<String, StringRejection>,
) -> Response {
    let asked = async {
        let form = Form::read(&headers, body)?;
        let digest = crate::api::digest(&digest)?;
        let name = named(&app, &digest).await?;
        let manifest = crate::api::digest(form.get("manifest"))?;
        let at = ImageName { digest: Some(manifest), ..name };
        let spot = locate(&app, &at.pinned(), None).await?;
        let policy = match form.get("policy") {
            "latest" => UpgradePolicy::Latest,
            _ => UpgradePolicy::Minimal,
        };
        let languages = form.get("languages") == "true";
        let id = app.workbench.plan(Ask { languages, ..Ask::whole(spot, policy) })?;
        Ok(format!("/images/{digest}/plans/{id}"))
    };
    go(&visit, asked.await)
}

/// `POST`: starts a fix by what is ticked, then shows its run.
pub(super) async fn mend(
    visit: Visit,
    State(app): State<App>,
    Path((digest, _)): Path<(String, String)>,
    headers: HeaderMap,
    body: Result<String, StringRejection>,
) -> Response {
    let started = async {
        let form = Form::read(&headers, body)?;
        let digest = crate::api::digest(&digest)?;
        let name = named(&app, &digest).await?;
        let said = Said { by: said::by(form.get("by"))?, reason: said::reason(form.get("reason"))? };
        let chain = Some(form.get("chain")).filter(|chain| !chain.is_empty());
        let mend = Mend { image: &name.pinned(), plan: chosen(&form)?, chain, said, source: "page" };
        let submitted = mend::start(&app, mend).await?;
        Ok(format!("/runs/{}", encode(&submitted.run.0)))
    };
    go(&visit, started.await)
}

/// `GET` of where a form goes: whoever tries a page again that could not be shown.
pub(super) async fn back(visit: Visit, Path(digest): Path<String>) -> Response {
    go(&visit, crate::api::digest(&digest).map(|digest| format!("/images/{digest}")))
}

/// The same of a choice.
pub(super) async fn back_to_plan(visit: Visit, Path((digest, id)): Path<(String, String)>) -> Response {
    go(&visit, crate::api::digest(&digest).map(|digest| format!("/images/{digest}/plans/{}", encode(&id))))
}

fn go(visit: &Visit, to: Result<String>) -> Response {
    match to {
        Ok(to) => Redirect::to(&to).into_response(),
        Err(error) => visit.answer::<Failure<'_>>(Err(error)),
    }
}

/// What is ticked, as a plan that came back.
fn chosen(form: &Form) -> Result<Edited> {
    let upgrade = |text: &str| -> Option<Value> {
        let words = serde_json::from_str::<Vec<String>>(text).ok()?;
        let [package, architecture, from, to, of_language @ ..] = words.as_slice() else { return None };
        let mut up = json!({"package": package, "architecture": architecture, "from": from, "to": to});
        match of_language {
            [] => {}
            [ecosystem, path] => (up["ecosystem"], up["path"]) = (json!(ecosystem), json!(path)),
            _ => return None,
        }
        Some(up)
    };
    let unreadable = || patchline_remediation::Error::PlanUnreadable {
        reason: "one of what is ticked is no upgrade of a plan".to_owned(),
    };
    let upgrades: Vec<Value> =
        form.all("up").map(|text| upgrade(text).ok_or_else(unreadable)).collect::<Result<_, _>>()?;
    let plan = json!({"version": 1, "image": form.get("manifest"), "plan": {"upgrades": upgrades}});
    Ok(Edited::read(plan.to_string().as_bytes())?)
}

impl Plan {
    fn new(draft: &Draft, known: &Severities, words: &'static Words) -> Self {
        let ups = Up::all(&draft.plan, known, words);
        let mut ends: Vec<&String> = draft.plan.upgrades.iter().flat_map(|up| &up.mends).collect();
        ends.sort_unstable();
        ends.dedup();
        let chosen = fill(&words.chosen_of.replacen("{}", "#", 1), ups.len());
        Self {
            manifest: draft.image.clone(),
            system: format::cut(draft.system.as_deref().unwrap_or_default(), 120),
            end_of_life: draft.end_of_life.as_ref().map(|end| (end.to_string(), end.is_over())),
            origin: (draft.origin != draft.image).then(|| ShortDigest::new(&draft.origin, words)),
            ends: ends.len(),
            download: format::bytes(draft.download),
            ups,
            refused: draft.plan.refused.iter().take(rows::MOST).map(Refused::new).collect(),
            stays: Stays::new(&draft.stays, words),
            chains: Vec::new(),
            post: String::new(),
            chosen,
        }
    }
    /// Before anything is unticked.
    fn all_chosen(&self) -> String {
        self.chosen.replacen('#', &self.ups.len().to_string(), 1)
    }
}
