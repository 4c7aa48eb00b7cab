//! The world outside: it takes calls and messages, and remembers by which id. It is never killed.

use std::{
    collections::{BTreeMap, BTreeSet},
    net::TcpListener,
    sync::{Arc, Mutex},
    time::Duration,
};

use axum::{
    Json,
    extract::State,
    http::{HeaderMap, StatusCode, Uri},
};
use serde_json::Value;

/// What came under one effect (a step's call, a message): its ids, and how often any of them came.
#[derive(Debug, Clone, Default)]
pub(crate) struct Taken {
    pub(crate) ids: BTreeSet<String>,
    pub(crate) times: usize,
}

type Book = Arc<Mutex<BTreeMap<String, Taken>>>;

/// A running stand-in.
pub(crate) struct StandIn {
    /// `http://127.0.0.1:…`
    pub(crate) url: String,
    book: Book,
}

impl StandIn {
    /// On a free port; it ends with the process.
    pub(crate) fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        listener.set_nonblocking(true).unwrap();
        let book = Book::default();
        let kept = book.clone();
        std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(async move {
                let router = axum::Router::new().fallback(take).with_state(kept);
                axum::serve(tokio::net::TcpListener::from_std(listener).unwrap(), router).await.unwrap();
            });
        });
        Self { url, book }
    }
    /// Everything so far, by what the caller names as the effect.
    pub(crate) fn taken(&self) -> BTreeMap<String, Taken> {
        self.book.lock().unwrap().clone()
    }
}

/// The effect is named by the body (`effect`, or run and step); the id by the header. The answer comes late at times:
/// so that kills fall between an effect and its record.
async fn take(State(book): State<Book>, headers: HeaderMap, uri: Uri, Json(body): Json<Value>) -> StatusCode {
    let header = |name| headers.get(name).and_then(|v: &axum::http::HeaderValue| v.to_str().ok());
    let Some(id) = header("webhook-id").or_else(|| header("idempotency-key")) else {
        return StatusCode::BAD_REQUEST;
    };
    let word = |name: &str| body.pointer(name).and_then(Value::as_str).unwrap_or_default();
    let effect = match word("/effect") {
        // A CloudEvent names no step; its id is the message's.
        "" if uri.path() == "/hook" => format!("hook {id}"),
        "" => format!("{} {} {}", uri.path(), word("/run"), word("/step")),
        named => named.to_owned(),
    };
    {
        let mut book = book.lock().unwrap();
        let taken = book.entry(effect).or_default();
        taken.ids.insert(id.to_owned());
        taken.times += 1;
    }
    // A slow one takes longer than a lease is renewed in.
    let late = if uri.path() == "/slow" { 6_000..8_000 } else { 0..60 };
    tokio::time::sleep(Duration::from_millis(rand::random_range(late))).await;
    StatusCode::OK
}
