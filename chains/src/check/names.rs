//! Whether the names in an expression or template exist, and stand before the step that uses them; and their types.

use std::rc::Rc;

use super::Ctx;
use super::dag::Dag;
use super::params::Declared;
use super::steps::Draft;
use super::types::{Lack, Type, Words};
use crate::diagnostics::{Diagnostic, Span, shown};
use crate::expr::template;
use crate::limits::{MAX_COMPLAINTS, MAX_TEMPLATE_WORK};
use crate::plan::params::ParameterType;
use crate::types::{Field, OUTCOMES, TRIGGERS, roots};
use crate::yaml::Node;

/// What a chain's expressions and templates may look at.
const ROOTS: [&str; 5] = ["image", "run", "params", "trigger", "steps"];
/// What is known of a step.
const STEP_FIELDS: [&str; 6] = ["succeeded", "denied", "failed", "skipped", "outcome", "output"];

/// From where a name is looked at.
pub(super) struct View<'v> {
    pub(super) params: &'v [Declared],
    pub(super) drafts: &'v [Draft<'v>],
    pub(super) dag: &'v Dag,
    /// None: outside of steps, where no step has run.
    pub(super) step: Option<usize>,
}

impl Ctx<'_> {
    /// Checks a text as a template; its names too.
    pub(super) fn template(&mut self, node: &Node, view: &View<'_>) {
        let Some(text) = node.text().filter(|t| template::is_template(t)) else { return };
        if let Some(names) = template::plain(text) {
            self.template_names(node, &names, view);
            return;
        }
        self.templates += text.matches("{{").count() * text.len();
        if self.templates > MAX_TEMPLATE_WORK {
            let message = "the templates with blocks and helpers of this file are too large";
            self.push(Diagnostic::error("too-large", node.span, message).hint("split the chain"));
            return;
        }
        match template::compile(text) {
            Err(reason) => {
                let message = format!("this template cannot be used: {reason}");
                let hint = "`{{image.tag}}` puts a value in; `\\{{` is two braces";
                self.push(Diagnostic::error("bad-template", node.span, message).hint(hint));
            }
            Ok(compiled) => self.template_names(node, &compiled.names, view),
        }
    }

    fn template_names(&mut self, node: &Node, names: &[template::Name], view: &View<'_>) {
        let mut told = 0;
        for name in names {
            if told == MAX_COMPLAINTS {
                return;
            }
            let path: Vec<&str> = name.path.iter().map(String::as_str).collect();
            let problem = match lookup(&path, view, &[]) {
                Err(unresolved) => {
                    let (problem, parts) = *unresolved;
                    let part = path.get(..parts).unwrap_or(&path).join(".").len();
                    Some((problem, part.min(name.place.len())))
                }
                Ok(ty) if name.printed => not_single(&path, &ty).map(|p| (p, name.place.len())),
                Ok(_) => None,
            };
            if let Some((mut problem, length)) = problem {
                problem.span = self.inside(node, name.place.start..name.place.start + length);
                told += 1;
                self.push(problem);
            }
        }
    }
}

/// What is wrong with a path, and how many of its parts show that.
pub(super) type Unresolved = Box<(Diagnostic, usize)>;

/// The type of what a path names; or what is wrong with it, and how many of its parts show that. The problem's own
/// span is the caller's to set.
pub(super) fn lookup<'t>(
    path: &[&str],
    view: &'t View<'t>,
    extra: &'t [Field],
) -> Result<Type<'t>, Unresolved> {
    let root = path.first().copied().unwrap_or_default();
    let (ty, known) = match root {
        "steps" => step(path, view)?,
        "params" => param(path, view)?,
        _ => match extra.iter().chain(roots()).find(|field| field.name == root) {
            Some(field) => (Type::from(&field.ty), 1),
            None => return Err(Box::new((root_problem(root, view, extra), 1))),
        },
    };
    let mut ty = match path {
        ["trigger", "kind", ..] | ["run", "trigger", ..] => return Ok(Type::Word(Words::Fixed(&TRIGGERS))),
        _ => ty,
    };
    for (depth, key) in path.iter().enumerate().skip(known) {
        let owner = || path[..depth].join(".");
        ty = match (ty.field(key), &ty) {
            (Ok(next), _) => next,
            // Templates reach into lists by position.
            (Err(_), Type::List(of)) if key.parse::<usize>().is_ok() => (**of).clone(),
            (Err(Lack::Unknown(fields)), _) => {
                let problem = match path {
                    ["steps", name, "output", ..] if depth == 3 => unknown_output(name, key, fields, view),
                    _ => unknown_field(&format!("`{}`", shown(&owner())), key, fields, view),
                };
                return Err(Box::new((problem, depth + 1)));
            }
            (Err(Lack::NoFields), ty) => {
                let message =
                    format!("`{}` is {}, which has no field `{}`", shown(&owner()), ty.article(), shown(key));
                let problem = Diagnostic::error("type-mismatch", Span::START, message);
                return Err(Box::new((problem.hint("only maps have fields"), depth + 1)));
            }
        };
    }
    Ok(ty)
}

/// A key that a map with known keys does not have.
pub(super) fn unknown_field(owner: &str, key: &str, fields: &[Field], view: &View<'_>) -> Diagnostic {
    let message = format!("{owner} has no field `{}`", shown(key));
    let names: Vec<&str> = fields.iter().map(|f| f.name).collect();
    one_of(Diagnostic::error("unknown-field", Span::START, message), key, &names, view)
}

/// A word that is none of those that may stand there.
pub(super) fn not_one_of(message: String, word: &str, words: &[&str], view: &View<'_>) -> Diagnostic {
    one_of(Diagnostic::error("unknown-value", Span::START, message), word, words, view)
}

/// With the nearest of some names, or all of them.
fn one_of(error: Diagnostic, name: &str, known: &[&str], view: &View<'_>) -> Diagnostic {
    match view.dag.guesses.nearest(name, known.iter().copied()) {
        None => error.hint(format!("one of: {}", known.join(", "))),
        near => error.did_you_mean(near),
    }
}

/// What a template puts in must be one value.
fn not_single(path: &[&str], ty: &Type<'_>) -> Option<Diagnostic> {
    let written = shown(&path.join("."));
    let hint = match ty {
        Type::List(_) => {
            format!("`{{{{#each {written}}}}}…{{{{/each}}}}` goes over it, `{{{{len {written}}}}}` counts")
        }
        Type::Fields(fields) => format!("name one of its fields: `{written}.{}`", fields.first()?.name),
        Type::MapOf(_) => {
            format!("name one of its keys, or go over it: `{{{{#each {written}}}}}…{{{{/each}}}}`")
        }
        _ => return None,
    };
    let message = format!("`{written}` is {}, no single value", ty.article());
    Some(Diagnostic::error("type-mismatch", Span::START, message).hint(hint))
}

fn root_problem(root: &str, view: &View<'_>, extra: &[Field]) -> Diagnostic {
    let error = Diagnostic::error("unknown-name", Span::START, format!("unknown name `{}`", shown(root)));
    if view.dag.index.contains_key(root) {
        return error.hint(format!("a step is named as `steps.{root}`"));
    }
    if view.params.iter().any(|p| p.name == root) {
        return error.hint(format!("a parameter is named as `params.{root}`"));
    }
    // As other languages write them.
    if let Some(word) = ["true", "false", "null"].into_iter().find(|w| w.eq_ignore_ascii_case(root)) {
        return error.did_you_mean(Some(word));
    }
    if matches!(root, "None" | "nil" | "undefined") {
        return error.did_you_mean(Some("null"));
    }
    let known: Vec<&str> = ROOTS.into_iter().chain(extra.iter().map(|f| f.name)).collect();
    match view.dag.guesses.nearest(root, known.iter().copied()) {
        None => error.hint(format!("known here: {}; text stands in quotes", known.join(", "))),
        near => error.did_you_mean(near),
    }
}

/// A parameter's type, and how many parts name it.
fn param<'t>(path: &[&str], view: &'t View<'t>) -> Result<(Type<'t>, usize), Unresolved> {
    let Some(wanted) = path.get(1).copied() else { return Ok((Type::MapOf(Rc::new(Type::Any)), 1)) };
    let Some(found) = view.params.iter().find(|p| p.name == wanted) else {
        return Err(Box::new((param_problem(wanted, view), 2)));
    };
    let ty = match found.parameter.ty {
        // Declared badly: told there.
        _ if found.default.is_null() => Type::Any,
        ParameterType::Boolean => Type::Bool,
        ParameterType::Integer => Type::Integer,
        _ if found.parameter.values.is_empty() => Type::Text,
        _ => Type::Word(Words::Declared(&found.values)),
    };
    Ok((ty, 2))
}

fn param_problem(wanted: &str, view: &View<'_>) -> Diagnostic {
    let message = format!("unknown parameter `{}`", shown(wanted));
    if let Some(hyphened) = view.params.iter().find(|p| p.name.starts_with(&format!("{wanted}-"))) {
        let hint = format!("a name with a hyphen is written `params[\"{}\"]`", hyphened.name);
        return Diagnostic::error("hyphen-in-name", Span::START, message).hint(hint);
    }
    let error = Diagnostic::error("unknown-parameter", Span::START, message);
    let near = view.dag.guesses.nearest(wanted, view.params.iter().map(|p| p.name.as_str()));
    if near.is_some() { error.did_you_mean(near) } else { error.hint("declare it under `params`") }
}

/// The type of what is known of a step, and how many parts name it.
fn step<'t>(path: &[&str], view: &'t View<'t>) -> Result<(Type<'t>, usize), Unresolved> {
    let Some(step) = view.step else {
        let early =
            Diagnostic::error("later-step", Span::START, "no step has run yet where this is used".to_owned());
        return Err(Box::new((early.hint("use image, run, params or trigger"), path.len())));
    };
    let Some(wanted) = path.get(1).copied() else {
        let unnamed =
            Diagnostic::error("step-not-named", Span::START, "a step must be named outright".to_owned());
        return Err(Box::new((unnamed.hint("such as `steps.gate.denied`"), 1)));
    };
    let Some(found) = view.dag.index.get(wanted).copied() else {
        let names = || view.drafts.iter().map(|d| d.step.name.as_str());
        let message = format!("unknown step `{}`", shown(wanted));
        if let Some(hyphened) = names().find(|n| n.strip_prefix(wanted).is_some_and(|r| r.starts_with('-'))) {
            let hint = format!("a name with a hyphen is written `steps[\"{hyphened}\"]`");
            return Err(Box::new((Diagnostic::error("hyphen-in-name", Span::START, message).hint(hint), 2)));
        }
        let near = view.dag.guesses.nearest(wanted, names());
        return Err(Box::new((
            Diagnostic::error("unknown-step", Span::START, message).did_you_mean(near),
            2,
        )));
    };
    let own = &view.drafts[step];
    if !view.dag.cyclic && !view.dag.stands_before(found, step) {
        let message = match found == step {
            true => format!("step `{wanted}` cannot look at itself"),
            false => format!("step `{wanted}` does not stand before `{}`", own.step.name),
        };
        let behind = found == step || view.dag.stands_before(step, found);
        let hint = match behind {
            true => "only steps that this one needs, and what those need, have run".to_owned(),
            false => format!("add `{wanted}` to the `needs` of `{}`", own.step.name),
        };
        return Err(Box::new((Diagnostic::error("later-step", Span::START, message).hint(hint), 2)));
    }
    let ty = match path.get(2).copied() {
        None => return Ok((Type::MapOf(Rc::new(Type::Any)), 2)),
        Some("outcome") => Type::Word(Words::Fixed(&OUTCOMES)),
        Some("output") => match &view.drafts[found].kind {
            Some(kind) => Type::Fields(&kind.outputs),
            None => Type::Any,
        },
        Some(flag) if STEP_FIELDS.contains(&flag) => Type::Bool,
        Some(field) => {
            let unknown =
                Diagnostic::error("unknown-field", Span::START, format!("a step has no `{}`", shown(field)));
            return Err(Box::new((one_of(unknown, field, &STEP_FIELDS, view), 3)));
        }
    };
    Ok((ty, 3))
}

fn unknown_output(step: &str, output: &str, fields: &[Field], view: &View<'_>) -> Diagnostic {
    let uses = view.dag.index.get(step).map_or("", |i| view.drafts[*i].step.uses.as_str());
    let message = format!("a `{uses}` step gives no output `{}`", shown(output));
    let error = Diagnostic::error("unknown-output", Span::START, message);
    let names: Vec<&str> = fields.iter().map(|f| f.name).collect();
    if names.is_empty() { error.hint("it gives none") } else { one_of(error, output, &names, view) }
}
