//! Packages as SPDX 2.3 JSON (ISO/IEC 5962, later version). Findings are not in it: they change while the image does not.

use std::collections::BTreeSet;

use serde::Serialize;

use super::{Layers, Scanned, clean, cyclonedx::expression, limits, members::Members, schemas, text};
use crate::Package;

const NO_ASSERTION: &str = "NOASSERTION";
const IMAGE: &str = "SPDXRef-Image";

/// The document: clause 6, "Document Creation Information".
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Document {
    spdx_version: &'static str,
    data_license: &'static str,
    #[serde(rename = "SPDXID")]
    id: &'static str,
    name: String,
    document_namespace: String,
    creation_info: CreationInfo,
    #[serde(skip_serializing_if = "Option::is_none")]
    comment: Option<String>,
    packages: Vec<Described>,
    #[serde(rename = "hasExtractedLicensingInfos", skip_serializing_if = "Vec::is_empty")]
    licenses: Vec<Extracted>,
    relationships: Vec<Relationship>,
}

#[derive(Debug, Serialize)]
struct CreationInfo {
    created: String,
    creators: [String; 1],
}

/// Clause 7, "Package Information".
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Described {
    #[serde(rename = "SPDXID")]
    id: String,
    name: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    version_info: String,
    supplier: &'static str,
    download_location: &'static str,
    files_analyzed: bool,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    checksums: Vec<Checksum>,
    #[serde(skip_serializing_if = "String::is_empty")]
    source_info: String,
    license_concluded: &'static str,
    license_declared: String,
    copyright_text: &'static str,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    external_refs: Vec<ExternalRef>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    annotations: Vec<Annotation>,
    #[serde(skip_serializing_if = "Option::is_none")]
    primary_package_purpose: Option<&'static str>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Checksum {
    algorithm: &'static str,
    checksum_value: String,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct ExternalRef {
    reference_category: &'static str,
    reference_type: &'static str,
    reference_locator: String,
}

/// Clause 12: what SPDX has no field for and reading the document again needs, in a vocabulary of our own.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Annotation {
    annotation_date: String,
    annotation_type: &'static str,
    annotator: String,
    comment: String,
}

/// Clause 10, "Other Licensing Information Detected".
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Extracted {
    license_id: String,
    extracted_text: String,
}

/// Clause 11.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Relationship {
    spdx_element_id: String,
    relationship_type: &'static str,
    related_spdx_element: String,
}

/// One document over one image.
pub fn document(scanned: &Scanned<'_>) -> Document {
    let inventory = scanned.inventory;
    let layers = scanned.layers();
    let members = Members::of(inventory);
    let image = inventory.image.to_string();
    let id = text::uuid(&["spdx", &image, scanned.name, scanned.version, &scanned.seconds()]);
    let described: Vec<Described> = inventory
        .packages
        .iter()
        .enumerate()
        .map(|(at, package)| Described {
            annotations: annotations(package, scanned),
            ..package_of(package, &members.key(at), &layers)
        })
        .collect();
    let contains = |package: &Described| Relationship {
        spdx_element_id: IMAGE.to_owned(),
        relationship_type: "CONTAINS",
        related_spdx_element: package.id.clone(),
    };
    let describes = Relationship {
        spdx_element_id: "SPDXRef-DOCUMENT".to_owned(),
        relationship_type: "DESCRIBES",
        related_spdx_element: IMAGE.to_owned(),
    };
    let relationships = std::iter::once(describes).chain(described.iter().map(contains)).collect();
    let licenses = extracted(&described);
    let reasons = scanned.reasons();
    Document {
        spdx_version: "SPDX-2.3",
        data_license: "CC0-1.0",
        id: "SPDXRef-DOCUMENT",
        name: clean(scanned.name, limits::documents().name),
        // Clause 6.5: for those who have no site of their own.
        document_namespace: format!("https://spdx.org/spdxdocs/patchline-{id}"),
        creation_info: CreationInfo {
            created: format!("{}Z", scanned.seconds()),
            creators: [format!("Tool: patchline-{}", scanned.version)],
        },
        comment: (!reasons.is_empty()).then(|| format!("not whole: {}", reasons.join("; "))),
        packages: std::iter::once(image_of(scanned)).chain(described).collect(),
        licenses,
        relationships,
    }
}

fn image_of(scanned: &Scanned<'_>) -> Described {
    let platform = &scanned.inventory.platform;
    Described {
        id: IMAGE.to_owned(),
        name: clean(scanned.name, limits::documents().name),
        version_info: scanned.inventory.image.to_string(),
        supplier: NO_ASSERTION,
        download_location: NO_ASSERTION,
        files_analyzed: false,
        checksums: vec![Checksum {
            algorithm: "SHA256",
            checksum_value: scanned.inventory.image.hex().to_owned(),
        }],
        source_info: clean(
            &format!("platform {}/{}", platform.os, platform.architecture),
            limits::documents().name,
        ),
        license_concluded: NO_ASSERTION,
        license_declared: NO_ASSERTION.to_owned(),
        copyright_text: NO_ASSERTION,
        external_refs: Vec::new(),
        annotations: Vec::new(),
        primary_package_purpose: Some("CONTAINER"),
    }
}

fn package_of(package: &Package, key: &str, layers: &Layers<'_>) -> Described {
    let mut info = Vec::new();
    if let Some(path) = &package.path {
        info.push(format!("found in {}", clean(path, limits::documents().name)));
    } else if !package.source.is_empty() {
        info.push(format!(
            "built from {}",
            clean(&format!("{} {}", package.source, package.source_version), limits::documents().name)
        ));
    }
    if let Some(layer) = &package.layer {
        info.push(format!("{}, {layer}", layers.said(layer)));
    }
    let purl = ExternalRef {
        reference_category: "PACKAGE-MANAGER",
        reference_type: "purl",
        reference_locator: package.purl.clone(),
    };
    let declared = match expression(&package.licenses) {
        (Some(expression), true) => expression,
        // An expression says that these hold and no others.
        _ => NO_ASSERTION.to_owned(),
    };
    Described {
        id: format!("SPDXRef-Package-{key}"),
        name: clean(&package.name, limits::documents().name),
        version_info: clean(&package.version, schemas::VERSION),
        supplier: NO_ASSERTION,
        download_location: NO_ASSERTION,
        files_analyzed: false,
        checksums: Vec::new(),
        source_info: info.join("; "),
        license_concluded: NO_ASSERTION,
        license_declared: declared,
        copyright_text: NO_ASSERTION,
        external_refs: if package.purl.is_empty() { Vec::new() } else { vec![purl] },
        annotations: Vec::new(),
        primary_package_purpose: None,
    }
}

/// Where a language's package stands, whose it is, and how that is known.
fn annotations(package: &Package, scanned: &Scanned<'_>) -> Vec<Annotation> {
    let evidence = package.evidence.and_then(|e| serde_json::to_value(e).ok());
    let evidence = evidence.as_ref().and_then(|e| e.as_str());
    [("path", package.path.as_deref()), ("owner", package.owner.as_deref()), ("evidence", evidence)]
        .into_iter()
        .filter_map(|(key, value)| Some((key, value?)))
        .map(|(key, value)| Annotation {
            annotation_date: format!("{}Z", scanned.seconds()),
            annotation_type: "OTHER",
            annotator: format!("Tool: patchline-{}", scanned.version),
            comment: format!("patchline:{key}={}", clean(value, limits::documents().name)),
        })
        .collect()
}

/// Names of licences that SPDX does not list must be explained in the document that uses them.
fn extracted(packages: &[Described]) -> Vec<Extracted> {
    let words = packages.iter().flat_map(|p| p.license_declared.split([' ', '(', ')']));
    let ours: BTreeSet<&str> = words.filter(|w| w.starts_with("LicenseRef-")).collect();
    let explained = |id: &str| Extracted {
        license_id: id.to_owned(),
        extracted_text: format!("Named {id} by the package; its text is in the image."),
    };
    ours.into_iter().map(explained).collect()
}
