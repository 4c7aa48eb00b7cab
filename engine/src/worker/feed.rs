//! Our own apalis backend: a queue that the writer fills with what it has claimed.

use std::{
    collections::VecDeque,
    convert::Infallible,
    sync::{Arc, Mutex, PoisonError},
    task::{Context, Poll},
};

use apalis_core::{
    backend::{Backend, BackendConfig, finalize::Ephemeral},
    task::{
        Task,
        builder::TaskBuilder,
        task_id::{RandomId, TaskId},
    },
    worker::context::WorkerContext,
};
use futures::task::AtomicWaker;
use tower::layer::util::Identity;

/// A queue with one consumer at a time. The monitor makes a new worker after
/// a crash: it gets a clone, so nothing that waits is lost.
pub(super) struct Feed<T>(Arc<Inner<T>>);

struct Inner<T> {
    queue: Mutex<VecDeque<(String, T)>>,
    waker: AtomicWaker,
}

impl<T> Clone for Feed<T> {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}

impl<T> Feed<T> {
    pub(super) fn new() -> Self {
        Self(Arc::new(Inner { queue: Mutex::new(VecDeque::new()), waker: AtomicWaker::new() }))
    }
    /// Hands work to the workers. `id` is unique: it holds the fence.
    pub(super) fn push(&self, id: String, work: T) {
        self.0.queue.lock().unwrap_or_else(PoisonError::into_inner).push_back((id, work));
        self.0.waker.wake();
    }
    /// Drops what waits.
    pub(super) fn clear(&self) {
        let waiting = std::mem::take(&mut *self.0.queue.lock().unwrap_or_else(PoisonError::into_inner));
        drop(waiting);
    }
    fn pop(&self) -> Option<(String, T)> {
        self.0.queue.lock().unwrap_or_else(PoisonError::into_inner).pop_front()
    }
}

impl<T: Send> Backend for Feed<T> {
    type Task = Task<T>;
    // An `Err` would end the worker: retries live in the writer.
    type Error = Infallible;

    fn poll_ready(&mut self, _: &mut Context<'_>, _: &WorkerContext) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn poll_next(
        &mut self,
        cx: &mut Context<'_>,
        _: &WorkerContext,
    ) -> Poll<Option<Result<Self::Task, Infallible>>> {
        let next = self.pop().or_else(|| {
            // Registered before the second look, so that no push falls between.
            self.0.waker.register(cx.waker());
            self.pop()
        });
        match next {
            Some((id, work)) => {
                Poll::Ready(Some(Ok(TaskBuilder::new(work).task_id(TaskId::String(id)).build())))
            }
            None => Poll::Pending,
        }
    }

    fn poll_close(&mut self, _: &mut Context<'_>, _: &WorkerContext) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }
}

impl<T> BackendConfig for Feed<T> {
    type Args = T;
    type Id = RandomId;
    type Kind = Ephemeral;
    type Config = ();
    type Layer = Identity;

    fn config(&self) -> &() {
        &()
    }
    fn middleware(&mut self, _: &mut WorkerContext) -> Identity {
        Identity::new()
    }
}
