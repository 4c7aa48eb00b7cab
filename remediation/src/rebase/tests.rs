use std::collections::BTreeMap;

use patchline_registry::{BlobContent, layout, model};
use patchline_scanner::NoFacts;
use serde_json::json;

use super::*;

const OS: &str = "ID=debian\nVERSION_ID=\"12\"\n";

/// Path, content; none: a whiteout. A path that ends in `/` is a folder, `-> target` in the content a link.
type Files<'a> = &'a [(&'a str, Option<&'a str>)];

fn tar(files: Files<'_>) -> Vec<u8> {
    let mut builder = tar::Builder::new(Vec::new());
    for (path, content) in files {
        let mut header = tar::Header::new_gnu();
        header.set_uid(0);
        header.set_gid(0);
        header.set_mtime(1);
        header.set_mode(0o644);
        header.set_size(0);
        let (folder, name) = path.trim_end_matches('/').rsplit_once('/').unwrap_or(("", path));
        match content {
            None => {
                let path = format!("{folder}/.wh.{name}");
                builder.append_data(&mut header, path.trim_start_matches('/'), &b""[..]).unwrap();
            }
            Some(text) => match text.strip_prefix("-> ") {
                Some(target) => {
                    header.set_entry_type(tar::EntryType::Symlink);
                    builder.append_link(&mut header, path, target).unwrap();
                }
                None if path.ends_with('/') => {
                    header.set_entry_type(tar::EntryType::Directory);
                    builder.append_data(&mut header, path, &b""[..]).unwrap();
                }
                None => {
                    header.set_size(text.len() as u64);
                    builder.append_data(&mut header, path, text.as_bytes()).unwrap();
                }
            },
        }
    }
    builder.into_inner().unwrap()
}

async fn image(repository: &dyn Repository, layers: &[Files<'_>], config: Value) -> Digest {
    let (mut blobs, mut diff_ids) = (Vec::new(), Vec::new());
    for files in layers {
        let tar = tar(files);
        diff_ids.push(Digest::of(&tar));
        let blob = json!({
            "mediaType": "application/vnd.oci.image.layer.v1.tar", "digest": Digest::of(&tar), "size": tar.len(),
        });
        let descriptor: Descriptor = serde_json::from_value(blob.clone()).unwrap();
        repository.push_blob(&descriptor, BlobContent::Bytes(tar.into())).await.unwrap();
        blobs.push(blob);
    }
    let history: Vec<Value> = layers.iter().map(|files| json!({"created_by": files[0].0})).collect();
    let config = json!({
        "created": "2026-01-01T00:00:00Z", "architecture": "amd64", "os": "linux", "config": config,
        "rootfs": {"type": "layers", "diff_ids": diff_ids}, "history": history,
    });
    let config = serde_json::to_vec(&config).unwrap();
    let descriptor =
        json!({"mediaType": model::OCI_CONFIG, "digest": Digest::of(&config), "size": config.len()});
    let manifest = json!({
        "schemaVersion": 2, "mediaType": model::OCI_MANIFEST, "layers": blobs, "config": descriptor,
        "annotations": {"team": "web", "dev.patchline.patch-layer": "of an earlier fix"},
    });
    let blob: Descriptor = serde_json::from_value(descriptor).unwrap();
    repository.push_blob(&blob, BlobContent::Bytes(config.into())).await.unwrap();
    let manifest = RawManifest::new(model::OCI_MANIFEST, serde_json::to_vec(&manifest).unwrap());
    repository.push_manifest(manifest.digest.as_str(), &manifest).await.unwrap();
    manifest.digest
}

/// An image, its base, and what its base has become, in two repositories.
struct Case {
    _folder: tempfile::TempDir,
    images: Arc<dyn Repository>,
    bases: Arc<dyn Repository>,
    old: Digest,
    new: Digest,
    image: Digest,
}

const LIBRARY: (&str, Option<&str>) = ("usr/lib/libc.so", Some("old library"));

impl Case {
    async fn new(newer: Files<'_>, own: Files<'_>) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let images = layout::open(&folder.path().join("images"), true).unwrap();
        let bases = layout::open(&folder.path().join("bases"), true).unwrap();
        let before: Files<'_> = &[
            ("etc/os-release", Some(OS)),
            LIBRARY,
            ("etc/passwd", Some("root")),
            ("lib/", Some("")),
            ("var/lib/dpkg/status", Some("Package: libc\n")),
        ];
        let says = json!({"Env": ["PATH=/bin", "VERSION=1"], "Cmd": ["sh"], "StopSignal": "SIGTERM", "Labels": null});
        let old = image(&*bases, &[before], says.clone()).await;
        let said = json!({
            "Env": ["PATH=/bin:/usr/bin", "VERSION=2", "NEW=yes"], "Cmd": ["bash"], "StopSignal": "SIGTERM",
            "Labels": {"of": "base"},
        });
        let new = image(&*bases, &[newer], said).await;
        let config = json!({
            "Env": ["PATH=/app:/bin", "VERSION=1", "OWN=1"], "Cmd": ["sh"], "Entrypoint": ["/app/run"],
            "User": "app", "Labels": {"team": "web", "org.opencontainers.image.base.digest": old},
        });
        let image = image(&*images, &[before, own], config).await;
        Self { _folder: folder, images, bases, old, new, image }
    }

    async fn rebase(&self) -> Result<Rebase> {
        let facts: Arc<dyn LayerFacts> = Arc::new(NoFacts);
        let inventory = patchline_scanner::inventory(&*self.images, &self.image, facts.clone()).await?;
        let report = patchline_scanner::report(&inventory, &[]);
        let request = RebaseRequest {
            repository: &*self.images,
            manifest: self.image.clone(),
            base: &*self.bases,
            name: "registry.example/base:12".to_owned(),
            old: self.old.clone(),
            new: self.new.clone(),
            report: &report,
            advisories: &[],
            progress: Arc::new(|_, _, _| {}),
        };
        rebase(&request, &facts).await
    }

    async fn refused(newer: Files<'_>, own: Files<'_>) -> String {
        match Self::new(newer, own).await.rebase().await {
            Err(error @ Error::RebaseRefused { .. }) => error.to_string(),
            Err(other) => panic!("{other}"),
            Ok(_) => panic!("it was not refused: {own:?}"),
        }
    }
}

const NEWER: Files<'static> = &[
    ("etc/os-release", Some(OS)),
    ("usr/lib/libc.so", Some("new library")),
    ("etc/passwd", Some("root")),
    ("lib/", Some("")),
    ("var/lib/dpkg/status", Some("Package: libc\nVersion: 2\n")),
];

#[tokio::test]
async fn its_own_layers_come_to_stand_on_the_newer_base() {
    let case = Case::new(NEWER, &[("app/run", Some("program")), ("etc/passwd", Some("root\napp"))]).await;
    let Rebase::Image(rebased) = case.rebase().await.unwrap() else { panic!("it is current") };
    rebased.push(&*case.images, &*case.bases).await.unwrap();
    rebased.push(&*case.images, &*case.bases).await.unwrap();
    let image = open(&*case.images, rebased.manifest.digest.as_str()).await.unwrap();
    let (before, base) = (
        open(&*case.images, case.image.as_str()).await.unwrap(),
        open(&*case.bases, case.new.as_str()).await.unwrap(),
    );
    assert_eq!(image.diff_ids, [&base.diff_ids[0], &before.diff_ids[1]].map(Clone::clone));
    let facts: Arc<dyn LayerFacts> = Arc::new(NoFacts);
    let tree = image.tree(&*case.images, &facts, Flavour::Dpkg, |_, _| {}).await.unwrap();
    assert_eq!(tree.get("usr/lib/libc.so").unwrap().entry.size, "new library".len() as u64);
    assert!(tree.get("app/run").is_some());
    // What it had left as its base said it follows the base; what it had changed stays.
    assert_eq!(
        image.config["config"],
        json!({
            "Env": ["PATH=/app:/bin", "VERSION=2", "OWN=1", "NEW=yes"], "Cmd": ["bash"],
            "Entrypoint": ["/app/run"], "User": "app",
            "Labels": {"team": "web", "org.opencontainers.image.base.digest": case.new, "of": "base"},
        })
    );
    assert_eq!(image.config["history"], json!([{"created_by": "etc/os-release"}, {"created_by": "app/run"}]));
    let said: BTreeMap<&str, &str> =
        image.manifest.annotations.iter().map(|(key, value)| (key.as_str(), value.as_str())).collect();
    assert_eq!(
        said,
        BTreeMap::from([
            ("team", "web"),
            ("org.opencontainers.image.base.name", "registry.example/base:12"),
            ("org.opencontainers.image.base.digest", case.new.as_str()),
            ("dev.patchline.rebase-source", case.image.as_str()),
        ])
    );
    assert_eq!(source(&*case.images, &image.raw.digest).await.unwrap(), Some(case.image.clone()));
    assert_eq!(source(&*case.images, &case.image).await.unwrap(), None);
    let Rebase::Image(again) = case.rebase().await.unwrap() else { panic!("it is current") };
    assert_eq!(again.manifest.digest, rebased.manifest.digest, "the same bytes");
}

#[tokio::test]
async fn what_a_build_might_make_otherwise_is_refused_by_name() {
    let own: Files<'_> = &[("var/lib/dpkg/status", Some("Package: nginx\n"))];
    let said = Case::refused(NEWER, own).await;
    assert!(said.contains("the package database (/var/lib/dpkg/status)"), "{said}");
    let said = Case::refused(NEWER, &[("var/lib/dpkg/status", None)]).await;
    assert!(said.contains("/var/lib/dpkg/status"), "{said}");
    let said = Case::refused(NEWER, &[("usr/lib/libc.so", Some("patched by hand"))]).await;
    assert!(said.contains("the base has changed /usr/lib/libc.so, and the image has its own"), "{said}");
    let merged: Vec<_> = NEWER.iter().filter(|(path, _)| *path != "lib/").copied().collect();
    let merged = [merged.as_slice(), &[("lib", Some("-> usr/lib"))]].concat();
    let said = Case::refused(&merged, &[("lib/plugin.so", Some("plugin"))]).await;
    assert!(said.contains("/lib has become another link, and /lib/plugin.so lies in it"), "{said}");
    let brings = [NEWER, &[("app/run", Some("the base's"))]].concat();
    let said = Case::refused(&brings, &[("app/run", Some("its own"))]).await;
    assert!(said.contains("the base brings /app/run now"), "{said}");
    let other = [&[("etc/os-release", Some("ID=debian\nVERSION_ID=\"13\"\n"))], &NEWER[1..]].concat();
    let said = Case::refused(&other, &[("app/run", Some("program"))]).await;
    assert!(said.contains("debian 12 has become debian 13"), "{said}");
}

#[tokio::test]
async fn a_base_that_is_gone_or_another_is_said_to_be() {
    let mut case = Case::new(NEWER, &[("app/run", Some("program"))]).await;
    case.new = case.old.clone();
    assert!(matches!(case.rebase().await.unwrap(), Rebase::Current));
    // Not what its first layers are.
    let mut case = Case::new(NEWER, &[("app/run", Some("program"))]).await;
    std::mem::swap(&mut case.new, &mut case.old);
    let said = case.rebase().await.err().unwrap();
    assert!(said.code() == "base-unfit" && said.to_string().contains("first layers are not those"), "{said}");
    case.image = image(&*case.images, &[NEWER], json!({})).await;
    let said = case.rebase().await.err().unwrap();
    assert!(said.to_string().contains("no layer of its own"), "{said}");
    case.old = Digest::of(b"gone");
    let said = case.rebase().await.err().unwrap();
    assert!(said.to_string().contains("no longer there"), "{said}");
}

#[test]
fn grave_findings_that_are_new_stop_it() {
    let report = |findings: &[(&str, Severity)]| {
        let finding = |(id, severity): &(&str, Severity)| {
            json!({
                "id": id, "aliases": [], "ecosystem": "Debian:12", "packages": ["p"], "source": "p",
                "installed": "1", "fixed": null, "severity": severity, "severity_source": "x",
                "known_exploited": false, "epss": null, "layer": null, "summary": null, "published": null,
                "because": "", "mendable": null,
            })
        };
        let findings: Vec<Value> = findings.iter().map(finding).collect();
        let report = json!({
            "version": 1, "image": Digest::of(b""), "distro": null, "packages": 1, "advisory_revision": "",
            "completeness": {"state": "complete"}, "findings": findings,
        });
        serde_json::from_value::<Report>(report).unwrap()
    };
    let before = report(&[("CVE-1", Severity::High)]);
    assert!(brings(&before, &before).is_ok());
    assert!(brings(&before, &report(&[("CVE-2", Severity::Medium)])).is_ok());
    let said = brings(&before, &report(&[("CVE-2", Severity::Critical)])).unwrap_err().to_string();
    assert!(said.contains("CVE-2 in p 1"), "{said}");
}
