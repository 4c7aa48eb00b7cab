//! The one place that writes to the terminal: data on stdout, all else on stderr.

use std::{
    io::{IsTerminal as _, Write as _},
    sync::atomic::{AtomicBool, Ordering},
};

/// A line of data.
pub(crate) fn out(text: &str) {
    // A closed pipe (`| head`) is no failure of ours.
    let _ = writeln!(std::io::stdout().lock(), "{text}");
}

/// Whether the log on stderr is JSON.
static JSON: AtomicBool = AtomicBool::new(false);

/// From now on lines for people are lines of a JSON log.
pub(crate) fn speak_json() {
    JSON.store(true, Ordering::Relaxed);
}

/// A line for people.
pub(crate) fn err(text: &str) {
    let mut out = std::io::stderr().lock();
    let _ = if JSON.load(Ordering::Relaxed) {
        writeln!(out, "{}", crate::observe::logs::said(text))
    } else {
        writeln!(out, "{text}")
    };
}

/// Whether stdout takes colours: a terminal, and `NO_COLOR` unset.
pub(crate) fn colours() -> bool {
    std::env::var_os("NO_COLOR").is_none_or(|v| v.is_empty()) && std::io::stdout().is_terminal()
}

/// Whether stderr takes colours.
pub(crate) fn err_colours() -> bool {
    std::env::var_os("NO_COLOR").is_none_or(|v| v.is_empty()) && std::io::stderr().is_terminal()
}

/// Columns for what is printed: the terminal's, in reason; without one, as many as a table has.
pub(crate) fn columns() -> usize {
    const NARROWEST: usize = 60;
    const WIDEST: usize = 160;
    let asked = terminal_size::terminal_size_of(std::io::stdout());
    asked.map_or(crate::table::WIDTH, |(columns, _)| usize::from(columns.0).clamp(NARROWEST, WIDEST))
}

/// The severity scale and states, in words first and colour second.
pub(crate) fn paint(text: &str, colour: Colour) -> String {
    if colours() { coloured(text, colour) } else { text.to_owned() }
}

/// The same whatever the terminal: for those who have asked it.
pub(crate) fn coloured(text: &str, colour: Colour) -> String {
    let code = match colour {
        Colour::Critical => "1;31",
        Colour::High => "31",
        Colour::Medium => "33",
        Colour::Low => "93",
        Colour::Quiet => "2",
        Colour::Good => "32",
        Colour::Gold => "38;5;178",
        Colour::Strong => "1",
        Colour::Mark => "1;34",
    };
    format!("\x1b[{code}m{text}\x1b[0m")
}

/// What a text means.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Colour {
    /// Deep red.
    Critical,
    /// Red.
    High,
    /// Orange.
    Medium,
    /// Ochre.
    Low,
    /// Grey.
    Quiet,
    /// Green.
    Good,
    /// Mended, and nothing else.
    Gold,
    /// What is said.
    Strong,
    /// Where it is said.
    Mark,
}
