//! Jars of Maven upgraded in place: a repository, jars and images made by the test itself, mended through the library. A
//! hostile repository, too.

#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "a test: it may fail, and says what it saw")]

#[allow(dead_code, reason = "the other tests use the rest of it")]
mod world;

use patchline_registry::Digest;
use patchline_remediation::{Fixed, languages::Sources};
use world::{Answer, Place, Server, layer, patch, refusals, wheel};

const LIB: &str = "app/lib";
const OLD: &str = "app/lib/left-1.2.0.jar";
const PLAIN: &str = "Automatic-Module-Name: org.example.left\n";

/// A class file's head, for Java 8 with 52.
fn class(major: u8, text: &str) -> Vec<u8> {
    [&[0xCA, 0xFE, 0xBA, 0xBE, 0, 0, 0, major], text.as_bytes()].concat()
}

/// A jar that says what it is; `more` lies in it besides.
fn jar(artifact: &str, version: &str, manifest: &str, more: &[(&str, Vec<u8>)]) -> Vec<u8> {
    let manifest = format!("Manifest-Version: 1.0\nImplementation-Version: {version}\n{manifest}\n");
    let properties = format!("version={version}\ngroupId=org.example\nartifactId={artifact}\n");
    let mut files = vec![
        ("META-INF/MANIFEST.MF".to_owned(), manifest.into_bytes()),
        (format!("META-INF/maven/org.example/{artifact}/pom.properties"), properties.into_bytes()),
        ("org/example/A.class".to_owned(), class(52, version)),
    ];
    files.extend(more.iter().map(|(path, content)| ((*path).to_owned(), content.clone())));
    wheel(&files)
}

fn left(version: &str) -> Vec<u8> {
    jar("left", version, PLAIN, &[])
}

/// A `pom.xml` that needs these: (artifact, version, what else is said).
fn pom(artifact: &str, version: &str, needs: &[(&str, &str, &str)]) -> String {
    let one = |(artifact, version, more): &(&str, &str, &str)| {
        let version =
            if version.is_empty() { String::new() } else { format!("<version>{version}</version>") };
        format!(
            "<dependency><groupId>org.example</groupId><artifactId>{artifact}</artifactId>{version}{more}</dependency>"
        )
    };
    let needs: String = needs.iter().map(one).collect();
    format!(
        "<?xml version=\"1.0\"?><project xmlns=\"http://maven.example/POM\"><groupId>org.example</groupId>\
         <artifactId>{artifact}</artifactId><version>{version}</version><dependencies>{needs}</dependencies></project>"
    )
}

const TEST: &str = "<scope>test</scope>";
const OPTIONAL: &str = "<optional>true</optional>";

fn published(version: &'static str) -> (&'static str, Vec<u8>, String) {
    let right = if version == "1.2.0" { "2.0.0" } else { "2.1.0" };
    let needs = [("right", right, ""), ("tests", "9", TEST), ("perhaps", "9", OPTIONAL)];
    (version, left(version), pom("left", version, &needs))
}

fn publish(server: &Server) {
    server.maven(
        "org.example:left",
        &["1.2.0", "1.2.1", "1.2.4-rc1", "1.2.4", "1.3.0", "2.0.0"].map(published),
    );
}

/// An application with `left` in it; `more` stands instead, and what is empty there is not.
fn shop(more: &[(&str, Vec<u8>)]) -> Vec<u8> {
    let main = jar("shop", "1.0.0", "Class-Path: left-1.2.0.jar right-2.1.0.jar\n", &[]);
    let mut files = vec![
        (OLD.to_owned(), left("1.2.0")),
        (format!("{LIB}/right-2.1.0.jar"), jar("right", "2.1.0", "", &[])),
        (format!("{LIB}/shop.jar"), main),
    ];
    files.retain(|(path, _)| !more.iter().any(|(other, _)| other == path));
    let more = more.iter().filter(|(_, content)| !content.is_empty());
    files.extend(more.map(|(path, content)| ((*path).to_owned(), content.clone())));
    layer(&files.iter().map(|(path, content)| (path.as_str(), Some(content))).collect::<Vec<_>>())
}

fn place(server: &Server) -> Place {
    let maven = format!("{}/maven", server.base).parse().unwrap();
    Place::new(Sources { maven: Some(maven), ..Sources::default() })
}

const LEFT: &[(&str, &str, &str)] = &[("Maven", "org.example:left", "1.2.3")];

#[tokio::test]
async fn a_jar_goes_up_under_its_name() {
    let server = Server::start().await;
    publish(&server);
    let place = place(&server);
    let image = place.image("web", &[shop(&[])]).await;
    let scan = place.scan(&image, LEFT).await;
    assert_eq!(scan.report.findings.len(), 1);

    let fixed = place.fixed(&scan).await;
    let up = &fixed.plan.upgrades[0];
    assert_eq!((up.ecosystem.as_str(), up.from.as_str(), up.to.as_str()), ("Maven", "1.2.0", "1.2.4"));
    assert_eq!((up.path.as_str(), up.mends.as_slice()), (OLD, &["CVE-2024-1000".to_owned()][..]));
    assert!(up.because.contains("SHA-1") && !up.because.contains("127.0.0.1"), "{}", up.because);
    assert!(fixed.plan.refused.is_empty() && fixed.report.findings.is_empty(), "{:?}", fixed.plan.refused);
    assert_eq!(fixed.archives[0].digest, Digest::of(&left("1.2.4")));
    let found = fixed.inventory.packages.iter().filter(|package| package.name == "org.example:left");
    let found: Vec<_> = found.map(|package| (package.version.as_str(), package.path.as_deref())).collect();
    assert_eq!(found, [("1.2.4", Some(OLD))], "a scan believes what is in it");

    let layer = patch(&fixed);
    let files: Vec<_> = layer.iter().filter(|(_, (.., content))| content.is_some()).collect();
    let text = String::from_utf8_lossy(&left("1.2.4")).into_owned();
    assert_eq!(files, [(&OLD.to_owned(), &(0o640, 1000, Some(text)))], "one file, and whose it was");
    assert_eq!(place.fixed(&scan).await.manifest.digest, fixed.manifest.digest, "equal bytes");
    place.remediator.push(&*place.images, &fixed, Some("web_fixed")).await.unwrap();
    let again = place.scan(&fixed.manifest.digest, LEFT).await;
    assert!(again.report.findings.is_empty());
    assert!(matches!(place.fix(&again).await.unwrap(), Fixed::Unchanged(_)));
}

#[tokio::test]
async fn every_danger_is_refused_by_name() {
    let server = Server::start().await;
    publish(&server);
    let moved = |to: &'static str| vec![(OLD, Vec::new()), (to, left("1.2.0"))];
    let two =
        [("META-INF/maven/org.example/x/pom.properties", b"version=1\ngroupId=x\nartifactId=x\n".to_vec())];
    let war = wheel(&[("WEB-INF/lib/left-1.2.0.jar".to_owned(), left("1.2.0"))]);
    for (more, code, said) in [
        (
            vec![(OLD, jar("left", "1.2.0", PLAIN, &[("mine.txt", Vec::new())]))],
            "files-changed",
            "not what was published",
        ),
        (vec![(OLD, jar("left", "1.2.0", PLAIN, &two))], "bundled", "made of 2 artifacts"),
        (vec![(OLD, Vec::new()), ("app/shop.war", war)], "bundled", "/app/shop.war"),
        (moved("app/left.par"), "not-in-place", "no jar"),
        (moved("m2/org/example/left/1.2.0/left-1.2.0.jar"), "not-in-place", "a store of org.example's"),
        (vec![("app/quarkus/quarkus-application.dat", b"x".to_vec())], "not-in-place", "Quarkus"),
        (
            vec![("app/lib/right-2.1.0.jar", jar("right", "2.0.0", "", &[]))],
            "new-dependency",
            "2.0.0 is there",
        ),
    ] {
        let place = place(&server);
        let image = place.image("web", &[shop(&more)]).await;
        let scan = place.scan(&image, LEFT).await;
        let fixed = place.fix(&scan).await.unwrap();
        assert_eq!(refusals(&fixed), [("org.example:left".to_owned(), code.to_owned())], "{said}");
        let Fixed::Unchanged(plan) = fixed else { panic!("{code}: an image was made") };
        let refused = &plan.refused[0];
        assert!(refused.reason.contains(said) && refused.reason.starts_with('/'), "{}", refused.reason);
        assert!(["1.2.3", "1.2.4"].contains(&refused.to.as_deref().unwrap()), "{refused:?}");
    }
    // Which layer has brought it is all the same.
    let place = place(&server);
    let image = place.image("web", &[shop(&[(OLD, Vec::new())]), shop(&[])]).await;
    let scan = place.scan(&image, LEFT).await;
    assert_eq!(place.fixed(&scan).await.plan.upgrades.len(), 1);
}

#[tokio::test]
async fn what_a_new_version_is_decides_too() {
    let module = |names: &[&str]| {
        let mut bytes = class(53, "");
        bytes.extend([0, u8::try_from(2 * names.len() + 1).unwrap()]);
        for (at, name) in names.iter().enumerate() {
            bytes.extend([&[1, 0, u8::try_from(name.len()).unwrap()], name.as_bytes()].concat());
            bytes.extend([19, 0, u8::try_from(2 * at + 1).unwrap()]);
        }
        bytes
    };
    let new = |manifest, more: &[(&str, Vec<u8>)]| jar("left", "1.2.4", manifest, more);
    let signed = [("META-INF/LEFT.SF", Vec::new())];
    for (jar, pom, code) in [
        (
            new(PLAIN, &[("org/example/B.class", class(61, ""))]),
            pom("left", "1.2.4", &[]),
            "interface-changed",
        ),
        (new("", &[]), pom("left", "1.2.4", &[]), "interface-changed"),
        (new(PLAIN, &signed), pom("left", "1.2.4", &[]), "interface-changed"),
        (
            new(PLAIN, &[("module-info.class", module(&["a"]))]),
            pom("left", "1.2.4", &[]),
            "interface-changed",
        ),
        (left("1.2.9"), pom("left", "1.2.4", &[]), "not-in-place"),
        (left("1.2.4"), pom("left", "1.2.4", &[("absent", "1.0", "")]), "new-dependency"),
        (left("1.2.4"), pom("left", "1.2.4", &[("right", "3.0.0", "")]), "new-dependency"),
        (left("1.2.4"), pom("left", "1.2.4", &[("right", "[2,3)", "")]), "new-dependency"),
        (left("1.2.4"), "no XML".to_owned(), "new-dependency"),
    ] {
        let server = Server::start().await;
        server.maven("org.example:left", &[published("1.2.0"), ("1.2.4", jar, pom)]);
        let place = place(&server);
        let image = place.image("web", &[shop(&[])]).await;
        let scan = place.scan(&image, LEFT).await;
        let fixed = place.fix(&scan).await.unwrap();
        let Fixed::Unchanged(plan) = &fixed else { panic!("{code}: an image was made") };
        let said = &plan.refused[0].reason;
        assert_eq!(refusals(&fixed), [("org.example:left".to_owned(), code.to_owned())], "{said}");
    }
    let server = Server::start().await;
    server.maven("org.example:left", &[published("1.2.0"), published("2.0.0")]);
    let place = place(&server);
    let image = place.image("web", &[shop(&[])]).await;
    let scan = place.scan(&image, LEFT).await;
    let Fixed::Unchanged(plan) = place.fix(&scan).await.unwrap() else { panic!("an image was made") };
    let refused = &plan.refused[0];
    assert_eq!((refused.code.as_str(), refused.to.as_deref()), ("no-compatible-version", Some("2.0.0")));
}

#[tokio::test]
async fn what_is_inherited_and_imported_is_needed_too() {
    let server = Server::start().await;
    let inherits = "<project><parent><groupId>org.example</groupId><artifactId>family</artifactId><version>7</version>\
        </parent><artifactId>left</artifactId><version>1.2.4</version></project>";
    let family = |right: &str| {
        let managed = pom("family", "7", &[("right", "", "")]);
        managed.replace(
            "<dependencies>",
            &format!(
                "<properties><right.version>{right}</right.version></properties><dependencyManagement><dependencies>\
                 <dependency><groupId>org.example</groupId><artifactId>bill</artifactId><version>${{right.version}}</version>\
                 <type>pom</type><scope>import</scope></dependency></dependencies></dependencyManagement><dependencies>"
            ),
        )
    };
    let bill = |version: &str| {
        format!(
            "<project><groupId>org.example</groupId><artifactId>bill</artifactId><version>{version}</version>\
             <dependencyManagement><dependencies><dependency><groupId>${{project.groupId}}</groupId>\
             <artifactId>right</artifactId><version>${{project.version}}</version></dependency></dependencies>\
             </dependencyManagement></project>"
        )
    };
    server.maven("org.example:left", &[published("1.2.0"), ("1.2.4", left("1.2.4"), inherits.to_owned())]);
    let put = |path: &str, text: String| {
        server.put(&format!("/maven/org/example/{path}"), Answer::Bytes(text.into()))
    };
    let place = place(&server);
    let image = place.image("web", &[shop(&[])]).await;
    let scan = place.scan(&image, LEFT).await;
    let code = async || refusals(&place.fix(&scan).await.unwrap()).pop().map(|(_, code)| code);

    assert_eq!(code().await.as_deref(), Some("new-dependency"), "its parent is nowhere");
    for (right, refused) in [("2.1.0", None), ("2.2.0", Some("new-dependency"))] {
        put("family/7/family-7.pom", family(right));
        put(&format!("bill/{right}/bill-{right}.pom"), bill(right));
        assert_eq!(code().await.as_deref(), refused, "{right}");
    }
    // One that is its own parent ends.
    put("family/7/family-7.pom", inherits.replace("1.2.4", "7").replace(">left<", ">family<"));
    assert_eq!(code().await.as_deref(), Some("new-dependency"));
}

#[tokio::test]
async fn an_upgrade_waits_for_what_another_one_brings() {
    let server = Server::start().await;
    publish(&server);
    let right = |version: &'static str| (version, jar("right", version, "", &[]), pom("right", version, &[]));
    server.maven("org.example:right", &["2.0.0", "2.1.0"].map(right));
    let place = place(&server);
    let low = [("app/lib/right-2.1.0.jar", jar("right", "2.0.0", "", &[]))];
    let image = place.image("web", &[shop(&low)]).await;
    let scan = place.scan(&image, &[LEFT[0], ("Maven", "org.example:right", "2.1.0")]).await;
    let fixed = place.fixed(&scan).await;
    let went: Vec<_> = fixed.plan.upgrades.iter().map(|up| (up.package.as_str(), up.to.as_str())).collect();
    assert_eq!(went, [("org.example:left", "1.2.4"), ("org.example:right", "2.1.0")]);
    assert!(fixed.report.findings.is_empty());
}

#[tokio::test]
async fn a_hostile_repository_gives_no_image() {
    let folder = "/maven/org/example/left";
    let file = format!("{folder}/1.2.4/left-1.2.4.jar");
    let (sum, sha256) = (format!("{file}.sha1"), format!("{file}.sha256"));
    let metadata = format!("{folder}/maven-metadata.xml");
    let bytes = |text: &str| Answer::Bytes(text.as_bytes().to_vec());
    let server = Server::start().await;
    let place = place(&server);
    let image = place.image("web", &[shop(&[])]).await;
    let scan = place.scan(&image, LEFT).await;
    for (path, answer, code) in [
        (&file, Answer::Bytes(left("1.2.1")), "file-unverified"),
        (&file, Answer::Redirect(file.clone()), "mirror-unreachable"),
        (&sum, bytes("<html>"), "package-malformed"),
        (&sum, bytes(&"0".repeat(40)), "file-unverified"),
        (&sum, bytes(&"x".repeat(1 << 20)), "file-unverified"),
        (&sha256, bytes(&"0".repeat(64)), "file-unverified"),
        (&metadata, bytes("{}"), "package-malformed"),
        (&metadata, bytes("<!DOCTYPE x [<!ENTITY e 'x'>]><metadata>&e;</metadata>"), "package-malformed"),
    ] {
        publish(&server);
        server.put(path, answer);
        let error = place.fix(&scan).await.map(|_| ()).unwrap_err();
        assert_eq!(error.code(), code, "{path}: {error}");
        assert!(!error.to_string().contains("127.0.0.1"), "{error}");
        server.remove(&sha256);
    }
    server.maven(
        "org.example:left",
        &[published("1.2.0"), ("1.2.4", b"<html>".to_vec(), pom("left", "1.2.4", &[]))],
    );
    let error = place.fix(&scan).await.map(|_| ()).unwrap_err();
    assert_eq!(error.code(), "package-malformed", "{error}");
    publish(&server);
    server.remove(&sum);
    let error = place.fix(&scan).await.map(|_| ()).unwrap_err();
    assert_eq!(error.code(), "file-unverified", "no checksum at all: {error}");
    assert_eq!(place.images.tags().await.unwrap(), ["web"]);
}

#[tokio::test]
async fn without_a_repository_nothing_goes_up_and_each_is_named() {
    let place = Place::new(Sources::default());
    let image = place.image("web", &[shop(&[])]).await;
    let scan = place.scan(&image, LEFT).await;
    let Fixed::Unchanged(plan) = place.fix(&scan).await.unwrap() else { panic!("an image was made") };
    let refused = &plan.refused[0];
    assert_eq!((refused.code.as_str(), refused.to.as_deref()), ("no-mirror", Some("1.2.3")), "{refused:?}");
    assert!(refused.reason.contains("--maven-repository"), "{refused:?}");
    let fat = jar("shop", "1.0.0", "", &[("BOOT-INF/lib/left-1.2.0.jar", left("1.2.0"))]);
    let image = place.image("fat", &[shop(&[(OLD, Vec::new()), ("app/shop.jar", fat)])]).await;
    let scan = place.scan(&image, LEFT).await;
    let Fixed::Unchanged(plan) = place.fix(&scan).await.unwrap() else { panic!("an image was made") };
    let refused = &plan.refused[0];
    assert_eq!((refused.code.as_str(), refused.to.as_deref()), ("bundled", Some("1.2.3")), "the advice");
    assert!(refused.reason.contains("BOOT-INF/lib/left-1.2.0.jar"), "{}", refused.reason);
}

/// Against the repository that this machine's Maven settings name, where it answers.
#[tokio::test]
async fn a_real_jar_goes_up() {
    let sources = Sources::from_machine();
    let Some(base) = sources.maven.clone() else {
        println!("skipped: this machine's Maven settings name no mirror of the central repository");
        return;
    };
    let file = "commons-codec/commons-codec/1.14/commons-codec-1.14.jar";
    let old = match reqwest::get(base.join(file).unwrap()).await.and_then(reqwest::Response::error_for_status)
    {
        Ok(answer) => answer.bytes().await.unwrap(),
        Err(_) => {
            println!("skipped: the repository of this machine's Maven settings cannot be reached");
            return;
        }
    };
    let place = Place::new(sources);
    let tar = layer(&[("srv/lib/commons-codec-1.14.jar", Some(&old[..]))]);
    let image = place.image("real", &[tar]).await;
    let scan = place.scan(&image, &[("Maven", "commons-codec:commons-codec", "1.15")]).await;
    let fixed = place.fixed(&scan).await;
    assert_eq!(fixed.plan.upgrades[0].to, "1.15");
    assert!(fixed.report.findings.is_empty());
}
