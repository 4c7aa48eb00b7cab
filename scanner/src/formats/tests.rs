//! What each specification requires of the parts that are written, and what strangers cannot do to them.

use std::collections::BTreeSet;

use serde_json::Value;

use super::{
    cyclonedx, gitlab, groups, junit, limits, sarif, spdx,
    testdata::{Made, empty, hostile, plain},
};

fn json<T: serde::Serialize>(value: &T) -> Value {
    serde_json::to_value(value).unwrap()
}

fn texts<'a>(value: &'a Value, into: &mut Vec<&'a str>) {
    match value {
        Value::String(text) => into.push(text),
        Value::Array(all) => all.iter().for_each(|v| texts(v, into)),
        Value::Object(all) => all.iter().for_each(|(_, v)| texts(v, into)),
        _ => {}
    }
}

fn all(made: &Made) -> [Value; 4] {
    let scanned = made.scanned();
    [
        json(&cyclonedx::document(&scanned)),
        json(&spdx::document(&scanned)),
        json(&sarif::log(&scanned)),
        json(&gitlab::document(&scanned)),
    ]
}

fn list<'a>(value: &'a Value, key: &str) -> &'a [Value] {
    value[key].as_array().map_or(&[], Vec::as_slice)
}

fn text<'a>(value: &'a Value, key: &str) -> &'a str {
    value[key].as_str().unwrap_or_else(|| panic!("{key} of {value:#}"))
}

#[test]
fn the_same_input_gives_the_same_bytes() {
    for make in [plain, hostile, empty] {
        assert_eq!(all(&make()), all(&make()));
        assert_eq!(junit::document(&make().scanned()), junit::document(&make().scanned()));
    }
}

#[test]
fn no_text_of_a_stranger_moves_a_cursor_or_grows_without_bound() {
    let made = hostile();
    let documents = all(&made);
    for document in &documents {
        let mut found = Vec::new();
        texts(document, &mut found);
        for text in found {
            let longest = limits::documents().name * limits::documents().places * 2;
            assert!(text.chars().count() <= longest, "{} characters", text.chars().count());
            // Line breaks are ours alone, where a text has several lines.
            assert!(!text.contains(|c: char| c.is_control() && c != '\n'), "{text:?}");
            assert!(!text.contains(['\u{202e}', '\u{2028}', '\u{ffff}']), "{text:?}");
        }
        assert!(document.to_string().len() < 3_000_000);
    }
    let xml = junit::document(&made.scanned());
    assert!(!xml.contains(|c: char| c.is_control() && c != '\n') && !xml.contains('\u{ffff}'));
}

#[test]
fn cyclonedx_names_each_part_once_and_findings_point_at_what_is_there() {
    for made in [plain(), hostile(), empty()] {
        let bom = json(&cyclonedx::document(&made.scanned()));
        assert_eq!((text(&bom, "bomFormat"), text(&bom, "specVersion")), ("CycloneDX", "1.6"));
        let serial = text(&bom, "serialNumber").strip_prefix("urn:uuid:").unwrap();
        assert!(serial.len() == 36 && !serial.contains(|c: char| c != '-' && !c.is_ascii_hexdigit()));
        let mut references = BTreeSet::from([text(&bom["metadata"]["component"], "bom-ref")]);
        for part in list(&bom, "components").iter().chain(list(&bom, "vulnerabilities")) {
            assert!(references.insert(text(part, "bom-ref")), "{part:#}");
        }
        for component in list(&bom, "components") {
            assert!(!text(component, "name").is_empty() && !text(component, "type").is_empty());
        }
        for vulnerability in list(&bom, "vulnerabilities") {
            assert!(vulnerability.get("analysis").is_none(), "that is for people to say");
            for affected in list(vulnerability, "affects") {
                assert!(references.contains(text(affected, "ref")));
            }
        }
    }
}

#[test]
fn cyclonedx_has_licences_layers_paths_and_ratings() {
    let made = plain();
    let bom = json(&cyclonedx::document(&made.scanned()));
    let components = list(&bom, "components");
    assert_eq!(components.len(), 6, "the system and five packages");
    let ssl = &components[2];
    assert_eq!(ssl["licenses"][0]["expression"], "Apache-2.0 AND (MIT OR LicenseRef-Artistic)");
    assert_eq!(ssl["purl"], ssl["bom-ref"]);
    assert!(components[1].get("licenses").is_none(), "nothing is asserted");
    let property = |of: &Value, name: &str| {
        let found = list(of, "properties").iter().find(|p| p["name"] == name);
        found.map(|p| text(p, "value").to_owned())
    };
    assert_eq!(property(ssl, "patchline:layer-number").as_deref(), Some("1"));
    assert_eq!(property(ssl, "patchline:source").as_deref(), Some("openssl"));
    assert_eq!(property(&components[3], "patchline:path").as_deref(), Some("app/a/package.json"));
    assert_eq!(components[3]["evidence"]["occurrences"][0]["location"], "app/a/package.json");
    let found = &list(&bom, "vulnerabilities")[0];
    assert_eq!(found["ratings"][0]["severity"], "critical");
    assert_eq!(found["references"][0]["id"], "GHSA-35jh-r3h4-6jhm");
    // Both files, and not the lock file that merely names it.
    let affected: Vec<&str> = list(found, "affects").iter().map(|a| text(a, "ref")).collect();
    assert_eq!(affected, [text(&components[3], "bom-ref"), text(&components[4], "bom-ref")]);
    assert_eq!(list(&bom, "vulnerabilities")[2]["ratings"][0]["severity"], "info");
    assert!(bom.get("compositions").is_none());
    let undetermined = json(&cyclonedx::document(&empty().scanned()));
    assert_eq!(undetermined["compositions"][0]["aggregate"], "unknown");
}

#[test]
fn spdx_has_what_clauses_6_7_10_and_11_require() {
    for made in [plain(), hostile(), empty()] {
        let document = json(&spdx::document(&made.scanned()));
        assert_eq!(text(&document, "spdxVersion"), "SPDX-2.3");
        assert_eq!(text(&document, "dataLicense"), "CC0-1.0");
        assert_eq!(text(&document["creationInfo"], "created"), "2026-01-02T03:04:05Z");
        assert!(!text(&document, "documentNamespace").contains('#'));
        let mut ids = BTreeSet::from(["SPDXRef-DOCUMENT"]);
        for package in list(&document, "packages") {
            let id = text(package, "SPDXID");
            assert!(id["SPDXRef-".len()..].chars().all(|c| c.is_ascii_alphanumeric() || "-.".contains(c)));
            assert!(ids.insert(id), "{id} stands twice");
            assert!(!text(package, "name").is_empty() && !text(package, "downloadLocation").is_empty());
            assert_eq!(package["filesAnalyzed"], false);
        }
        for relationship in list(&document, "relationships") {
            assert!(ids.contains(text(relationship, "spdxElementId")));
            assert!(ids.contains(text(relationship, "relatedSpdxElement")));
        }
        assert_eq!(list(&document, "relationships").len(), list(&document, "packages").len());
    }
    let document = json(&spdx::document(&plain().scanned()));
    assert_eq!(document["hasExtractedLicensingInfos"][0]["licenseId"], "LicenseRef-Artistic");
    assert_eq!(document["packages"][1]["licenseDeclared"], "NOASSERTION");
}

#[test]
fn sarif_results_have_their_rule_a_place_and_a_fingerprint_that_outlives_a_rebuild() {
    for made in [plain(), hostile(), empty()] {
        let log = json(&sarif::log(&made.scanned()));
        let run = &log["runs"][0];
        let rules = list(&run["tool"]["driver"], "rules");
        let ids: BTreeSet<&str> = rules.iter().map(|r| text(r, "id")).collect();
        assert_eq!(ids.len(), rules.len(), "rules are unique");
        for rule in rules {
            assert!(!text(&rule["shortDescription"], "text").is_empty());
            assert!(!text(&rule["help"], "text").is_empty());
        }
        for result in list(run, "results") {
            let index = usize::try_from(result["ruleIndex"].as_u64().unwrap()).unwrap();
            assert_eq!(rules[index]["id"], result["ruleId"]);
            assert!(!list(result, "locations").is_empty());
            assert!(list(result, "locations").len() <= limits::documents().places);
            assert_eq!(text(&result["partialFingerprints"], "patchlineFinding/v1").len(), 16);
        }
    }
    let mut made = plain();
    let before = json(&sarif::log(&made.scanned()));
    let results = list(&before["runs"][0], "results");
    let uri =
        |r: &Value, at: usize| r["locations"][at]["physicalLocation"]["artifactLocation"]["uri"].clone();
    assert_eq!(
        (uri(&results[0], 0), uri(&results[0], 1)),
        ("app/a/package.json".into(), "app/b/package.json".into())
    );
    assert_eq!(results[0]["locations"][0]["logicalLocations"][0]["name"], "layer 2 of 2");
    assert_eq!(uri(&results[1], 0), "var/lib/dpkg/status");
    let security: Vec<_> = list(&before["runs"][0]["tool"]["driver"], "rules")
        .iter()
        .map(|r| (text(r, "id"), r["properties"]["security-severity"].as_str()))
        .collect();
    assert_eq!(security[0], ("CVE-2021-23337", Some("9.5")));
    assert_eq!(security[1], ("CVE-2024-0001", None), "nobody has said");
    made.report.findings[1].installed = "3.0.12".into();
    made.report.findings[1].layer = None;
    let after = json(&sarif::log(&made.scanned()));
    assert_eq!(after["runs"][0]["results"][1]["partialFingerprints"], results[1]["partialFingerprints"]);
}

#[test]
fn gitlab_has_what_its_schema_requires() {
    for made in [plain(), hostile(), empty()] {
        let report = json(&gitlab::document(&made.scanned()));
        let scan = &report["scan"];
        for tool in ["analyzer", "scanner"] {
            for key in ["id", "name", "version"] {
                assert!(!text(&scan[tool], key).is_empty());
            }
            assert!(!text(&scan[tool]["vendor"], "name").is_empty());
        }
        assert_eq!(
            (text(scan, "start_time"), text(scan, "type")),
            ("2026-01-02T03:04:05", "container_scanning")
        );
        let mut ids = BTreeSet::new();
        for found in list(&report, "vulnerabilities") {
            assert!(ids.insert(text(found, "id").to_owned()) || made.name.contains('\u{1b}'));
            assert!(
                text(found, "name").chars().count() <= 255 && text(found, "solution").chars().count() <= 7000
            );
            assert!(!list(found, "identifiers").is_empty() && list(found, "identifiers").len() <= 20);
            let location = &found["location"];
            assert!(!text(location, "operating_system").is_empty() && !text(location, "image").is_empty());
            let _ =
                (text(&location["dependency"]["package"], "name"), text(&location["dependency"], "version"));
        }
    }
    let report = json(&gitlab::document(&empty().scanned()));
    assert_eq!(
        (text(&report["scan"], "status"), text(&report["scan"]["messages"][0], "level")),
        ("failure", "fatal")
    );
    let report = json(&gitlab::document(&plain().scanned()));
    assert_eq!(report["vulnerabilities"][0]["identifiers"][1]["type"], "ghsa");
    assert_eq!(text(&report["vulnerabilities"][0]["location"], "operating_system"), "debian 12");
}

#[test]
fn junit_counts_what_it_says_and_never_holds_nothing() {
    let xml = junit::document(&plain().scanned());
    assert!(xml.starts_with("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<testsuites name=\"patchline scan registry.example/shop/web:v1\" tests=\"5\" failures=\"4\" errors=\"0\""), "{xml}");
    assert_eq!(xml.matches("<testcase ").count(), 5);
    assert_eq!(xml.matches("<failure ").count(), 4);
    assert_eq!(xml.matches("<testsuite ").count(), xml.matches("</testsuite>").count());
    assert!(xml.contains("<testsuite name=\"app/a/package.json and 1 more\" tests=\"1\""));
    let xml = junit::document(&empty().scanned());
    assert!(
        xml.contains("<error type=\"undetermined\" message=\"the image has no package database\">"),
        "{xml}"
    );
}

#[test]
fn groups_are_the_systems_first_and_the_worst_first() {
    let made = plain();
    let found = groups(&made.report.findings);
    let seen: Vec<_> = found.iter().map(|g| (g.source, g.paths.len(), g.findings.len())).collect();
    assert_eq!(seen, [(Some("openssl"), 0, 1), (Some("base-files"), 0, 2), (None, 2, 1)]);
}
