//! Modules of npm upgraded in place: registries, archives and images made by the test itself, mended through the library.
//! Hostile registries, too.

#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "a test: it may fail, and says what it saw")]

#[allow(dead_code, reason = "other tests use the rest of it")]
mod alpine;
#[allow(dead_code, reason = "the other test uses the rest of it")]
mod world;

use std::sync::Arc;

use patchline_remediation::{
    Chosen, Edited, Error, Fixed,
    languages::{Languages, Sources},
};
use patchline_scanner::{NoFacts, advisories::AdvisorySet};
use serde_json::json;
use world::{Answer, Place, Server, layer, manifest, patch, refusals, tgz};

const LOCK: &str = r#"{
  "name": "shop",
  "lockfileVersion": 3,
  "packages": {
    "node_modules/left": {
      "version": "1.2.0",
      "resolved": "https://public.example/left/-/left-1.2.0.tgz",
      "integrity": "sha512-old"
    }
  }
}
"#;

fn old() -> [(&'static str, String); 4] {
    [
        ("package.json", manifest("left", "1.2.0", json!({"dependencies": {"right": "^2.0.0"}}))),
        ("index.js", "module.exports = 'old'\n".repeat(100)),
        ("lib/gone/only.js", "gone\n".to_owned()),
        ("LICENSE", "free\n".to_owned()),
    ]
}

fn new(version: &str) -> [(&'static str, String); 4] {
    [
        ("package.json", manifest("left", version, json!({"dependencies": {"right": "^2.1.0"}}))),
        ("index.js", "module.exports = 'new'\n".repeat(100)),
        ("more/new.js", "new\n".to_owned()),
        ("LICENSE", "free\n".to_owned()),
    ]
}

fn packed(files: &[(&str, String)]) -> Vec<u8> {
    tgz(&files.iter().map(|(path, text)| (*path, text.as_str())).collect::<Vec<_>>())
}

fn publish(server: &Server) {
    let prerelease = packed(&new("1.2.5-rc.1"));
    let versions = ["1.2.1", "1.2.4", "1.3.0"].map(|version| (version, packed(&new(version))));
    let mut all =
        vec![("1.2.0", packed(&old())), ("1.2.5-rc.1", prerelease), ("2.0.0", packed(&new("2.0.0")))];
    all.extend(versions);
    server.npm("left", &all);
}

/// An application with `left` in it, and whatever else.
fn shop(more: &[(&str, &str)]) -> Vec<u8> {
    let left = old().map(|(path, text)| (format!("app/node_modules/left/{path}"), text));
    let app = manifest("shop", "1.0.0", json!({"dependencies": {"left": "^1.0.0"}}));
    let right = manifest("right", "2.1.0", json!({}));
    let inner = manifest("inner", "1.0.0", json!({}));
    let mut files = vec![
        ("app/package.json", Some(app.as_str())),
        ("app/node_modules/left/node_modules/inner/package.json", Some(inner.as_str())),
        ("app/node_modules/left/lib", None),
        ("app/node_modules/right/package.json", Some(right.as_str())),
        ("app/node_modules/.package-lock.json", Some(LOCK)),
        ("app/package-lock.json", Some(LOCK)),
    ];
    files.extend(left.iter().map(|(path, text)| (path.as_str(), Some(text.as_str()))));
    files.retain(|(path, _)| !more.iter().any(|(other, _)| other == path));
    files.extend(more.iter().filter(|(_, text)| !text.is_empty()).map(|(path, text)| (*path, Some(*text))));
    layer(&files)
}

fn sources(server: &Server) -> Sources {
    Sources { npm: Some(server.base.parse().unwrap()), ..Sources::default() }
}

const LEFT: &[(&str, &str, &str)] = &[("npm", "left", "1.2.3")];

#[tokio::test]
async fn a_module_goes_up_in_its_folder() {
    let server = Server::start().await;
    publish(&server);
    let place = Place::new(sources(&server));
    let image = place.image("web", &[shop(&[])]).await;
    let scan = place.scan(&image, LEFT).await;
    assert_eq!(scan.report.findings.len(), 1, "lock files claim nothing");

    let fixed = place.fixed(&scan).await;
    let up = &fixed.plan.upgrades[0];
    assert_eq!((up.package.as_str(), up.from.as_str(), up.to.as_str()), ("left", "1.2.0", "1.2.4"));
    assert_eq!((up.ecosystem.as_str(), up.path.as_str()), ("npm", "app/node_modules/left/package.json"));
    assert_eq!(up.mends, ["CVE-2024-1000"]);
    assert!(fixed.plan.refused.is_empty() && fixed.report.findings.is_empty());
    let found = fixed.inventory.packages.iter().find(|package| package.purl == "pkg:npm/left@1.2.4");
    assert_eq!(found.unwrap().path.as_deref(), Some("app/node_modules/left/package.json"));
    assert_eq!(fixed.archives[0].digest, patchline_registry::Digest::of(&packed(&new("1.2.4"))));

    let layer = patch(&fixed);
    let root = "app/node_modules/left";
    assert_eq!(layer[&format!("{root}/index.js")], (0o640, 1000, Some(new("1.2.4")[1].1.clone())));
    assert_eq!(layer[&format!("{root}/more/new.js")], (0o644, 1000, Some("new\n".into())));
    assert_eq!(layer[&format!("{root}/more")], (0o755, 1000, None));
    assert!(layer.contains_key(&format!("{root}/.wh.lib")), "no folder is left empty: {layer:#?}");
    assert!(!layer.keys().any(|path| path.contains("inner")), "what lies in it stays");
    for path in ["app/package-lock.json", "app/node_modules/.package-lock.json"] {
        let text = layer[path].2.clone().unwrap();
        assert!(
            text.contains("\"version\": \"1.2.4\"") && text.contains("public.example/left/-/left-1.2.4.tgz")
        );
        assert!(text.contains("\"right\": \"^2.1.0\"") && !text.contains("sha512-old"), "{text}");
    }
    assert!(!format!("{layer:?}").contains("127.0.0.1"), "no mirror's address is written");

    assert_eq!(place.fixed(&scan).await.manifest.digest, fixed.manifest.digest, "equal bytes");
    // A fixed image is mended no further, and keeps what it has when somebody asks for less.
    place.remediator.push(&*place.images, &fixed, Some("web_fixed")).await.unwrap();
    let again = place.scan(&fixed.manifest.digest, LEFT).await;
    assert!(again.report.findings.is_empty());
    assert!(matches!(place.fix(&again).await.unwrap(), Fixed::Unchanged(_)));
}

#[tokio::test]
async fn archives_are_fetched_once() {
    let server = Server::start().await;
    publish(&server);
    let place = Place::new(sources(&server));
    let image = place.image("web", &[shop(&[])]).await;
    let scan = place.scan(&image, LEFT).await;
    let first = place.fixed(&scan).await.manifest.digest.clone();
    for version in ["1.2.0", "1.2.4"] {
        server.remove(&format!("/left/-/left-{version}.tgz"));
    }
    assert_eq!(place.fixed(&scan).await.manifest.digest, first, "documents alone are asked for again");
    // What somebody has written into the cache is not believed, and fetched again.
    let kept: Vec<_> = std::fs::read_dir(place.folder.path().join("languages/packages")).unwrap().collect();
    assert_eq!(kept.len(), 2);
    for file in kept {
        std::fs::write(file.unwrap().path(), "something else").unwrap();
    }
    let error = place.fix(&scan).await.map(|_| ()).unwrap_err();
    assert_eq!(error.code(), "mirror-status", "{error}");
    publish(&server);
    assert_eq!(place.fixed(&scan).await.manifest.digest, first);
    // A cache has its bound: what was used within the last hour stays.
    for file in std::fs::read_dir(place.folder.path().join("languages/packages")).unwrap() {
        let file = std::fs::File::open(file.unwrap().path()).unwrap();
        file.set_modified(std::time::UNIX_EPOCH).unwrap();
    }
    let fixed = place.fixed(&scan).await;
    let small = place.remediator.clone().keeping(0);
    small.push(&*place.images, &fixed, None).await.unwrap();
    let left = || std::fs::read_dir(place.folder.path().join("languages/packages")).unwrap().count();
    assert_eq!(left(), 2, "it was used just now");
    for file in std::fs::read_dir(place.folder.path().join("languages/packages")).unwrap() {
        let file = std::fs::File::open(file.unwrap().path()).unwrap();
        file.set_modified(std::time::UNIX_EPOCH).unwrap();
    }
    small.push(&*place.images, &fixed, None).await.unwrap();
    assert_eq!(left(), 0);
}

#[tokio::test]
async fn a_scope_has_its_registry_and_its_token() {
    let (server, other) = (Server::start().await, Server::start().await);
    let package = |version: &str| {
        let text = manifest("@shop/left", version, json!({}));
        packed(&[("package.json", text), ("index.js", version.to_owned())])
    };
    server.npm("@shop/left", &["1.2.0", "1.2.4"].map(|version| (version, package(version))));
    server.guard("hush");
    let sources = |token: &str| Sources {
        npm: Some(other.base.parse().unwrap()),
        npm_scopes: [("@shop".to_owned(), server.base.parse().unwrap())].into(),
        npm_tokens: [(format!("{}/", server.base.trim_start_matches("http:")), token.to_owned())].into(),
        ..Sources::default()
    };
    let installed = manifest("@shop/left", "1.2.0", json!({}));
    let files = [
        ("app/node_modules/@shop/left/package.json", Some(installed.as_str())),
        ("app/node_modules/@shop/left/index.js", Some("1.2.0")),
    ];
    let place = Place::new(sources("hush"));
    let image = place.image("web", &[layer(&files)]).await;
    let scan = place.scan(&image, &[("npm", "@shop/left", "1.2.3")]).await;
    assert_eq!(place.fixed(&scan).await.plan.upgrades[0].to, "1.2.4");
    let place = Place::new(sources("wrong"));
    let image = place.image("web", &[layer(&files)]).await;
    let scan = place.scan(&image, &[("npm", "@shop/left", "1.2.3")]).await;
    let error = place.fix(&scan).await.map(|_| ()).unwrap_err();
    assert_eq!(error.code(), "mirror-status");
    assert!(!format!("{error:?}").contains("wrong"), "{error:?}");
}

#[tokio::test]
async fn without_being_asked_nothing_goes_up() {
    let place = Place::without();
    let image = place.image("web", &[shop(&[])]).await;
    let scan = place.scan(&image, LEFT).await;
    let error = place.fix(&scan).await.map(|_| ()).unwrap_err();
    assert_eq!(error.code(), "system-unsupported");
}

#[tokio::test]
async fn every_danger_is_refused_by_name() {
    let server = Server::start().await;
    publish(&server);
    let app = |range: &str| manifest("shop", "1.0.0", json!({"dependencies": {"left": range}}));
    let (pinned, tagged) = (app("1.2.0"), app("latest"));
    let low = manifest("right", "2.0.0", json!({}));
    let other = manifest("left", "1.2.0", json!({}));
    let outer = manifest("outer", "1.0.0", json!({"bundleDependencies": ["left"]}));
    let yarned = manifest("shop", "1.0.0", json!({"resolutions": {"left": "1.2.0"}}));
    for (more, code, said) in [
        (
            vec![("app/package.json", pinned.as_str())],
            "required-otherwise",
            "/app/package.json asks for left 1.2.0",
        ),
        (vec![("app/package.json", tagged.as_str())], "required-otherwise", "latest"),
        (vec![("app/package.json", yarned.as_str())], "required-otherwise", "1.2.0"),
        (vec![("app/node_modules/right/package.json", low.as_str())], "new-dependency", "2.0.0 is there"),
        (vec![("app/node_modules/right/package.json", "")], "new-dependency", "none is there"),
        (
            vec![("app/node_modules/left/index.js", "by hand\n")],
            "files-changed",
            "/app/node_modules/left/index.js",
        ),
        (vec![("app/node_modules/left/more/new.js", "mine\n")], "files-changed", "more/new.js"),
        (
            vec![
                ("app/node_modules/left/package.json", ""),
                ("app/dist/compiled/left/package.json", other.as_str()),
            ],
            "not-in-place",
            "no folder of modules",
        ),
        (
            vec![
                ("app/node_modules/left/package.json", ""),
                ("app/node_modules/alias/package.json", other.as_str()),
            ],
            "not-in-place",
            "another name",
        ),
        (
            vec![
                ("app/node_modules/left/package.json", ""),
                ("app/node_modules/outer/package.json", outer.as_str()),
                ("app/node_modules/outer/node_modules/left/package.json", other.as_str()),
            ],
            "bundled",
            "outer 1.0.0 brings it",
        ),
        (
            vec![
                ("app/node_modules/left/package.json", ""),
                ("app/node_modules/.pnpm/left@1.2.0/node_modules/left/package.json", other.as_str()),
            ],
            "not-in-place",
            "store",
        ),
    ] {
        let place = Place::new(sources(&server));
        let image = place.image("web", &[shop(&more)]).await;
        let scan = place.scan(&image, LEFT).await;
        let fixed = place.fix(&scan).await.unwrap();
        assert_eq!(refusals(&fixed), [("left".to_owned(), code.to_owned())], "{said}");
        let Fixed::Unchanged(plan) = fixed else { panic!("{code}: an image was made") };
        let reason = &plan.refused[0].reason;
        assert!(reason.contains(said) && reason.starts_with("/app/"), "{reason}");
        assert_eq!(plan.refused[0].leaves, ["CVE-2024-1000"]);
    }
}

#[tokio::test]
async fn what_a_new_version_is_decides_too() {
    let with = |version: &str, more, file: &str| {
        packed(&[("package.json", manifest("left", version, more)), (file, "text".to_owned())])
    };
    for (new, code) in [
        (with("1.2.4", json!({"scripts": {"postinstall": "node x"}}), "a.js"), "install-script"),
        (with("1.2.4", json!({}), "build/x.node"), "install-script"),
        (with("1.2.4", json!({}), "binding.gyp"), "install-script"),
        (with("1.2.4", json!({"bin": "a.js"}), "a.js"), "interface-changed"),
        (with("1.2.4", json!({"engines": {"node": ">=99"}}), "a.js"), "interface-changed"),
        (with("1.2.4", json!({"bundledDependencies": ["x"]}), "a.js"), "bundled"),
        (with("1.2.4", json!({}), "node_modules/x/a.js"), "bundled"),
        (with("1.2.4", json!({"dependencies": {"absent": "1"}}), "a.js"), "new-dependency"),
        (with("1.2.9", json!({}), "a.js"), "not-in-repository"),
    ] {
        let server = Server::start().await;
        server.npm("left", &[("1.2.0", packed(&old())), ("1.2.4", new)]);
        let place = Place::new(sources(&server));
        let image = place.image("web", &[shop(&[])]).await;
        let scan = place.scan(&image, LEFT).await;
        let fixed = place.fix(&scan).await.unwrap();
        assert_eq!(refusals(&fixed), [("left".to_owned(), code.to_owned())]);
    }
    let server = Server::start().await;
    server.npm("left", &[("1.2.0", packed(&old())), ("2.0.0", packed(&self::new("2.0.0")))]);
    let place = Place::new(sources(&server));
    let image = place.image("web", &[shop(&[])]).await;
    let scan = place.scan(&image, LEFT).await;
    let sets = [&scan.advisories];
    let draft = place.remediator.draft(&place.request(&scan, &sets)).await.unwrap();
    let refused = &draft.plan.refused[0];
    assert_eq!((refused.code.as_str(), refused.to.as_deref()), ("no-compatible-version", Some("2.0.0")));
    assert_eq!(draft.stays[0].code, "no-compatible-version", "the advice stands with the finding");
    assert_eq!(draft.stays[0].paths, ["app/node_modules/left/package.json"]);
}

#[tokio::test]
async fn a_hostile_registry_gives_no_image() {
    let image = async |place: &Place| place.image("web", &[shop(&[])]).await;
    let zeros = "0".repeat(1 << 20);
    let bomb: Vec<(String, String)> = (0..200).map(|n| (format!("f{n}"), zeros.clone())).collect();
    let bomb = tgz(&bomb.iter().map(|(path, text)| (path.as_str(), text.as_str())).collect::<Vec<_>>());
    let text = manifest("left", "1.2.4", json!({}));
    for (name, new, code) in [
        ("a slip", tgz(&[("package.json", &text), ("../../../etc/passwd", "root")]), "package-malformed"),
        ("a whiteout", tgz(&[("package.json", &text), (".wh.index.js", "")]), "package-malformed"),
        ("an opaque folder", tgz(&[("package.json", &text), ("lib/.wh..wh..opq", "")]), "package-malformed"),
        ("a bomb", bomb, "package-malformed"),
        ("no archive", b"<html>".to_vec(), "package-malformed"),
    ] {
        let server = Server::start().await;
        server.npm("left", &[("1.2.0", packed(&old())), ("1.2.4", new)]);
        let place = Place::new(sources(&server));
        let scan = place.scan(&image(&place).await, LEFT).await;
        let error = place.fix(&scan).await.map(|_| ()).unwrap_err();
        assert_eq!(error.code(), code, "{name}: {error}");
    }
    let server = Server::start().await;
    publish(&server);
    let place = Place::new(sources(&server));
    let scan = place.scan(&image(&place).await, LEFT).await;
    let fails = async |path: &str, answer: Answer, code: &str| {
        publish(&server);
        server.put(path, answer);
        let error = place.fix(&scan).await.map(|_| ()).unwrap_err();
        assert_eq!(error.code(), code, "{path}: {error}");
        assert!(!error.to_string().contains("127.0.0.1"), "{error}");
    };
    let tarball = "/left/-/left-1.2.4.tgz";
    fails(tarball, Answer::Bytes(packed(&new("1.2.1"))), "file-unverified").await;
    fails(tarball, Answer::Redirect(tarball.to_owned()), "mirror-unreachable").await;
    fails("/left", Answer::Redirect("/left".to_owned()), "mirror-unreachable").await;
    fails("/left", Answer::Bytes(b"{\"versions\": []}".to_vec()), "package-malformed").await;
    let promised = json!({"versions": {
        "1.2.0": {"dist": {"tarball": format!("{}/a.tgz", server.base), "shasum": "00"}},
        "1.2.4": {"dist": {"tarball": "file:///etc/passwd", "integrity": "sha512-AAAA"}},
    }});
    fails("/left", Answer::Bytes(promised.to_string().into()), "mirror-status").await;
    // Nothing is tagged, whatever happened.
    assert_eq!(place.images.tags().await.unwrap(), ["web"]);
}

#[tokio::test]
async fn a_plan_that_was_chosen_is_followed_or_refused() {
    let server = Server::start().await;
    publish(&server);
    let place = Place::new(sources(&server));
    let image = place.image("web", &[shop(&[])]).await;
    let scan = place.scan(&image, LEFT).await;
    let sets = [&scan.advisories];
    let draft = place.remediator.draft(&place.request(&scan, &sets)).await.unwrap();
    assert!(draft.stays.is_empty(), "{:?}", draft.stays);
    let mut document = serde_json::to_value(&draft).unwrap();
    document["plan"]["upgrades"][0]["to"] = json!("1.3.0");
    let read = |document: &serde_json::Value| -> Vec<Chosen> {
        Edited::read(document.to_string().as_bytes()).unwrap().of(&image).unwrap()
    };
    let chosen = read(&document);
    let held = place.remediator.clone().following(chosen.clone());
    let Fixed::Image(fixed) = held.build(&place.request(&scan, &sets)).await.unwrap() else {
        panic!("unchanged")
    };
    assert_eq!(fixed.plan.upgrades[0].to, "1.3.0");
    document["plan"]["upgrades"][0]["to"] = json!("2.0.0");
    let beyond = place.remediator.clone().following(read(&document));
    let error = beyond.build(&place.request(&scan, &sets)).await.map(|_| ()).unwrap_err();
    assert!(matches!(error, Error::PlanRefused { .. }), "{error}");
    let off = Place::without().remediator.following(chosen);
    let error = off.build(&place.request(&scan, &sets)).await.map(|_| ()).unwrap_err();
    assert!(matches!(error.code(), "fix-plan-refused" | "system-unsupported"), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_system_and_a_module_go_up_in_one_layer() {
    use alpine::{Image, Signer, program, repository, serve, spec};
    let tool = |version| spec("tool", version, vec![("usr/bin/tool", program(version))]);
    let signer = Signer::new("dist@example.test-1.rsa.pub");
    let base = serve(repository(&signer, &[tool("1.0-r1")], false)).await;
    let mut apk = alpine::Place::new(&base, &[&signer]);
    let server = Server::start().await;
    publish(&server);
    apk.remediator = apk.remediator.with_languages(Languages::new(sources(&server)));
    let modules = || {
        let left = old().map(|(path, text)| (format!("app/node_modules/left/{path}"), 0o644, Some(text)));
        let right = manifest("right", "2.1.0", json!({}));
        let right = ("app/node_modules/right/package.json".to_owned(), 0o644, Some(right));
        left.into_iter().chain([right]).collect::<Vec<_>>()
    };
    let image = |installed| Image {
        installed,
        world: "tool\n",
        repositories: "https://packages.example.test/alpine/v3.20/main\n",
        key: None,
        later: vec![modules()],
    };
    let both = async |image: &Image| {
        let digest = apk.image("1", image).await;
        let mut scan = apk.scan(&digest, &[("tool", "1.0-r1")]).await;
        let records = [("Alpine:v3.20", "tool", "1.0-r1"), ("npm", "left", "1.2.3")];
        let record = |(n, (ecosystem, name, fixed)): (usize, &(&str, &str, &str))| {
            serde_json::from_value(json!({
                "id": format!("CVE-2024-{}", 2000 + n), "modified": "2024-06-01T00:00:00Z",
                "affected": [{
                    "package": {"ecosystem": ecosystem, "name": name},
                    "ranges": [{"type": "ECOSYSTEM", "events": [{"introduced": "0"}, {"fixed": fixed}]}],
                }],
            }))
            .unwrap()
        };
        scan.advisories = AdvisorySet::from_records(records.iter().enumerate().map(record).collect(), "both");
        let inventory = patchline_scanner::inventory(&*apk.images, &digest, Arc::new(NoFacts)).await.unwrap();
        scan.report = patchline_scanner::report(&inventory, &[&scan.advisories]);
        assert_eq!(scan.report.findings.len(), 2);
        (apk.fix(&digest, &scan).await.unwrap(), apk.fix(&digest, &scan).await.unwrap())
    };
    let (Fixed::Image(fixed), Fixed::Image(again)) = both(&image(vec![tool("1.0-r0")])).await else {
        panic!("nothing went up")
    };
    let went: Vec<_> = fixed.plan.upgrades.iter().map(|up| (up.package.as_str(), up.to.as_str())).collect();
    assert_eq!(went, [("tool", "1.0-r1"), ("left", "1.2.4")]);
    assert!(fixed.report.findings.is_empty() && fixed.plan.refused.is_empty(), "{:?}", fixed.plan.refused);
    assert_eq!(fixed.manifest.digest, again.manifest.digest, "equal bytes");
    assert_eq!(fixed.manifest.image().unwrap().layers.len(), 3, "one layer more");
    apk.remediator.push(&*apk.images, &fixed, Some("1_fixed")).await.unwrap();
    let tree = apk.unpacked(&fixed.manifest.digest).await;
    assert_eq!(alpine::audit(&tree), Vec::<String>::new());
    assert!(tree["usr/bin/tool"].1.contains("1.0-r1"));
    assert!(tree["app/node_modules/left/index.js"].1.contains("new"));
    assert!(!tree.contains_key("app/node_modules/left/lib/gone/only.js"));

    // A module that a package of the system owns a file of is the system's to upgrade.
    let code = alpine::text(&old()[1].1);
    let owner = spec("left-code", "1-r0", vec![("app/node_modules/left/index.js", code)]);
    let (fixed, _) = both(&image(vec![tool("1.0-r0"), owner])).await;
    assert_eq!(refusals(&fixed), [("left".to_owned(), "system-package".to_owned())]);
    let Fixed::Image(fixed) = fixed else { panic!("the system's package goes up all the same") };
    assert_eq!(fixed.plan.upgrades.len(), 1);
}

/// Against the registry that this machine's npm configuration names, where it answers.
#[tokio::test]
async fn a_real_module_goes_up() {
    let sources = Sources::from_machine();
    if sources.npm.is_none() {
        println!("skipped: this machine's npm configuration names no registry");
        return;
    }
    let Some(files) = real("ms", "2.0.0").await else {
        println!("skipped: npm's registry cannot be reached");
        return;
    };
    let files: Vec<(String, String)> =
        files.into_iter().map(|(path, text)| (format!("srv/node_modules/ms/{path}"), text)).collect();
    let tar =
        layer(&files.iter().map(|(path, text)| (path.as_str(), Some(text.as_str()))).collect::<Vec<_>>());
    let place = Place::new(sources);
    let image = place.image("real", &[tar]).await;
    let scan = place.scan(&image, &[("npm", "ms", "2.1.2")]).await;
    let fixed = place.fixed(&scan).await;
    assert_eq!(fixed.plan.upgrades[0].to, "2.1.2");
    assert!(fixed.report.findings.is_empty());
}

/// The files of a published package as npm packs them; none: no registry answers.
async fn real(name: &str, version: &str) -> Option<Vec<(String, String)>> {
    let folder = tempfile::tempdir().unwrap();
    let mut npm = tokio::process::Command::new("npm");
    npm.args(["pack", "--silent", &format!("{name}@{version}")]).current_dir(folder.path());
    npm.kill_on_drop(true);
    let done = tokio::time::timeout(std::time::Duration::from_secs(60), npm.output()).await.ok()?.ok()?;
    done.status.success().then_some(())?;
    let bytes = std::fs::read(folder.path().join(format!("{name}-{version}.tgz"))).ok()?;
    let mut archive = tar::Archive::new(flate2::read::GzDecoder::new(bytes.as_slice()));
    let mut files = Vec::new();
    for entry in archive.entries().unwrap() {
        let mut entry = entry.unwrap();
        let path = entry.path().unwrap().to_string_lossy().split_once('/').unwrap().1.to_owned();
        let mut text = String::new();
        std::io::Read::read_to_string(&mut entry, &mut text).unwrap();
        files.push((path, text));
    }
    Some(files)
}
