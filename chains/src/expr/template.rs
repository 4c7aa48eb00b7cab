//! Handlebars behind limits: strict, nothing escaped, no partials, helpers of a short list, bounded output.

use std::io::Write;
use std::ops::Range;

use handlebars::template::{HelperTemplate, Parameter, TemplateElement};
use handlebars::{Context, Handlebars, Path, PathSeg, RenderError, RenderErrorReason, Template};
use serde_json::Value;

use super::Error;
use crate::diagnostics::shown;
use crate::limits::{MAX_COMPREHENSIONS, MAX_RENDERED, MAX_TEMPLATE, MAX_TEMPLATE_DEPTH};

/// What may stand before parameters in `{{…}}`.
pub(crate) const HELPERS: [&str; 15] = [
    "if", "unless", "each", "with", "lookup", "eq", "ne", "gt", "gte", "lt", "lte", "and", "or", "not", "len",
];

/// Whether a text has anything to render.
pub(crate) fn is_template(text: &str) -> bool {
    text.contains("{{")
}

/// `steps.gate.output` as a template names it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Name {
    /// From the root down.
    pub(crate) path: Vec<String>,
    /// Bytes of the template.
    pub(crate) place: Range<usize>,
    /// Put in as it is: it must be text, a number or a boolean.
    pub(crate) printed: bool,
}

/// A template that may be rendered, and the names that it looks up at its top level.
#[derive(Debug)]
pub(crate) struct Compiled {
    template: Template,
    pub(crate) names: Vec<Name>,
}

/// The names of a template that is text and plain `{{names}}` alone, as most are; without the general parser, which
/// is slow. None: it is something else, or none.
pub(crate) fn plain(text: &str) -> Option<Vec<Name>> {
    if text.contains('\\') || text.len() > MAX_TEMPLATE {
        return None;
    }
    let mut names = Vec::new();
    let mut at = 0;
    while let Some(found) = text[at..].find("{{") {
        let start = at + found + 2;
        let length = text[start..].find("}}")?;
        let inner = &text[start..start + length];
        let name = inner.trim_matches(' ');
        let word = |part: &str| {
            part.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
                && part.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_' || b == b'-')
                && !matches!(part, "true" | "false" | "null" | "undefined" | "else" | "this" | "as")
        };
        let path: Vec<String> = name.split('.').map(str::to_owned).collect();
        if !path.iter().all(|part| word(part)) || text[start + length..].starts_with("}}}") {
            return None;
        }
        let from = start + inner.len() - inner.trim_start_matches(' ').len();
        names.push(Name { path, place: from..from + name.len(), printed: true });
        at = start + length + 2;
    }
    Some(names)
}

/// Compiles; the reason if it is no template, or one that is not allowed.
pub(crate) fn compile(text: &str) -> Result<Compiled, String> {
    if text.len() > MAX_TEMPLATE {
        return Err(format!("a template may have {MAX_TEMPLATE} bytes"));
    }
    if nesting(text) > MAX_TEMPLATE_DEPTH {
        return Err(format!("blocks and parentheses may be nested {MAX_TEMPLATE_DEPTH} deep"));
    }
    let template = Template::compile(text).map_err(|error| parse_reason(&error))?;
    let mut walk = Walk { text, names: Vec::new(), loops: 0 };
    walk.template(&template, true)?;
    Ok(Compiled { names: walk.names, template })
}

/// The depth of blocks, and of brackets inside a tag, before a recursive parser sees them.
fn nesting(text: &str) -> usize {
    let (mut blocks, mut brackets, mut deepest, mut inside) = (0_usize, 0_usize, 0, false);
    for (at, b) in text.bytes().enumerate() {
        // Braces are ASCII, so the slices begin at characters.
        let rest = || &text[at..];
        match b {
            b'{' if rest().starts_with("{{") => {
                (inside, brackets) = (true, 0);
                let tag = text[at + 2..].trim_start_matches(['{', '~']);
                if text[at..].starts_with("{{{{{") {
                    return MAX_TEMPLATE_DEPTH + 1;
                } else if tag.starts_with('#') {
                    blocks += 1;
                } else if tag.starts_with('/') {
                    blocks = blocks.saturating_sub(1);
                }
            }
            b'}' if rest().starts_with("}}") => inside = false,
            b'(' | b'[' | b'{' if inside => brackets += 1,
            b')' | b']' | b'}' => brackets = brackets.saturating_sub(1),
            _ => {}
        }
        deepest = deepest.max(blocks).max(brackets);
    }
    deepest
}

fn parse_reason(error: &handlebars::TemplateError) -> String {
    let text = error.reason().to_string();
    let text = text.lines().next().unwrap_or_default();
    let mut letters = shown(text).chars().collect::<Vec<_>>();
    if let Some(first) = letters.first_mut() {
        *first = first.to_ascii_lowercase();
    }
    letters.into_iter().collect()
}

struct Walk<'t> {
    text: &'t str,
    names: Vec<Name>,
    /// `each` around what is looked at.
    loops: usize,
}

impl Walk<'_> {
    /// `top`: names are looked up in the context itself, not in what a block has entered.
    fn template(&mut self, template: &Template, top: bool) -> Result<(), String> {
        template.elements.iter().try_for_each(|element| self.element(element, top))
    }

    fn element(&mut self, element: &TemplateElement, top: bool) -> Result<(), String> {
        match element {
            TemplateElement::RawString(_) | TemplateElement::Comment(_) => Ok(()),
            TemplateElement::Expression(helper) | TemplateElement::HtmlExpression(helper) => {
                self.helper(helper, top, false)
            }
            TemplateElement::HelperBlock(helper) => self.helper(helper, top, true),
            _ => Err("partials and decorators are not part of the chain language".to_owned()),
        }
    }

    fn helper(&mut self, helper: &HelperTemplate, top: bool, block: bool) -> Result<(), String> {
        let named = helper.name.as_name().unwrap_or_default();
        let called = block || !helper.params.is_empty() || !helper.hash.is_empty();
        if !called {
            let known = self.names.len();
            self.parameter(&helper.name, top)?;
            self.names[known..].iter_mut().for_each(|name| name.printed = true);
            return Ok(());
        }
        if !HELPERS.contains(&named) {
            return Err(format!("unknown helper `{}`", shown(named)));
        }
        for parameter in helper.params.iter().chain(helper.hash.values()) {
            self.parameter(parameter, top)?;
        }
        let enters = matches!(named, "each" | "with");
        let loops = usize::from(named == "each");
        self.loops += loops;
        if self.loops > MAX_COMPREHENSIONS {
            return Err(format!("`each` may stand inside another {MAX_COMPREHENSIONS} deep"));
        }
        if let Some(inner) = &helper.template {
            self.template(inner, top && !enters)?;
        }
        self.loops -= loops;
        helper.inverse.as_ref().map_or(Ok(()), |inner| self.template(inner, top))
    }

    fn parameter(&mut self, parameter: &Parameter, top: bool) -> Result<(), String> {
        match parameter {
            Parameter::Path(Path::Relative((segments, raw))) => {
                let mut segments = segments.as_slice();
                let rooted = matches!(segments.first(), Some(PathSeg::Ruled(_))) && raw.starts_with("@root");
                if rooted {
                    segments = &segments[1..];
                }
                let path: Vec<String> = segments
                    .iter()
                    .map_while(|s| if let PathSeg::Named(n) = s { Some(n.clone()) } else { None })
                    .collect();
                if (top || rooted) && !path.is_empty() {
                    let at = self.text.find(raw.as_str()).unwrap_or(0);
                    let place = at..(at + raw.len()).min(self.text.len());
                    self.names.push(Name { path, place, printed: false });
                }
                Ok(())
            }
            Parameter::Subexpression(inner) => self.element(inner.as_element(), top),
            Parameter::Name(name) => Err(format!("unknown name `{}`", shown(name))),
            _ => Ok(()),
        }
    }
}

/// Renders the strings of values over one context.
pub(crate) struct Renderer {
    context: Context,
}

impl Renderer {
    pub(crate) fn new(context: &Value) -> Renderer {
        Renderer { context: Context::from(context.clone()) }
    }

    /// Every string inside `value`.
    pub(crate) fn value(&self, value: &Value) -> Result<Value, Error> {
        Ok(match value {
            Value::String(text) => Value::String(self.text(text)?),
            Value::Array(items) => {
                Value::Array(items.iter().map(|v| self.value(v)).collect::<Result<_, _>>()?)
            }
            Value::Object(map) => {
                let rendered = map.iter().map(|(k, v)| Ok((k.clone(), self.value(v)?)));
                Value::Object(rendered.collect::<Result<_, Error>>()?)
            }
            other => other.clone(),
        })
    }

    fn text(&self, text: &str) -> Result<String, Error> {
        if !is_template(text) {
            return Ok(text.to_owned());
        }
        let fails = |reason: String| Error::Template { template: shown(text), reason };
        let compiled = compile(text).map_err(fails)?;
        for path in compiled.names.iter().filter(|name| name.printed).map(|name| &name.path) {
            let found = path.iter().try_fold(self.context.data(), |value, key| value.get(key));
            if let Some(Value::Object(_) | Value::Array(_)) = found {
                return Err(fails(format!("`{}` is no single value", shown(&path.join(".")))));
            }
        }
        let mut registry = Handlebars::new();
        registry.set_strict_mode(true);
        registry.register_escape_fn(handlebars::no_escape);
        registry.register_template("t", compiled.template);
        let mut out = Bounded(Vec::new());
        registry
            .render_with_context_to_write("t", &self.context, &mut out)
            .map_err(|error| fails(render_reason(&error)))?;
        String::from_utf8(out.0).map_err(|_| fails("gives bytes that are no text".to_owned()))
    }
}

fn render_reason(error: &RenderError) -> String {
    match error.reason() {
        RenderErrorReason::MissingVariable(Some(name)) => format!("unknown name `{}`", shown(name)),
        RenderErrorReason::HelperNotFound(name) => format!("unknown helper `{}`", shown(name)),
        RenderErrorReason::IOError(_) => format!("gives more than {MAX_RENDERED} bytes"),
        other => shown(&other.to_string()),
    }
}

/// Output that ends in an error where it grows too large.
struct Bounded(Vec<u8>);

impl Write for &mut Bounded {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        if self.0.len() + bytes.len() > MAX_RENDERED {
            return Err(std::io::ErrorKind::StorageFull.into());
        }
        self.0.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}
