//! Tables that never wrap in 100 columns: the widest column gives way.

use patchline_chains::columns::{self, width};

/// Longest line of a table.
const WIDTH: usize = 100;

/// Left-aligned text columns; a column may be right-aligned for numbers.
#[derive(Debug, Default)]
pub(crate) struct Table {
    head: Vec<String>,
    right: Vec<bool>,
    rows: Vec<Vec<String>>,
}

impl Table {
    /// Column names; one that begins with `>` is right-aligned.
    pub(crate) fn new(columns: &[&str]) -> Self {
        Self {
            head: columns.iter().map(|c| c.trim_start_matches('>').to_owned()).collect(),
            right: columns.iter().map(|c| c.starts_with('>')).collect(),
            rows: Vec::new(),
        }
    }
    /// Adds a row; missing cells are empty.
    pub(crate) fn row<S: Into<String>>(&mut self, cells: impl IntoIterator<Item = S>) {
        // A stranger's package name must not move the cursor.
        let clean = |c: String| c.chars().map(|c| if c.is_control() { '\u{fffd}' } else { c }).collect();
        self.rows.push(cells.into_iter().map(Into::into).map(clean).collect());
    }
    /// Whether there is no row.
    pub(crate) fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }
    /// The text, without a newline at its end.
    pub(crate) fn render(&self) -> String {
        let columns = self.head.len();
        let mut widths: Vec<usize> = (0..columns)
            .map(|i| {
                let cells = self.rows.iter().filter_map(|r| r.get(i)).map(|c| width(c)).max().unwrap_or(0);
                cells.max(width(&self.head[i]))
            })
            .collect();
        while widths.iter().sum::<usize>() + 2 * columns.saturating_sub(1) > WIDTH {
            let Some(widest) = (0..columns).max_by_key(|&i| widths[i]).filter(|&i| widths[i] > 8) else {
                break;
            };
            widths[widest] -= 1;
        }
        let mut lines =
            vec![crate::terminal::paint(&self.line(&self.head, &widths), crate::terminal::Colour::Quiet)];
        lines.extend(self.rows.iter().map(|row| self.line(row, &widths)));
        lines.join("\n")
    }
    fn line(&self, cells: &[String], widths: &[usize]) -> String {
        let mut line = String::new();
        for (i, &room) in widths.iter().enumerate() {
            let cell = fit(cells.get(i).map_or("", String::as_str), room);
            let pad = " ".repeat(room - width(&cell));
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
    fn a_hostile_name_cannot_move_the_cursor() {
        let mut table = Table::new(&["name"]);
        table.row(["a\u{1b}[2Jb"]);
        assert!(!table.render().contains('\u{1b}'));
    }
}
