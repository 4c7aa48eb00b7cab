//! A way to a registry that tells who asked what, and holds back answers.

use std::{
    net::{IpAddr, SocketAddr},
    sync::{Arc, Mutex},
    time::Duration,
};

use axum::{
    body::{Body, Bytes},
    extract::{ConnectInfo, State},
    http::{HeaderMap, Method, Response, StatusCode, Uri},
};

use crate::lines::now;

/// One request.
#[derive(Debug, Clone)]
pub(crate) struct Asked {
    /// Nanoseconds of the machine's clock.
    pub(crate) at: u64,
    pub(crate) by: IpAddr,
    /// What the registry answered; none: it was held back, and never sent on.
    pub(crate) status: Option<u16>,
}

/// What is held back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Hold {
    /// Nothing.
    Nothing,
    /// The answers to deletes, which the registry has made.
    Answers,
    /// Everything that reads, before the registry sees it: then no delete follows in time.
    Questions,
}

#[derive(Clone)]
struct Shared {
    registry: String,
    /// Who asks from the machine itself is no worker.
    machine: IpAddr,
    client: reqwest::Client,
    log: Arc<Mutex<Vec<Asked>>>,
    /// Whose, and what.
    hold: Arc<Mutex<(Option<IpAddr>, Hold)>>,
}

/// A running gate.
pub(crate) struct Gate {
    /// `198.18.200.1:…`
    pub(crate) address: SocketAddr,
    shared: Shared,
}

/// How long it holds back: longer than a lease.
const LONG: Duration = Duration::from_secs(40);

impl Gate {
    pub(crate) async fn open(on: &str, registry: String) -> Self {
        let listener = tokio::net::TcpListener::bind((on, 0)).await.unwrap();
        let address = listener.local_addr().unwrap();
        let shared = Shared {
            registry,
            machine: address.ip(),
            client: crate::fleet::client(),
            log: Arc::default(),
            hold: Arc::new(Mutex::new((None, Hold::Nothing))),
        };
        let router = axum::Router::new().fallback(pass).with_state(shared.clone());
        let service = router.into_make_service_with_connect_info::<SocketAddr>();
        tokio::spawn(async move { axum::serve(listener, service).await.unwrap() });
        Self { address, shared }
    }
    /// From now on, of whoever asks first; nothing: nobody any more.
    pub(crate) fn hold(&self, what: Hold) {
        *self.shared.hold.lock().unwrap() = (None, what);
    }
    /// Whose answers are held back.
    pub(crate) fn held(&self) -> Option<IpAddr> {
        self.shared.hold.lock().unwrap().0
    }
    pub(crate) fn asked(&self) -> Vec<Asked> {
        self.shared.log.lock().unwrap().clone()
    }
    pub(crate) fn forget(&self) {
        self.shared.log.lock().unwrap().clear();
    }
}

async fn pass(
    State(shared): State<Shared>,
    ConnectInfo(from): ConnectInfo<SocketAddr>,
    method: Method,
    uri: Uri,
    headers: HeaderMap,
    body: Bytes,
) -> Response<Body> {
    let path = uri.path_and_query().map_or("/", |p| p.as_str()).to_owned();
    let at = {
        let mut log = shared.log.lock().unwrap();
        log.push(Asked { at: now(), by: from.ip(), status: None });
        log.len() - 1
    };
    let held = {
        let mut hold = shared.hold.lock().unwrap();
        let falls = match hold.1 {
            Hold::Nothing => false,
            Hold::Answers => method == Method::DELETE,
            Hold::Questions => method != Method::DELETE && path.contains("/manifests/"),
        };
        falls && from.ip() != shared.machine && *hold.0.get_or_insert(from.ip()) == from.ip()
    };
    let before = shared.hold.lock().unwrap().1 == Hold::Questions;
    if held && before {
        tokio::time::sleep(LONG).await;
    }
    let request = shared.client.request(method, format!("http://{}{path}", shared.registry));
    let mut headers = headers;
    headers.remove("host");
    let answer = match request.headers(headers).body(body).send().await {
        Ok(answer) => answer,
        Err(error) => {
            eprintln!("the registry does not answer: {error}");
            return Response::builder().status(StatusCode::BAD_GATEWAY).body(Body::empty()).unwrap();
        }
    };
    let status = answer.status();
    if let Some(asked) = shared.log.lock().unwrap().get_mut(at) {
        asked.status = Some(status.as_u16());
    }
    let mut told = Response::builder().status(status);
    for (name, value) in answer.headers().iter().filter(|(name, _)| *name != "transfer-encoding") {
        told = told.header(name, value);
    }
    let bytes = answer.bytes().await.unwrap_or_default();
    if held && !before {
        tokio::time::sleep(LONG).await;
    }
    told.body(Body::from(bytes)).unwrap()
}
