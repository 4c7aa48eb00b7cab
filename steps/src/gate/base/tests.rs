//! Bases in the embedded registry, and in Debian's docker-registry.

use std::collections::BTreeMap;

use patchline_registry::{Digest, Registries, RegistryConfig};
use serde_json::{Value, json};

use super::*;
use crate::testing::Bench;

type Layers = Vec<(Digest, Digest)>;

/// The base that each list of patterns comes to, or the code of the failure.
async fn base(
    registries: &Registries,
    layers: &Layers,
    claimed: Option<&str>,
    patterns: &[&str],
) -> Result<Option<String>, String> {
    let platform = ("linux".to_owned(), "amd64".to_owned());
    let annotations: BTreeMap<String, String> = claimed
        .map(|name| ("org.opencontainers.image.base.name".to_owned(), name.to_owned()))
        .into_iter()
        .collect();
    let subject = Subject::new(layers, &platform, &annotations);
    let patterns: Vec<String> = patterns.iter().map(|p| (*p).to_owned()).collect();
    let bases = Search::new(registries).bases(&subject, &[&patterns]).await.map_err(|e| e.code)?;
    Ok(bases.found[&patterns].as_ref().map(Base::to_string))
}

#[tokio::test]
async fn a_base_is_known_by_its_layers_and_not_by_what_it_is_called() {
    let bench = Bench::start().await;
    let none = || json!({});
    let base_two = [("os", "os-plain"), ("certs", "certs-plain")];
    let (debian, base_layers) = bench.push_layers(("base/debian", "12"), &base_two, none()).await;
    bench.push_layers(("base/other", "1"), &[("other", "other-plain")], none()).await;
    bench.push_layers(("base/empty", "1"), &[], none()).await;
    let built = [("os", "os-plain"), ("certs", "certs-plain"), ("app", "app-plain")];
    let (_, layers) = bench.push_layers(("shop/web", "v1"), &built, none()).await;
    // The same content, packed by another tool.
    let repacked = [("os2", "os-plain"), ("certs2", "certs-plain"), ("app", "app-plain")];
    let (_, repacked) = bench.push_layers(("shop/again", "v1"), &repacked, none()).await;
    let (_, half) = bench.push_layers(("shop/half", "v1"), &[("os", "os-plain")], none()).await;
    bench.push_layers(("base/index", "child"), &base_two, none()).await;
    bench.push_index("base/index", "1", &debian).await;
    bench.repository("base/index").untag("child", &debian).await.expect("only the index has a tag");
    bench.push("base/broken", "1", "no layers that anybody has").await;

    let found = |layers: Layers, patterns: &'static [&'static str]| {
        let registries = bench.world.registries.clone();
        async move { base(&registries, &layers, None, patterns).await }
    };
    let debian = Ok(Some("main/base/debian:12".to_owned()));
    for (layers, patterns, wanted) in [
        (&layers, &["main/base/**"][..], debian.clone()),
        (&layers, &["main/base/debian"], debian.clone()),
        (&layers, &["main/base/other", "main/base/d*"], debian.clone()),
        (&layers, &["main/base/*", "!main/base/debian", "!main/base/index"], Ok(None)),
        (&layers, &["main/base/other"], Ok(None)),
        (&layers, &["main/base/index"], Ok(Some("main/base/index:1".to_owned()))),
        (&layers, &["main/nothing/here"], Ok(None)),
        (&layers, &["main/nothing/**"], Ok(None)),
        (&repacked, &["main/base/**"], debian.clone()),
        (&base_layers, &["main/base/**"], debian.clone()),
        // A part of a base is not the base, and nothing is built on an image without layers.
        (&half, &["main/base/**"], Ok(None)),
        (&Vec::new(), &["main/base/**"], Ok(None)),
        (&layers, &["elsewhere/base/**"], Err("unknown-registry".to_owned())),
        (&layers, &["*/base"], Err("base-pattern".to_owned())),
        (&layers, &["!main/base/other"], Err("base-pattern".to_owned())),
        (&layers, &["base"], Err("base-pattern".to_owned())),
    ] {
        assert_eq!(found(layers.clone(), patterns).await, wanted, "{patterns:?}");
    }
    // A claim is where to look first, and no more.
    let registries = &bench.world.registries;
    let claimed = base(registries, &layers, Some("main/base/index:1"), &["main/base/**"]).await;
    assert_eq!(claimed, Ok(Some("main/base/index:1".to_owned())));
    assert_eq!(base(registries, &half, Some("main/base/debian:12"), &["main/base/**"]).await, Ok(None));
}

/// Debian's `docker-registry` on a free port; none where it is not installed.
async fn distribution() -> Option<(String, tokio::process::Child, tempfile::TempDir)> {
    let binary = std::path::Path::new("/usr/bin/docker-registry");
    if !binary.exists() {
        println!("SKIPPED: docker-registry is not installed");
        return None;
    }
    let folder = tempfile::tempdir().expect("a folder");
    let free = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let host = free.local_addr().expect("an address").to_string();
    drop(free);
    let config = format!(
        "version: 0.1\nlog: {{level: error, accesslog: {{disabled: true}}}}\n\
         storage: {{filesystem: {{rootdirectory: {}}}}}\nhttp: {{addr: \"{host}\"}}\n",
        folder.path().join("data").display()
    );
    std::fs::write(folder.path().join("config.yml"), config).expect("a file");
    let child = tokio::process::Command::new(binary)
        .arg("serve")
        .arg(folder.path().join("config.yml"))
        .stdout(std::process::Stdio::null())
        .stderr(std::process::Stdio::null())
        .kill_on_drop(true)
        .spawn()
        .expect("a registry");
    for _ in 0..100 {
        if tokio::net::TcpStream::connect(&host).await.is_ok() {
            return Some((host, child, folder));
        }
        tokio::time::sleep(std::time::Duration::from_millis(100)).await;
    }
    panic!("docker-registry does not listen");
}

#[tokio::test]
async fn another_registry_is_looked_through_alike() {
    let Some((host, _child, _folder)) = distribution().await else { return };
    let bench = Bench::start().await;
    let registries = &bench.world.registries;
    let os = [("os", "os-plain")];
    bench.push_layers(("base/debian", "12"), &os, json!({})).await;
    bench.push_layers(("tools/other", "1"), &[("other", "other-plain")], json!({})).await;
    for (name, tag) in [("base/debian", "12"), ("tools/other", "1")] {
        let place = crate::place::Place { registry: host.clone(), repository: name.into() };
        let (from, to) = (bench.repository(name), place.open(registries).expect("a repository"));
        patchline_registry::copy(&*from, tag, &*to, tag, &Default::default()).await.expect("copied");
    }
    let (_, layers) = bench.push_layers(("shop/web", "v1"), &[os[0], ("app", "app-plain")], json!({})).await;
    let found = Ok(Some(format!("{host}/base/debian:12")));
    for (patterns, wanted) in [
        (format!("{host}/base/**"), found.clone()),
        (format!("{host}/base/debian"), found.clone()),
        (format!("{host}/**"), found),
        (format!("{host}/tools/**"), Ok(None)),
        (format!("{host}/nothing/here"), Ok(None)),
    ] {
        assert_eq!(base(registries, &layers, None, &[&patterns]).await, wanted, "{patterns}");
    }
}

#[tokio::test]
async fn a_registry_that_does_not_answer_or_list_is_no_answer() {
    let layers = vec![(Digest::of(b"a"), Digest::of(b"b"))];
    let gone = std::net::TcpListener::bind("127.0.0.1:0").expect("a port").local_addr().expect("an address");
    let no_list = axum::Router::new().fallback(|| async { axum::http::StatusCode::NOT_FOUND });
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let host = listener.local_addr().expect("an address").to_string();
    tokio::spawn(async move { axum::serve(listener, no_list).await });
    let config = |host: String| RegistryConfig { host, plain_http: true, ..RegistryConfig::default() };
    let registries = Registries::new(
        [("gone".to_owned(), config(gone.to_string())), ("shy".to_owned(), config(host))].into(),
    )
    .expect("registries");
    let platform = ("linux".to_owned(), "amd64".to_owned());
    let annotations = BTreeMap::new();
    for (pattern, code, transient) in [
        ("gone/base/**", "registry-unreachable", true),
        ("gone/base/debian", "registry-unreachable", true),
        ("shy/base/**", "base-listing-unsupported", false),
    ] {
        let patterns = vec![pattern.to_owned()];
        let subject = Subject::new(&layers, &platform, &annotations);
        let error = Search::new(&registries).bases(&subject, &[&patterns]).await.expect_err(pattern);
        assert_eq!(
            (error.code.as_str(), error.class == patchline_engine::ErrorClass::Transient),
            (code, transient)
        );
    }
    assert_eq!(base(&registries, &layers, None, &["shy/base/debian"]).await, Ok(None));
}

#[test]
fn patterns_are_checked() {
    let codes = |rule: Value| -> Vec<(String, &'static str)> {
        check(&rule, &["deny", "0"]).into_iter().map(|o| (o.path.join("."), o.code)).collect()
    };
    for empty in [json!({"base_image": {}}), json!({"base_image": {"in": []}})] {
        assert_eq!(codes(empty), [("deny.0.base_image".to_owned(), "empty-rule")]);
    }
    let bad = json!({"base_image": {"in": ["main/base/**", "base"], "not_in": ["*/x", "main/x:1", "main/", "!main/x"]}});
    assert_eq!(
        codes(bad),
        [
            ("deny.0.base_image.in.1".to_owned(), "base-pattern"),
            ("deny.0.base_image.not_in.0".to_owned(), "base-pattern"),
            ("deny.0.base_image.not_in.1".to_owned(), "base-pattern"),
            ("deny.0.base_image.not_in.2".to_owned(), "base-pattern"),
        ]
    );
    assert!(codes(json!({"base_image": {"in": ["127.0.0.1:5000/base/**", "{{params.base}}"]}})).is_empty());
}

#[test]
fn a_rule_says_what_was_found() {
    let rule = |value: Value| serde_json::from_value::<BaseRule>(value).expect("a rule");
    let (here, there) = (vec!["main/base/**".to_owned()], vec!["main/old/**".to_owned()]);
    let bases = Bases {
        found: [(here.clone(), Some(Base { name: "main/base/debian:12".into() })), (there.clone(), None)]
            .into(),
        claimed: Some("docker.io/library/debian:12".into()),
    };
    assert_eq!(rule(json!({"not_in": here})).reasons(&bases), None);
    assert_eq!(rule(json!({"in": there})).reasons(&bases), None);
    assert_eq!(
        rule(json!({"in": here})).reasons(&bases),
        Some(vec!["the image is built on main/base/debian:12".into()])
    );
    assert_eq!(
        rule(json!({"not_in": there, "in": here})).reasons(&bases),
        Some(vec![
            "the image is built on main/base/debian:12".into(),
            "no image in main/old/** is its base, though it claims docker.io/library/debian:12".into()
        ])
    );
}
