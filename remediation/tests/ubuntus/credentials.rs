//! Mirrors and proxies that ask for a password: given to them, and shown to nobody.

use std::{
    collections::BTreeSet,
    path::{Path, PathBuf},
    sync::{Arc, Mutex},
};

use axum::{
    Router,
    body::Bytes,
    extract::State,
    http::{HeaderMap, StatusCode, Uri, header},
    response::{IntoResponse as _, Response},
};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use patchline_remediation::{
    Proxy,
    apk::{Apk, ApkConfig, Keys, Sources},
    apt::{Archives, Mirror, Mirrors},
    rpm::{Rpm, RpmConfig, Variables},
};
use url::Url;

use super::{
    ground,
    ubuntus::{Key, Made, OS_RELEASE, Place, installed, made, main, publish, serve},
};

/// A server of a folder that only one user may read, whichever header says so.
#[derive(Clone)]
struct Guarded {
    folder: PathBuf,
    header: header::HeaderName,
    refusal: StatusCode,
    wanted: String,
    /// Host and path of what was let in.
    let_in: Arc<Mutex<Vec<String>>>,
    /// Of what was not.
    refused: Arc<Mutex<Vec<String>>>,
    /// Where everything is sent on to instead.
    elsewhere: Option<String>,
}

async fn answer(State(guarded): State<Guarded>, headers: HeaderMap, uri: Uri) -> Response {
    let host = uri.host().map_or_else(String::new, str::to_owned);
    let asked = format!("{host}{}", uri.path());
    let given = headers.get(&guarded.header).and_then(|value| value.to_str().ok());
    if given != Some(guarded.wanted.as_str()) {
        guarded.refused.lock().unwrap().push(asked);
        return guarded.refusal.into_response();
    }
    guarded.let_in.lock().unwrap().push(asked);
    if let Some(to) = &guarded.elsewhere {
        let to = format!("{to}{}", uri.path().trim_start_matches('/'));
        return (StatusCode::FOUND, [(header::LOCATION, to)]).into_response();
    }
    match std::fs::read(guarded.folder.join(uri.path().trim_start_matches('/'))) {
        Ok(bytes) => Bytes::from(bytes).into_response(),
        Err(_) => StatusCode::NOT_FOUND.into_response(),
    }
}

impl Guarded {
    fn mirror(folder: &Path) -> Self {
        Self::new(folder, header::AUTHORIZATION, StatusCode::UNAUTHORIZED)
    }
    fn proxy(folder: &Path) -> Self {
        Self::new(folder, header::PROXY_AUTHORIZATION, StatusCode::PROXY_AUTHENTICATION_REQUIRED)
    }
    fn new(folder: &Path, header: header::HeaderName, refusal: StatusCode) -> Self {
        let wanted = format!("Basic {}", STANDARD.encode("me:hush hush"));
        let (let_in, refused) = (Arc::default(), Arc::default());
        Self { folder: folder.to_owned(), header, refusal, wanted, let_in, refused, elsewhere: None }
    }
    /// Its address, with these before the host.
    async fn start(&self, credentials: &str) -> Url {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = format!("http://{credentials}{}/", listener.local_addr().unwrap());
        let app = Router::new().fallback(answer).with_state(self.clone());
        tokio::spawn(async move { axum::serve(listener, app).await });
        address.parse().unwrap()
    }
    fn let_in(&self) -> Vec<String> {
        self.let_in.lock().unwrap().clone()
    }
}

/// A password whose blank has to be written as `%20`.
const GOOD: &str = "me:hush%20hush@";

fn security(folder: &Path, key: &Key) -> PathBuf {
    let place = folder.join("archive");
    let newer: &[Made] = &[made("tool", "1.0-1ubuntu0.1")];
    publish(&place, key, "jammy-security", "amd64", "main", &[("main", newer)]);
    place
}

const OLD: &[Made] = &[made("tool", "1.0-1")];
const WANTED: &[(&str, &str)] = &[("tool", "1.0-1ubuntu0.1")];

#[tokio::test(flavor = "multi_thread")]
async fn a_mirror_is_given_its_password_and_nobody_else_sees_it() {
    let Some((ground, key)) = ground("a_mirror_is_given_its_password") else { return };
    let folder = security(ground.path(), &key);
    let guarded = Guarded::mirror(&folder);
    let mirror = guarded.start(GOOD).await;
    let ubuntu = Place::new(main(mirror.clone()), vec![key.keyring.clone()]);
    let image = ubuntu.image("amd64", OLD).await;
    let scan = ubuntu.scan(&image, WANTED).await;
    let fixed = ubuntu.fixed(&scan).await;
    assert!(guarded.refused.lock().unwrap().is_empty());
    let plan = serde_json::to_string(&fixed.plan).unwrap();
    let config = format!("{:?}", ubuntu.remediator.apt().config());
    assert!(!plan.contains("hush") && !config.contains("hush"), "{plan} {config}");
    assert_eq!(installed(&ubuntu.root(&fixed).await), ["tool 1.0-1ubuntu0.1 amd64 ii"]);

    let release = folder.join("dists/jammy-security/InRelease");
    let good = std::fs::read_to_string(&release).unwrap();
    for (case, credentials, code) in [
        ("none", "", "mirror-status"),
        ("another", "me:hush@", "mirror-status"),
        ("gone", GOOD, "mirror-status"),
        ("tampered", GOOD, "repository-untrusted"),
    ] {
        match case {
            "gone" => std::fs::remove_file(&release).unwrap(),
            "tampered" => std::fs::write(&release, good.replace("Version: 22.04", "Version: 22.05")).unwrap(),
            _ => {}
        }
        let mut mirror = mirror.clone();
        let named: Url = format!("http://{credentials}x/").parse().unwrap();
        mirror.set_username(named.username()).unwrap();
        mirror.set_password(named.password()).unwrap();
        let ubuntu = Place::new(main(mirror), vec![key.keyring.clone()]);
        let image = ubuntu.image("amd64", OLD).await;
        let scan = ubuntu.scan(&image, WANTED).await;
        let Err(error) = ubuntu.fix(&scan).await else { panic!("{case}: it was mended") };
        assert_eq!(error.code(), code, "{case}: {error}");
        assert!(!format!("{error} {error:?}").contains("hush"), "{case}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_private_repository_is_given_its_password_and_other_hosts_are_not() {
    let Some((ground, key)) = ground("a_private_repository_is_given_its_password") else { return };
    let (own, tools) = (ground.path().join("own"), ground.path().join("tools"));
    for suite in ["jammy-security", "jammy-updates", "jammy"] {
        publish(&own, &key, suite, "amd64", "main", &[("main", &[])]);
    }
    let newer: &[Made] = &[made("tool", "1.0-2")];
    publish(&tools, &key, "stable", "amd64", "main", &[("main", newer)]);
    let (archive, _) = serve(&own).await;
    // What a mirror sends on to another host comes from there, without the password.
    let other = Guarded::mirror(&tools);
    let there = other.start("").await.to_string().replace("127.0.0.1", "localhost");
    for (elsewhere, code) in [(None, None), (Some(there), Some("mirror-status"))] {
        let guarded = Guarded { elsewhere, ..Guarded::mirror(&tools) };
        let mut mirrors = main(archive.clone());
        mirrors
            .others
            .push(Mirror { from: "https://packages.example".into(), to: guarded.start(GOOD).await });
        let ubuntu = Place::new(mirrors, vec![key.keyring.clone()]);
        let list = b"deb https://me:of-the-image@packages.example stable main\n".to_vec();
        let files = [("etc/os-release", OS_RELEASE.into()), ("etc/apt/sources.list", list)];
        let image = ubuntu.image_with("amd64", OLD, &files).await;
        let scan = ubuntu.scan(&image, WANTED).await;
        match code {
            None => assert_eq!(ubuntu.fixed(&scan).await.plan.upgrades[0].to, "1.0-2"),
            Some(code) => {
                let (found, text) = ubuntu.refused(&scan).await;
                assert_eq!(found, code, "{text}");
                assert!(!text.contains("hush") && !text.contains("of-the-image"), "{text}");
            }
        }
        assert!(!guarded.let_in().is_empty());
    }
    assert!(!other.refused.lock().unwrap().is_empty() && other.let_in().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn each_distribution_has_a_proxy_of_its_own() {
    let Some((ground, key)) = ground("each_distribution_has_a_proxy_of_its_own") else { return };
    let folder = security(ground.path(), &key);
    let (guarded, other) = (Guarded::proxy(&folder), Guarded::proxy(&folder));
    let proxy = Proxy::new(guarded.start(GOOD).await).unwrap();
    let of_others = Proxy::new(other.start(GOOD).await).unwrap();
    // No such host is: only the proxy can have answered.
    let mirror: Url = "http://ubuntu.example/".parse().unwrap();
    let mirrors = Mirrors {
        ubuntu: Archives { main: Some(mirror), proxy: Some(proxy.clone()), ..Archives::default() },
        others: vec!["https://packages.example=http://packages.example".parse().unwrap()],
        others_proxy: Some(of_others.clone()),
        ..Mirrors::default()
    };
    assert!(!format!("{mirrors:?}").contains("hush"));
    let ubuntu = Place::new(mirrors.clone(), vec![key.keyring.clone()]);
    let image = ubuntu.image("amd64", OLD).await;
    let fixed = ubuntu.fixed(&ubuntu.scan(&image, WANTED).await).await;
    assert_eq!(fixed.plan.upgrades.len(), 1);
    let asked: BTreeSet<String> = guarded.let_in().into_iter().collect();
    assert!(asked.iter().all(|path| path.starts_with("ubuntu.example/")), "{asked:?}");
    let of = |part: &str| asked.iter().filter(|path| path.contains(part)).count();
    assert_eq!((of("/InRelease"), of("/by-hash/"), of("/pool/")), (1, 1, 1), "{asked:?}");
    assert!(other.let_in().is_empty());

    // An image's own repositories have another one, and a password that is wrong is not shown either.
    let list = b"deb https://packages.example stable main\n".to_vec();
    let files = [("etc/os-release", OS_RELEASE.into()), ("etc/apt/sources.list", list)];
    let image = ubuntu.image_with("amd64", OLD, &files).await;
    let scan = ubuntu.scan(&image, WANTED).await;
    assert_eq!(ubuntu.refused(&scan).await.0, "mirror-status", "that proxy has no such suite");
    assert!(other.let_in().iter().all(|path| path.starts_with("packages.example/dists/stable/")));
    let wrong = Proxy::new(guarded.start("me:hush@").await).unwrap();
    let mut refusing = mirrors;
    refusing.ubuntu.proxy = Some(wrong);
    let ubuntu = Place::new(refusing, vec![key.keyring.clone()]);
    let image = ubuntu.image("amd64", OLD).await;
    let Err(error) = ubuntu.fix(&ubuntu.scan(&image, WANTED).await).await else { panic!("it was mended") };
    assert!(
        format!("{error}").contains("407") && !format!("{error} {error:?}").contains("hush"),
        "{error:?}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn apk_and_rpm_have_proxies_of_their_own() {
    let Some((ground, key)) = ground("apk_and_rpm_have_proxies_of_their_own") else { return };
    let (for_apk, for_rpm) = (Guarded::proxy(ground.path()), Guarded::proxy(ground.path()));
    let cache = ground.path().join("cache");
    let mirrors = patchline_remediation::apk::Mirrors {
        all: vec!["http://mirror.example/alpine".parse().unwrap()],
        proxy: Some(Proxy::new(for_apk.start(GOOD).await).unwrap()),
    };
    let apk = Apk::new(ApkConfig { mirrors, cache: cache.clone(), keys: Vec::new() }).unwrap();
    let sources = Sources::parse(["https://a.example/alpine/v3.20/main\n"], "x86_64");
    let error = apk.repositories("x", &sources, "x86_64", Keys::default()).await.unwrap_err();
    assert_eq!(error.code(), "mirror-status");
    assert_eq!(for_apk.let_in(), ["mirror.example/alpine/v3.20/main/x86_64/APKINDEX.tar.gz"]);

    let mirrors = patchline_remediation::rpm::Mirrors {
        all: vec!["http://mirror.example/rpm".parse().unwrap()],
        proxy: Some(Proxy::new(for_rpm.start(GOOD).await).unwrap()),
    };
    let rpm = Rpm::new(RpmConfig { mirrors, cache, keys: vec![key.keyring.clone()] }).unwrap();
    let variables =
        Variables { distribution: "x".into(), release: "1".into(), architecture: "x86_64".into() };
    let error = rpm.repositories("x", &[], &variables, BTreeSet::new()).await.unwrap_err();
    assert_eq!(error.code(), "mirror-status");
    assert_eq!(for_rpm.let_in(), ["mirror.example/rpm/repodata/repomd.xml"]);
}
