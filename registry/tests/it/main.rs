//! One suite over every registry that can be started here, and stand-ins that misbehave.

#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "a test that cannot go on has failed")]

mod auth;
mod crash;
mod daemon;
mod embedded_api;
mod embedded_storage;
mod events;
mod hostile;
mod images;
mod layouts;
mod podman;
mod servers;
mod skopeo;
mod suite;
mod tls;
