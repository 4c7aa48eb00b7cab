//! Where the demo's notifications arrive: a webhook receiver and a DingTalk robot on loopback.
//! Both check the signature before they believe anything.

use std::{
    collections::BTreeMap,
    net::SocketAddr,
    sync::{Arc, Mutex},
    time::Duration,
};

use axum::{
    Router,
    body::Bytes,
    extract::{Query, State},
    http::HeaderMap,
    routing::post,
};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use hmac::{Hmac, KeyInit as _, Mac as _};
use patchline_engine::{DeliveryState, Engine, RunId, RunView};
use patchline_registry::remote::Secret;
use patchline_steps::notify::ChannelConfig;
use serde_json::{Value, json};
use sha2::Sha256;
use tokio::net::TcpListener;

use crate::failure::{Result, io};

/// One notification as it was received.
#[derive(Debug, Clone)]
pub(super) struct Received {
    /// `webhook` or `DingTalk robot`.
    pub(super) by: &'static str,
    /// The title.
    pub(super) title: String,
    /// The text's lines.
    pub(super) text: String,
    /// Whether the signature was right.
    pub(super) signed: bool,
}

/// The receiver.
pub(super) struct Sink {
    address: SocketAddr,
    received: Arc<Mutex<Vec<Received>>>,
    key: [u8; 32],
}

#[derive(Clone)]
struct Shared {
    received: Arc<Mutex<Vec<Received>>>,
    key: [u8; 32],
}

impl Sink {
    /// Listens on a free loopback port.
    pub(super) async fn start() -> Result<Self> {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.map_err(io("listen for notifications"))?;
        let address = listener.local_addr().map_err(io("listen for notifications"))?;
        let received = Arc::new(Mutex::new(Vec::new()));
        let mut key = [0; 32];
        rand::RngCore::fill_bytes(&mut rand::rng(), &mut key);
        let shared = Shared { received: received.clone(), key };
        let router = Router::new()
            .route("/webhook", post(webhook))
            .route("/robot/send", post(dingtalk))
            .with_state(shared);
        tokio::spawn(async move {
            if let Err(error) = axum::serve(listener, router).await {
                tracing::error!(%error, "the notification sink ended");
            }
        });
        Ok(Self { address, received, key })
    }
    /// The channels of the demo's chain.
    pub(super) fn channels(&self) -> BTreeMap<String, ChannelConfig> {
        let secret = STANDARD.encode(self.key);
        BTreeMap::from([
            (
                "ci-webhook".to_owned(),
                ChannelConfig::Webhook {
                    url: Secret::new(format!("http://{}/webhook", self.address)),
                    secret: Some(Secret::new(format!("whsec_{secret}"))),
                    allow_private: true,
                },
            ),
            (
                "ops-dingtalk".to_owned(),
                ChannelConfig::DingTalk {
                    url: Secret::new(format!("http://{}/robot/send?access_token=demo", self.address)),
                    secret: Some(Secret::new(format!("SEC{secret}"))),
                    allow_private: true,
                },
            ),
        ])
    }
    /// Waits until every notification of a run is delivered or given up.
    pub(super) async fn settle(&self, engine: &Engine, run: &RunId) -> Result<RunView> {
        for _ in 0..100 {
            let view = engine.run(run).await?;
            if view.deliveries.iter().all(|d| !matches!(d.state, DeliveryState::Pending { .. })) {
                return Ok(view);
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        // Given up waiting, not given up sending: the table shows what is still on its way.
        Ok(engine.run(run).await?)
    }
    /// Everything so far, in order.
    pub(super) fn received(&self) -> Vec<Received> {
        self.received.lock().map(|r| r.clone()).unwrap_or_default()
    }
}

/// Standard Webhooks: the signed content is `id.timestamp.body`.
async fn webhook(
    State(shared): State<Shared>,
    headers: HeaderMap,
    body: Bytes,
) -> (axum::http::StatusCode, &'static str) {
    let header = |name: &str| headers.get(name).and_then(|v| v.to_str().ok()).unwrap_or_default().to_owned();
    let mut signed = format!("{}.{}.", header("webhook-id"), header("webhook-timestamp")).into_bytes();
    signed.extend_from_slice(&body);
    let right = header("webhook-signature")
        .split(' ')
        .filter_map(|s| s.strip_prefix("v1,"))
        .any(|s| STANDARD.decode(s).is_ok_and(|s| verify(&shared.key, &signed, &s)));
    if !right {
        return (axum::http::StatusCode::UNAUTHORIZED, "wrong signature");
    }
    let event: Value = serde_json::from_slice(&body).unwrap_or_default();
    let text = |key: &str| event.pointer(key).and_then(Value::as_str).unwrap_or_default().to_owned();
    shared.keep(Received { by: "webhook", title: text("/type"), text: text("/data/title"), signed: true });
    (axum::http::StatusCode::NO_CONTENT, "")
}

/// DingTalk: `sign = base64(HMAC-SHA256(secret, "{ms}\n{secret}"))`.
async fn dingtalk(
    State(shared): State<Shared>,
    Query(query): Query<BTreeMap<String, String>>,
    body: Bytes,
) -> axum::Json<Value> {
    let secret = format!("SEC{}", STANDARD.encode(shared.key));
    let asked = |name: &str| query.get(name).cloned().unwrap_or_default();
    let signed = format!("{}\n{secret}", asked("timestamp"));
    let right =
        STANDARD.decode(asked("sign")).is_ok_and(|s| verify(secret.as_bytes(), signed.as_bytes(), &s));
    if !right {
        return axum::Json(json!({"errcode": 310000, "errmsg": "sign not match"}));
    }
    let message: Value = serde_json::from_slice(&body).unwrap_or_default();
    let text = |key: &str| message.pointer(key).and_then(Value::as_str).unwrap_or_default().to_owned();
    shared.keep(Received {
        by: "DingTalk robot",
        title: text("/markdown/title"),
        text: text("/markdown/text"),
        signed: true,
    });
    axum::Json(json!({"errcode": 0, "errmsg": "ok"}))
}

impl Shared {
    fn keep(&self, received: Received) {
        if let Ok(mut all) = self.received.lock() {
            all.push(received);
        }
    }
}

fn verify(key: &[u8], message: &[u8], signature: &[u8]) -> bool {
    let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(key) else { return false };
    mac.update(message);
    mac.verify_slice(signature).is_ok()
}
