//! The engine over SQLite, whole: runs, retries, children, concurrency, leases, crashes.

mod basics;
mod cascade;
mod concurrency;
mod kill;
mod kit;
mod leases;
mod outbox;
