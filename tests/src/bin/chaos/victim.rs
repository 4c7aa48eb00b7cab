//! A process that is killed: an engine over a shared store, told by lines what to submit.

use std::{
    io::{BufRead as _, BufReader, Write as _},
    path::{Path, PathBuf},
    process::{Child, ChildStdin, Stdio},
    sync::{
        Arc,
        mpsc::{Receiver, channel},
    },
    time::Duration,
};

use patchline_engine::{Engine, EngineOptions, Step, clock::SystemClock};
use patchline_tests::process;

use crate::{
    Arguments,
    lines::{Lines, now},
    place::Place,
    work::{self, Few, KINDS, Kind, Post, World},
};

/// Steps at once in one process.
const CONCURRENCY: usize = 8;

/// The whole life of the process: until it is killed, or told to stop by SIGTERM.
pub(crate) async fn live(arguments: &Arguments) {
    let given = |flag| arguments.value(flag).unwrap_or_else(|| panic!("{flag}?"));
    let place = Place::parse(given("--store-at"));
    drop(rustls::crypto::ring::default_provider().install_default());
    let world = World {
        lines: Arc::new(Lines::open(Path::new(given("--folder")))),
        standin: given("--standin").to_owned(),
        client: reqwest::Client::builder().timeout(Duration::from_secs(5)).build().unwrap(),
    };
    let engine = patient(&place, &world).await;
    say("ready");
    let plan = Arc::new(work::plan());
    let (sender, mut orders) = tokio::sync::mpsc::channel::<String>(16);
    std::thread::spawn(move || {
        for line in std::io::stdin().lock().lines().map_while(Result::ok) {
            if sender.blocking_send(line).is_err() {
                return;
            }
        }
    });
    let mut terminate = tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate()).unwrap();
    loop {
        let order = tokio::select! {
            order = orders.recv() => order,
            _ = terminate.recv() => {
                engine.stop().await.unwrap();
                return;
            }
        };
        let Some(order) = order else { return };
        let mut numbers = order.split(' ').map(|n| n.parse::<u64>().unwrap());
        let (from, count) = (numbers.next().unwrap(), numbers.next().unwrap());
        let submissions = (from..from + count).map(|n| work::submission(&plan, n)).collect();
        match engine.submit(submissions).await {
            Ok(submitted) => {
                for (n, one) in (from..).zip(submitted) {
                    say(&format!("submitted {n} {} {}", one.run, one.new));
                }
            }
            // The store is away: whoever asked asks again.
            Err(error) => say(&format!("refused {from} {count} {error}")),
        }
    }
}

/// A store that is away when the process starts comes back.
async fn patient(place: &Place, world: &World) -> Engine {
    loop {
        let started = async {
            let store = place.open().await.map_err(|e| whole(&e))?;
            let steps = KINDS.map(|kind| Arc::new(Kind(kind, world.clone())) as Arc<dyn Step>).to_vec();
            let options = EngineOptions {
                concurrency: CONCURRENCY,
                limits: Some(Arc::new(Few)),
                owns_data: place.is_owned(),
                drain: Duration::from_secs(2),
                ..EngineOptions::default()
            };
            let deliver = Arc::new(Post(world.clone()));
            Engine::start(store, steps, deliver, Arc::new(SystemClock), options).await.map_err(|e| whole(&e))
        };
        match started.await {
            Ok(engine) => return engine,
            Err(why) => {
                eprintln!("not started yet: {why}");
                tokio::time::sleep(Duration::from_millis(200)).await;
            }
        }
    }
}

/// With its causes.
fn whole(error: &dyn std::error::Error) -> String {
    let cause = error.source().map(|cause| format!(": {}", whole(cause)));
    format!("{error}{}", cause.unwrap_or_default())
}

fn say(line: &str) {
    println!("{line}");
    drop(std::io::stdout().flush());
}

/// A victim as its conductor sees it.
pub(crate) struct Victim {
    child: Child,
    orders: Option<ChildStdin>,
    said: Receiver<String>,
    /// When it was started.
    pub(crate) started: u64,
    /// It has said that it works.
    pub(crate) ready: bool,
}

impl Victim {
    pub(crate) fn start(place: &Place, folder: &Path, standin: &str) -> Self {
        let program: PathBuf = std::env::current_exe().unwrap();
        let mut command = process::bound(program, "KILL", None);
        command.args(["victim", "--store-at", &place.text(), "--standin", standin, "--folder"]).arg(folder);
        let log =
            std::fs::File::options().create(true).append(true).open(folder.join("victims.log")).unwrap();
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(log);
        let started = now();
        let mut child = process::spawn(command).unwrap();
        let out = BufReader::new(child.stdout.take().unwrap());
        let (sender, said) = channel();
        std::thread::spawn(move || {
            for line in out.lines().map_while(Result::ok) {
                if sender.send(line).is_err() {
                    return;
                }
            }
        });
        let orders = child.stdin.take();
        Self { child, orders, said, started, ready: false }
    }
    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }
    pub(crate) fn submit(&mut self, from: u64, count: u64) {
        // It may be dead already: then somebody else is asked later.
        drop(writeln!(self.orders.as_mut().unwrap(), "{from} {count}"));
    }
    /// What it has said since.
    pub(crate) fn heard(&mut self) -> Vec<String> {
        let said: Vec<String> = self.said.try_iter().collect();
        self.ready |= said.iter().any(|line| line == "ready");
        said
    }
    /// `kill -9`; the moment of it.
    pub(crate) fn kill(&mut self) -> u64 {
        let at = now();
        self.child.kill().unwrap();
        self.child.wait().unwrap();
        at
    }
    /// SIGTERM, and waits for the end.
    pub(crate) fn terminate(&mut self) -> bool {
        process::signal(self.pid(), "TERM");
        process::ended(&mut self.child, Duration::from_secs(20))
    }
}

impl Drop for Victim {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}
