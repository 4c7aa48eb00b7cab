//! The HTTP API, the web pages, the webhook receivers.
