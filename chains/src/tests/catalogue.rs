use crate::catalogue::{Objection, StepInPlan};
use crate::{Catalogue, Param, ParamType, StepKind};

fn param(name: &'static str, ty: ParamType) -> Param {
    Param { name, ty, required: false, summary: "" }
}

fn list(ty: ParamType) -> ParamType {
    ParamType::List(Box::new(ty))
}

fn kind(name: &'static str, params: Vec<Param>, outputs: Vec<&'static str>) -> StepKind {
    StepKind { name, summary: "", params, outputs, check: None }
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

/// Kinds like those that the product has, as far as the language can tell.
pub(super) fn small() -> Catalogue {
    let text = ParamType::String;
    let rule = ParamType::Map(vec![
        param("severity", ParamType::SeverityRule),
        param("count", ParamType::Integer),
        param("fixable", ParamType::Bool),
        param("when", ParamType::Expression),
        param("message", text.clone()),
        param("packages", ParamType::Map(vec![param("minimum", ParamType::MapOf(Box::new(text.clone())))])),
    ]);
    let mut backup = kind(
        "backup",
        vec![param("to", text.clone()), param("keep", ParamType::Duration)],
        vec!["reference"],
    );
    backup.params[0].required = true;
    let mut delete = kind("delete", vec![param("mode", ParamType::Enum(&["untag", "manifest"]))], vec![]);
    delete.check = Some(delete_check);
    Catalogue {
        kinds: vec![
            kind(
                "scan",
                vec![param("checks", list(ParamType::Enum(&["os", "app", "secrets"])))],
                vec!["counts", "worst"],
            ),
            kind(
                "gate",
                vec![param("deny", list(rule.clone())), param("warn", list(rule))],
                vec!["mendable"],
            ),
            backup,
            kind(
                "fix",
                vec![param("tag", text.clone()), param("max_rounds", ParamType::Integer)],
                vec!["reference"],
            ),
            delete,
            kind("notify", vec![param("channels", list(text.clone())), param("template", text)], vec![]),
        ],
    }
}
