//! A catalogue like the product's, as far as the language can tell.

use std::sync::LazyLock;

use crate::catalogue::{Objection, StepInPlan};
use crate::{Catalogue, Field, Param, ParamType, StepKind, ValueType};

struct Kind {
    name: &'static str,
    params: Vec<Param>,
    outputs: Vec<Field>,
    check: fn(&StepInPlan<'_>) -> Vec<Objection>,
}

impl StepKind for Kind {
    fn name(&self) -> &'static str {
        self.name
    }
    fn summary(&self) -> &'static str {
        ""
    }
    fn params(&self) -> Vec<Param> {
        self.params.clone()
    }
    fn outputs(&self) -> Vec<Field> {
        self.outputs.clone()
    }
    fn denies(&self) -> bool {
        self.name == "gate"
    }
    fn mends(&self, _with: &serde_json::Value) -> bool {
        self.name == "fix"
    }
    fn check(&self, step: &StepInPlan<'_>) -> Vec<Objection> {
        (self.check)(step)
    }
}

fn param(name: &'static str, ty: ParamType) -> Param {
    Param::optional(name, ty, "")
}

fn output(name: &'static str, ty: ValueType) -> Field {
    Field::new(name, ty, "")
}

fn kind(name: &'static str, params: Vec<Param>, outputs: Vec<Field>) -> Kind {
    Kind { name, params, outputs, check: |_| Vec::new() }
}

fn delete_check(step: &StepInPlan<'_>) -> Vec<Objection> {
    if step.before.iter().any(|(_, kind, _)| *kind == "backup") {
        return Vec::new();
    }
    let path = if step.with.get("mode").is_some() { vec!["mode".to_owned()] } else { Vec::new() };
    vec![Objection {
        path,
        code: "delete-without-backup",
        message: "no backup surely stands before this delete".to_owned(),
        hint: Some("add a `backup` step to its `needs`".to_owned()),
    }]
}

fn kinds() -> Vec<Kind> {
    let text = ParamType::String;
    let finding = ValueType::Map(vec![
        output("id", ValueType::Text),
        output("severity", ValueType::Text),
        output("fixable", ValueType::Bool),
        output("epss", ValueType::Number),
        output("packages", ValueType::list(ValueType::Text)),
    ]);
    let rule = ParamType::Map(vec![
        param("severity", ParamType::SeverityRule),
        param("count", ParamType::COUNT),
        param("fixable", ParamType::Bool),
        param("when", ParamType::Expression(vec![output("findings", ValueType::list(finding))])),
        param("message", text.clone()),
        param("packages", ParamType::Map(vec![param("minimum", ParamType::MapOf(Box::new(text.clone())))])),
    ]);
    let backup = vec![Param::required("to", text.clone(), ""), param("keep", ParamType::Duration)];
    let reference = vec![output("reference", ValueType::Text)];
    let checks = ParamType::list(ParamType::Enum(&["os", "app", "secrets"]));
    vec![
        kind(
            "scan",
            vec![param("checks", checks)],
            vec![output("counts", ValueType::map_of(ValueType::Integer)), output("worst", ValueType::Text)],
        ),
        kind(
            "gate",
            vec![param("deny", ParamType::list(rule.clone())), param("warn", ParamType::list(rule))],
            vec![output("mendable", ValueType::Bool)],
        ),
        kind("backup", backup, reference.clone()),
        kind("fix", vec![param("tag", text.clone()), param("max_rounds", ParamType::COUNT)], reference),
        Kind {
            check: delete_check,
            ..kind("delete", vec![param("mode", ParamType::Enum(&["untag", "manifest"]))], vec![])
        },
        kind(
            "notify",
            vec![param("channels", ParamType::list(text.clone())), param("template", text)],
            vec![],
        ),
    ]
}

static KINDS: LazyLock<Vec<Kind>> = LazyLock::new(kinds);
static LIST: LazyLock<Vec<&'static dyn StepKind>> =
    LazyLock::new(|| KINDS.iter().map(|k| k as &dyn StepKind).collect());

pub(crate) struct Small;

impl Catalogue for Small {
    fn kinds(&self) -> &[&'static dyn StepKind] {
        &LIST
    }
}

/// Kinds like those that the product has.
pub(crate) fn small() -> Small {
    Small
}
