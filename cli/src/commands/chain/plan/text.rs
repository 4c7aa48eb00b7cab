//! A dry run for people: what is known, step by step, then what happens under which outcome.

use std::fmt::Write as _;

use patchline_chains::WhenBusy;
use patchline_chains::columns::width;
use patchline_chains::dry_run::{Cell, DryRun, Ending, Outlook, Slot, Step};
use serde_json::Value;

use crate::{
    table::fit,
    terminal::{Colour, paint},
};

/// Lines break here: it fits the narrowest terminal that people use.
const WIDTH: usize = 80;
/// Where the values of a labelled line begin.
const INDENT: usize = 12;

/// The whole text, without a line end.
pub(super) fn render(run: &DryRun) -> String {
    let mut out = Lines::default();
    let name = paint(&clean(&run.chain), Colour::Strong);
    out.line(format!("{name}  {}", paint(&short(&run.hash), Colour::Quiet)));
    if let Some(description) = &run.description {
        out.wrapped("", description, 0);
    }
    out.line(String::new());
    head(&mut out, run);
    for (number, step) in run.steps.iter().enumerate() {
        out.line(String::new());
        self::step(&mut out, number + 1, step);
    }
    outlook(&mut out, run);
    out.line(String::new());
    out.line(paint("nothing was started, nothing was written", Colour::Quiet));
    out.text.trim_end().to_owned()
}

fn head(out: &mut Lines, run: &DryRun) {
    let text = |key: &str| run.image.get(key).and_then(Value::as_str).unwrap_or_default();
    out.labelled("image", &short(text("reference")));
    match run.scope.inside {
        true => out.labelled("scope", "the chain handles it"),
        false => {
            let reasons = run.scope.reasons.join("; ");
            out.coloured("scope", &format!("the chain does not handle it: {reasons}"), Colour::High);
        }
    }
    for (number, trigger) in run.triggers.iter().enumerate() {
        out.labelled(if number == 0 { "starts" } else { "" }, &format!("{}: {}", trigger.on, trigger.detail));
    }
    for (number, param) in run.params.iter().enumerate() {
        let from = if param.default { "  (default)" } else { "" };
        let line = format!("{} = {}{from}", param.name, flow(&param.value));
        out.labelled(if number == 0 { "params" } else { "" }, &line);
    }
    if let Some(slot) = &run.concurrency {
        out.labelled("at once", &concurrency(slot));
    }
}

fn concurrency(slot: &Slot) -> String {
    let runs = if slot.limit == 1 { "one run".to_owned() } else { format!("{} runs", slot.limit) };
    let busy = match slot.when_busy {
        WhenBusy::Queue => "a new one waits",
        WhenBusy::Supersede => "a new one takes the place of what runs",
        WhenBusy::Reject => "a new one does not start",
    };
    format!("{runs} of `{}`; {busy}", slot.key)
}

fn step(out: &mut Lines, number: usize, step: &Step) {
    let title = step.title.as_deref().filter(|t| *t != step.name).map(|t| format!("  {}", clean(t)));
    let name = paint(&clean(&step.name), Colour::Strong);
    out.line(format!(
        "{number:>2}  {name}  {}{}",
        paint(&step.uses, Colour::Quiet),
        title.unwrap_or_default()
    ));
    out.labelled("", &step.summary);
    out.labelled("runs", &step.condition);
    for (number, (key, value)) in step.with.as_object().into_iter().flatten().enumerate() {
        out.setting(if number == 0 { "with" } else { "" }, key, value);
    }
    for problem in &step.problems {
        out.coloured("problem", &format!("{problem}: the step would fail"), Colour::High);
    }
    let mut limits = format!("{} an attempt", step.timeout);
    if step.attempts > 1 {
        let _ =
            write!(limits, ", {} attempts, {} to {} apart", step.attempts, step.backoff, step.max_backoff);
    }
    if step.continue_on_failure {
        limits.push_str("; its failure does not fail the run");
    }
    out.labelled("limits", &limits);
    for (number, effect) in step.effects.iter().enumerate() {
        let label = if number == 0 { "effect" } else { "" };
        out.coloured(label, &format!("{} {}", effect.verb, short(&effect.target)), Colour::Medium);
    }
    if step.effects.is_empty() {
        out.labelled("effect", "none");
    }
}

fn outlook(out: &mut Lines, run: &DryRun) {
    let outlook = &run.outlook;
    out.line(String::new());
    out.line(paint("What happens", Colour::Strong));
    for (number, scenario) in outlook.scenarios.iter().enumerate() {
        out.wrapped(&format!("  {:<3}", letters(number)), &scenario.name, 5);
    }
    out.line(String::new());
    matrix(out, run);
    if !outlook.untold.is_empty() {
        let names = some(&outlook.untold);
        out.wrapped(
            "  ",
            &format!("too many outcomes to tell apart: those of {names} stand as `depends`"),
            2,
        );
    }
    if !outlook.failures.is_empty() {
        out.line(String::new());
        out.line(paint("If a step fails", Colour::Strong));
        failures(out, outlook);
    }
}

/// Rows are steps, columns scenarios, as many at a time as fit.
fn matrix(out: &mut Lines, run: &DryRun) {
    const CELL: usize = 12;
    let names = run.steps.iter().map(|s| width(&s.name)).max().unwrap_or(0).clamp(6, 24);
    let at_once = ((WIDTH - names - 2) / CELL).max(1);
    let scenarios = &run.outlook.scenarios;
    for from in (0..scenarios.len()).step_by(at_once) {
        let columns = from..(from + at_once).min(scenarios.len());
        if from > 0 {
            out.line(String::new());
        }
        let heads: String = columns.clone().map(|c| format!("{:<CELL$}", letters(c))).collect();
        out.line(paint(format!("  {:<names$}  {heads}", "step").trim_end(), Colour::Quiet));
        for (row, step) in run.steps.iter().enumerate() {
            let name = fit(&clean(&step.name), names);
            let pad = " ".repeat(names - width(&name));
            let cells: String = columns
                .clone()
                .map(|column| {
                    let (word, colour) = cell(scenarios[column].steps[row]);
                    format!("{}{}", paint(word, colour), " ".repeat(CELL - width(word)))
                })
                .collect();
            out.line(format!("  {name}{pad}  {cells}"));
        }
        let ends: String = columns
            .clone()
            .map(|column| {
                let (word, colour) = ending(scenarios[column].ending);
                format!("{}{}", paint(word, colour), " ".repeat(CELL - width(word)))
            })
            .collect();
        out.line(format!("  {:<names$}  {ends}", "result"));
    }
}

fn cell(cell: Cell) -> (&'static str, Colour) {
    match cell {
        Cell::Runs => ("runs", Colour::Strong),
        Cell::Passes => ("passes", Colour::Good),
        Cell::Denies => ("denies", Colour::High),
        Cell::Fails => ("fails", Colour::Critical),
        Cell::Skipped => ("–", Colour::Quiet),
        Cell::Depends => ("depends", Colour::Medium),
    }
}

fn ending(ending: Ending) -> (&'static str, Colour) {
    match ending {
        Ending::Passed => ("passed", Colour::Good),
        Ending::Denied => ("denied", Colour::High),
        Ending::Remediated => ("remediated", Colour::Gold),
        Ending::Failed => ("failed", Colour::Critical),
        Ending::Depends => ("depends", Colour::Medium),
    }
}

fn failures(out: &mut Lines, outlook: &Outlook) {
    let names = outlook.failures.iter().map(|f| width(&f.step)).max().unwrap_or(0).clamp(6, 24);
    for failure in &outlook.failures {
        let mut parts = Vec::new();
        if !failure.lost.is_empty() {
            parts.push(format!("without {}", some(&failure.lost)));
        }
        if !failure.still.is_empty() {
            parts.push(format!("still {}", some(&failure.still)));
        }
        if parts.is_empty() {
            parts.push("nothing else changes".to_owned());
        }
        let name = fit(&clean(&failure.step), names);
        let pad = " ".repeat(names - width(&name));
        let text = format!("{}; the run {}", parts.join("; "), verb(failure.ending));
        out.wrapped(&format!("  {name}{pad}  "), &text, names + 4);
    }
    if outlook.unfailed > 0 {
        out.wrapped(
            "  ",
            &format!("{} more steps were not looked at, for their number", outlook.unfailed),
            2,
        );
    }
}

fn verb(ending: Ending) -> &'static str {
    match ending {
        Ending::Passed => "passes all the same",
        Ending::Denied => "ends denied",
        Ending::Remediated => "ends remediated",
        Ending::Failed => "fails",
        Ending::Depends => "ends as the other steps say",
    }
}

/// At most eight of many names.
fn some(names: &[String]) -> String {
    let shown = names.iter().take(8).map(|n| clean(n)).collect::<Vec<_>>().join(", ");
    match names.len().saturating_sub(8) {
        0 => shown,
        more => format!("{shown} and {more} more"),
    }
}

/// A, B … Z, AA …
fn letters(number: usize) -> String {
    let letter = |n: usize| char::from(b'A' + u8::try_from(n % 26).unwrap_or(0));
    match number / 26 {
        0 => letter(number).to_string(),
        first => format!("{}{}", letter(first - 1), letter(number)),
    }
}

/// Digests by their first characters.
fn short(text: &str) -> String {
    let mut out = String::new();
    let mut run = String::new();
    for c in text.chars().chain(['\0']) {
        if c.is_ascii_digit() || ('a'..='f').contains(&c) {
            run.push(c);
            continue;
        }
        if run.len() == 64 {
            run.truncate(12);
            run.push('…');
        }
        out.push_str(&run);
        run.clear();
        out.push(c);
    }
    out.pop();
    out
}

/// What people and registries wrote must not move the cursor.
fn clean(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { '\u{fffd}' } else { c }).collect()
}

/// A value as YAML's flow style writes it.
fn flow(value: &Value) -> String {
    let plain = |text: &str| {
        let word = |c: char| c.is_alphanumeric() || "_-./:@*+‹›".contains(c);
        !text.is_empty()
            && text.chars().all(word)
            && !text.ends_with(':')
            && !text.starts_with(['*', '@', '-'])
    };
    match value {
        Value::String(text) if plain(text) => text.clone(),
        Value::Array(items) => format!("[{}]", items.iter().map(flow).collect::<Vec<_>>().join(", ")),
        Value::Object(map) => {
            let entries = map.iter().map(|(key, value)| format!("{key}: {}", flow(value)));
            format!("{{{}}}", entries.collect::<Vec<_>>().join(", "))
        }
        other => other.to_string(),
    }
}

/// Lines that break at the width.
#[derive(Default)]
struct Lines {
    text: String,
}

impl Lines {
    fn line(&mut self, line: String) {
        self.text.push_str(line.trim_end());
        self.text.push('\n');
    }

    fn labelled(&mut self, label: &str, text: &str) {
        self.wrapped(&format!("    {label:<8}"), text, INDENT);
    }

    fn coloured(&mut self, label: &str, text: &str, colour: Colour) {
        for (number, line) in broken(&clean(text), WIDTH - INDENT).iter().enumerate() {
            let label = if number == 0 { label } else { "" };
            self.line(format!("    {}{}", paint(&format!("{label:<8}"), Colour::Quiet), paint(line, colour)));
        }
    }

    /// A parameter; a list that does not fit stands with one item a line.
    fn setting(&mut self, label: &str, key: &str, value: &Value) {
        let whole = short(&format!("{key}: {}", flow(value)));
        match value {
            Value::Array(items) if width(&whole) > WIDTH - INDENT => {
                self.labelled(label, &format!("{key}:"));
                for item in items {
                    self.wrapped(&format!("{:INDENT$}- ", ""), &short(&flow(item)), INDENT + 2);
                }
            }
            _ => self.labelled(label, &whole),
        }
    }

    /// `lead` on the first line, blanks on the others.
    fn wrapped(&mut self, lead: &str, text: &str, indent: usize) {
        for (number, line) in broken(&clean(text), WIDTH - indent).iter().enumerate() {
            match number {
                0 => self.line(format!("{}{line}", paint(lead, Colour::Quiet))),
                _ => self.line(format!("{:indent$}{line}", "")),
            }
        }
    }
}

/// At blanks, where there are any in time; else inside a word.
fn broken(text: &str, room: usize) -> Vec<String> {
    let mut lines = vec![String::new()];
    for word in text.split_whitespace().flat_map(|word| pieces(word, room)) {
        let word = word.as_str();
        let last = lines.last_mut().filter(|line| line.is_empty() || width(line) + 1 + width(word) <= room);
        match last {
            Some(line) if line.is_empty() => line.push_str(word),
            Some(line) => {
                line.push(' ');
                line.push_str(word);
            }
            None => lines.push(word.to_owned()),
        }
    }
    lines
}

/// A word that is longer than a line, in parts that are not.
fn pieces(word: &str, room: usize) -> Vec<String> {
    let mut pieces = vec![String::new()];
    for c in word.chars() {
        if let Some(last) = pieces.last_mut().filter(|last| width(last) + 2 <= room) {
            last.push(c);
        } else {
            pieces.push(c.to_string());
        }
    }
    pieces
}

#[cfg(test)]
mod tests {
    use serde_json::{Map, json};

    use super::*;

    fn rehearsed(chain: &str) -> DryRun {
        let compiled = patchline_chains::compile(
            patchline_chains::Source { name: "c", bytes: chain.as_bytes() },
            &patchline_steps::catalogue(),
        );
        assert!(compiled.is_ok(), "{:?}", compiled.diagnostics);
        let digest = format!("sha256:{}", "a".repeat(64));
        let image = json!({
            "registry": "main", "repository": "shop/web", "tag": "v1", "digest": digest,
            "reference": format!("main/shop/web:v1@{digest}"), "origin": {"tag": "v1", "digest": digest},
        });
        let start = patchline_chains::dry_run::Start {
            image: &image,
            trigger: "manual",
            source: "cli",
            params: &Map::new(),
        };
        patchline_chains::dry_run::rehearse(&compiled.plans[0], &patchline_steps::catalogue(), &start)
            .unwrap()
    }

    #[test]
    fn the_quarantine_chain_tells_its_effects_and_outcomes() {
        let text = render(&rehearsed(include_str!("../../../../../examples/chains/quarantine.yaml")));
        for part in [
            "the chain does not handle it",
            "push vault/shop/web:backup-aaaaaaaaaaaa…",
            "push main/shop/web:v1_fixed",
            "start a run of this chain over main/shop/web:v1_fixed",
            "untag main/shop/web:v1@sha256:aaaaaaaaaaaa…",
            "send ops-dingtalk",
            "B  gate denies, mendable, fix mends",
            "when backup has succeeded and fix has succeeded",
            "remediated",
        ] {
            assert!(text.contains(part), "no `{part}` in\n{text}");
        }
        assert!(text.lines().all(|line| width(line) <= WIDTH), "{text}");
    }

    #[test]
    fn a_hostile_name_cannot_move_the_cursor_and_wide_matrices_are_cut() {
        let gates: String =
            (0..5).map(|i| format!("  gate{i}: {{uses: gate, needs: [scan], name: \"\\e[2J\"}}\n")).collect();
        let text =
            render(&rehearsed(&format!("version: 1\nchain: web\nsteps:\n  scan: {{uses: scan}}\n{gates}")));
        assert!(!text.contains('\u{1b}'), "{text}");
        assert!(text.lines().all(|line| width(line) <= WIDTH), "{text}");
        assert_eq!(letters(0) + &letters(25) + &letters(26) + &letters(31), "AZAAAF");
    }
}
