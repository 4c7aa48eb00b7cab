//! Layers that are broken, or mean harm.

use crate::support::{Image, Layer, Tar, debian, status};
use patchline_registry::{Digest, model};
use patchline_scanner::Error;
use tar::EntryType;

async fn error(layers: &[Layer]) -> Error {
    Image::new(layers).await.inventory().await.expect_err("it must not be accepted")
}

#[tokio::test]
async fn truncated_layers() {
    let whole = debian(&[("a", "1")]).file("random", noise(200_000)).bytes();
    let gzip = Layer::gzip(&whole);
    let cut = Layer { bytes: gzip.bytes[..gzip.bytes.len() / 2].to_vec(), ..gzip };
    let e = error(&[cut]).await;
    assert_eq!(e.code(), "layer-unreadable");
    assert!(e.to_string().contains("truncated"), "{e}");
    // A whole stream around half an archive, and nothing at all.
    let half = whole[..whole.len() / 2].to_vec();
    let e = error(&[Layer::gzip(&half)]).await;
    assert!(e.to_string().contains("truncated"), "{e}");
    let e = error(&[Layer {
        media_type: model::OCI_LAYER_GZIP,
        bytes: vec![0x1f, 0x8b],
        diff_id: Digest::of(b""),
    }])
    .await;
    assert_eq!(e.code(), "layer-unreadable");
}

/// Bytes that do not compress.
fn noise(count: usize) -> Vec<u8> {
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state.to_le_bytes()[3]
    };
    (0..count).map(|_| next()).collect()
}

#[tokio::test]
async fn a_wrong_diff_id() {
    let layer = Layer { diff_id: Digest::of(b"something else"), ..debian(&[("a", "1")]).gzip() };
    let e = error(std::slice::from_ref(&layer)).await;
    assert_eq!(e.code(), "layer-unreadable");
    assert!(e.to_string().contains("diff_id") && e.to_string().contains(&layer.digest().to_string()), "{e}");
    // Bytes behind the archive's end count, too.
    let mut tar = debian(&[("a", "1")]).bytes();
    let diff_id = Digest::of(&tar);
    tar.extend(noise(1000));
    let e = error(&[Layer { diff_id, ..Layer::gzip(&tar) }]).await;
    assert!(e.to_string().contains("diff_id"), "{e}");
}

#[tokio::test]
async fn a_blob_that_is_not_what_its_digest_says() {
    let base = debian(&[("a", "1")]).file("random", noise(300_000)).gzip();
    let image = Image::new(std::slice::from_ref(&base)).await;
    // First behind the archive's start, then so that the decoder stumbles before the digest is known.
    for at in [base.bytes.len() - 3, 100] {
        let mut bytes = base.bytes.clone();
        bytes[at] ^= 0xff;
        let path = image.blob_path(&base.digest());
        std::fs::remove_file(&path).expect("removed");
        std::fs::write(&path, bytes).expect("written");
        let e = image.inventory().await.expect_err("corrupt");
        assert_eq!(e.code(), "digest-mismatch", "{e}");
    }
}

#[tokio::test]
async fn a_bomb() {
    let mut tar = Tar::new();
    for i in 0..3 {
        tar = tar.file(&format!("zero{i}"), vec![0; 40 << 20]);
    }
    let bytes = tar.bytes();
    let bomb = Layer {
        media_type: model::OCI_LAYER_ZSTD,
        bytes: zstd::encode_all(bytes.as_slice(), 3).expect("zstd"),
        diff_id: Digest::of(&bytes),
    };
    let e = error(&[bomb]).await;
    assert_eq!(e.code(), "limit-exceeded");
    assert!(e.to_string().contains("uncompressed size"), "{e}");
}

#[tokio::test]
async fn names_that_go_too_far() {
    let e = error(&[Tar::new().file(&"d/".repeat(3000), "x").gzip()]).await;
    assert_eq!(
        (e.code(), e.to_string().as_str()),
        ("limit-exceeded", "the length of a path exceeds the limit of 4096")
    );
    // A name of thirty megabytes would be held in memory.
    let name = Tar::new().raw(EntryType::GNULongName, b"././@LongLink", 30 << 20, &vec![b'a'; 30 << 20]);
    let e = error(&[name.plain()]).await;
    assert!(e.to_string().starts_with("the size of names and headers"), "{e}");
    let e = error(&[Tar::new().raw(EntryType::Regular, b"a/../../etc/passwd", 0, b"").gzip()]).await;
    assert_eq!(e.code(), "layer-unreadable");
    assert!(e.to_string().contains("climbs"), "{e}");
}

#[tokio::test]
async fn a_sparse_file_with_endless_holes_costs_nothing() {
    // Real size: eight terabytes in the header's own field, one stored block.
    let mut header = tar::Header::new_gnu();
    header.set_entry_type(EntryType::GNUSparse);
    header.set_path("huge").expect("path");
    header.set_size(512);
    let gnu = header.as_gnu_mut().expect("gnu");
    gnu.realsize.copy_from_slice(b"100000000000");
    gnu.sparse[0].offset.copy_from_slice(b"077777777000");
    gnu.sparse[0].numbytes.copy_from_slice(b"000000001000");
    header.set_cksum();
    let mut tar = header.as_bytes().to_vec();
    tar.extend([1; 512]);
    tar.extend(Tar::new().file("var/lib/dpkg/status", status(&[("a", "1")])).bytes());
    let inventory = Image::new(&[Layer::gzip(&tar)]).await.inventory().await.expect("inventory");
    assert_eq!(inventory.packages.len(), 1);
}

#[tokio::test]
async fn what_is_no_archive_or_no_layer() {
    let rubbish = noise(4096);
    let layer = Layer { media_type: model::OCI_LAYER_TAR, diff_id: Digest::of(&rubbish), bytes: rubbish };
    assert_eq!(error(std::slice::from_ref(&layer)).await.code(), "layer-unreadable");
    let e = error(&[Layer { media_type: "application/vnd.oci.image.layer.v1.tar+gzip+encrypted", ..layer }])
        .await;
    assert!(e.to_string().contains("media type"), "{e}");
}

#[tokio::test]
async fn configurations_that_do_not_fit() {
    let base = debian(&[("a", "1")]).gzip();
    for config in [
        serde_json::json!({"architecture": "amd64", "os": "linux", "rootfs": {"diff_ids": []}}),
        serde_json::json!({"architecture": "amd64", "os": "linux", "rootfs": {"diff_ids": ["md5:1"]}}),
        serde_json::json!([]),
    ] {
        let image = Image::with_config(std::slice::from_ref(&base), config).await;
        assert_eq!(image.inventory().await.expect_err("unfit").code(), "invalid-document");
    }
}

#[tokio::test]
async fn a_database_that_is_too_large() {
    let zeros = vec![b'\n'; (64 << 20) + 1];
    let e = error(&[Tar::new().file("var/lib/dpkg/status", &zeros).plain()]).await;
    assert_eq!(e.code(), "limit-exceeded");
    let e = error(&[Tar::new().file("etc/os-release", &zeros[..70_000]).plain()]).await;
    assert_eq!(e.code(), "limit-exceeded");
}

proptest::proptest! {
    #![proptest_config(proptest::prelude::ProptestConfig::with_cases(60))]
    /// One flipped byte anywhere in an archive gives an inventory or an error, never a panic or a hang.
    #[test]
    fn a_flipped_byte(at in 0..6000_usize, with in 1..=255_u8) {
        let mut tar = debian(&[("a", "1"), ("b", "2")]).directory("etc").bytes();
        let at = at % tar.len();
        tar[at] ^= with;
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("runtime");
        runtime.block_on(async {
            let _ = Image::new(&[Layer::gzip(&tar)]).await.inventory().await;
        });
    }
}
