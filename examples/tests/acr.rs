//! The delivery chain of `acr/` and the chain that it becomes stay together.

use std::path::Path;

use patchline_chains::import::acr;

fn read(name: &str) -> String {
    std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(name)).expect("a text")
}

#[test]
fn the_imported_chain_is_what_stands_among_the_examples() {
    let imported = acr::import(read("acr/chain.json").as_bytes(), None).expect("a delivery chain");
    assert_eq!(
        imported.yaml,
        read("chains/acr-import.yaml"),
        "write it anew: patchline chain import --from acr"
    );
    let told: Vec<(&str, &str)> = imported.notes.iter().map(|n| (n.code, n.path.as_str())).collect();
    let scan = "$.ChainConfig.Nodes[2].NodeConfig";
    assert_eq!(
        told,
        [
            ("import-instance", "$.InstanceId"),
            ("import-no-build", "$.ChainConfig.Nodes[0]"),
            ("import-scan-engine", format!("{scan}.ScanEngine").as_str()),
            ("import-no-malware-check", format!("{scan}.DenyPolicy.MaliciousList").as_str()),
            ("import-delete", format!("{scan}.DenyPolicy.Action").as_str()),
            ("import-replication-target", "$.ChainConfig.Nodes[3]"),
            ("import-trigger-target", "$.ChainConfig.Nodes[4]"),
            ("import-snapshot", "$.ChainConfig.Nodes[5]"),
        ]
    );
}
