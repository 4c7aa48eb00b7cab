//! Scans that this process has under way or has done, by their ids. What it forgets is started again by its id.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use tokio::sync::Semaphore;

use super::Failed;
use crate::{Error, Result};

/// Scans that are remembered.
const MOST: usize = 1_000;
/// Scans at once; the others wait.
const AT_ONCE: usize = 2;
/// The longest that one scan takes, its wait not counted.
const TIME: Duration = Duration::from_secs(1_800);

/// Where a scan stands.
#[derive(Debug, Clone)]
pub(super) enum State {
    /// Not done yet.
    Running,
    /// The report's id.
    Done(String),
    /// Why.
    Failed(Failed),
}

/// All scans of this process.
pub(super) struct Jobs {
    all: Mutex<Known>,
    places: Semaphore,
}

#[derive(Default)]
struct Known {
    by_id: HashMap<String, (u64, State)>,
    /// Of the next one.
    number: u64,
}

impl Default for Jobs {
    fn default() -> Self {
        Self { all: Mutex::default(), places: Semaphore::new(AT_ONCE) }
    }
}

impl Jobs {
    pub(super) fn state(&self, id: &str) -> Option<State> {
        let all = self.all.lock().unwrap_or_else(PoisonError::into_inner);
        all.by_id.get(id).map(|(_, state)| state.clone())
    }

    /// Starts a scan, unless one of this id is running.
    ///
    /// # Errors
    /// [`Error::HarborBusy`] where every scan that is remembered is running.
    pub(super) fn start(
        self: &Arc<Self>,
        id: &str,
        scan: impl Future<Output = Result<String, Failed>> + Send + 'static,
    ) -> Result<()> {
        {
            let mut all = self.all.lock().unwrap_or_else(PoisonError::into_inner);
            if matches!(all.by_id.get(id), Some((_, State::Running))) {
                return Ok(());
            }
            if all.by_id.len() >= MOST && !all.by_id.contains_key(id) {
                let ended = all.by_id.iter().filter(|(_, (_, state))| !matches!(state, State::Running));
                let oldest = ended.min_by_key(|(_, (number, _))| *number).map(|(id, _)| id.clone());
                all.by_id.remove(&oldest.ok_or(Error::HarborBusy)?);
            }
            let number = all.number;
            all.number += 1;
            all.by_id.insert(id.to_owned(), (number, State::Running));
        }
        let (jobs, id) = (Arc::clone(self), id.to_owned());
        tokio::spawn(async move {
            let state = jobs.run(scan).await;
            if let State::Failed(failed) = &state {
                tracing::warn!(error.code = failed.code, "a scan that Harbor asked for failed: {failed}");
            }
            let mut all = jobs.all.lock().unwrap_or_else(PoisonError::into_inner);
            if let Some((_, known)) = all.by_id.get_mut(&id) {
                *known = state;
            }
        });
        Ok(())
    }

    async fn run(&self, scan: impl Future<Output = Result<String, Failed>> + Send + 'static) -> State {
        let failed = |code: &str, message: String| State::Failed(Failed { code: code.to_owned(), message });
        let Ok(_place) = self.places.acquire().await else {
            return failed("harbor-busy", "the scanner is stopping".to_owned());
        };
        // In a task of its own: a scan that panics has failed, and does not run for ever.
        let mut task = tokio::spawn(scan);
        match tokio::time::timeout(TIME, &mut task).await {
            Ok(Ok(Ok(report))) => State::Done(report),
            Ok(Ok(Err(error))) => State::Failed(error),
            Ok(Err(_)) => failed("harbor-scan-failed", "the scan was aborted".to_owned()),
            Err(_) => {
                task.abort();
                failed(
                    "harbor-scan-failed",
                    format!("the scan was not done after {} seconds", TIME.as_secs()),
                )
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn what_runs_is_not_started_twice_and_what_ended_long_ago_gives_way() {
        let jobs = Arc::new(Jobs::default());
        let (go, gone) = tokio::sync::oneshot::channel::<()>();
        jobs.start("first", async move {
            let _ = gone.await;
            Ok("report".to_owned())
        })
        .unwrap();
        jobs.start("first", async { panic!("it runs already") }).unwrap();
        assert!(matches!(jobs.state("first"), Some(State::Running)));
        jobs.start("bad", async { panic!("a bug") }).unwrap();
        go.send(()).unwrap();
        for _ in 0..200 {
            if let (Some(State::Done(_)), Some(State::Failed(_))) = (jobs.state("first"), jobs.state("bad")) {
                break;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        assert!(matches!(jobs.state("first"), Some(State::Done(id)) if id == "report"));
        assert!(matches!(jobs.state("bad"), Some(State::Failed(_))));
        for n in 0..MOST {
            jobs.start(&n.to_string(), std::future::pending()).unwrap();
        }
        assert!(jobs.state("first").is_none() && jobs.state("bad").is_none());
        let error = jobs.start("more", std::future::pending()).unwrap_err();
        assert_eq!(error.code(), "harbor-busy");
    }
}
