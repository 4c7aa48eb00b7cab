use std::io::Write as _;

use super::*;
use crate::{ManifestKind, model};

fn tar(entries: &[(&str, &[u8])]) -> tar::Builder<Vec<u8>> {
    let mut builder = tar::Builder::new(Vec::new());
    for (name, content) in entries {
        let mut header = tar::Header::new_gnu();
        header.set_size(content.len() as u64);
        header.set_mode(0o644);
        builder.append_data(&mut header, name, *content).expect("appended");
    }
    builder
}

fn file(bytes: &[u8]) -> tempfile::NamedTempFile {
    let mut file = tempfile::NamedTempFile::new().expect("file");
    file.write_all(bytes).expect("written");
    file
}

fn saved(config: &str, tags: &[&str], layers: &[&str]) -> serde_json::Value {
    serde_json::json!({"Config": config, "RepoTags": tags, "Layers": layers})
}

/// As Docker wrote it before it wrote layouts: a folder a layer, the second one by a link to the first.
fn old_form() -> Vec<u8> {
    let manifest =
        serde_json::json!([saved("abc.json", &["app:1", "app:2"], &["one/layer.tar", "two/layer.tar"])]);
    let layer = tar(&[("etc/os-release", b"ID=debian\n")]).into_inner().expect("tar");
    let mut builder = tar(&[
        ("one/layer.tar", &layer),
        ("abc.json", b"{}"),
        ("manifest.json", manifest.to_string().as_bytes()),
    ]);
    let mut header = tar::Header::new_gnu();
    header.set_entry_type(tar::EntryType::Symlink);
    header.set_size(0);
    builder.append_link(&mut header, "two/layer.tar", "../one/layer.tar").expect("link");
    builder.into_inner().expect("tar")
}

#[tokio::test]
async fn an_image_is_made_of_what_lies_in_the_file() {
    let file = file(&old_form());
    for name in ["", "app:1", "app:2"] {
        let (repository, digest) = open(file.path(), name).await.expect("opened");
        let manifest = repository.manifest(digest.as_str()).await.expect("manifest");
        assert_eq!((&manifest.digest, &Digest::of(&manifest.bytes)), (&digest, &digest));
        let ManifestKind::Image(image) = manifest.decode().expect("an image") else { panic!("an index") };
        assert_eq!(image.layers.len(), 2);
        assert_eq!(image.layers[0], image.layers[1]);
        assert_eq!(image.layers[0].media_type, model::OCI_LAYER_TAR);
        let mut bytes = Vec::new();
        repository
            .blob(&image.layers[0])
            .await
            .expect("blob")
            .read_to_end(&mut bytes)
            .await
            .expect("verified");
        assert_eq!(Digest::of(&bytes), image.layers[0].digest);
        assert!(repository.push_manifest("", &manifest).await.is_err());
    }
}

#[tokio::test]
async fn what_changes_under_a_reader_is_noticed() {
    let file = file(&old_form());
    let (repository, digest) = open(file.path(), "").await.expect("opened");
    let ManifestKind::Image(image) =
        repository.manifest(digest.as_str()).await.expect("it").decode().expect("it")
    else {
        panic!("an index")
    };
    let mut bytes = std::fs::read(file.path()).expect("read");
    let at = bytes.windows(9).position(|w| w == b"ID=debian").expect("there");
    bytes[at] = b'X';
    std::fs::write(file.path(), bytes).expect("written");
    let mut blob = repository.blob(&image.layers[0]).await.expect("blob");
    let error = blob.read_to_end(&mut Vec::new()).await.expect_err("another blob");
    assert!(error.downcast::<Error>().is_ok_and(|e| e.code() == "digest-mismatch"));
}

#[tokio::test]
async fn what_is_no_such_file_is_an_error_that_says_why() {
    let says = async |bytes: &[u8], name: &str, what: &str| {
        let file = file(bytes);
        let Err(error) = open(file.path(), name).await else { panic!("{what}") };
        let text = format!("{error}: {:?}", std::error::Error::source(&error));
        assert!(text.contains(what), "{text}");
    };
    let with = |manifest: serde_json::Value| {
        let text = manifest.to_string();
        tar(&[("manifest.json", text.as_bytes()), ("c", b"{}"), ("l", b"x")]).into_inner().expect("tar")
    };
    says(b"rubbish that is long enough to be no archive", "", "no archive of images").await;
    says(&with(serde_json::json!({})), "", "manifest.json").await;
    says(&with(serde_json::json!([])), "", "no image").await;
    says(
        &with(serde_json::json!([saved("c", &["a:1"], &[]), saved("c", &["b:1"], &[])])),
        "",
        "name one of: a:1, b:1",
    )
    .await;
    says(&with(serde_json::json!([saved("c", &["a:1"], &["l"])])), "z:1", "there are: a:1").await;
    says(&with(serde_json::json!([saved("c", &[], &["../../etc/passwd"])])), "", "it has no etc/passwd")
        .await;
    let long: Vec<&str> = vec!["l"; model::MAX_PARTS + 1];
    says(&with(serde_json::json!([saved("c", &[], &long)])), "", "more than").await;
    let whole = old_form();
    says(&whole[..700], "", "cannot be read: it ").await;
    // A ring of links.
    let mut builder =
        tar(&[("manifest.json", serde_json::json!([saved("x", &[], &[])]).to_string().as_bytes())]);
    let mut header = tar::Header::new_gnu();
    header.set_entry_type(tar::EntryType::Symlink);
    header.set_size(0);
    builder.append_link(&mut header, "x", "x").expect("link");
    says(&builder.into_inner().expect("tar"), "", "it has no x").await;
}
