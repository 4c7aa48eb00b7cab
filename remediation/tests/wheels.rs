//! Wheels of Python upgraded in place: an index, wheels and images made by the test itself, mended through the library.
//! A hostile index, too.

#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "a test: it may fail, and says what it saw")]

#[allow(dead_code, reason = "the other test uses the rest of it")]
mod world;

use std::process::Command;

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use patchline_remediation::{Fixed, languages::Sources};
use sha2::{Digest as _, Sha256};
use world::{Answer, Place, Server, layer, patch, refusals, wheel};

const SITE: &str = "usr/lib/python3.11/site-packages";
const PURE: &str = "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n";
const SCRIPTS: &str = "[console_scripts]\nspam = spam.main:run\n";

/// The files of `spam`, as its wheel has them.
fn files(version: &str, metadata: &str) -> Vec<(String, String)> {
    let info = format!("spam-{version}.dist-info");
    let metadata = format!("Metadata-Version: 2.1\nName: Spam\nVersion: {version}\n{metadata}\nA README.\n");
    let module = format!("VERSION = {version:?}\n").repeat(100);
    let mut files = vec![
        ("spam/__init__.py".to_owned(), String::new()),
        ("spam/main.py".to_owned(), module),
        (format!("{info}/METADATA"), metadata),
        (format!("{info}/WHEEL"), PURE.to_owned()),
        (format!("{info}/entry_points.txt"), SCRIPTS.to_owned()),
        (format!("{info}/RECORD"), String::new()),
    ];
    files.push(match version {
        "1.2.0" => ("spam/old/gone.py".to_owned(), "gone\n".to_owned()),
        _ => ("spam/new/come.py".to_owned(), "come\n".to_owned()),
    });
    files
}

fn line(path: &str, text: &str) -> String {
    format!("{path},sha256={},{}\n", URL_SAFE_NO_PAD.encode(Sha256::digest(text)), text.len())
}

/// An image where pip has installed it; `more` stands instead, and what is empty there is not.
fn installed(more: &[(&str, &str)]) -> Vec<u8> {
    let old = files("1.2.0", "Requires-Dist: eggs>=1");
    let info = "spam-1.2.0.dist-info";
    let script = "#!/usr/bin/python3\n";
    let mut record: String = old
        .iter()
        .filter(|(path, _)| !path.ends_with("RECORD"))
        .map(|(path, text)| line(path, text))
        .collect();
    record += &line("../../../bin/spam", script);
    record += &line(&format!("{info}/INSTALLER"), "pip\n");
    record += &format!("{info}/RECORD,,\nspam/__pycache__/main.cpython-311.pyc,,\n");
    let mut all: Vec<(String, String)> = old
        .into_iter()
        .filter(|(path, _)| !path.ends_with("RECORD"))
        .map(|(path, text)| (format!("{SITE}/{path}"), text))
        .collect();
    let mut add = |path: String, text: &str| all.push((path, text.to_owned()));
    add(format!("{SITE}/{info}/RECORD"), &record);
    add(format!("{SITE}/{info}/INSTALLER"), "pip\n");
    add(format!("{SITE}/{info}/REQUESTED"), "");
    add("usr/bin/spam".to_owned(), script);
    add(format!("{SITE}/spam/__pycache__/main.cpython-311.pyc"), "compiled");
    add(
        format!("{SITE}/eggs-1.5.dist-info/METADATA"),
        "Name: eggs\nVersion: 1.5\nRequires-Dist: spam (<2)\n\n",
    );
    all.retain(|(path, _)| !more.iter().any(|(other, _)| other == path));
    let more = more.iter().filter(|(_, text)| !text.is_empty());
    all.extend(more.map(|(path, text)| ((*path).to_owned(), (*text).to_owned())));
    layer(&all.iter().map(|(path, text)| (path.as_str(), Some(text.as_str()))).collect::<Vec<_>>())
}

fn named(version: &str, metadata: &str) -> (String, Vec<u8>) {
    (format!("spam-{version}-py3-none-any.whl"), wheel(&files(version, metadata)))
}

async fn served(wheels: &[(String, Vec<u8>)]) -> Server {
    let server = Server::start().await;
    server.pypi("spam", wheels);
    server
}

fn place(server: &Server) -> Place {
    let pypi = format!("{}/simple", server.base).parse().unwrap();
    Place::new(Sources { pypi: Some(pypi), ..Sources::default() })
}

const SPAM: &[(&str, &str, &str)] = &[("PyPI", "spam", "1.2.3")];

#[tokio::test]
async fn a_wheel_goes_up_in_its_folder() {
    let versions = ["1.2.1", "1.2.4rc1", "1.2.4", "1.3.0", "2.0.0"];
    let mut wheels: Vec<_> = versions.iter().map(|v| named(v, "Requires-Dist: eggs>=1.2")).collect();
    wheels.push(("spam-1.2.3-cp311-cp311-linux_x86_64.whl".to_owned(), b"for a machine".to_vec()));
    let server = served(&wheels).await;
    let place = place(&server);
    let image = place.image("web", &[installed(&[])]).await;
    let scan = place.scan(&image, SPAM).await;
    assert_eq!(scan.report.findings.len(), 1);
    let fixed = place.fixed(&scan).await;
    let up = &fixed.plan.upgrades[0];
    assert_eq!((up.ecosystem.as_str(), up.from.as_str(), up.to.as_str()), ("PyPI", "1.2.0", "1.2.4"));
    assert!(fixed.plan.refused.is_empty() && fixed.report.findings.is_empty(), "{:?}", fixed.plan.refused);

    let layer = patch(&fixed);
    let at = |path: &str| format!("{SITE}/{path}");
    assert!(layer[&at("spam/main.py")].2.as_ref().unwrap().starts_with("VERSION = \"1.2.4\""));
    assert_eq!(layer[&at("spam/new/come.py")], (0o644, 1000, Some("come\n".into())));
    for gone in ["spam/.wh.old", "spam/.wh.__pycache__", ".wh.spam-1.2.0.dist-info"] {
        assert!(layer.contains_key(&at(gone)), "{gone}: {:?}", layer.keys());
    }
    assert!(!layer.keys().any(|path| path.starts_with("usr/bin")), "scripts stay");
    let text = |name: &str| layer[&at(&format!("spam-1.2.4.dist-info/{name}"))].2.clone().unwrap();
    assert_eq!((text("INSTALLER").as_str(), text("REQUESTED").as_str()), ("pip\n", ""));
    let record = text("RECORD");
    let lines: Vec<&str> = record.lines().collect();
    assert!(lines.contains(&"spam-1.2.4.dist-info/RECORD,,"));
    assert!(lines.iter().any(|line| line.starts_with("../../../bin/spam,sha256=")));
    assert!(lines.contains(&line("spam/new/come.py", "come\n").trim()), "{record}");
    assert!(!record.contains("gone.py") && !record.contains(".pyc"), "{record}");
    assert_eq!(place.fixed(&scan).await.manifest.digest, fixed.manifest.digest, "equal bytes");
}

#[tokio::test]
async fn every_danger_is_refused_by_name() {
    let at = |path: &str| format!("{SITE}/{path}");
    let (main, come, pinned) =
        (at("spam/main.py"), at("spam/new/come.py"), at("eggs-1.5.dist-info/METADATA"));
    let (direct, low) = (at("spam-1.2.0.dist-info/direct_url.json"), at("eggs-1.5.dist-info/METADATA"));
    let record = at("spam-1.2.0.dist-info/RECORD");
    for (more, code, said) in [
        (vec![(main.as_str(), "by hand\n")], "files-changed", "spam/main.py"),
        (vec![(come.as_str(), "mine\n")], "files-changed", "spam/new/come.py"),
        (
            vec![(pinned.as_str(), "Name: eggs\nVersion: 1.5\nRequires-Dist: spam==1.2.0\n\n")],
            "required-otherwise",
            "==1.2.0",
        ),
        (vec![(low.as_str(), "Name: eggs\nVersion: 1.1\n\n")], "new-dependency", "1.1 is there"),
        (vec![(direct.as_str(), "{}")], "not-in-place", "an address of its own"),
        (vec![(record.as_str(), "")], "not-in-place", "no RECORD"),
    ] {
        let server = served(&[named("1.2.4", "Requires-Dist: eggs>=1.2")]).await;
        let place = place(&server);
        let image = place.image("web", &[installed(&more)]).await;
        let scan = place.scan(&image, SPAM).await;
        let fixed = place.fix(&scan).await.unwrap();
        assert_eq!(refusals(&fixed), [("Spam".to_owned(), code.to_owned())], "{said}");
        let Fixed::Unchanged(plan) = fixed else { panic!("{code}: an image was made") };
        assert!(plan.refused[0].reason.contains(said), "{}", plan.refused[0].reason);
    }
    let with = |path: &str, text: &str| {
        let mut all = files("1.2.4", "");
        all.retain(|(other, _)| other != path);
        all.push((path.to_owned(), text.to_owned()));
        ("spam-1.2.4-py3-none-any.whl".to_owned(), wheel(&all))
    };
    for (wheel, code) in [
        (
            with("spam-1.2.4.dist-info/entry_points.txt", "[console_scripts]\nham = spam.main:run\n"),
            "interface-changed",
        ),
        (with("spam-1.2.4.data/scripts/spam", "#!python\n"), "interface-changed"),
        (named("1.2.4", "Requires-Python: >=3.12"), "interface-changed"),
        (named("1.2.4", "Requires-Dist: absent"), "new-dependency"),
        (named("2.0.0", ""), "no-compatible-version"),
        (
            ("spam-1.2.4-cp311-cp311-linux_x86_64.whl".to_owned(), wheel(&files("1.2.4", ""))),
            "not-in-repository",
        ),
    ] {
        let server = served(&[wheel]).await;
        let place = place(&server);
        let image = place.image("web", &[installed(&[])]).await;
        let scan = place.scan(&image, SPAM).await;
        assert_eq!(refusals(&place.fix(&scan).await.unwrap()), [("Spam".to_owned(), code.to_owned())]);
    }
}

#[tokio::test]
async fn a_hostile_index_gives_no_image() {
    let add = |path: &str| {
        let mut all = files("1.2.4", "");
        all.push((path.to_owned(), "x".to_owned()));
        wheel(&all)
    };
    let whole = wheel(&files("1.2.4", ""));
    let name = "spam-1.2.4-py3-none-any.whl";
    for (what, bytes, code) in [
        ("a slip", add("../../../../etc/passwd"), "package-malformed"),
        ("an absolute path", add("/etc/passwd"), "package-malformed"),
        ("a whiteout", add("spam/.wh.main.py"), "package-malformed"),
        ("no archive", b"<html>".to_vec(), "package-malformed"),
        ("a cut one", whole[..whole.len() / 2].to_vec(), "package-malformed"),
        ("two distributions", add("ham-1.dist-info/METADATA"), "package-malformed"),
    ] {
        let server = served(&[(name.to_owned(), bytes)]).await;
        let place = place(&server);
        let scan = place.scan(&place.image("web", &[installed(&[])]).await, SPAM).await;
        let error = place.fix(&scan).await.map(|_| ()).unwrap_err();
        assert_eq!(error.code(), code, "{what}: {error}");
    }
    let server = served(&[(name.to_owned(), whole)]).await;
    let place = place(&server);
    let scan = place.scan(&place.image("web", &[installed(&[])]).await, SPAM).await;
    for (path, answer, code) in [
        (format!("/files/{name}"), Answer::Bytes(add("spam/more.py")), "file-unverified"),
        (format!("/files/{name}"), Answer::Redirect(format!("/files/{name}")), "mirror-unreachable"),
        ("/simple/spam/".to_owned(), Answer::Redirect("/simple/spam/".to_owned()), "mirror-unreachable"),
        ("/simple/spam/".to_owned(), Answer::Bytes(b"<html>".to_vec()), "package-malformed"),
    ] {
        server.pypi("spam", &[(name.to_owned(), wheel(&files("1.2.4", "")))]);
        server.put(&path, answer);
        let error = place.fix(&scan).await.map(|_| ()).unwrap_err();
        assert_eq!(error.code(), code, "{path}: {error}");
        assert!(!error.to_string().contains("127.0.0.1"), "{error}");
    }
}

/// What this machine's pip installs goes up, and pip itself finds nothing wrong with it.
#[tokio::test]
async fn a_real_wheel_goes_up() {
    let sources = Sources::from_machine();
    if sources.pypi.is_none() {
        println!("skipped: this machine's pip configuration names no index");
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let target = folder.path().join("root/usr/lib/python3.11/site-packages");
    let pip = Command::new("timeout")
        .args(["120", "python3", "-m", "pip", "install", "--quiet", "--no-deps", "--no-compile", "--target"])
        .arg(&target)
        .arg("idna==3.4")
        .output();
    if !pip.is_ok_and(|output| output.status.success()) {
        println!("skipped: pip cannot install from an index");
        return;
    }
    let mut builder = tar::Builder::new(Vec::new());
    builder.append_dir_all("", folder.path().join("root")).unwrap();
    let place = Place::new(sources);
    let image = place.image("real", &[builder.into_inner().unwrap()]).await;
    let scan = place.scan(&image, &[("PyPI", "idna", "3.7")]).await;
    let fixed = place.fixed(&scan).await;
    assert_eq!((fixed.plan.upgrades[0].from.as_str(), fixed.plan.upgrades[0].to.as_str()), ("3.4", "3.7"));
    assert!(fixed.report.findings.is_empty());
}
