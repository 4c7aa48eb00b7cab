//! Real databases for tests, where the shared data folder is at hand.

use std::{collections::BTreeMap, io::Read as _, path::Path};

/// Members of one of the shared archives by their paths; none, and said so: the folder is not there.
pub(crate) fn members(archive: &str, wanted: impl Fn(&str) -> bool) -> Option<BTreeMap<String, Vec<u8>>> {
    let name = format!("{archive}.tar.zst");
    let roots = ["../shared/data", "../../shared/data", "../../../shared/data"];
    let Some(path) = roots.iter().map(|root| Path::new(root).join(&name)).find(|p| p.is_file()) else {
        println!("skipped: the shared {name} is not at hand");
        return None;
    };
    let file = std::io::BufReader::new(std::fs::File::open(path).expect("readable"));
    let mut archive = tar::Archive::new(zstd::Decoder::new(file).expect("zstd"));
    let mut found = BTreeMap::new();
    for entry in archive.entries().expect("tar") {
        let mut entry = entry.expect("entry");
        let path = String::from_utf8_lossy(&entry.path_bytes()).trim_start_matches("./").to_owned();
        if entry.header().entry_type().is_file() && wanted(&path) {
            let mut bytes = Vec::new();
            entry.read_to_end(&mut bytes).expect("content");
            found.insert(path, bytes);
        }
    }
    assert!(!found.is_empty(), "{name} has none of what is looked for");
    Some(found)
}
