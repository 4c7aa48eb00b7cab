//! Logs: lines for people or JSON for collectors, both on stderr, each line with the fields of the spans that it is in.

use std::{fmt, io::Write as _};

use patchline_engine::{Clock as _, clock::SystemClock};
use serde_json::{Map, Value};
use tracing::{
    Event, Subscriber,
    field::{Field, Visit},
    span,
};
use tracing_subscriber::{
    EnvFilter, Layer, layer::Context, layer::SubscriberExt as _, registry::LookupSpan,
    util::SubscriberInitExt as _,
};

use crate::{
    failure::{Failure, Result},
    terminal,
};

/// How logs are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, clap::ValueEnum)]
pub(crate) enum LogFormat {
    /// For people.
    #[default]
    Text,
    /// One JSON object a line.
    Json,
}

/// What a command says unless `PATCHLINE_LOG` says otherwise.
pub(crate) const QUIET: &str = "warn";
/// The same of a command that stays: who looks at its log later wants to know what it did.
pub(crate) const RUNNING: &str = "warn,patchline=info";

/// Starts logging, once, before anything is logged.
pub(crate) fn install(format: LogFormat, default: &str) -> Result<()> {
    let filter = match std::env::var("PATCHLINE_LOG") {
        Ok(text) if !text.trim().is_empty() => EnvFilter::try_new(&text).map_err(|error| {
            Failure::usage("log-filter-invalid", format!("PATCHLINE_LOG is no log filter: {error}"))
                .hint("write a level, or targets with levels: info, or warn,patchline_engine=debug")
        })?,
        _ => EnvFilter::new(default),
    };
    let lines = tracing_subscriber::registry().with(filter);
    match format {
        LogFormat::Text => {
            let layer = tracing_subscriber::fmt::layer()
                .with_writer(std::io::stderr)
                .with_ansi(terminal::err_colours());
            lines.with(layer).init();
        }
        LogFormat::Json => {
            // What is said to people becomes a line of the log too: a collector reads nothing but JSON.
            terminal::speak_json();
            lines.with(Json).init();
        }
    }
    Ok(())
}

/// A line that is no event of the log: what is said to people, as JSON.
pub(crate) fn said(text: &str) -> String {
    let mut line = head("INFO", "patchline");
    line.insert("message".into(), text.into());
    Value::Object(line).to_string()
}

fn head(level: &str, target: &str) -> Map<String, Value> {
    let mut line = Map::new();
    line.insert("timestamp".into(), SystemClock.now().to_string().into());
    line.insert("level".into(), level.into());
    line.insert("target".into(), target.into());
    line
}

/// One flat object a line: the spans' fields from the outermost inwards, then the event's own, so that `run.id` is found
/// under the same key whatever wrote the line.
struct Json;

/// The fields of a span, kept with it.
struct Fields(Map<String, Value>);

impl<S> Layer<S> for Json
where
    S: Subscriber + for<'a> LookupSpan<'a>,
{
    fn on_new_span(&self, attributes: &span::Attributes<'_>, id: &span::Id, context: Context<'_, S>) {
        let Some(span) = context.span(id) else { return };
        let mut fields = Fields(Map::new());
        attributes.record(&mut fields);
        span.extensions_mut().insert(fields);
    }

    fn on_record(&self, id: &span::Id, values: &span::Record<'_>, context: Context<'_, S>) {
        let Some(span) = context.span(id) else { return };
        if let Some(fields) = span.extensions_mut().get_mut::<Fields>() {
            values.record(fields);
        }
    }

    fn on_event(&self, event: &Event<'_>, context: Context<'_, S>) {
        let line = self.line(event, &context);
        // A closed pipe is no failure of ours.
        let _ = writeln!(std::io::stderr().lock(), "{line}");
    }
}

impl Json {
    fn line<S>(&self, event: &Event<'_>, context: &Context<'_, S>) -> Value
    where
        S: Subscriber + for<'a> LookupSpan<'a>,
    {
        let mut line = head(event.metadata().level().as_str(), event.metadata().target());
        let mut own = Fields(Map::new());
        event.record(&mut own);
        if let Some(message) = own.0.remove("message") {
            line.insert("message".into(), message);
        }
        for span in context.event_scope(event).into_iter().flat_map(|scope| scope.from_root()) {
            if let Some(fields) = span.extensions().get::<Fields>() {
                line.extend(fields.0.iter().map(|(key, value)| (key.clone(), value.clone())));
            }
        }
        for (key, value) in own.0 {
            // Nobody's field replaces what tells the line itself.
            let taken = matches!(key.as_str(), "timestamp" | "level" | "target" | "message");
            line.insert(if taken { format!("{key}_") } else { key }, value);
        }
        Value::Object(line)
    }
}

impl Visit for Fields {
    fn record_f64(&mut self, field: &Field, value: f64) {
        self.0.insert(field.name().into(), value.into());
    }
    fn record_i64(&mut self, field: &Field, value: i64) {
        self.0.insert(field.name().into(), value.into());
    }
    fn record_u64(&mut self, field: &Field, value: u64) {
        self.0.insert(field.name().into(), value.into());
    }
    fn record_bool(&mut self, field: &Field, value: bool) {
        self.0.insert(field.name().into(), value.into());
    }
    fn record_str(&mut self, field: &Field, value: &str) {
        self.0.insert(field.name().into(), value.into());
    }
    fn record_error(&mut self, field: &Field, value: &(dyn std::error::Error + 'static)) {
        self.0.insert(field.name().into(), value.to_string().into());
    }
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.0.insert(field.name().into(), format!("{value:?}").into());
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use super::*;

    /// Keeps the lines.
    struct Kept(Arc<Mutex<Vec<Value>>>);

    impl<S> Layer<S> for Kept
    where
        S: Subscriber + for<'a> LookupSpan<'a>,
    {
        fn on_new_span(&self, attributes: &span::Attributes<'_>, id: &span::Id, context: Context<'_, S>) {
            Json.on_new_span(attributes, id, context);
        }
        fn on_record(&self, id: &span::Id, values: &span::Record<'_>, context: Context<'_, S>) {
            Json.on_record(id, values, context);
        }
        fn on_event(&self, event: &Event<'_>, context: Context<'_, S>) {
            self.0.lock().unwrap().push(Json.line(event, &context));
        }
    }

    #[test]
    fn a_line_has_the_fields_of_its_spans() {
        let lines = Arc::new(Mutex::new(Vec::new()));
        let subscriber = tracing_subscriber::registry().with(Kept(lines.clone()));
        tracing::subscriber::with_default(subscriber, || {
            let step = tracing::error_span!(
                "step",
                run.id = "01A",
                step.name = "scan",
                late = tracing::field::Empty
            );
            step.record("late", 7);
            let _inside = step.enter();
            tracing::error_span!("inner", step.name = "within").in_scope(|| {
                tracing::warn!(level = "x", registry = %"main", "two\nlines \u{1b}[31m");
            });
            tracing::info!(run.id = "01B", "of another run");
        });
        let lines = lines.lock().unwrap();
        assert_eq!(lines[0]["message"], "two\nlines \u{1b}[31m");
        assert!(!lines[0].to_string().contains(['\n', '\u{1b}']), "{}", lines[0]);
        assert_eq!((&lines[0]["level"], &lines[0]["level_"]), (&"WARN".into(), &"x".into()));
        assert_eq!((&lines[0]["run.id"], &lines[0]["step.name"]), (&"01A".into(), &"within".into()));
        assert_eq!((&lines[0]["late"], &lines[0]["registry"]), (&7.into(), &"main".into()));
        assert_eq!(lines[1]["run.id"], "01B");
        let said: Value = serde_json::from_str(&said("stop with \"Ctrl-C\"")).unwrap();
        assert_eq!(said["message"], "stop with \"Ctrl-C\"");
    }
}
