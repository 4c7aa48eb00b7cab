//! Hints between processes by `NOTIFY`: gathered for a few milliseconds, sent and heard on connections of their own.

use std::{
    collections::BTreeSet,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use patchline_engine::{RunId, store::Hint};
use sqlx::{
    ConnectOptions, PgConnection,
    postgres::{PgConnectOptions, PgListener, PgPoolOptions},
};
use tokio::sync::{Notify, mpsc};

use super::pool::bounded;
use crate::error::Result;

const CHANNEL: &str = "patchline";
/// Hints of this long go out together.
const GATHER: Duration = Duration::from_millis(5);
/// PostgreSQL takes less than 8,000 bytes.
const PAYLOAD: usize = 7900;
/// Stands for runs when they are too many for one payload.
const MANY: &str = "many";
/// A listener that hears nothing for so long asks whether anybody is there.
const SILENCE: Duration = Duration::from_secs(10);
/// An answer takes no longer.
const PATIENCE: Duration = Duration::from_secs(5);
/// Between two tries to connect again.
const PAUSE: Duration = Duration::from_millis(500);
/// Hints that nobody has taken yet; beyond it they are dropped, as what waits says the same.
const WAITING: usize = 256;

/// Sends and hears hints; cheap to clone. Its tasks end with the last clone.
#[derive(Debug, Clone)]
pub(super) struct Hints(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    server: PgConnectOptions,
    /// By which this process knows its own hints.
    sender: String,
    gathered: Arc<Gathered>,
}

#[derive(Debug, Default)]
struct Gathered {
    pending: Mutex<Pending>,
    some: Notify,
}

#[derive(Debug, Default)]
struct Pending {
    ready: bool,
    stop: bool,
    runs: BTreeSet<String>,
    closed: bool,
}

impl Drop for Inner {
    fn drop(&mut self) {
        lock(&self.gathered.pending).closed = true;
        self.gathered.some.notify_one();
    }
}

impl Hints {
    /// Starts the sender, which connects when there is something to say.
    pub(super) fn over(server: PgConnectOptions, sender: String) -> Self {
        let gathered = Arc::new(Gathered::default());
        tokio::spawn(send(server.clone(), sender.clone(), gathered.clone()));
        Self(Arc::new(Inner { server, sender, gathered }))
    }

    /// Sends it soon, together with what else there is to say.
    pub(super) fn send(&self, hint: &Hint) {
        let mut pending = lock(&self.0.gathered.pending);
        match hint {
            Hint::Ready => pending.ready = true,
            Hint::Stop => pending.stop = true,
            // More would not fit anyway.
            Hint::Changed(runs) => {
                let room = PAYLOAD.saturating_sub(pending.runs.len());
                pending.runs.extend(runs.iter().take(room).map(|run| run.0.clone()));
            }
        }
        drop(pending);
        self.0.gathered.some.notify_one();
    }

    /// What other processes say from now on, until the receiver is dropped.
    pub(super) fn listen(&self) -> mpsc::Receiver<Hint> {
        let (sender, receiver) = mpsc::channel(WAITING);
        tokio::spawn(listen(self.0.server.clone(), self.0.sender.clone(), sender));
        receiver
    }
}

async fn send(server: PgConnectOptions, sender: String, gathered: Arc<Gathered>) {
    let mut connection: Option<PgConnection> = None;
    loop {
        gathered.some.notified().await;
        tokio::time::sleep(GATHER).await;
        let pending = std::mem::take(&mut *lock(&gathered.pending));
        if pending.closed {
            return;
        }
        if !pending.ready && !pending.stop && pending.runs.is_empty() {
            continue;
        }
        let payload = payload(&sender, &pending);
        // A connection may have died since the last time: once more on a new one.
        for _ in 0..2 {
            match bounded(PATIENCE, notify(&server, connection.take(), &payload)).await {
                Ok(used) => {
                    connection = Some(used);
                    break;
                }
                Err(error) => tracing::debug!(%error, "a hint was not sent; the others have their timers"),
            }
        }
        if connection.is_none() {
            tokio::time::sleep(PAUSE).await;
        }
    }
}

async fn notify(
    server: &PgConnectOptions,
    connection: Option<PgConnection>,
    payload: &str,
) -> Result<PgConnection> {
    let mut db = match connection {
        Some(db) => db,
        None => {
            let mut db = server.connect().await?;
            // It changes nothing that must stand.
            sqlx::raw_sql("SET synchronous_commit = off").execute(&mut db).await?;
            db
        }
    };
    sqlx::query("SELECT pg_notify($1, $2)").bind(CHANNEL).bind(payload).execute(&mut db).await?;
    Ok(db)
}

/// `sender ready run run…`, `sender stop`, `sender ready,stop run…`, `sender - run…`
fn payload(sender: &str, pending: &Pending) -> String {
    let news = match (pending.ready, pending.stop) {
        (true, true) => "ready,stop",
        (true, false) => "ready",
        (false, true) => "stop",
        (false, false) => "-",
    };
    let mut text = format!("{sender} {news}");
    let length: usize = pending.runs.iter().map(|run| run.len() + 1).sum();
    if text.len() + length > PAYLOAD {
        return format!("{text} {MANY}");
    }
    for run in &pending.runs {
        text.push(' ');
        text.push_str(run);
    }
    text
}

/// What a payload says; none: it is our own, or nobody's that we know.
fn read(payload: &str, own: &str) -> Vec<Hint> {
    let mut words = payload.split(' ');
    if words.next().is_none_or(|sender| sender == own) {
        return Vec::new();
    }
    let mut hints = Vec::new();
    for news in words.next().unwrap_or_default().split(',') {
        match news {
            "ready" => hints.push(Hint::Ready),
            "stop" => hints.push(Hint::Stop),
            _ => {}
        }
    }
    let runs: Vec<RunId> = words.take(PAYLOAD).map(|run| RunId(run.to_owned())).collect();
    if runs.iter().any(|run| run.0 == MANY) {
        // Nobody can say which: each looks after its own.
        hints.push(Hint::Changed(Vec::new()));
    } else if !runs.is_empty() {
        hints.push(Hint::Changed(runs));
    }
    hints
}

async fn listen(server: PgConnectOptions, own: String, sender: mpsc::Sender<Hint>) {
    while !sender.is_closed() {
        let heard = tokio::select! {
            heard = hear(&server, &own, &sender) => heard,
            () = sender.closed() => return,
        };
        if let Err(error) = heard {
            tracing::debug!(%error, "hints are not heard; the timer looks instead");
        }
        tokio::time::sleep(PAUSE).await;
    }
}

/// Listens on one connection until it fails.
async fn hear(server: &PgConnectOptions, own: &str, sender: &mpsc::Sender<Hint>) -> Result<()> {
    // The listener's connection comes from a pool; this one is never asked for a second.
    let pool = PgPoolOptions::new()
        .max_connections(1)
        .acquire_timeout(PATIENCE)
        .idle_timeout(None)
        .max_lifetime(None)
        .connect_lazy_with(server.clone());
    let mut listener = bounded(PATIENCE, async { Ok(PgListener::connect_with(&pool).await?) }).await?;
    listener.eager_reconnect(false);
    bounded(PATIENCE, async { Ok(listener.listen(CHANNEL).await?) }).await?;
    // What was said before it listened.
    drop(sender.try_send(Hint::Ready));
    drop(sender.try_send(Hint::Stop));
    drop(sender.try_send(Hint::Changed(Vec::new())));
    loop {
        match tokio::time::timeout(SILENCE, listener.try_recv()).await {
            Ok(heard) => {
                let Some(heard) = heard? else { return Ok(()) };
                for hint in read(heard.payload(), own) {
                    // Whoever has so much to do finds it without being told.
                    drop(sender.try_send(hint));
                }
            }
            // A cut wire says nothing either.
            Err(_) => {
                let ask = async { Ok(sqlx::query("SELECT 1").execute(&mut listener).await?) };
                bounded(PATIENCE, ask).await?;
            }
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    // Nothing inside can be left half changed by a panic.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_payload_is_bounded_and_ones_own_is_not_heard() {
        let runs = |n: usize| (0..n).map(|n| format!("{n:026}")).collect();
        let few = payload("a", &Pending { ready: true, stop: true, runs: runs(3), closed: false });
        let heard = read(&few, "b");
        assert_eq!(heard[..2], [Hint::Ready, Hint::Stop]);
        assert!(matches!(&heard[2], Hint::Changed(runs) if runs.len() == 3));
        assert!(read(&few, "a").is_empty() && read("", "a").is_empty());
        let many = payload("a", &Pending { runs: runs(1000), ..Pending::default() });
        assert!(many.len() < 8000);
        assert_eq!(read(&many, "b"), [Hint::Changed(Vec::new())]);
    }
}
