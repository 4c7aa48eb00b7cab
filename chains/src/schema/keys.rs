//! Every key of a chain: what it takes and what holds without it. The checks know no other keys than these,
//! and the JSON Schema and the reference are made from them.

use crate::check::params::TYPES;
use crate::limits::MAX_EXPRESSION;

/// One key of the document.
#[derive(Debug)]
pub(crate) struct Key {
    pub(crate) name: &'static str,
    pub(crate) shape: Shape,
    pub(crate) required: bool,
    /// For people, one line of Markdown.
    pub(crate) summary: &'static str,
    /// What holds when it is left out, as YAML where it is a value that could be written.
    pub(crate) default: Option<&'static str>,
    /// A value as YAML.
    pub(crate) example: &'static str,
}

/// What stands under a key.
#[derive(Debug)]
pub(crate) enum Shape {
    /// The number 1.
    Version,
    /// A name of our own grammar.
    Name,
    /// Any text.
    Text,
    /// Text that may be a template.
    Template,
    /// `true`, `false`.
    Bool,
    /// A whole number, bounds included.
    Integer { least: i64, most: i64 },
    /// `15m`.
    Duration,
    /// `15m`, and more than nothing.
    Timeout,
    /// `high`.
    Level,
    /// Five fields.
    Cron,
    /// Of the tz database.
    Zone,
    /// Globs, `!` in front excludes.
    Globs,
    /// `linux/amd64`.
    Platforms,
    /// One of some words.
    Words(&'static [&'static str]),
    /// Texts or whole numbers, at least one.
    Values,
    /// A whole number, or a duration.
    Bound,
    /// Of the parameter's type.
    Value,
    /// Names of steps, each once.
    Needs,
    /// A step kind's name.
    Kind,
    /// CEL, a short form, true or false.
    When,
    /// What the step kind takes.
    With,
    /// A map with these keys.
    Map(&'static [Key]),
    /// The same, or nothing.
    MapOrNothing(&'static [Key]),
    /// Parameters by name.
    Params,
    /// Steps by name.
    Steps,
}

/// A document.
pub(crate) static CHAIN: [Key; 10] = [
    must("version", Shape::Version, "Version of the language.", "1"),
    must("chain", Shape::Name, "The chain's name, unique on a server.", "web-release"),
    may("description", Shape::Text, "What the chain is for.", "Gate what the web team ships."),
    may(
        "scope",
        Shape::Map(&SCOPE),
        "Which images the chain handles; all when left out.",
        "{repositories: [\"shop/**\"]}",
    ),
    may("on", Shape::Map(&ON), "What starts the chain. A person and the API always may.", "{push: {}}"),
    may(
        "params",
        Shape::Params,
        "Values that a start may set, by name.",
        "{block_at: {enum: [high, critical], default: high}}",
    ),
    may(
        "concurrency",
        Shape::Map(&CONCURRENCY),
        "Which runs wait for each other; none when left out.",
        "{key: \"{{image.repository}}\"}",
    ),
    may(
        "timeout",
        Shape::Timeout,
        "Longest time of a run from its start, with all that it waits for; any when left out.",
        "7d",
    ),
    may(
        "defaults",
        Shape::Map(&DEFAULTS),
        "What holds for every step that says nothing else.",
        "{timeout: 20m}",
    ),
    must(
        "steps",
        Shape::Steps,
        "What is done: steps by name. `needs` gives their order.",
        "{scan: {uses: scan}}",
    ),
];

/// `scope:`
pub(crate) static SCOPE: [Key; 4] = [
    may(
        "registry",
        Shape::Text,
        "A registry of the server's configuration, or a host; any when left out.",
        "main",
    ),
    may(
        "repositories",
        Shape::Globs,
        "Globs over repositories; `!` in front excludes. None given: all.",
        "[\"shop/**\", \"!shop/legacy-*\"]",
    ),
    may(
        "tags",
        Shape::Globs,
        "Globs over tags; `!` in front excludes. None given: all, also images without a tag.",
        "[\"v*\", \"!*-dev\"]",
    ),
    may(
        "platforms",
        Shape::Platforms,
        "Platforms of an index that are looked at. None given: all that it holds.",
        "[linux/amd64, linux/arm64]",
    ),
];

/// `on:`
pub(crate) static ON: [Key; 3] = [
    may("push", Shape::MapOrNothing(&[]), "An image in scope is pushed.", "{}"),
    may(
        "schedule",
        Shape::Map(&SCHEDULE),
        "At times, over images that are in scope by then.",
        "{cron: \"0 3 * * *\"}",
    ),
    may(
        "advisories",
        Shape::MapOrNothing(&ADVISORIES),
        "A new advisory touches an image in scope.",
        "{severity: high}",
    ),
];

/// `on.schedule:`
pub(crate) static SCHEDULE: [Key; 3] = [
    must("cron", Shape::Cron, "Minute, hour, day of the month, month, day of the week.", "0 3 * * *"),
    Key {
        default: Some("UTC"),
        ..may("timezone", Shape::Zone, "Of the tz database; what `cron` is read in.", "Asia/Shanghai")
    },
    may(
        "images",
        Shape::Map(&IMAGES),
        "Which images in scope: those that any of these keys names. None given: all.",
        "{pushed_within: 90d, latest: 5}",
    ),
];

/// `on.schedule.images:`
pub(crate) static IMAGES: [Key; 4] = [
    may("pushed_within", Shape::Duration, "Pushed within this time.", "90d"),
    may("pulled_within", Shape::Duration, "Pulled within this time, where the registry tells.", "30d"),
    Key {
        default: Some("false"),
        ..may("running", Shape::Bool, "Known to be running in a cluster.", "true")
    },
    may(
        "latest",
        Shape::Integer { least: 1, most: 100_000 },
        "The newest so many tags of each repository.",
        "5",
    ),
];

/// `on.advisories:`
pub(crate) static ADVISORIES: [Key; 1] =
    [Key { default: Some("low"), ..may("severity", Shape::Level, "From this severity on.", "high") }];

/// One of `params:`
pub(crate) static PARAM: [Key; 6] = [
    Key { default: Some("string"), ..may("type", Shape::Words(&TYPES), "What values it takes.", "duration") },
    may("enum", Shape::Values, "The only values; for `string` and `integer`.", "[low, medium, high]"),
    may("minimum", Shape::Bound, "The least value; for `integer` and `duration`.", "1"),
    may("maximum", Shape::Bound, "The greatest value; for `integer` and `duration`.", "30"),
    must(
        "default",
        Shape::Value,
        "What holds when a start sets nothing: a chain must be able to start by itself.",
        "high",
    ),
    may(
        "description",
        Shape::Text,
        "For whoever starts the chain.",
        "From which severity on an image is denied.",
    ),
];

/// `concurrency:`
pub(crate) static CONCURRENCY: [Key; 3] = [
    must(
        "key",
        Shape::Template,
        "Runs whose keys are equal share the limit. Over `image`, `run`, `params`, `trigger`.",
        "\"{{image.repository}}:{{image.tag}}\"",
    ),
    Key {
        default: Some("1"),
        ..may(
            "limit",
            Shape::Integer { least: 1, most: 10_000 },
            "How many runs of one key go on at once.",
            "2",
        )
    },
    Key {
        default: Some("queue"),
        ..may(
            "when_busy",
            Shape::Words(&["queue", "supersede", "reject"]),
            "What a run does that finds the limit reached: `queue` waits, `supersede` cancels what runs, `reject` does not start.",
            "supersede",
        )
    },
];

/// `defaults:`
pub(crate) static DEFAULTS: [Key; 2] = [
    Key {
        default: Some("15m"),
        ..may("timeout", Shape::Timeout, "Longest time of one attempt of a step.", "20m")
    },
    may("retry", Shape::Map(&RETRY), "How often a failed step is tried again.", "{attempts: 5}"),
];

/// `retry:`
pub(crate) static RETRY: [Key; 3] = [
    Key {
        default: Some("3"),
        ..may(
            "attempts",
            Shape::Integer { least: 1, most: 100 },
            "Attempts in all; 1 never tries again.",
            "5",
        )
    },
    Key {
        default: Some("5s"),
        ..may(
            "backoff",
            Shape::Duration,
            "Pause before the second attempt, twice as long before each further one; half of it is drawn at random.",
            "10s",
        )
    },
    Key { default: Some("2m"), ..may("max_backoff", Shape::Duration, "Longest pause.", "5m") },
];

/// One of `steps:`
pub(crate) static STEP: [Key; 8] = [
    must("uses", Shape::Kind, "The step kind.", "scan"),
    may("name", Shape::Text, "A title for people.", "Look for vulnerabilities"),
    may(
        "needs",
        Shape::Needs,
        "Steps that must have ended before this one; its edges in the graph.",
        "[scan]",
    ),
    may(
        "when",
        Shape::When,
        "Whether it runs, asked once all `needs` have ended: CEL, or one of `always`, `succeeded`, `denied`, `failed`. Left out: when all `needs` have succeeded.",
        "steps.gate.denied",
    ),
    may("with", Shape::With, "Parameters of the step kind. Text in it may be a template.", "{checks: [os]}"),
    may("timeout", Shape::Timeout, "Longest time of one attempt; as `defaults` says when left out.", "30m"),
    may(
        "retry",
        Shape::Map(&RETRY),
        "How often it is tried again; what it leaves out is as `defaults` says.",
        "{attempts: 1}",
    ),
    Key {
        default: Some("false"),
        ..may(
            "continue_on_failure",
            Shape::Bool,
            "A failure of this step does not make the run fail.",
            "true",
        )
    },
];

/// Bytes of a `when`, which the schema counts as characters.
pub(crate) const LONGEST_WHEN: usize = MAX_EXPRESSION;

const fn must(name: &'static str, shape: Shape, summary: &'static str, example: &'static str) -> Key {
    Key { name, shape, required: true, summary, default: None, example }
}

const fn may(name: &'static str, shape: Shape, summary: &'static str, example: &'static str) -> Key {
    Key { name, shape, required: false, summary, default: None, example }
}
