use serde_json::{Value, json};

use super::*;

fn event() -> Value {
    json!({
        "id": "7f1d", "action": "push",
        "target": {
            "mediaType": OCI_MANIFEST, "digest": Digest::of(b"").as_str(),
            "repository": "shop/web", "tag": "v1", "size": 2,
        },
        "request": { "host": "127.0.0.1:5000" },
    })
}

fn decode(events: &[Value]) -> Vec<PushEvent> {
    decode_distribution(json!({ "events": events }).to_string().as_bytes()).unwrap()
}

#[test]
fn a_push_of_a_manifest_is_told() {
    let told = decode(&[event()]);
    assert_eq!(
        told,
        [PushEvent {
            id: "7f1d".to_owned(),
            host: Some("127.0.0.1:5000".to_owned()),
            repository: "shop/web".to_owned(),
            tag: Some("v1".to_owned()),
            digest: Some(Digest::of(b"")),
            media_type: Some(OCI_MANIFEST.to_owned()),
        }]
    );
}

#[test]
fn blobs_pulls_and_nonsense_are_left_out() {
    let with = |pointer: &str, value: Value| {
        let mut event = event();
        *event.pointer_mut(pointer).unwrap() = value;
        event
    };
    let left_out = [
        with("/action", json!("pull")),
        with("/action", json!("delete")),
        with("/target/mediaType", json!("application/octet-stream")),
        with("/target/repository", json!("../../etc")),
        with("/target/tag", json!("a b")),
        with("/target/digest", json!("sha256:1")),
        with("/id", json!("")),
        with("/target", Value::Null),
        json!({}),
    ];
    assert_eq!(decode(&left_out), []);
    assert_eq!(decode(&[with("/target/tag", json!(""))])[0].tag, None, "a push by digest");
}

#[test]
fn the_envelope_is_bounded() {
    assert!(decode_distribution(&vec![b' '; MAX_BODY_BYTES + 1]).is_err());
    let many = json!({ "events": vec![json!({}); MAX_EVENTS + 1] }).to_string();
    assert!(decode_distribution(many.as_bytes()).is_err());
    for nonsense in ["", "[]", "{}", r#"{"events":{}}"#, "[[[[", "null"] {
        assert_eq!(decode_distribution(nonsense.as_bytes()).unwrap_err().code(), "invalid-document");
    }
}

#[test]
fn pulls_of_manifests_are_told_but_not_our_own() {
    let pull = |useragent: &str, tag: Value| {
        let mut event = event();
        event["action"] = json!("pull");
        event["target"]["tag"] = tag;
        event["request"]["useragent"] = json!(useragent);
        event
    };
    let mut blob = pull("docker/27.0", json!("v1"));
    blob["target"]["mediaType"] = json!("application/octet-stream");
    let events = [
        event(),
        pull("docker/27.0", json!("v1")),
        pull("containerd/2.0", Value::Null),
        pull(concat!("patchline/", env!("CARGO_PKG_VERSION")), json!("v1")),
        pull("curl/8", json!("not a tag")),
        blob,
    ];
    let told = super::decode(json!({ "events": events }).to_string().as_bytes()).unwrap();
    let tags: Vec<_> = told.pulls.iter().map(|p| p.tag.as_deref()).collect();
    assert_eq!((told.pushes.len(), tags), (1, vec![Some("v1"), None]));
}
