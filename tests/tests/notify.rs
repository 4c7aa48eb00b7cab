//! A DingTalk robot that checks timestamp and signature takes the message of one that knows the secret; to one that
//! does not, it answers HTTP 200 with `errcode 310000`, and that delivery fails where a person sees it.

use std::{
    collections::BTreeMap,
    process::Command,
    sync::{Arc, Mutex},
    time::{Duration, SystemTime},
};

use axum::{Json, extract::Query, routing::post};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use hmac::{Hmac, KeyInit as _, Mac as _};
use patchline_tests::{
    image::{self, Layout},
    machine,
    server::{Options, Server},
};
use serde_json::{Value, json};
use sha2::Sha256;

const SECRET: &str = "SEC-of-the-robot";

/// The robot's documented rules: `timestamp` within an hour, `sign` over "{timestamp}\n{secret}".
fn judge(query: &BTreeMap<String, String>) -> Result<(), &'static str> {
    let timestamp = query.get("timestamp").ok_or("invalid timestamp")?;
    let millis: i128 = timestamp.parse().map_err(|_| "invalid timestamp")?;
    #[expect(clippy::disallowed_methods, reason = "the robot has a clock of its own")]
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).map_err(|_| "invalid timestamp")?;
    if (now.as_millis() as i128 - millis).abs() > 3_600_000 {
        return Err("invalid timestamp");
    }
    let sign = query.get("sign").and_then(|s| STANDARD.decode(s).ok()).ok_or("sign not match")?;
    let mut mac = Hmac::<Sha256>::new_from_slice(SECRET.as_bytes()).map_err(|_| "sign not match")?;
    mac.update(format!("{timestamp}\n{SECRET}").as_bytes());
    mac.verify_slice(&sign).map_err(|_| "sign not match")
}

/// A robot on loopback and what it took.
fn robot() -> (String, Arc<Mutex<Vec<Value>>>) {
    let taken: Arc<Mutex<Vec<Value>>> = Arc::default();
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/robot/send?access_token=a-token", listener.local_addr().unwrap());
    listener.set_nonblocking(true).unwrap();
    let keep = taken.clone();
    std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async move {
            let take = move |Query(query): Query<BTreeMap<String, String>>, Json(body): Json<Value>| async move {
                match judge(&query) {
                    Ok(()) => {
                        keep.lock().unwrap().push(body);
                        Json(json!({"errcode": 0, "errmsg": "ok"}))
                    }
                    Err(why) => Json(json!({"errcode": 310000, "errmsg": why})),
                }
            };
            let router = axum::Router::new().route("/robot/send", post(take));
            axum::serve(tokio::net::TcpListener::from_std(listener).unwrap(), router).await.unwrap();
        });
    });
    (url, taken)
}

const CHAIN: &str = "version: 1\nchain: web\nscope: {repositories: ['shop/**']}\non: {push: {}}\nsteps:\n  scan: {uses: scan}\n  \
                     gate: {uses: gate, needs: [scan], with: {deny: [{packages: {forbidden: [telnetd]}}, {undetermined: allow}]}}\n  \
                     tell: {uses: notify, needs: [gate], when: always, with: {channels: [right, wrong]}}\n";

#[test]
fn a_robot_takes_what_is_signed_and_a_refusal_is_seen() {
    let folder = tempfile::tempdir().unwrap();
    let (url, taken) = robot();
    let config = "channels:\n  right: {type: dingtalk, url: {env: URL}, secret: {env: RIGHT}, allow-private: true}\n  \
                  wrong: {type: dingtalk, url: {env: URL}, secret: {env: WRONG}, allow-private: true}\n";
    let mut options = Options::new(folder.path(), CHAIN, config);
    for (name, value) in [("URL", url.as_str()), ("RIGHT", SECRET), ("WRONG", "SEC-of-another")] {
        options.env.push((name.into(), value.into()));
    }
    let server = Server::start(&options);
    let layout = Layout::create(&folder.path().join("image"));
    // No Debian: nothing is asked of a mirror.
    let tar = image::tar(&[("etc/os-release", Some(b"ID=other\n"), 0o644)]);
    layout.image("v1", &[tar]);
    machine::run(
        Command::new(machine::patchline())
            .args(["image", "copy", &format!("oci:{}:v1", layout.dir.display())])
            .arg(format!("{}/shop/web:v1", server.registry))
            .arg("--data")
            .arg(folder.path().join("cli")),
    );
    let runs = server.finished(1, Duration::from_secs(60));
    let delivery = |channel: &str| {
        let all = runs[0]["deliveries"].as_array().unwrap();
        all.iter().find(|d| d["message"]["channel"] == channel).unwrap().clone()
    };
    assert_eq!(delivery("right")["state"], "delivered", "{:#}", delivery("right"));
    let refused = delivery("wrong");
    assert_eq!(refused["state"], "failed", "{refused:#}");
    assert_eq!(refused["problem"]["code"], "dingtalk-310000", "{refused:#}");
    let shown = machine::run(Command::new(machine::patchline()).args([
        "runs",
        "show",
        runs[0]["id"].as_str().unwrap(),
        "--server",
        &server.url,
    ]));
    let shown = machine::text(&shown);
    assert!(
        shown.contains("wrong") && shown.contains("failed") && shown.contains("dingtalk-310000"),
        "{shown}"
    );
    assert!(!shown.contains("a-token") && !refused.to_string().contains("a-token"), "the token is a secret");
    let taken = taken.lock().unwrap();
    assert_eq!(taken.len(), 1);
    assert_eq!(taken[0]["msgtype"], "markdown");
    assert!(taken[0]["markdown"]["text"].as_str().unwrap().contains("shop/web:v1"), "{:#}", taken[0]);
}
