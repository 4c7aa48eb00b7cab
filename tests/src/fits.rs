//! Whether the outputs of a run are what the step kinds declare.

use patchline_chains::Catalogue as _;
use patchline_steps::{catalogue, fits};
use serde_json::Value;

/// Every step of a run, as the API tells it: what it gave out is a part of what its kind declares.
pub fn outputs(run: &Value) {
    let catalogue = catalogue();
    let mut wrong = Vec::new();
    for step in run["steps"].as_array().unwrap() {
        let kind = catalogue.kind(step["uses"].as_str().unwrap()).unwrap();
        let found = fits::misfits(&kind.outputs(), &step["output"]);
        wrong.extend(found.into_iter().map(|one| format!("{} ({}): {one}", step["name"], kind.name())));
    }
    assert!(wrong.is_empty(), "outputs that are not as declared:\n{}", wrong.join("\n"));
}
