//! A receiver on loopback that takes whatever is posted to it, and remembers.

use std::{
    net::TcpListener,
    sync::{Arc, Mutex},
};

use axum::{Json, extract::State, http::Uri};
use serde_json::{Value, json};

/// One request.
#[derive(Debug, Clone)]
pub struct Taken {
    /// `/deploy`
    pub path: String,
    /// The JSON body.
    pub body: Value,
}

/// A running receiver.
pub struct Sink {
    /// `http://127.0.0.1:…`
    pub url: String,
    taken: Arc<Mutex<Vec<Taken>>>,
}

impl Sink {
    /// Starts it on a free port; it ends with the process.
    pub fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        listener.set_nonblocking(true).unwrap();
        let taken: Arc<Mutex<Vec<Taken>>> = Arc::default();
        let keep = taken.clone();
        std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(async move {
                let router = axum::Router::new().fallback(take).with_state(keep);
                axum::serve(tokio::net::TcpListener::from_std(listener).unwrap(), router).await.unwrap();
            });
        });
        Self { url, taken }
    }
    /// What came to a path so far.
    pub fn taken(&self, path: &str) -> Vec<Value> {
        let all = self.taken.lock().unwrap();
        all.iter().filter(|t| t.path == path).map(|t| t.body.clone()).collect()
    }
}

/// The answer is one that a chat robot and a plain webhook both take for a yes.
async fn take(State(taken): State<Arc<Mutex<Vec<Taken>>>>, uri: Uri, Json(body): Json<Value>) -> Json<Value> {
    taken.lock().unwrap().push(Taken { path: uri.path().to_owned(), body });
    Json(json!({"errcode": 0, "errmsg": "ok"}))
}
