use super::*;

const CONFIG: &str = r#"{"mediaType":"application/vnd.oci.image.config.v1+json","digest":"sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855","size":2}"#;

fn image(rest: &str) -> RawManifest {
    RawManifest::new(OCI_MANIFEST, format!(r#"{{"schemaVersion":2,"config":{CONFIG}{rest}}}"#))
}

#[test]
fn null_lists_are_empty_lists() {
    let manifest = image(r#","layers":null,"annotations":null"#).image().unwrap();
    assert!(manifest.layers.is_empty() && manifest.annotations.is_empty());
}

#[test]
fn the_document_may_not_contradict_its_content_type() {
    let raw = image(&format!(r#","layers":[],"mediaType":"{DOCKER_MANIFEST}""#));
    assert_eq!(raw.decode().unwrap_err().code(), "invalid-document");
    assert!(RawManifest::new("text/html", "<html>").decode().is_err());
    assert!(RawManifest::new(OCI_MANIFEST, "[".repeat(10_000)).decode().is_err());
}

#[test]
fn an_index_is_no_image() {
    let raw = RawManifest::new(OCI_INDEX, r#"{"schemaVersion":2,"manifests":[]}"#);
    assert!(matches!(raw.decode().unwrap(), ManifestKind::Index(_)));
    assert!(raw.image().unwrap_err().to_string().contains("several platforms"));
}

#[test]
fn too_many_layers_are_refused() {
    let layers = vec![CONFIG; MAX_PARTS + 1].join(",");
    assert!(image(&format!(r#","layers":[{layers}]"#)).decode().is_err());
}

#[test]
fn a_referrer_is_listed_with_its_artifact_type() {
    let raw = image(&format!(
        r#","layers":[],"artifactType":"x/sbom","subject":{CONFIG},"annotations":{{"a":"b"}}"#
    ));
    let (subject, listed) = raw.referrer().unwrap().unwrap();
    assert_eq!(subject, Digest::of(b""));
    assert_eq!(listed.artifact_type.as_deref(), Some("x/sbom"));
    assert_eq!(listed.annotations["a"], "b");
    assert_eq!(image(r#","layers":[]"#).referrer().unwrap(), None);
}
