//! Tables that never wrap in 100 columns: the widest column gives way.

use patchline_chains::columns::{self, width};
use patchline_scanner::formats::clean;

use crate::terminal::{Colour, paint};

/// Longest line of a table, where nothing else is asked for.
pub(crate) const WIDTH: usize = 100;

/// No column becomes narrower for want of room.
const NARROWEST: usize = 8;

/// Left-aligned text columns; a column may be right-aligned for numbers.
#[derive(Debug)]
pub(crate) struct Table {
    head: Vec<String>,
    right: Vec<bool>,
    /// Gives way before the others do.
    soft: Vec<bool>,
    rows: Vec<Row>,
    longest: usize,
}

#[derive(Debug)]
enum Row {
    /// The first cell may have a colour.
    Cells(Vec<String>, Option<Colour>),
    /// Across all columns.
    Line(String, Option<Colour>),
}

impl Table {
    /// Column names; one that begins with `>` is right-aligned, one with `~` is the first to be cut.
    pub(crate) fn new(columns: &[&str]) -> Self {
        Self {
            head: columns.iter().map(|c| c.trim_start_matches(['>', '~']).to_owned()).collect(),
            right: columns.iter().map(|c| c.starts_with('>')).collect(),
            soft: columns.iter().map(|c| c.starts_with('~')).collect(),
            rows: Vec::new(),
            longest: WIDTH,
        }
    }
    /// With another longest line.
    pub(crate) fn within(mut self, longest: usize) -> Self {
        self.longest = longest;
        self
    }
    /// Adds a row; missing cells are empty.
    pub(crate) fn row<S: Into<String>>(&mut self, cells: impl IntoIterator<Item = S>) {
        self.rows.push(Row::Cells(cells.into_iter().map(harmless).collect(), None));
    }
    /// A row whose first cell has a colour.
    pub(crate) fn painted<S: Into<String>>(&mut self, colour: Colour, cells: impl IntoIterator<Item = S>) {
        self.rows.push(Row::Cells(cells.into_iter().map(harmless).collect(), Some(colour)));
    }
    /// A line between rows, across all columns.
    pub(crate) fn line(&mut self, text: impl Into<String>, colour: Option<Colour>) {
        self.rows.push(Row::Line(harmless(text), colour));
    }
    /// Whether there is no row.
    pub(crate) fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }
    /// The text, without a newline at its end.
    pub(crate) fn render(&self) -> String {
        let columns = self.head.len();
        let cells = |row: &'_ Row, i: usize| match row {
            Row::Cells(cells, _) => cells.get(i).map_or(0, |cell| width(cell)),
            Row::Line(..) => 0,
        };
        let mut widths: Vec<usize> = (0..columns)
            .map(|i| self.rows.iter().map(|row| cells(row, i)).max().unwrap_or(0).max(width(&self.head[i])))
            .collect();
        while widths.iter().sum::<usize>() + 2 * columns.saturating_sub(1) > self.longest {
            let wide = (0..columns).filter(|&i| widths[i] > NARROWEST);
            let Some(widest) = wide.max_by_key(|&i| (self.soft[i], widths[i])) else { break };
            widths[widest] -= 1;
        }
        let mut lines = vec![paint(&self.cells(&self.head, &widths, None), Colour::Quiet)];
        lines.extend(self.rows.iter().map(|row| match row {
            Row::Cells(cells, colour) => self.cells(cells, &widths, *colour),
            Row::Line(text, colour) => {
                let text = fit(text, self.longest);
                colour.filter(|_| !text.is_empty()).map_or(text.clone(), |colour| paint(&text, colour))
            }
        }));
        lines.join("\n")
    }
    fn cells(&self, cells: &[String], widths: &[usize], colour: Option<Colour>) -> String {
        let mut line = String::new();
        for (i, &room) in widths.iter().enumerate() {
            let cell = fit(cells.get(i).map_or("", String::as_str), room);
            let pad = " ".repeat(room - width(&cell));
            let cell = match colour {
                Some(colour) if i == 0 => paint(&cell, colour),
                _ => cell,
            };
            if i > 0 {
                line.push_str("  ");
            }
            if self.right[i] {
                line.push_str(&pad);
                line.push_str(&cell);
            } else {
                line.push_str(&cell);
                line.push_str(&pad);
            }
        }
        line.trim_end().to_owned()
    }
}

/// A stranger's package name must not move the cursor.
fn harmless(text: impl Into<String>) -> String {
    clean(&text.into(), usize::MAX)
}

/// Cuts with an ellipsis.
pub(crate) fn fit(text: &str, room: usize) -> String {
    if width(text) <= room {
        return text.to_owned();
    }
    let mut cut = String::new();
    let mut used = 0;
    for c in text.chars() {
        if used + columns::of(c) + 1 > room {
            break;
        }
        used += columns::of(c);
        cut.push(c);
    }
    cut.push('…');
    cut
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn never_wider_than_100_columns_and_numbers_to_the_right() {
        let mut table = Table::new(&["name", ">count"]);
        table.row(["x".repeat(300), "7".into()]);
        table.row(["短い".to_owned(), "12345".into()]);
        let text = table.render();
        assert!(text.lines().all(|l| width(l) <= WIDTH), "{text}");
        assert!(text.lines().nth(1).unwrap().ends_with("…      7"), "{text}");
        assert!(text.lines().nth(2).unwrap().ends_with("12345"));
    }

    #[test]
    fn a_narrow_terminal_is_kept_to_and_lines_are_cut() {
        let mut table = Table::new(&["severity", "id", "package", "layer"]).within(40);
        table.line("x".repeat(50), None);
        table.painted(Colour::High, ["high", "CVE-2024-123456", "libsomething-very-long", "3 of 5"]);
        assert!(table.render().lines().all(|l| width(l) <= 40), "{}", table.render());
    }

    #[test]
    fn what_may_give_way_does_so_first() {
        let mut table = Table::new(&["~package", "fixed in"]).within(26);
        table.row(["libsomething", "1.2.3-4+deb12u5"]);
        assert!(table.render().ends_with("libsomet…  1.2.3-4+deb12u5"), "{}", table.render());
    }

    #[test]
    fn a_hostile_name_cannot_move_the_cursor() {
        let mut table = Table::new(&["name"]);
        table.row(["a\u{1b}[2Jb\u{202e}"]);
        table.line("\u{9b}2J", None);
        assert!(!table.render().contains(['\u{1b}', '\u{9b}', '\u{202e}']));
    }
}
