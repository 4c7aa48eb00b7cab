//! Work that takes longer than a request may: started once for equal questions, bounded in number and time, waited for
//! a while and asked for again. What this process forgets is done again.

use std::{
    collections::HashMap,
    pin::pin,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use tokio::sync::{Notify, Semaphore};

/// How much is done at a time.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Bounds {
    /// Pieces of work that are remembered.
    pub(crate) most: usize,
    /// At once; the others wait.
    pub(crate) at_once: usize,
    /// The longest that one takes, its wait not counted.
    pub(crate) time: Duration,
}

/// Where a piece of work stands.
#[derive(Debug, Clone)]
pub(crate) enum State<T, E> {
    /// Not done yet.
    Running,
    /// What came of it.
    Done(T),
    /// Why nothing did.
    Failed(E),
}

/// Work that ended without a word of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Lost {
    /// All that is remembered is running.
    #[error("too much work is waiting")]
    Busy,
    /// The process is stopping, or it has a bug.
    #[error("the work was aborted")]
    Aborted,
    /// It took too long.
    #[error("the work was not done after {} seconds", .0.as_secs())]
    Late(Duration),
}

/// All work of one kind.
pub(crate) struct Jobs<T, E> {
    all: Mutex<Known<T, E>>,
    places: Semaphore,
    ended: Notify,
    bounds: Bounds,
}

struct Known<T, E> {
    by_id: HashMap<String, (u64, State<T, E>)>,
    /// Of the next one.
    number: u64,
}

impl<T, E> Jobs<T, E>
where
    T: Clone + Send + 'static,
    E: Clone + From<Lost> + Send + 'static,
{
    pub(crate) fn new(bounds: Bounds) -> Self {
        Self {
            all: Mutex::new(Known { by_id: HashMap::new(), number: 0 }),
            places: Semaphore::new(bounds.at_once),
            ended: Notify::new(),
            bounds,
        }
    }

    pub(crate) fn state(&self, id: &str) -> Option<State<T, E>> {
        let all = self.all.lock().unwrap_or_else(PoisonError::into_inner);
        all.by_id.get(id).map(|(_, state)| state.clone())
    }

    /// The same, and what has ended is forgotten: who asks once more wants it done once more.
    pub(crate) fn take(&self, id: &str) -> Option<State<T, E>> {
        let mut all = self.all.lock().unwrap_or_else(PoisonError::into_inner);
        let state = all.by_id.get(id).map(|(_, state)| state.clone())?;
        if !matches!(state, State::Running) {
            all.by_id.remove(id);
        }
        Some(state)
    }

    /// Waits until it is no longer running, or for so long.
    pub(crate) async fn wait(&self, id: &str, most: Duration) {
        let _ = tokio::time::timeout(most, async {
            loop {
                let mut ended = pin!(self.ended.notified());
                // Before it is looked at: what ends in between is heard.
                ended.as_mut().enable();
                if !matches!(self.state(id), Some(State::Running)) {
                    return;
                }
                ended.await;
            }
        })
        .await;
    }

    /// Starts it, unless the same is running.
    ///
    /// # Errors
    /// [`Lost::Busy`] where all that is remembered is running.
    pub(crate) fn start(
        self: &Arc<Self>,
        id: &str,
        work: impl Future<Output = Result<T, E>> + Send + 'static,
    ) -> Result<(), Lost> {
        {
            let mut all = self.all.lock().unwrap_or_else(PoisonError::into_inner);
            if matches!(all.by_id.get(id), Some((_, State::Running))) {
                return Ok(());
            }
            if all.by_id.len() >= self.bounds.most && !all.by_id.contains_key(id) {
                let ended = all.by_id.iter().filter(|(_, (_, state))| !matches!(state, State::Running));
                let oldest = ended.min_by_key(|(_, (number, _))| *number).map(|(id, _)| id.clone());
                all.by_id.remove(&oldest.ok_or(Lost::Busy)?);
            }
            let number = all.number;
            all.number += 1;
            all.by_id.insert(id.to_owned(), (number, State::Running));
        }
        let (jobs, id) = (Arc::clone(self), id.to_owned());
        tokio::spawn(async move {
            let state = jobs.run(work).await;
            {
                let mut all = jobs.all.lock().unwrap_or_else(PoisonError::into_inner);
                if let Some((_, known)) = all.by_id.get_mut(&id) {
                    *known = state;
                }
            }
            jobs.ended.notify_waiters();
        });
        Ok(())
    }

    async fn run(&self, work: impl Future<Output = Result<T, E>> + Send + 'static) -> State<T, E> {
        let Ok(_place) = self.places.acquire().await else { return State::Failed(Lost::Aborted.into()) };
        // In a task of its own: work that panics has failed, and does not run for ever.
        let mut task = tokio::spawn(work);
        match tokio::time::timeout(self.bounds.time, &mut task).await {
            Ok(Ok(Ok(done))) => State::Done(done),
            Ok(Ok(Err(error))) => State::Failed(error),
            Ok(Err(_)) => State::Failed(Lost::Aborted.into()),
            Err(_) => {
                task.abort();
                State::Failed(Lost::Late(self.bounds.time).into())
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FEW: Bounds = Bounds { most: 20, at_once: 2, time: Duration::from_secs(1_800) };
    const LONG: Duration = Duration::from_secs(30);

    fn jobs(bounds: Bounds) -> Arc<Jobs<String, Lost>> {
        Arc::new(Jobs::new(bounds))
    }

    #[tokio::test]
    async fn what_runs_is_not_started_twice_and_what_ended_long_ago_gives_way() {
        let jobs = jobs(FEW);
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
        jobs.wait("first", LONG).await;
        jobs.wait("bad", LONG).await;
        assert!(matches!(jobs.state("first"), Some(State::Done(id)) if id == "report"));
        assert!(matches!(jobs.state("bad"), Some(State::Failed(Lost::Aborted))));
        for n in 0..FEW.most {
            jobs.start(&n.to_string(), std::future::pending()).unwrap();
        }
        assert!(jobs.state("first").is_none() && jobs.state("bad").is_none());
        assert_eq!(jobs.start("more", std::future::pending()), Err(Lost::Busy));
    }

    #[tokio::test]
    async fn what_is_taken_is_forgotten_once_it_has_ended() {
        let jobs = jobs(FEW);
        let (go, gone) = tokio::sync::oneshot::channel::<()>();
        jobs.start("it", async move {
            let _ = gone.await;
            Ok("done".to_owned())
        })
        .unwrap();
        jobs.wait("it", Duration::from_millis(10)).await;
        assert!(matches!(jobs.take("it"), Some(State::Running)), "nobody waits without end");
        go.send(()).unwrap();
        jobs.wait("it", LONG).await;
        assert!(matches!(jobs.take("it"), Some(State::Done(done)) if done == "done"));
        assert!(jobs.take("it").is_none());
        jobs.wait("it", LONG).await;
    }

    #[tokio::test]
    async fn what_takes_too_long_is_ended() {
        let short = Duration::from_millis(20);
        let jobs = jobs(Bounds { time: short, ..FEW });
        jobs.start("it", std::future::pending()).unwrap();
        jobs.wait("it", LONG).await;
        assert!(matches!(jobs.state("it"), Some(State::Failed(Lost::Late(time))) if time == short));
    }
}
