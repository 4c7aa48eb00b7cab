//! Durable execution of plans.
