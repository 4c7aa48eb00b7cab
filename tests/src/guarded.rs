//! A mirror, or a proxy, on loopback that asks for a password, and remembers what it was asked for.

use std::{
    net::TcpListener,
    path::{Path, PathBuf},
    sync::{Arc, Mutex},
};

use axum::{
    extract::State,
    http::{HeaderMap, StatusCode, Uri, header},
    response::{IntoResponse as _, Response},
};

/// What it is: a mirror answers 401, a proxy 407.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// Asked by its own address.
    Mirror,
    /// Asked for other hosts, which it answers for.
    Proxy,
}

#[derive(Clone)]
struct Served {
    role: Role,
    folder: PathBuf,
    /// `Basic …`
    wanted: &'static str,
    asked: Arc<Mutex<Vec<String>>>,
}

/// A running one; it ends with the process.
pub struct Guarded {
    /// `127.0.0.1:…`
    pub host: String,
    asked: Arc<Mutex<Vec<String>>>,
}

impl Guarded {
    /// Serves a folder to who sends these credentials, which are base64 of `user:password`.
    pub fn start(role: Role, folder: &Path, wanted: &'static str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let host = listener.local_addr().unwrap().to_string();
        listener.set_nonblocking(true).unwrap();
        let asked: Arc<Mutex<Vec<String>>> = Arc::default();
        let served = Served { role, folder: folder.to_owned(), wanted, asked: asked.clone() };
        std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(async move {
                let router = axum::Router::new().fallback(answer).with_state(served);
                axum::serve(tokio::net::TcpListener::from_std(listener).unwrap(), router).await.unwrap();
            });
        });
        Self { host, asked }
    }
    /// Host (of a proxy's requests alone) and path of what was answered to who had the credentials.
    pub fn asked(&self) -> Vec<String> {
        self.asked.lock().unwrap().clone()
    }
}

async fn answer(State(served): State<Served>, headers: HeaderMap, uri: Uri) -> Response {
    let (name, refusal) = match served.role {
        Role::Mirror => (header::AUTHORIZATION, StatusCode::UNAUTHORIZED),
        Role::Proxy => (header::PROXY_AUTHORIZATION, StatusCode::PROXY_AUTHENTICATION_REQUIRED),
    };
    let given = headers.get(name).and_then(|value| value.to_str().ok()?.strip_prefix("Basic "));
    if given != Some(served.wanted) {
        return refusal.into_response();
    }
    served.asked.lock().unwrap().push(format!("{}{}", uri.host().unwrap_or_default(), uri.path()));
    match std::fs::read(served.folder.join(uri.path().trim_start_matches('/'))) {
        Ok(bytes) => bytes.into_response(),
        Err(_) => StatusCode::NOT_FOUND.into_response(),
    }
}
