//! What is attached to a fixed image: read back by hand, and verified by openssl.

use std::process::Command;

use base64::{Engine as _, prelude::BASE64_STANDARD as BASE64};
use bytes::Bytes;
use jiff::Timestamp;
use patchline_registry::{Descriptor, Digest, Manifest, RawManifest, Repository, model};
use patchline_remediation::{
    FixedImage,
    attest::{self, Build, Found, IN_TOTO, Named, SigningKey, VerifyingKey, cosign, dsse},
};
use serde_json::{Value, json};
use tokio::io::AsyncReadExt as _;

use super::{alpine::*, image, libtool, old, tool};

const NAME: &str = "registry.example.test/shop/web";

/// Two that are mended, and one that nobody has a newer version of.
const FINDINGS: &[(&str, &str)] = &[("tool", "1.0-r2"), ("libtool1", "1.0-r1"), ("other", "9-r0")];

fn key() -> SigningKey {
    let arguments = ["genpkey", "-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256"];
    let made = Command::new("openssl").args(arguments).output().expect("openssl is installed");
    SigningKey::from_pem(&String::from_utf8(made.stdout).unwrap(), None).unwrap()
}

async fn read(repository: &dyn Repository, blob: &Descriptor) -> Vec<u8> {
    let mut bytes = Vec::new();
    repository.blob(blob).await.unwrap().read_to_end(&mut bytes).await.unwrap();
    bytes
}

async fn manifest(repository: &dyn Repository, reference: &str) -> Manifest {
    repository.manifest(reference).await.unwrap().image().unwrap()
}

fn documents(fixed: &FixedImage, run: &str) -> Vec<attest::Document> {
    let named = Named {
        name: &format!("{NAME}:1_fixed"),
        repository: Some(NAME),
        at: attest::created(&fixed.config),
    };
    let found = Found::of(fixed);
    let build = Build {
        builder: "https://example.test/builder",
        asked: json!({"policy": "minimal"}),
        invocation: Some(run.to_owned()),
        started: Timestamp::UNIX_EPOCH,
        finished: Timestamp::UNIX_EPOCH,
    };
    vec![
        attest::sbom(&named, &found).unwrap(),
        attest::vex(&named, &found).unwrap(),
        attest::provenance(&named, fixed, &build).unwrap(),
    ]
}

async fn attach(
    place: &Place,
    fixed: &FixedImage,
    run: &str,
    key: Option<&SigningKey>,
) -> Vec<attest::Attached> {
    let (images, all) = (&*place.images, documents(fixed, run));
    attest::attach(images, &fixed.manifest, NAME, &all, key).await.unwrap()
}

/// A fixed image under its tag, and the packages that it was made from.
async fn mended() -> (Place, Box<FixedImage>, Vec<Vec<u8>>) {
    let signer = Signer::new("dist@example.test-1.rsa.pub");
    let served = repository(&signer, &[libtool("1.0-r1"), tool("1.0-r2")], true);
    let packages = served.iter().filter(|(name, _)| name.ends_with(".apk")).map(|(_, b)| b.clone()).collect();
    let place = Place::new(&serve(served).await, &[&signer]);
    let original = place.image("1", &old()).await;
    let before = place.scan(&original, FINDINGS).await;
    let fixed = image(place.fix(&original, &before).await.unwrap());
    place.remediator.push(&*place.images, &fixed, Some("1_fixed")).await.unwrap();
    (place, fixed, packages)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_fixed_image_says_what_it_is() {
    let (place, fixed, packages) = mended().await;
    let images = &*place.images;
    let attached = attach(&place, &fixed, "run-1", None).await;
    assert!(attached.iter().all(|one| !one.signed));
    let listed = images.referrers(&fixed.manifest.digest).await.unwrap();
    let mut content = Vec::new();
    for (one, kind) in attached.iter().zip(attest::Kind::ALL) {
        assert_eq!(one.kind, kind.word());
        let listed = listed.iter().find(|l| l.digest == one.digest).expect("listed");
        assert_eq!(listed.artifact_type.as_ref(), Some(&one.media_type));
        assert_eq!(listed.annotations[attest::PREDICATE_TYPE], kind.predicate_type());
        let manifest = manifest(images, one.digest.as_str()).await;
        assert_eq!(manifest.config.media_type, "application/vnd.oci.empty.v1+json");
        assert_eq!(read(images, &manifest.config).await, b"{}");
        let [layer] = manifest.layers.as_slice() else { panic!("one layer") };
        assert_eq!(layer.media_type, one.media_type);
        content.push(serde_json::from_slice::<Value>(&read(images, layer).await).unwrap());
    }
    assert_eq!(listed.len(), 3);
    let [sbom, vex, provenance] = content.as_slice() else { panic!("three documents") };

    assert_eq!((&sbom["bomFormat"], &sbom["specVersion"]), (&json!("CycloneDX"), &json!("1.6")));
    assert_eq!(sbom["metadata"]["timestamp"], "2024-01-01T00:00:00Z");
    let version = |name: &str| {
        let all = sbom["components"].as_array().unwrap();
        all.iter().find(|c| c["name"] == name).unwrap()["version"].as_str().unwrap()
    };
    assert_eq!((version("tool"), version("other")), ("1.0-r2", "7-r0"));

    let status: Vec<_> = vex["statements"]
        .as_array()
        .unwrap()
        .iter()
        .map(|s| (s["vulnerability"]["name"].as_str().unwrap(), s["status"].as_str().unwrap()))
        .collect();
    assert_eq!(
        status,
        [("CVE-2024-1000", "fixed"), ("CVE-2024-1001", "fixed"), ("CVE-2024-1002", "affected")]
    );
    let action = vex["statements"][2]["action_statement"].as_str().unwrap();
    // Which code it is depends on the day: this system's support has an end.
    assert!(action.contains("other was not upgraded ("), "{action}");
    assert!(action.contains("no verified repository has other 9-r0"), "{action}");

    assert_eq!(provenance["_type"], "https://in-toto.io/Statement/v1");
    assert_eq!(provenance["subject"][0]["digest"]["sha256"], fixed.manifest.digest.hex());
    let definition = &provenance["predicate"]["buildDefinition"];
    assert_eq!(definition["externalParameters"], json!({"policy": "minimal"}));
    let inputs: Vec<&str> = definition["resolvedDependencies"]
        .as_array()
        .unwrap()
        .iter()
        .map(|d| d["digest"]["sha256"].as_str().unwrap())
        .collect();
    assert_eq!(inputs[0], fixed.origin.hex(), "the source comes first");
    for package in &packages {
        assert!(inputs.contains(&Digest::of(package).hex()), "each archive by its digest: {inputs:?}");
    }
    assert_eq!(inputs.len(), 4, "the source, two packages, one index");
    let uri = definition["resolvedDependencies"][1]["uri"].as_str().unwrap();
    assert!(uri.starts_with("pkg:apk/") && uri.contains("/libtool1@1.0-r1"), "{uri}");
    assert_eq!(provenance["predicate"]["runDetails"]["metadata"]["invocationId"], "run-1");
    let text = provenance.to_string();
    assert!(!text.contains("127.0.0.1"), "no address of a mirror: {text}");

    // Another run says the same of the image; of itself it says who it was.
    let again = attach(&place, &fixed, "run-2", None).await;
    assert_eq!(again[..2], attached[..2]);
    assert_ne!(again[2].digest, attached[2].digest);
    assert_eq!(images.referrers(&fixed.manifest.digest).await.unwrap().len(), 4);

    // What reads attached SBOMs finds nothing in ours that it did not find itself.
    let mut inventory = fixed.inventory.clone();
    let read = patchline_scanner::sbom::attach(images, &mut inventory, None).await.unwrap();
    assert_eq!((read.documents, read.added), (1, 0), "{:?}", inventory.incomplete);
    assert_eq!(inventory, fixed.inventory);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_attached_is_signed_as_cosign_does() {
    let (place, fixed, _) = mended().await;
    let (images, image) = (&*place.images, &fixed.manifest.digest);
    let (key, stranger) = (key(), key());
    let attached = attach(&place, &fixed, "run-1", Some(&key)).await;
    let signed: Vec<_> = attached.iter().map(|one| (one.kind, one.signed)).collect();
    assert_eq!(
        signed,
        [("sbom", false), ("sbom", true), ("vex", false), ("vex", true), ("provenance", true)]
    );
    attach(&place, &fixed, "run-2", Some(&key)).await;
    attach(&place, &fixed, "run-3", Some(&stranger)).await;
    let tag = cosign::tag(image, "att");
    let kept = manifest(images, &tag).await.layers;
    assert_eq!(kept.len(), 6, "the second run of a key stands for the first, and no other key's");
    let mut runs = Vec::new();
    for layer in &kept {
        assert_eq!(layer.media_type, "application/vnd.dsse.envelope.v1+json");
        let envelope = read(images, layer).await;
        let by = |key: &SigningKey| dsse::open(&key.verifying_key(), IN_TOTO, &envelope);
        assert_ne!(by(&key).is_ok(), by(&stranger).is_ok(), "one key alone");
        let statement: Value = serde_json::from_slice(&by(&key).or(by(&stranger)).unwrap()).unwrap();
        assert_eq!(layer.annotations["predicateType"], statement["predicateType"]);
        assert_eq!(statement["subject"][0], json!({"name": NAME, "digest": {"sha256": image.hex()}}));
        let run = &statement["predicate"]["runDetails"]["metadata"]["invocationId"];
        runs.extend(run.as_str().map(str::to_owned));
        // Whatever is changed in it, it is not opened.
        let mut tampered: Value = serde_json::from_slice(&envelope).unwrap();
        let payload = BASE64.decode(tampered["payload"].as_str().unwrap()).unwrap();
        let other = String::from_utf8(payload).unwrap().replace(image.hex(), Digest::of(b"").hex());
        tampered["payload"] = json!(BASE64.encode(other));
        for wrong in [tampered.to_string().into_bytes(), b"{}".to_vec(), Vec::new()] {
            assert!(dsse::open(&key.verifying_key(), IN_TOTO, &wrong).is_err());
        }
        assert!(dsse::open(&key.verifying_key(), "text/plain", &envelope).is_err());
    }
    assert_eq!(runs, ["run-2", "run-3"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_image_is_signed_as_cosign_does_and_openssl_verifies_it() {
    let (place, fixed, _) = mended().await;
    let (images, image) = (&*place.images, &fixed.manifest.digest);
    let (key, stranger) = (key(), key());
    let code = |result: patchline_remediation::Result<usize>| result.unwrap_err().code();
    assert_eq!(code(cosign::verify(images, image, &key.verifying_key()).await), "signature-missing");

    for _ in 0..2 {
        let tag = cosign::sign(images, image, NAME, &key).await.unwrap();
        assert_eq!(tag, format!("sha256-{}.sig", image.hex()));
    }
    let signed = manifest(images, &cosign::tag(image, "sig")).await;
    let [layer] = signed.layers.as_slice() else { panic!("twice is once") };
    assert_eq!(layer.media_type, "application/vnd.dev.cosign.simplesigning.v1+json");
    let config: Value = serde_json::from_slice(&read(images, &signed.config).await).unwrap();
    assert_eq!(config["rootfs"]["diff_ids"], json!([layer.digest]));
    let payload = read(images, layer).await;
    assert_eq!(
        serde_json::from_slice::<Value>(&payload).unwrap(),
        json!({
            "critical": {
                "identity": {"docker-reference": NAME},
                "image": {"docker-manifest-digest": image},
                "type": "cosign container image signature",
            },
            "optional": null,
        })
    );
    let signature = BASE64.decode(&layer.annotations["dev.cosignproject.cosign/signature"]).unwrap();
    assert!(openssl_verifies(&key.verifying_key(), &payload, &signature));
    assert!(!openssl_verifies(&stranger.verifying_key(), &payload, &signature));

    assert_eq!(cosign::verify(images, image, &key.verifying_key()).await.unwrap(), 1);
    assert_eq!(code(cosign::verify(images, image, &stranger.verifying_key()).await), "signature-missing");
    cosign::sign(images, image, NAME, &stranger).await.unwrap();
    for good in [&key, &stranger] {
        assert_eq!(cosign::verify(images, image, &good.verifying_key()).await.unwrap(), 1);
    }

    // A good signature of another image, moved to this one's tag, says nothing of this one.
    let other = &fixed.origin;
    cosign::sign(images, other, NAME, &key).await.unwrap();
    let moved = images.manifest(&cosign::tag(other, "sig")).await.unwrap();
    images.push_manifest(&cosign::tag(image, "sig"), &moved).await.unwrap();
    assert_eq!(code(cosign::verify(images, image, &key.verifying_key()).await), "signature-missing");

    // Neither does a payload that was changed below its signature.
    let forged: Bytes =
        String::from_utf8(payload).unwrap().replace("\"optional\":null", "\"optional\":{}").into();
    let mut forged_layer = Descriptor {
        digest: Digest::of(&forged),
        size: forged.len() as u64,
        annotations: Default::default(),
        ..layer.clone()
    };
    images.push_blob(&forged_layer, patchline_registry::BlobContent::Bytes(forged)).await.unwrap();
    forged_layer.annotations = layer.annotations.clone();
    let forged = Manifest { layers: vec![forged_layer], ..signed };
    let forged = RawManifest::new(model::OCI_MANIFEST, serde_json::to_vec(&forged).unwrap());
    images.push_manifest(&cosign::tag(image, "sig"), &forged).await.unwrap();
    assert_eq!(code(cosign::verify(images, image, &key.verifying_key()).await), "signature-missing");
}

fn openssl_verifies(key: &VerifyingKey, message: &[u8], signature: &[u8]) -> bool {
    let folder = tempfile::tempdir().unwrap();
    let file = |name: &str, content: &[u8]| {
        let path = folder.path().join(name);
        std::fs::write(&path, content).unwrap();
        path
    };
    let out = Command::new("openssl")
        .args(["dgst", "-sha256", "-verify"])
        .arg(file("key.pub", key.to_pem().unwrap().as_bytes()))
        .arg("-signature")
        .arg(file("signature", signature))
        .arg(file("message", message))
        .output()
        .expect("openssl is installed");
    out.status.success()
}
