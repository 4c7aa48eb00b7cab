//! What is no SBOM, is one of a form that is not read, or would cost too much.

use std::io::Write as _;

use base64::{Engine as _, engine::general_purpose::STANDARD};
use patchline_scanner::sbom;
use serde_json::{Value, json};

fn code(bytes: &[u8]) -> &'static str {
    sbom::inventory(bytes, "bom").expect_err("refused").code()
}

#[test]
fn forms_that_are_not_read_are_called_by_their_names() {
    for (text, form) in [
        ("<?xml version=\"1.0\"?>\n<bom xmlns=\"http://cyclonedx.org/schema/bom/1.5\"/>", "CycloneDX XML"),
        ("<rdf:RDF/>", "XML"),
        ("SPDXVersion: SPDX-2.3\nDataLicense: CC0-1.0\n", "SPDX tag-value"),
        ("SPDXID: \"SPDXRef-DOCUMENT\"\nspdxVersion: SPDX-2.3\n", "SPDX YAML"),
        ("{\"@context\": \"https://spdx.org/rdf/3.0.1/spdx-context.jsonld\", \"@graph\": []}", "SPDX 3"),
    ] {
        let error = sbom::inventory(text.as_bytes(), "bom").expect_err(form);
        assert_eq!(error.code(), "sbom-form-unsupported");
        assert!(error.to_string().contains(&format!("is {form}, which is not read: ")), "{error}");
    }
}

#[test]
fn what_makes_no_sense_is_an_error_with_its_reason() {
    let unread = [
        &b""[..],
        b"{",
        b"[]",
        b"{}",
        b"{\"bomFormat\": \"CycloneDX\"}",
        b"{\"bomFormat\": \"CycloneDX\", \"specVersion\": \"9.9\"}",
        b"{\"spdxVersion\": \"SPDX-1.2\"}",
        b"{\"bomFormat\": 5, \"components\": [1, null, \"a\"]}",
        b"\x1f\x8b broken",
        b"{\"payload\": \"?\"}",
    ];
    for bytes in unread {
        assert_eq!(code(bytes), "sbom-unreadable", "{}", String::from_utf8_lossy(bytes));
    }
    // Values of other types than the specification's are as good as none.
    let odd = json!({"bomFormat": "CycloneDX", "specVersion": "1.5", "metadata": [], "compositions": "x",
        "components": [1, null, [], {"type": 1, "purl": {}}, {"type": "library", "purl": ["pkg:npm/a@1"]}]});
    assert_eq!(sbom::inventory(odd.to_string().as_bytes(), "bom").expect("an inventory").packages, []);
}

#[test]
fn depth_count_and_size_end_somewhere() {
    let deep = format!("{{\"bomFormat\": \"CycloneDX\", \"a\": {}", "[".repeat(100_000));
    assert_eq!(code(deep.as_bytes()), "sbom-unreadable");
    let values = format!("{{\"components\": [{}1]}}", "1,".repeat(4_000_000));
    assert_eq!(code(values.as_bytes()), "sbom-unreadable");
    // A gigabyte of blanks is a megabyte on the wire.
    let mut packed = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    let blanks = vec![b' '; 1 << 20];
    (0..129).for_each(|_| packed.write_all(&blanks).expect("packed"));
    assert_eq!(code(&packed.finish().expect("packed")), "limit-exceeded");
    let mut nested = json!({"bomFormat": "CycloneDX", "specVersion": "1.5"});
    for _ in 0..5 {
        nested = json!({"payload": STANDARD.encode(nested.to_string())});
    }
    assert_eq!(code(nested.to_string().as_bytes()), "sbom-unreadable");
}

#[test]
fn more_components_than_the_limit_are_said_to_be_cut() {
    let component = |at: usize| json!({"type": "library", "name": "a", "purl": format!("pkg:npm/a{at}@1")});
    let many: Vec<Value> = (0..200_001).map(component).collect();
    let document = json!({"bomFormat": "CycloneDX", "specVersion": "1.5", "components": many});
    let found = sbom::inventory(document.to_string().as_bytes(), "bom").expect("an inventory");
    assert_eq!((found.packages.len(), found.incomplete.len()), (200_000, 1));
    assert_eq!(found.incomplete, ["it lists more than 200000 components"]);
}

#[tokio::test]
async fn a_file_that_is_packed_is_read_and_a_folder_is_none() {
    let folder = tempfile::tempdir().expect("folder");
    let document = json!({"bomFormat": "CycloneDX", "specVersion": "1.2",
        "components": [{"type": "library", "name": "a", "purl": "pkg:npm/a@1"}]});
    let plain = sbom::inventory(document.to_string().as_bytes(), "a").expect("an inventory");
    let mut packed = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    packed.write_all(document.to_string().as_bytes()).expect("packed");
    let file = folder.path().join("bom.json.gz");
    std::fs::write(&file, packed.finish().expect("packed")).expect("written");
    let found = sbom::file(&file).await.expect("an inventory");
    assert_eq!(found.image, plain.image, "it is the document that has the digest");
    assert_eq!(found.packages[0].path.as_deref(), file.to_str());
    assert_eq!(sbom::file(folder.path()).await.expect_err("a folder").code(), "sbom-unreadable");
    assert_eq!(sbom::file(&folder.path().join("none")).await.expect_err("none").code(), "scanner-io");
}

proptest::proptest! {
    #![proptest_config(proptest::test_runner::Config::with_cases(200))]
    #[test]
    fn never_panics(purl in "(pkg:[a-z]{1,5}/)?[ -~é%@/?#&=]{0,30}", version in "\\PC{0,9}", text in "\\PC{0,20}") {
        let component = json!({"type": "library", "name": text, "group": version, "version": version, "purl": purl,
            "properties": [{"name": "patchline:source", "value": text}, {"name": "patchline:evidence", "value": text}]});
        let cyclonedx = json!({"bomFormat": "CycloneDX", "specVersion": "1.5", "components": [component]});
        proptest::prop_assert!(sbom::inventory(cyclonedx.to_string().as_bytes(), &text).is_ok());
        let spdx = json!({"spdxVersion": "SPDX-2.2", "comment": text, "packages": [{"SPDXID": text, "sourceInfo": text,
            "name": text, "externalRefs": [{"referenceType": "purl", "referenceLocator": purl}]}]});
        proptest::prop_assert!(sbom::inventory(spdx.to_string().as_bytes(), &text).is_ok());
        let _ = sbom::inventory(text.as_bytes(), "text");
    }
}
