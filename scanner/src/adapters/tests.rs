//! The whole way of a program: the image handed over as a layout, nothing of ours with it, its report read.

use std::{os::unix::fs::PermissionsExt as _, path::Path};

use super::testdata::{self, Lab};
use super::*;

/// A program that answers only where it finds the layout that it expects, in an environment that it may have.
fn program(folder: &Path, script: &str) -> Program {
    let path = folder.join("scanner");
    std::fs::write(&path, format!("#!/bin/sh\nset -e\n{script}\n")).unwrap();
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
    Program { path, sha256: None, time: Duration::from_secs(60) }
}

#[tokio::test]
async fn trivy_gets_a_layout_a_cache_of_its_own_and_no_download() {
    let lab = Lab::start().await;
    let inventory = testdata::inventory(&lab.image);
    let folder = tempfile::tempdir().unwrap();
    let cache = folder.path().join("cache");
    std::fs::create_dir_all(cache.join("db")).unwrap();
    std::fs::write(cache.join("db/metadata.json"), r#"{"Version":2,"UpdatedAt":"2026-05-01T00:00:00Z"}"#)
        .unwrap();
    let report = r#"{"SchemaVersion":2,"Trivy":{"Version":"0.59.1"},"ArtifactType":"container_image","Results":[{"Class":"os-pkgs","Type":"debian","Vulnerabilities":[{"VulnerabilityID":"CVE-2024-1","PkgName":"libssl3","InstalledVersion":"3.0.11-1","Severity":"LOW"}]}]}"#;
    let blob = lab.image.hex();
    let script = format!(
        "test \"$1 $2\" = 'image --input'; test -s \"$3/oci-layout\"; test -s \"$3/blobs/sha256/{blob}\"
case \"$*\" in *--skip-db-update*--offline-scan*) ;; *) exit 9;; esac
test -s \"$HOME/cache/db/metadata.json\"; test -z \"$TRIVY_USERNAME$TRIVY_PASSWORD$DOCKER_CONFIG\"
echo '{report}'"
    );
    let settings = trivy::Settings {
        program: program(folder.path(), &script),
        cache: Some(cache),
        server: None,
        token: None,
    };
    let scratch = folder.path().join("scratch");
    let trivy = trivy::Trivy::new("trivy", settings, scratch.clone());
    let subject = Subject { repository: lab.repository.as_ref(), inventory: &inventory };
    let report = trivy.scan(&subject).await.unwrap();
    assert_eq!((report.findings.len(), report.findings[0].source.as_str()), (1, "openssl"));
    assert!(report.advisory_revision.ends_with("2026-05-01T00:00:00Z"), "{}", report.advisory_revision);
    assert_eq!(std::fs::read_dir(scratch).unwrap().count(), 0, "nothing is left");
}

#[tokio::test]
async fn a_trivy_server_is_named_openly_and_its_token_is_not() {
    let lab = Lab::start().await;
    let inventory = testdata::inventory(&lab.image);
    let folder = tempfile::tempdir().unwrap();
    let script = "case \"$*\" in *'--server http://127.0.0.1:4954') ;; *) exit 9;; esac
case \"$*\" in *hunter2*) exit 8;; esac
echo \"the server refuses $TRIVY_TOKEN\" >&2; exit 1";
    let settings = trivy::Settings {
        program: program(folder.path(), script),
        cache: None,
        server: Some("http://127.0.0.1:4954/".parse().unwrap()),
        token: Some(patchline_registry::Secret::new("hunter2")),
    };
    let trivy = trivy::Trivy::new("trivy", settings, folder.path().join("scratch"));
    let subject = Subject { repository: lab.repository.as_ref(), inventory: &inventory };
    let error = trivy.scan(&subject).await.unwrap_err();
    assert_eq!(error.to_string(), "trivy failed (exit code 1): the server refuses …");
}

#[tokio::test]
async fn grype_gets_a_layout_and_no_download() {
    let lab = Lab::start().await;
    let inventory = testdata::inventory(&lab.image);
    let folder = tempfile::tempdir().unwrap();
    let script = "dir=${1#oci-dir:}; test -s \"$dir/index.json\"; test \"$2 $3\" = '-o json'
test \"$GRYPE_DB_AUTO_UPDATE $GRYPE_CHECK_FOR_APP_UPDATE $GRYPE_DB_CACHE_DIR\" = 'false false /var/grype'
echo '{\"matches\":null,\"descriptor\":{\"name\":\"grype\",\"version\":\"0.90.0\"}}'";
    let settings = grype::Settings { program: program(folder.path(), script), cache: "/var/grype".into() };
    let grype = grype::Grype::new("grype", settings, folder.path().join("scratch"));
    let subject = Subject { repository: lab.repository.as_ref(), inventory: &inventory };
    let report = grype.scan(&subject).await.unwrap();
    assert_eq!((report.findings.len(), report.completeness), (0, crate::Completeness::Complete));
}
