//! `/api/v1/runs/{id}/events`: a run's history, then what happens, as server-sent events.

use std::{convert::Infallible, sync::Arc, time::Duration};

use axum::{
    extract::{Path, Query, State, rejection::QueryRejection},
    http::{HeaderMap, StatusCode},
    response::{IntoResponse, Response, Sse, sse},
};
use patchline_engine::{Engine, Event, EventKind, RunId, RunStatus};
use serde::Deserialize;
use tokio::sync::{broadcast, mpsc};
use tokio_stream::wrappers::ReceiverStream;

use crate::{App, Error, Result};

/// Below the 60 s after which proxies close what is silent.
const KEEP_ALIVE: Duration = Duration::from_secs(15);

#[derive(Debug, Deserialize)]
pub(super) struct After {
    after: Option<u64>,
}

/// What another process did to a run is told by a hint, which may be lost: then it is read after so long.
const LOOK: Duration = Duration::from_secs(2);

/// Each message has the event's position as its id, but progress, which has none. Ends after `run_finished`, unless
/// the run was opened again after it.
pub(super) async fn stream(
    State(app): State<App>,
    Path(id): Path<String>,
    query: Result<Query<After>, QueryRejection>,
    headers: HeaderMap,
) -> Result<Response> {
    let Query(query) = query.map_err(|rejection| Error::InvalidQuery(rejection.body_text()))?;
    let resumed = headers.get("last-event-id").and_then(|v| v.to_str().ok()).and_then(|v| v.parse().ok());
    let after = resumed.or(query.after).unwrap_or(0);
    let run = RunId(id);
    // Before the history is read, so that nothing falls between.
    let live = app.engine.subscribe();
    let view = app.engine.run(&run).await?;
    let history = app.engine.events(&run, after).await?;
    if view.status == RunStatus::Finished && end(&history).is_none() {
        // All of it has been read: 204 is what stops an EventSource from asking again.
        return Ok(StatusCode::NO_CONTENT.into_response());
    }
    let (sender, receiver) = mpsc::channel(64);
    let pump = Pump { engine: app.engine.clone(), run, last: after, sender };
    tokio::spawn(pump.run(Arc::new(history), live));
    let stream =
        Sse::new(ReceiverStream::new(receiver)).keep_alive(sse::KeepAlive::new().interval(KEEP_ALIVE));
    Ok(([("x-accel-buffering", "no")], stream).into_response())
}

struct Pump {
    engine: Engine,
    run: RunId,
    /// Position of the last event that was sent.
    last: u64,
    sender: mpsc::Sender<Result<sse::Event, Infallible>>,
}

/// The stream is over: the run has finished, or nobody listens.
struct Over;

impl Pump {
    async fn run(mut self, history: Arc<Vec<Event>>, mut live: broadcast::Receiver<Event>) {
        if self.send_all(&history).await.is_err() {
            return;
        }
        drop(history);
        loop {
            let received = tokio::select! {
                () = self.sender.closed() => return,
                received = live.recv() => received,
                () = tokio::time::sleep(LOOK) => Err(broadcast::error::RecvError::Lagged(0)),
            };
            let done = match received {
                Ok(event) if event.run != self.run => Ok(()),
                Ok(event) if event.seq == 0 || event.seq == self.last + 1 => self.send(&event).await,
                Ok(event) if event.seq <= self.last => Ok(()),
                // A gap, or we were too slow: what is kept is read again.
                Ok(_) | Err(broadcast::error::RecvError::Lagged(_)) => self.catch_up().await,
                Err(broadcast::error::RecvError::Closed) => Err(Over),
            };
            if done.is_err() {
                return;
            }
        }
    }

    async fn catch_up(&mut self) -> Result<(), Over> {
        match self.engine.events(&self.run, self.last).await {
            Ok(events) => self.send_all(&events).await,
            Err(error) => {
                tracing::warn!(run.id = %self.run, error.code = error.code(), "event stream ends: {error}");
                Err(Over)
            }
        }
    }

    async fn send_all(&mut self, events: &[Event]) -> Result<(), Over> {
        let end = end(events);
        for (place, event) in events.iter().enumerate() {
            match self.send(event).await {
                // It has gone on since.
                Err(Over) if !self.sender.is_closed() && end != Some(place) => {}
                sent => sent?,
            }
        }
        Ok(())
    }

    async fn send(&mut self, event: &Event) -> Result<(), Over> {
        let mut message = sse::Event::default().json_data(event).map_err(|_| Over)?;
        if event.seq > 0 {
            message = message.id(event.seq.to_string());
            self.last = event.seq;
        }
        self.sender.send(Ok(message)).await.map_err(|_| Over)?;
        if matches!(event.kind, EventKind::RunFinished { .. }) { Err(Over) } else { Ok(()) }
    }
}

/// Where in its history a run ended for good: after which it was not opened again.
fn end(events: &[Event]) -> Option<usize> {
    let finished = events.iter().rposition(|e| matches!(e.kind, EventKind::RunFinished { .. }))?;
    let again = events[finished..].iter().any(|e| matches!(e.kind, EventKind::RunReopened));
    (!again).then_some(finished)
}

#[cfg(test)]
mod tests {
    use patchline_engine::RunResult;

    use super::*;

    #[test]
    fn a_run_that_was_opened_again_has_not_ended() {
        let finished = || EventKind::RunFinished { result: RunResult::Failed };
        let place = |kinds: Vec<EventKind>| {
            let event =
                |(seq, kind)| Event { seq, run: RunId("r".into()), at: jiff::Timestamp::UNIX_EPOCH, kind };
            end(&(1..).zip(kinds).map(event).collect::<Vec<_>>())
        };
        assert_eq!(place(vec![EventKind::RunCreated]), None);
        assert_eq!(place(vec![EventKind::RunCreated, finished()]), Some(1));
        assert_eq!(place(vec![finished(), EventKind::RunReopened, EventKind::RunCreated]), None);
        assert_eq!(place(vec![finished(), EventKind::RunReopened, finished()]), Some(2));
    }
}
