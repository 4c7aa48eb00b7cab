//! Plans, steps that obey a script, a clock, and an engine over a file.

use std::{
    collections::BTreeMap,
    path::PathBuf,
    sync::{Arc, Mutex},
    time::Duration,
};

use async_trait::async_trait;
use jiff::{SignedDuration, Timestamp};
use patchline_chains::{Plan, PlanStep, Retry, Scope};
use patchline_engine::{
    Clock, Context, Deliver, DeliveryError, Engine, EngineOptions, ErrorClass, Message, Outcome, RunView,
    Step, StepError, StepStatus, Store, Subject, Submission, Trigger, TriggerKind, clock::SystemClock,
};
use patchline_store::{Postgres, PostgresOptions, Sqlite};
use serde_json::{Value, json};

use crate::cluster;

/// What a step does, by its name.
pub(crate) type Act =
    Arc<dyn Fn(Context) -> futures::future::BoxFuture<'static, Result<Outcome, StepError>> + Send + Sync>;

/// One step kind, `do`, that acts by script; what has no script succeeds.
#[derive(Clone, Default)]
pub(crate) struct Script {
    acts: Arc<Mutex<BTreeMap<String, Act>>>,
    pub(crate) ran: Arc<Mutex<Vec<(String, String, u32)>>>,
}

impl Script {
    pub(crate) fn on<F, Fut>(self, step: &str, act: F) -> Self
    where
        F: Fn(Context) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Result<Outcome, StepError>> + Send + 'static,
    {
        self.acts.lock().unwrap().insert(step.into(), Arc::new(move |c| Box::pin(act(c))));
        self
    }
    /// How often a step was run, over all runs.
    pub(crate) fn count(&self, step: &str) -> usize {
        self.ran.lock().unwrap().iter().filter(|(_, s, _)| s == step).count()
    }
}

#[async_trait]
impl Step for Script {
    fn kind(&self) -> &'static str {
        "do"
    }
    async fn run(&self, context: Context) -> Result<Outcome, StepError> {
        self.ran.lock().unwrap().push((context.run.0.clone(), context.step.clone(), context.attempt));
        let act = self.acts.lock().unwrap().get(&context.step).cloned();
        match act {
            Some(act) => act(context).await,
            None => Ok(Outcome::succeeded(json!({"step": context.step}))),
        }
    }
}

pub(crate) fn error(class: ErrorClass, code: &str) -> StepError {
    StepError { class, code: code.into(), message: format!("{code} happened") }
}

/// How a delivery fails: whether it may be tried again, and after how long.
pub(crate) type Refusal = (bool, Option<Duration>);

/// Keeps what was delivered; fails by script.
#[derive(Clone, Default)]
pub(crate) struct Sink {
    pub(crate) got: Arc<Mutex<Vec<Message>>>,
    pub(crate) refuse: Arc<Mutex<Vec<Refusal>>>,
}

#[async_trait]
impl Deliver for Sink {
    async fn deliver(&self, message: &Message) -> Result<(), DeliveryError> {
        self.got.lock().unwrap().push(message.clone());
        match self.refuse.lock().unwrap().pop() {
            None => Ok(()),
            Some((retry, after)) => {
                Err(DeliveryError { code: "sink-full".into(), message: "no room".into(), retry, after })
            }
        }
    }
}

/// The machine's time, and as much more as a test wants.
#[derive(Clone, Default)]
pub(crate) struct Ahead(Arc<Mutex<SignedDuration>>);

impl Ahead {
    pub(crate) fn skip(&self, by: SignedDuration) {
        *self.0.lock().unwrap() += by;
    }
}

impl Clock for Ahead {
    fn now(&self) -> Timestamp {
        SystemClock.now() + *self.0.lock().unwrap()
    }
}

/// `name: [needs]`, with `when`.
pub(crate) fn step(name: &str, needs: &[&str]) -> PlanStep {
    PlanStep {
        name: name.into(),
        title: None,
        uses: "do".into(),
        needs: needs.iter().map(|s| (*s).to_owned()).collect(),
        when: None,
        with: json!({}),
        timeout: Duration::from_secs(30),
        retry: Retry {
            attempts: 3,
            backoff: Duration::from_millis(20),
            max_backoff: Duration::from_millis(50),
        },
        continue_on_failure: false,
    }
}

pub(crate) fn plan(chain: &str, steps: Vec<PlanStep>) -> Plan {
    Plan {
        version: 1,
        chain: chain.into(),
        description: None,
        scope: Scope::default(),
        on_push: true,
        on_advisories: None,
        on_schedule: None,
        params: json!({"level": "high"}),
        parameters: Default::default(),
        concurrency: None,
        timeout: None,
        steps,
    }
}

pub(crate) fn diamond() -> Plan {
    plan("diamond", vec![step("a", &[]), step("b", &["a"]), step("c", &["a"]), step("d", &["b", "c"])])
}

pub(crate) fn subject(tag: &str) -> Subject {
    Subject {
        identity: format!("main/shop/web:{tag}@sha256:0"),
        context: json!({"repository": "shop/web", "tag": tag}),
    }
}

pub(crate) fn submission(plan: &Plan, tag: &str) -> Submission {
    Submission {
        plan: Some(Arc::new(plan.clone())),
        subject: subject(tag),
        trigger: Trigger { kind: TriggerKind::Manual, source: "test".into(), event_id: None },
        params: Value::Null,
        parent: None,
    }
}

/// Each test over each database.
macro_rules! on_both {
    ($($name:ident),+ $(,)?) => {
        mod sqlite {
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $name() {
                super::$name($crate::kit::Place::sqlite()).await;
            })+
        }
        mod postgres {
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $name() {
                let Some(place) = $crate::kit::Place::postgres() else { return };
                super::$name(place).await;
            })+
        }
    };
}

pub(crate) use on_both;

/// A database of a test's own: whoever opens it again finds what was there.
#[derive(Clone)]
pub(crate) struct Place {
    backend: Backend,
    pub(crate) dir: Arc<tempfile::TempDir>,
}

#[derive(Clone)]
enum Backend {
    Sqlite(PathBuf),
    Postgres(String),
}

impl Place {
    pub(crate) fn sqlite() -> Self {
        let dir = tempfile::tempdir().unwrap();
        Self { backend: Backend::Sqlite(dir.path().join("p.db")), dir: Arc::new(dir) }
    }
    /// None: PostgreSQL is not installed, which is said, and under `CI=true` is a failure.
    pub(crate) fn postgres() -> Option<Self> {
        let url = cluster::fresh()?;
        Some(Self { backend: Backend::Postgres(url), dir: Arc::new(tempfile::tempdir().unwrap()) })
    }
    /// What another process opens it by.
    pub(crate) fn name(&self) -> String {
        match &self.backend {
            Backend::Sqlite(file) => file.display().to_string(),
            Backend::Postgres(url) => url.clone(),
        }
    }
    pub(crate) async fn open(&self) -> Arc<dyn Store> {
        open(&self.name()).await
    }
    pub(crate) fn is_postgres(&self) -> bool {
        matches!(self.backend, Backend::Postgres(_))
    }
}

/// By a file's name or a server's address. Tests skip time, so the process tells it.
pub(crate) async fn open(name: &str) -> Arc<dyn Store> {
    if name.starts_with("postgres://") {
        let options = PostgresOptions { server_clock: false, ..PostgresOptions::default() };
        Arc::new(Postgres::open(name, options).await.unwrap())
    } else {
        Arc::new(Sqlite::open(&PathBuf::from(name)).await.unwrap())
    }
}

/// An engine that owns a database, or does not.
pub(crate) async fn engine(
    place: &Place,
    script: &Script,
    sink: &Sink,
    clock: &Ahead,
    owns_data: bool,
) -> Engine {
    let options = EngineOptions { owns_data, ..options() };
    engine_with(place.open().await, script, sink, clock, options).await
}

/// An engine that is one of several over a store.
pub(crate) async fn engine_over(
    store: Arc<dyn Store>,
    script: &Script,
    sink: &Sink,
    clock: &Ahead,
) -> Engine {
    engine_with(store, script, sink, clock, options()).await
}

pub(crate) async fn engine_with(
    store: Arc<dyn Store>,
    script: &Script,
    sink: &Sink,
    clock: &Ahead,
    options: EngineOptions,
) -> Engine {
    let steps: Vec<Arc<dyn Step>> = vec![Arc::new(script.clone())];
    Engine::start(store, steps, Arc::new(sink.clone()), Arc::new(clock.clone()), options).await.unwrap()
}

pub(crate) fn options() -> EngineOptions {
    EngineOptions {
        concurrency: 4,
        drain: Duration::from_secs(2),
        public_url: Some("http://127.0.0.1:1/".into()),
        ..EngineOptions::default()
    }
}

/// A database with an engine over it.
pub(crate) struct House {
    pub(crate) place: Place,
    pub(crate) engine: Engine,
    pub(crate) sink: Sink,
    pub(crate) clock: Ahead,
}

impl House {
    pub(crate) async fn new(place: &Place, script: &Script) -> Self {
        let (sink, clock) = (Sink::default(), Ahead::default());
        let engine = engine(place, script, &sink, &clock, true).await;
        Self { place: place.clone(), engine, sink, clock }
    }
    pub(crate) async fn run(&self, plan: &Plan) -> RunView {
        self.run_over(plan, "v1").await
    }
    pub(crate) async fn run_over(&self, plan: &Plan, tag: &str) -> RunView {
        let submitted = self.engine.submit(vec![submission(plan, tag)]).await.unwrap();
        self.finished(&submitted[0].run).await
    }
    pub(crate) async fn finished(&self, run: &patchline_engine::RunId) -> RunView {
        tokio::time::timeout(Duration::from_secs(30), self.engine.finished(run))
            .await
            .expect("the run ends")
            .unwrap()
    }
}

pub(crate) fn statuses(view: &RunView) -> Vec<(&str, StepStatus)> {
    view.steps.iter().map(|s| (s.name.as_str(), s.status)).collect()
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
