//! The engine over each database, whole: runs, retries, children, concurrency, leases, crashes.

#![expect(clippy::unwrap_used, reason = "what helps a test may fail it")]

mod approvals;
mod basics;
mod cascade;
mod cluster;
mod concurrency;
mod cut;
mod kill;
mod kit;
mod leases;
mod machine;
mod outbox;
mod watched;
