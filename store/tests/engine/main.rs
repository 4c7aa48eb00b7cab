//! The engine over each database, whole: runs, retries, children, concurrency, leases, crashes.

#![expect(clippy::unwrap_used, reason = "what helps a test may fail it")]

mod admin;
mod approvals;
mod basics;
mod cascade;
mod cluster;
mod concurrency;
mod control;
mod cut;
mod documents;
mod fleet;
mod health;
mod housekeeping;
mod kill;
mod kit;
mod leases;
mod limits;
mod machine;
mod outbox;
mod watched;
