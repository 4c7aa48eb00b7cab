//! What every expression and template of a chain may look at, whatever its steps and parameters are.

use std::sync::LazyLock;

use super::{Field, ValueType};

/// How a step has ended: what `steps.<name>.outcome` holds.
pub const OUTCOMES: [&str; 6] = ["succeeded", "denied", "failed", "skipped", "cancelled", "unknown"];

/// What starts a run: what `trigger.kind` and `run.trigger` hold.
pub const TRIGGERS: [&str; 5] = ["push", "manual", "schedule", "advisories", "child"];

static ROOTS: LazyLock<Vec<Field>> = LazyLock::new(|| {
    use ValueType::{Integer, Map, Text};
    let text = |name, summary| Field::new(name, Text, summary);
    let origin = vec![
        text("tag", "its tag; nothing where that is not known"),
        text("digest", "its digest; the image's own where it was not fixed by us"),
    ];
    let image = vec![
        text("registry", "the registry's name in the configuration, or its host"),
        text("repository", "such as `shop/web`"),
        text("tag", "the tag that the run began with; nothing where it began with a digest"),
        text("digest", "the digest that the run is about"),
        text("reference", "`registry/repository:tag@digest`"),
        Field::new("origin", Map(origin), "the image before any fix of ours"),
        Field::new("platforms", ValueType::list(Text), "the chain's `scope.platforms`, where it names any"),
    ];
    let run = vec![
        text("id", "the run's id"),
        Field::new("round", Integer, "how many runs stand before it in its cascade"),
        text("trigger", "what started it, as `trigger.kind`"),
        text("url", "the run's page; empty where no address is configured"),
    ];
    let trigger = vec![
        text("kind", "`push`, `manual`, `schedule`, `advisories` or `child`"),
        text("source", "who told: `embedded`, `distribution`, `cli` …"),
    ];
    vec![
        Field::new("image", Map(image), "the image that the run is about"),
        Field::new("run", Map(run), "the run"),
        Field::new("trigger", Map(trigger), "what started the run"),
    ]
});

/// `image`, `run` and `trigger` with their fields. Beside them stand `params` and `steps`, which each chain declares.
pub fn roots() -> &'static [Field] {
    &ROOTS
}
