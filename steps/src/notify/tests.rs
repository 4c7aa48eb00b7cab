//! Channels against stand-ins that check what a real receiver checks.

use std::sync::atomic::{AtomicUsize, Ordering};

use axum::{
    Router,
    extract::{Query, State},
    http::{HeaderMap, StatusCode},
    response::IntoResponse,
    routing::post,
};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use hmac::{Hmac, KeyInit as _, Mac as _};
use serde_json::{Value, json};
use sha2::Sha256;

use super::*;

const WEBHOOK_SECRET: &str = "whsec_MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY=";
const ROBOT_SECRET: &str = "SEC0123456789";

/// Real time when the tests were written, and as far off as a test wants.
struct Fixed(Timestamp);

impl Clock for Fixed {
    fn now(&self) -> Timestamp {
        self.0
    }
}

fn noon() -> Timestamp {
    "2026-03-01T12:00:00Z".parse().expect("a time")
}

/// A request's headers and body.
type Seen = (HeaderMap, Vec<u8>);

#[derive(Clone)]
struct Receiver {
    answer: (StatusCode, Value),
    seen: Arc<Mutex<Vec<Seen>>>,
    calls: Arc<AtomicUsize>,
}

async fn start(router: Router) -> String {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("an address");
    tokio::spawn(async move { axum::serve(listener, router).await });
    format!("http://{address}")
}

fn receiver(status: u16, body: Value) -> Receiver {
    Receiver {
        answer: (StatusCode::from_u16(status).expect("a status"), body),
        seen: Arc::default(),
        calls: Arc::default(),
    }
}

fn mac(key: &[u8], parts: &[&[u8]]) -> String {
    let mut mac = Hmac::<Sha256>::new_from_slice(key).expect("a key");
    parts.iter().for_each(|p| mac.update(p));
    STANDARD.encode(mac.finalize().into_bytes())
}

/// Verifies as Standard Webhooks says, then answers as it was told.
async fn webhook(
    State(receiver): State<Receiver>,
    headers: HeaderMap,
    body: axum::body::Bytes,
) -> impl IntoResponse {
    receiver.calls.fetch_add(1, Ordering::SeqCst);
    let header = |name: &str| headers.get(name).and_then(|v| v.to_str().ok()).unwrap_or("").to_owned();
    let (id, timestamp) = (header("webhook-id"), header("webhook-timestamp"));
    let key = STANDARD.decode(&WEBHOOK_SECRET["whsec_".len()..]).expect("base64");
    let expected = format!("v1,{}", mac(&key, &[format!("{id}.{timestamp}.").as_bytes(), &body]));
    let fresh = timestamp.parse::<i64>().is_ok_and(|t| (t - noon().as_second()).abs() <= 300);
    if header("webhook-signature") != expected || !fresh {
        return (StatusCode::UNAUTHORIZED, axum::Json(json!({})));
    }
    receiver.seen.lock().expect("lock").push((headers, body.to_vec()));
    (receiver.answer.0, axum::Json(receiver.answer.1.clone()))
}

/// Verifies as DingTalk does: the timestamp within an hour, then the signature.
async fn robot(
    State(receiver): State<Receiver>,
    Query(query): Query<BTreeMap<String, String>>,
    headers: HeaderMap,
    body: axum::body::Bytes,
) -> axum::Json<Value> {
    receiver.calls.fetch_add(1, Ordering::SeqCst);
    let get = |key: &str| query.get(key).cloned().unwrap_or_default();
    let refuse = |why: &str| axum::Json(json!({"errcode": 310_000, "errmsg": why}));
    if get("access_token") != "hush" {
        return axum::Json(json!({"errcode": 300_001, "errmsg": "token is not exist"}));
    }
    let ms: i64 = get("timestamp").parse().unwrap_or(0);
    if (ms - noon().as_millisecond()).abs() > 3_600_000 {
        return refuse("description:机器人发送签名过期;invalid timestamp");
    }
    let expected = mac(ROBOT_SECRET.as_bytes(), &[format!("{ms}\n{ROBOT_SECRET}").as_bytes()]);
    if get("sign") != expected {
        return refuse("sign not match");
    }
    receiver.seen.lock().expect("lock").push((headers, body.to_vec()));
    axum::Json(receiver.answer.1.clone())
}

fn message(channel: &str) -> Message {
    Message {
        id: "msg_0123".into(),
        channel: channel.into(),
        payload: json!({"type": "dev.patchline.gate.denied", "source": "urn:patchline:chain:web",
            "subject": "main/shop/web:v1", "title": "Denied: main/shop/web:v1", "text_markdown": "- why",
            "facts": [], "data": {"verdict": "denied"}}),
    }
}

fn hook(url: &str, secret: Option<&str>, allow_private: bool, now: Timestamp) -> Channels {
    let config =
        ChannelConfig::Webhook { url: Secret::new(url), secret: secret.map(Secret::new), allow_private };
    Channels::with_clock([("hook".to_owned(), config)].into(), Arc::new(Fixed(now)))
}

fn ding(url: &str, secret: &str, now: Timestamp) -> Channels {
    let config = ChannelConfig::DingTalk {
        url: Secret::new(format!("{url}/robot/send?access_token=hush")),
        secret: Some(Secret::new(secret)),
        allow_private: true,
    };
    Channels::with_clock([("ding".to_owned(), config)].into(), Arc::new(Fixed(now)))
}

#[tokio::test]
async fn a_webhook_is_a_signed_cloud_event() {
    let receiver = receiver(204, json!({}));
    let url = start(Router::new().route("/in", post(webhook)).with_state(receiver.clone())).await;
    let channels = hook(&format!("{url}/in"), Some(WEBHOOK_SECRET), true, noon());
    channels.deliver(&message("hook")).await.expect("delivered");
    channels.deliver(&message("hook")).await.expect("delivered again");
    let seen = receiver.seen.lock().expect("lock");
    assert_eq!(seen[0].1, seen[1].1, "a repeat is the same event");
    let event: Value = serde_json::from_slice(&seen[0].1).expect("json");
    assert_eq!((&event["specversion"], &event["id"]), (&json!("1.0"), &json!("msg_0123")));
    assert_eq!(
        (&event["type"], &event["subject"]),
        (&json!("dev.patchline.gate.denied"), &json!("main/shop/web:v1"))
    );
    assert_eq!(event["data"]["details"]["verdict"], "denied");
    assert!(seen[0].0["content-type"].to_str().expect("text").starts_with("application/cloudevents+json"));
}

#[tokio::test]
async fn what_a_webhook_answers() {
    for (status, code, retry) in [
        (410, "webhook-gone", false),
        (500, "webhook-status", true),
        (429, "webhook-status", true),
        (302, "webhook-redirect", true),
    ] {
        let receiver = receiver(status, json!({}));
        let router = Router::new().route("/in", post(webhook)).with_state(receiver.clone());
        let url = start(router).await;
        let channels = hook(&format!("{url}/in?token=hush"), Some(WEBHOOK_SECRET), true, noon());
        let error = channels.deliver(&message("hook")).await.expect_err("refused");
        assert_eq!((error.code.as_str(), error.retry), (code, retry));
        assert!(!error.message.contains("hush") && !error.message.contains("127.0.0.1"), "{}", error.message);
        assert_eq!(receiver.calls.load(Ordering::SeqCst), 1);
    }
    // A wrong clock or a wrong secret is the receiver's 401.
    let receiver = receiver(204, json!({}));
    let url = start(Router::new().route("/in", post(webhook)).with_state(receiver)).await + "/in";
    let late = noon() + jiff::SignedDuration::from_hours(1);
    for (secret, now) in [("whsec_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA", noon()), (WEBHOOK_SECRET, late)] {
        let error = hook(&url, Some(secret), true, now).deliver(&message("hook")).await.expect_err("refused");
        assert_eq!(error.code, "webhook-status");
    }
    let error = hook(&url, Some("plain"), true, noon()).deliver(&message("hook")).await.expect_err("refused");
    assert_eq!((error.code.as_str(), error.retry), ("webhook-secret-invalid", false));
    let error = hook(&url, None, false, noon()).deliver(&message("hook")).await.expect_err("refused");
    assert_eq!((error.code.as_str(), error.retry), ("channel-address-refused", false));
    let closed = hook("http://127.0.0.1:1/hush", None, true, noon()).deliver(&message("hook")).await;
    let error = closed.expect_err("nobody listens");
    assert_eq!((error.code.as_str(), error.retry), ("channel-unreachable", true));
    assert!(!error.message.contains("hush"));
    let error = hook(&url, None, true, noon()).deliver(&message("other")).await.expect_err("unknown");
    assert_eq!(error.code, "channel-unknown");
}

#[tokio::test]
async fn a_robot_that_checks_takes_the_message() {
    let receiver = receiver(200, json!({"errcode": 0, "errmsg": "ok"}));
    let url = start(Router::new().route("/robot/send", post(robot)).with_state(receiver.clone())).await;
    let soon = noon() + jiff::SignedDuration::from_mins(59);
    ding(&url, ROBOT_SECRET, soon).deliver(&message("ding")).await.expect("delivered");
    let body: Value = serde_json::from_slice(&receiver.seen.lock().expect("lock")[0].1).expect("json");
    assert_eq!(body["msgtype"], "markdown");
    assert_eq!(body["markdown"]["title"], "Denied: main/shop/web:v1");
    assert!(body["markdown"]["text"].as_str().expect("text").contains("- why"));
}

#[tokio::test]
async fn a_200_with_an_errcode_is_a_failure() {
    let refusing = receiver(200, json!({"errcode": 310_000, "errmsg": "keywords not in content"}));
    let url = start(Router::new().route("/robot/send", post(robot)).with_state(refusing.clone())).await;
    let error = ding(&url, ROBOT_SECRET, noon()).deliver(&message("ding")).await.expect_err("refused");
    assert_eq!((error.code.as_str(), error.retry), ("dingtalk-310000", false));
    assert!(error.message.contains("310000") && error.message.contains("keywords not in content"));
    assert!(!error.message.contains("hush"));
    assert_eq!(refusing.calls.load(Ordering::SeqCst), 1);
    // A wrong secret is told once; a wrong clock is signed and sent again once.
    let error = ding(&url, "SECwrong", noon()).deliver(&message("ding")).await.expect_err("refused");
    assert!(error.message.contains("sign not match"));
    assert_eq!(refusing.calls.load(Ordering::SeqCst), 2);
    let late = noon() + jiff::SignedDuration::from_mins(61);
    let error = ding(&url, ROBOT_SECRET, late).deliver(&message("ding")).await.expect_err("refused");
    assert_eq!((error.code.as_str(), error.retry), ("dingtalk-310000", false));
    assert_eq!(refusing.calls.load(Ordering::SeqCst), 4);
    let throttling = receiver(200, json!({"errcode": 130_101, "errmsg": "send too fast"}));
    let url = start(Router::new().route("/robot/send", post(robot)).with_state(throttling)).await;
    let error = ding(&url, ROBOT_SECRET, noon()).deliver(&message("ding")).await.expect_err("refused");
    assert_eq!((error.code.as_str(), error.retry), ("dingtalk-130101", true));
    assert_eq!(error.after, Some(std::time::Duration::from_secs(600)));
}

#[test]
fn a_robot_takes_twenty_a_minute() {
    let sent = Mutex::default();
    for _ in 0..20 {
        dingtalk::pace(&sent, noon()).expect("room");
    }
    let error = dingtalk::pace(&sent, noon() + jiff::SignedDuration::from_secs(10)).expect_err("full");
    assert_eq!((error.retry, error.after), (true, Some(std::time::Duration::from_secs(50))));
    dingtalk::pace(&sent, noon() + jiff::SignedDuration::from_secs(60)).expect("room again");
}

#[tokio::test]
async fn the_step_writes_one_message_a_channel_with_a_steady_id() {
    use patchline_engine::{Outcome, Step as _, StepStatus};
    let config = ChannelConfig::Webhook { url: Secret::new("https://x"), secret: None, allow_private: false };
    let channels = Channels::new([("a".to_owned(), config.clone()), ("b".to_owned(), config)].into());
    let step = step::Notify::new(Arc::new(channels));
    let digest = patchline_registry::Digest::of(b"image");
    let denied =
        json!({"denied_by": [{"message": "3 vulnerabilities [x](http://evil)"}], "counts": {"high": 3}});
    let fix = json!({"fixed": "main/shop/web:v1_fixed@sha256:1", "upgrades": 12,
        "packages": (0..12).map(|n| format!("p{n} 1 → 2")).collect::<Vec<_>>(), "after": {"high": 0}});
    let run = async |steps: &[(&str, &str, StepStatus, Value)], with: Value| {
        let memory = Arc::new(crate::testing::Memory::default());
        let context = crate::testing::context(memory, ("shop/web", Some("v1"), &digest), with, steps);
        step.run(context).await
    };
    let all = [
        ("gate", "gate", StepStatus::Denied, denied),
        ("fix", "fix", StepStatus::Succeeded, fix),
        ("it", "notify", StepStatus::Leased, json!({})),
    ];
    let with = json!({"channels": ["b", "a", "a"]});
    let Ok(Outcome::Succeeded { messages, output, .. }) = run(&all, with.clone()).await else {
        panic!("messages")
    };
    assert_eq!(output["summary"], "to be sent to a, b");
    let declared = patchline_chains::StepKind::outputs(&step::Kind);
    assert_eq!(crate::fits::misfits(&declared, &output), [""; 0]);
    assert_eq!(messages.iter().map(|m| m.channel.as_str()).collect::<Vec<_>>(), ["a", "b"]);
    assert_ne!(messages[0].id, messages[1].id);
    let Ok(Outcome::Succeeded { messages: again, .. }) = run(&all, with).await else { panic!("messages") };
    assert_eq!(messages, again, "a step that runs twice writes the same");
    let payload = &messages[0].payload;
    assert_eq!(payload["type"], "dev.patchline.image.remediated");
    assert_eq!(payload["title"], "Remediated: main/shop/web:v1");
    let text = payload["text_markdown"].as_str().expect("text");
    assert!(text.contains("v1_fixed") && text.contains("p9 1 → 2") && text.contains("… +2"), "{text}");
    assert!(!text.contains("p10"), "top ten: {text}");
    assert!(text.contains("high 3 → none") && text.contains("(http://127.0.0.1/runs/01TEST)"), "{text}");
    assert!(!text.contains("[x](http"), "an advisory starts no link: {text}");
    let Ok(Outcome::Succeeded { messages, .. }) =
        run(&all[..1], json!({"channels": ["a"], "language": "zh"})).await
    else {
        panic!("messages")
    };
    assert_eq!(messages[0].payload["title"], "已拦截: main/shop/web:v1");
    assert_eq!(run(&[], json!({"channels": ["c"]})).await.expect_err("unknown").code, "channel-unknown");
}
