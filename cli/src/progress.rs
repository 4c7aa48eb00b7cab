//! Progress of long work on stderr: one line a phase, nothing where stderr is no terminal.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex},
};

use indicatif::{MultiProgress, ProgressBar, ProgressDrawTarget, ProgressStyle};
use patchline_remediation::Progress;
use patchline_scanner::LayerRead;

/// All lines; cheap to clone.
#[derive(Clone)]
pub(crate) struct Bars {
    all: MultiProgress,
    lines: Arc<Mutex<HashMap<String, ProgressBar>>>,
}

impl Bars {
    /// On stderr.
    pub(crate) fn new() -> Self {
        let all = MultiProgress::with_draw_target(ProgressDrawTarget::stderr_with_hz(10));
        Self { all, lines: Arc::default() }
    }
    /// As the rooms tell it.
    pub(crate) fn progress(&self) -> Progress {
        let bars = self.clone();
        Arc::new(move |phase, done, total| bars.set(phase, phase, done, total))
    }
    /// Layers as they are read: one bar on a terminal, a plain line for each without one.
    pub(crate) fn layers(&self) -> patchline_scanner::Progress {
        let bars = self.clone();
        Arc::new(move |read: &LayerRead<'_>| {
            let (done, all) = (read.done, read.layers);
            if bars.all.is_hidden() {
                let size = megabytes(read.size);
                crate::terminal::err(&format!("{done} of {all} layers read: {}, {size}", read.layer.short()));
            } else {
                bars.set("layers", &format!("{done} of {all} layers read"), done as u64, all as u64);
            }
        })
    }
    /// Moves the line `key`, making it when it is new.
    pub(crate) fn set(&self, key: &str, text: &str, done: u64, total: u64) {
        let Ok(mut lines) = self.lines.lock() else { return };
        let bar = lines.entry(key.to_owned()).or_insert_with(|| {
            let bar = self.all.add(ProgressBar::new_spinner());
            bar.enable_steady_tick(std::time::Duration::from_millis(120));
            bar
        });
        let style = if total > 0 {
            "{spinner} {msg:<36} {bar:28} {percent:>3} %  {elapsed}"
        } else {
            "{spinner} {msg:<36} {elapsed}"
        };
        // Both templates are constants and parse.
        if let Ok(style) = ProgressStyle::with_template(style) {
            bar.set_style(style);
        }
        bar.set_length(total);
        bar.set_position(done.min(total));
        bar.set_message(text.to_owned());
    }
    /// Ends a line and leaves `text` in its place.
    pub(crate) fn end(&self, key: &str, text: &str) {
        let Ok(mut lines) = self.lines.lock() else { return };
        if let Some(bar) = lines.remove(key) {
            bar.finish_and_clear();
        }
        self.say(text);
    }
    /// A line above the bars; without a terminal on stderr it is printed plainly.
    pub(crate) fn say(&self, text: &str) {
        if self.all.is_hidden() {
            crate::terminal::err(text);
        } else {
            let _ = self.all.println(text);
        }
    }
    /// Removes every line.
    pub(crate) fn clear(&self) {
        if let Ok(mut lines) = self.lines.lock() {
            lines.drain().for_each(|(_, bar)| bar.finish_and_clear());
        }
    }
}

/// Bytes for people, rounded up to a tenth.
pub(crate) fn megabytes(bytes: u64) -> String {
    let tenths = bytes.div_ceil(100_000);
    format!("{}.{} MB", tenths / 10, tenths % 10)
}
