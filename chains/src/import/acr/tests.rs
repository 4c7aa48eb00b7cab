use serde_json::{Value, json};

use super::{Imported, import};
use crate::import::Error;

fn imported(value: &Value) -> Imported {
    import(value.to_string().as_bytes(), None).unwrap()
}

fn codes(found: &Imported) -> Vec<&'static str> {
    found.notes.iter().map(|n| n.code).collect()
}

/// A chain with a scan node of this policy, and nothing else switched on.
fn with_policy(policy: Value) -> Value {
    json!({"Name": "web", "RepoNamespaceName": "a", "RepoName": "b", "ChainConfig": {"Nodes": [
        {"NodeName": "VULNERABILITY_SCANNING", "Enable": true, "NodeConfig": {"DenyPolicy": policy}},
    ]}})
}

#[test]
fn logic_decides_whether_conditions_stand_alone_or_together() {
    let both =
        json!({"IssueLevel": "HIGH", "IssueCount": "2", "IssueList": "CVE-1,CVE-2", "Action": "BLOCK"});
    let mut or = both.clone();
    or["Logic"] = json!("OR");
    let found = imported(&with_policy(or));
    assert!(
        found.yaml.contains("- {severity: \">= high\", count: 2}\n        - {ids: [\"CVE-1\", \"CVE-2\"]}\n"),
        "{}",
        found.yaml
    );
    assert_eq!(found.notes, []);
    let mut and = both.clone();
    and["Logic"] = json!("AND");
    let found = imported(&with_policy(and));
    assert!(
        found.yaml.contains("findings.filter(f, f.severity in ['high', 'critical']).size() >= 2 && ['CVE-1'"),
        "{}",
        found.yaml
    );
    assert_eq!(found.notes, []);
    let ids: Vec<String> = (0..1_000).map(|i| format!("CVE-2020-{i}")).collect();
    let long = json!({"IssueLevel": "LOW", "IssueList": ids.join(","), "Logic": "AND"});
    assert_eq!(codes(&imported(&with_policy(long))), ["import-logic"]);
}

#[test]
fn what_has_no_equal_is_told_with_its_path() {
    let policy = json!({"BaselineList": "identification", "MaliciousList": "abnormal_program", "Logic": "AND", "Action": "BLOCK_RETAG"});
    let mut chain = with_policy(policy);
    chain["Colour"] = json!("red");
    chain["ChainConfig"]["Nodes"][0]["NodeConfig"]["Depth"] = json!(3);
    chain["ChainConfig"]["Nodes"].as_array_mut().unwrap().push(json!({"NodeName": "SIGN", "Enable": true}));
    chain["ChainConfig"]["Nodes"].as_array_mut().unwrap().push(json!({"NodeName": "VULNERABILITY_SCANNING"}));
    let found = imported(&chain);
    let told: Vec<(&str, &str)> = found.notes.iter().map(|n| (n.code, n.path.as_str())).collect();
    let policy = "$.ChainConfig.Nodes[0].NodeConfig.DenyPolicy";
    for (code, path) in [
        ("import-unknown-key", "$.Colour".to_owned()),
        ("import-unknown-key", "$.ChainConfig.Nodes[0].NodeConfig.Depth".to_owned()),
        ("import-no-baseline-check", format!("{policy}.BaselineList")),
        ("import-no-malware-check", format!("{policy}.MaliciousList")),
        ("import-retag", format!("{policy}.Action")),
        ("import-nothing-denied", policy.to_owned()),
        ("import-unknown-node", "$.ChainConfig.Nodes[1]".to_owned()),
        ("import-duplicate-node", "$.ChainConfig.Nodes[2]".to_owned()),
    ] {
        assert!(told.contains(&(code, path.as_str())), "{code} {path}: {told:?}");
    }
}

#[test]
fn names_scopes_and_forms() {
    let nodes = json!([{"NodeName": "VULNERABILITY_SCANNING", "Enable": "true"}]);
    let alone = imported(&json!({"Nodes": nodes, "IsActive": false}));
    assert_eq!(codes(&alone), ["import-name-changed", "import-scope-unknown"]);
    assert!(
        !alone.yaml.contains("\non:\n") && alone.yaml.contains("name-the-repositories"),
        "{}",
        alone.yaml
    );
    let created = json!({
        "Name": "9 Web\n# x", "RepoNamespaceName": "n*", "ScopeExclude": ["old", "m/x"],
        "ChainConfig": json!({"Nodes": nodes}).to_string(), "Description": "a\n# b: \"c\"\u{0}",
    });
    let found = imported(&created);
    assert_eq!(codes(&found), ["import-name-changed"]);
    assert!(
        found.yaml.contains("chain: acr-9-web---x\ndescription: \"a# b: \\\"c\\\"\"\n"),
        "{}",
        found.yaml
    );
    assert!(found.yaml.contains(r#"["n\\*/**", "!n\\*/old", "!m/x"]"#), "{}", found.yaml);
    let scoped = import(json!({"Nodes": nodes}).to_string().as_bytes(), Some("shop/**")).unwrap();
    assert!(scoped.yaml.contains("[\"shop/**\"]"));
}

#[test]
fn switched_off_nodes_are_passed_over_and_cycles_refused() {
    let node = |name: &str, on: bool| json!({"NodeName": name, "Enable": on});
    let chain = json!({"Nodes": [
        node("DOCKER_IMAGE_PUSH", true), node("VULNERABILITY_SCANNING", true),
        node("ACTIVATE_REPLICATION", false), node("TRIGGER", true),
    ]});
    let found = imported(&chain);
    assert!(found.yaml.contains("  deploy:\n    uses: trigger\n    needs: [scan]\n"), "{}", found.yaml);
    let edge = |from: &str, to: &str| json!({"From": {"NodeName": from}, "To": {"NodeName": to}});
    let round = json!({"Nodes": chain["Nodes"], "Routers": [
        edge("TRIGGER", "VULNERABILITY_SCANNING"), edge("VULNERABILITY_SCANNING", "TRIGGER"),
    ]});
    assert_eq!(import(round.to_string().as_bytes(), None).unwrap_err().code(), "import-cycle");
}

#[test]
fn hostile_input_is_a_clear_error() {
    let code = |text: &[u8]| import(text, None).unwrap_err();
    assert_eq!(code(&[b' '; (1 << 20) + 1]), Error::TooLarge);
    assert!(matches!(code(b"{\"Nodes\":\n [}"), Error::NotJson { line: 2, .. }));
    assert_eq!(code("[".repeat(100_000).as_bytes()).code(), "import-not-json");
    for (text, shown) in [
        ("[]", "$: expected an object, found a list"),
        ("{}", "$.ChainConfig is not there"),
        ("{\"Nodes\": []}", "$.Nodes is not there"),
        ("{\"Nodes\": 3}", "$.Nodes: expected a list, found a number"),
        ("{\"Nodes\": [{\"Enable\": true}]}", "$.Nodes[0].NodeName is not there"),
        (
            "{\"Nodes\": [{\"NodeName\": \"TRIGGER\", \"Enable\": 3}]}",
            "$.Nodes[0].Enable: expected true or false, found a number",
        ),
        (
            "{\"Name\": \"a\", \"ChainConfig\": \"{\"}",
            "line 1, column 1: in $.ChainConfig: EOF while parsing an object",
        ),
    ] {
        assert_eq!(code(text.as_bytes()).to_string(), shown, "{text}");
    }
    for byte in 0..=255_u8 {
        let _ = import(&[b'{', b'"', byte, b'"', b':', b'[', b']', b'}'], None);
    }
    let many: Vec<Value> = (0..10_000).map(|_| json!({"NodeName": "X\u{1b}[2J"})).collect();
    let found = import(json!({"Nodes": many}).to_string().as_bytes(), None);
    assert_eq!(found.unwrap_err().code(), "import-missing");
}
