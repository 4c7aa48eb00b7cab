//! Limits by themselves: their names, what they may be, and the page that tells of them.

use std::cell::Cell;

use super::{Invalid, Limits};

thread_local! {
    static OF_THREAD: Cell<Option<&'static Limits>> = const { Cell::new(None) };
}

/// What [`with`] set for this thread.
pub(super) fn of_thread() -> Option<&'static Limits> {
    OF_THREAD.get()
}

/// Does something under other limits, on this thread alone: the process has one set, and tests share it.
pub(crate) fn with<T>(change: impl FnOnce(&mut Limits), work: impl FnOnce() -> T) -> T {
    struct Before(Option<&'static Limits>);
    impl Drop for Before {
        fn drop(&mut self) {
            OF_THREAD.set(self.0);
        }
    }
    let mut limits = Limits::default();
    change(&mut limits);
    let _before = Before(OF_THREAD.replace(Some(Box::leak(Box::new(limits)))));
    work()
}
