//! A clock that is set by hand, a launcher that knows some images, an engine over a store.

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use async_trait::async_trait;
use jiff::{SignedDuration, Timestamp};
use patchline_chains::{ImageWindow, Plan, PlanStep, Retry, Schedule, Scope};
use patchline_engine::{
    Clock, Context, Deliver, DeliveryError, Engine, EngineOptions, Message, Outcome, Problem, RunView,
    ScheduleOptions, Step, StepError, Store, Subject,
    schedule::{Cause, Firing, Launch, LaunchError, Page, ScheduleLog},
};
use patchline_store::{Postgres, PostgresOptions, Sqlite};
use serde_json::json;

/// A clock that stands until it is set.
#[derive(Clone)]
pub(crate) struct Hand(Arc<Mutex<Timestamp>>);

impl Hand {
    pub(crate) fn at(text: &str) -> Self {
        Self(Arc::new(Mutex::new(text.parse().unwrap())))
    }
    pub(crate) fn set(&self, text: &str) {
        *self.0.lock().unwrap() = text.parse().unwrap();
    }
    pub(crate) fn skip(&self, by: SignedDuration) {
        *self.0.lock().unwrap() += by;
    }
}

impl Clock for Hand {
    fn now(&self) -> Timestamp {
        *self.0.lock().unwrap()
    }
}

/// Does nothing, at once.
struct Nothing;

#[async_trait]
impl Step for Nothing {
    fn kind(&self) -> &'static str {
        "do"
    }
    async fn run(&self, _: Context) -> Result<Outcome, StepError> {
        Ok(Outcome::succeeded(json!({})))
    }
}

struct Nobody;

#[async_trait]
impl Deliver for Nobody {
    async fn deliver(&self, _: &Message) -> Result<(), DeliveryError> {
        Ok(())
    }
}

/// A page: of which occasion, from where.
type Asked = (String, Option<String>);

/// Knows images by number, two a page.
#[derive(Clone, Default)]
pub(crate) struct Images {
    pub(crate) tags: Arc<Mutex<Vec<String>>>,
    pub(crate) revision: Arc<Mutex<Option<String>>>,
    /// What the next pages end in.
    pub(crate) fail: Arc<Mutex<Vec<LaunchError>>>,
    /// Each page that was asked for: of which occasion, from where.
    pub(crate) asked: Arc<Mutex<Vec<Asked>>>,
}

impl Images {
    pub(crate) fn of(count: usize) -> Self {
        let images = Self::default();
        *images.tags.lock().unwrap() = (0..count).map(|n| format!("v{n}")).collect();
        images
    }
    pub(crate) fn fails(&self, retry: bool, times: usize) {
        let error = LaunchError { code: "registry-gone".into(), message: "it is away".into(), retry };
        *self.fail.lock().unwrap() = vec![error; times];
    }
    pub(crate) fn asked(&self) -> usize {
        self.asked.lock().unwrap().len()
    }
}

#[async_trait]
impl Launch for Images {
    async fn revision(&self) -> Result<Option<String>, LaunchError> {
        Ok(self.revision.lock().unwrap().clone())
    }
    async fn page(&self, _: &Plan, firing: &Firing, cursor: Option<&str>) -> Result<Page, LaunchError> {
        self.asked.lock().unwrap().push((firing.occasion.clone(), cursor.map(str::to_owned)));
        if let Some(error) = self.fail.lock().unwrap().pop() {
            return Err(error);
        }
        let tags = self.tags.lock().unwrap().clone();
        let from: usize = cursor.map_or(0, |c| c.parse().unwrap());
        let next = from + 2;
        Ok(Page {
            subjects: tags[from.min(tags.len())..next.min(tags.len())].iter().map(|t| subject(t)).collect(),
            left_out: 1,
            failed: Vec::new(),
            next: (next < tags.len()).then(|| next.to_string()),
        })
    }
}

pub(crate) fn subject(tag: &str) -> Subject {
    Subject {
        identity: format!("main/shop/web:{tag}@sha256:0"),
        context: json!({"repository": "shop/web", "tag": tag}),
    }
}

pub(crate) fn plan(chain: &str, cron: Option<&str>, advisories: bool) -> Plan {
    let step = PlanStep {
        name: "a".into(),
        title: None,
        uses: "do".into(),
        needs: Vec::new(),
        when: None,
        with: json!({}),
        timeout: Duration::from_secs(30),
        retry: Retry { attempts: 1, backoff: Duration::from_secs(1), max_backoff: Duration::from_secs(1) },
        continue_on_failure: false,
    };
    let schedule = |cron: &str| Schedule {
        cron: cron.into(),
        timezone: "Europe/Berlin".into(),
        images: ImageWindow::default(),
    };
    Plan {
        version: 1,
        chain: chain.into(),
        description: None,
        scope: Scope::default(),
        on_push: true,
        on_advisories: advisories.then(|| "high".to_owned()),
        on_schedule: cron.map(schedule),
        params: json!({}),
        parameters: Default::default(),
        concurrency: None,
        timeout: None,
        steps: vec![step],
    }
}

/// What a test needs of a database.
#[derive(Clone)]
pub(crate) struct Base {
    pub(crate) store: Arc<dyn Store>,
    pub(crate) log: Arc<dyn ScheduleLog>,
    /// Goes with the last clone.
    _home: Arc<dyn std::any::Any + Send + Sync>,
}

impl Base {
    pub(crate) async fn sqlite() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let store = Arc::new(Sqlite::open(&dir.path().join("p.db")).await.unwrap());
        Self { store: store.clone(), log: store, _home: Arc::new(dir) }
    }
    /// None: it is not installed here.
    pub(crate) async fn postgres() -> Option<Self> {
        let url = crate::cluster::fresh()?;
        let store = Arc::new(Postgres::open(&url, PostgresOptions::default()).await.unwrap());
        Some(Self { store: store.clone(), log: store, _home: Arc::new(()) })
    }
    pub(crate) async fn engine(&self, clock: &Hand) -> Engine {
        let options =
            EngineOptions { concurrency: 4, drain: Duration::from_secs(2), ..EngineOptions::default() };
        let steps: Vec<Arc<dyn Step>> = vec![Arc::new(Nothing)];
        let clock = Arc::new(clock.clone());
        Engine::start(self.store.clone(), steps, Arc::new(Nobody), clock, options).await.unwrap()
    }
    /// An engine whose chains start by themselves.
    pub(crate) async fn scheduling(&self, clock: &Hand, images: &Images, plans: &[Plan]) -> Engine {
        let engine = self.engine(clock).await;
        self.schedule(&engine, clock, images, plans).await;
        engine
    }
    pub(crate) async fn schedule(&self, engine: &Engine, clock: &Hand, images: &Images, plans: &[Plan]) {
        let plans = plans.iter().cloned().map(Arc::new).collect();
        let options = ScheduleOptions { clock: Arc::new(clock.clone()), ..ScheduleOptions::new(plans) };
        engine.start_schedules(self.log.clone(), Arc::new(images.clone()), options).await.unwrap();
    }
    pub(crate) async fn last(&self, chain: &str, cause: Cause) -> Option<Firing> {
        self.log.firings(chain, Some(cause), 1).await.unwrap().pop()
    }
    pub(crate) async fn next(&self, chain: &str) -> Option<String> {
        let rows = self.log.scheduled().await.unwrap();
        rows.into_iter().find(|row| row.chain == chain)?.next.map(|at| at.to_string())
    }
}

pub(crate) async fn runs(engine: &Engine) -> Vec<RunView> {
    engine.runs(&Default::default()).await.unwrap()
}

pub(crate) fn code(problem: &Option<Problem>) -> Option<&str> {
    problem.as_ref().map(|p| p.code.as_str())
}

/// Waits until something is so.
pub(crate) async fn until(mut so: impl AsyncFnMut() -> bool) {
    for _ in 0..600 {
        if so().await {
            return;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    panic!("it never became so");
}
