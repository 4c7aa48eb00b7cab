//! CycloneDX JSON (ECMA-424) from 1.2 on, as syft, Trivy and we write it.

use super::{
    claim::{Claim, source_rpm},
    limits,
    reader::{Reader, evidence},
    system,
};
use crate::{Distro, formats::clean, languages::tree::Node};

/// Properties of syft that hold the parts of a system.
const SYFT_SYSTEM: [&str; 4] =
    ["syft:distro:id", "syft:distro:versionID", "syft:distro:versionCodename", "syft:distro:prettyName"];

/// Reads all components of a document, those within others, too.
pub(super) fn read(document: &Node<'_>, reader: &mut Reader) {
    let metadata = document.get("metadata");
    let about = metadata.get("component");
    // The subject of the document is a package itself where it is no image; it may hold others.
    let mut open: Vec<&Node<'_>> = Vec::new();
    open.extend(document.get("components").items().iter().rev());
    if about.is_there() {
        open.push(about);
    }
    while let Some(component) = open.pop() {
        if !reader.count() {
            break;
        }
        one(component, reader, std::ptr::eq(component, about));
        open.extend(component.get("components").items().iter().rev());
    }
    let reasons = metadata.get("properties").items().iter();
    let reasons = reasons.filter(|property| property.get("name").text() == "patchline:incomplete");
    for reason in reasons.take(limits::sbom().reasons) {
        reader.incomplete.push(clean(reason.get("value").text(), limits::sbom().text));
    }
    // "compositions": whether what is listed is all that there is.
    let cut = |composition: &&Node<'_>| composition.get("aggregate").text().starts_with("incomplete");
    if reader.incomplete.is_empty() && document.get("compositions").items().iter().any(|c| cut(&c)) {
        reader.incomplete.push("the document says itself that it is not whole".to_owned());
    }
}

fn property<'n>(component: &'n Node<'_>, name: &str) -> &'n str {
    let mut all = component.get("properties").items().iter();
    all.find(|property| property.get("name").text() == name)
        .map_or("", |property| property.get("value").text())
}

fn one(component: &Node<'_>, reader: &mut Reader, subject: bool) {
    let purl = component.get("purl").text();
    match component.get("type").text() {
        "operating-system" => return reader.systems.name(system_of(component)),
        _ if !purl.is_empty() => {}
        // Trivy lists the files that packages stand in as applications, and what a document is about needs no name.
        "application" if !property(component, "aquasecurity:trivy:Class").is_empty() => return,
        "library" | "framework" | "application" | "platform" if !subject => return reader.nameless(),
        _ => return,
    }
    let version = component.get("version").text();
    reader.claim(Claim {
        purl,
        group: component.get("group").text(),
        name: component.get("name").text(),
        version,
        source: source(component, version),
        path: path(component),
        owner: property(component, "patchline:owner"),
        evidence: evidence(property(component, "patchline:evidence")),
        layer: ["patchline:layer", "aquasecurity:trivy:LayerDigest"]
            .iter()
            .find_map(|name| property(component, name).parse().ok()),
        licenses: licenses(component),
    });
}

fn system_of(component: &Node<'_>) -> Option<Distro> {
    let [id, version, codename, pretty] = SYFT_SYSTEM.map(|name| property(component, name));
    let or = |text: &'_ str, other: &str| if text.is_empty() { other.to_owned() } else { text.to_owned() };
    system::distro(
        &or(id, component.get("name").text()),
        &or(version, component.get("version").text()),
        codename,
        &or(pretty, component.get("description").text()),
    )
}

/// The source package in the words of us, Trivy and syft.
fn source(component: &Node<'_>, version: &str) -> Option<(String, String)> {
    let said =
        |name: &str| Some(property(component, name)).filter(|value| !value.is_empty()).map(str::to_owned);
    let or_none = |name: &str| said(name).unwrap_or_default();
    if let Some(source) = said("patchline:source") {
        return Some((source, or_none("patchline:source-version")));
    }
    if let Some(source) = said("aquasecurity:trivy:SrcName") {
        let mut version = or_none("aquasecurity:trivy:SrcVersion");
        if let Some(epoch) = said("aquasecurity:trivy:SrcEpoch") {
            version = format!("{epoch}:{version}");
        }
        if let Some(release) = said("aquasecurity:trivy:SrcRelease") {
            version = format!("{version}-{release}");
        }
        return Some((source, version));
    }
    // syft says it in the package URL, too; that it does so in this one alone is older than that.
    if component.get("purl").text().contains("upstream=") {
        return None;
    }
    if let Some(file) = said("syft:metadata:sourceRpm") {
        return source_rpm(&file, version);
    }
    let source = said("syft:metadata:source").or_else(|| said("syft:metadata:originPackage"))?;
    Some((source, or_none("syft:metadata:sourceVersion")))
}

/// The file that tells of the package, without a leading slash.
fn path<'n>(component: &'n Node<'_>) -> &'n str {
    let occurrences = component.get("evidence").get("occurrences").items();
    let occurrence = occurrences.first().map_or("", |first| first.get("location").text());
    let said = ["patchline:path", "aquasecurity:trivy:FilePath", "syft:location:0:path"];
    let said = said.iter().map(|name| property(component, name)).chain([occurrence]);
    said.into_iter().find(|path| !path.is_empty()).unwrap_or_default().trim_start_matches('/')
}

/// "licenseChoice": an expression, or licences by their id or name.
fn licenses(component: &Node<'_>) -> Vec<String> {
    let all = component.get("licenses").items().iter().take(limits::sbom().licenses);
    let mut found: Vec<String> = all
        .map(|choice| {
            let license = choice.get("license");
            [choice.get("expression"), license.get("id"), license.get("name")]
                .map(Node::text)
                .into_iter()
                .find(|text| !text.is_empty())
                .unwrap_or_default()
                .to_owned()
        })
        .collect();
    if !property(component, "patchline:licenses").is_empty() {
        found.push(crate::licenses::NO_ASSERTION.to_owned());
    }
    found
}
