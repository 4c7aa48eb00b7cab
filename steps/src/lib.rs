//! The step kinds and notification channels.
