//! A grid of characters whose lines join where they meet.

use super::ascii::Charset;
use crate::columns;

/// Which way the layers go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Direction {
    /// From left to right.
    Right,
    /// From top to bottom.
    Down,
}

const UP: u8 = 1;
const DOWN: u8 = 2;
const LEFT: u8 = 4;
const RIGHT: u8 = 8;

/// By the directions in which a cell goes on.
const JOINTS: [char; 16] = [' ', '╵', '╷', '│', '╴', '┘', '┐', '┤', '╶', '└', '┌', '├', '─', '┴', '┬', '┼'];

#[derive(Debug, Clone, Copy)]
enum Cell {
    /// Directions of lines; none: blank.
    Line(u8),
    Char(char),
    /// The second half of a wide character.
    Covered,
}

pub(super) struct Canvas {
    cells: Vec<Cell>,
    columns: usize,
    way: Direction,
    charset: Charset,
}

impl Canvas {
    pub(super) fn new(columns: usize, rows: usize, way: Direction, charset: Charset) -> Canvas {
        Canvas { cells: vec![Cell::Line(0); columns * rows], columns, way, charset }
    }

    /// A line along the layers at `across`, both ends included.
    pub(super) fn along(&mut self, across: usize, from: usize, to: usize) {
        for at in from..to {
            let (ahead, back) = if self.way == Direction::Right { (RIGHT, LEFT) } else { (DOWN, UP) };
            self.join(at, across, ahead);
            self.join(at + 1, across, back);
        }
    }

    /// A line across the layers at `along`, both ends included.
    pub(super) fn across(&mut self, along: usize, from: usize, to: usize) {
        for at in from.min(to)..from.max(to) {
            let (ahead, back) = if self.way == Direction::Right { (DOWN, UP) } else { (RIGHT, LEFT) };
            self.join(along, at, ahead);
            self.join(along, at + 1, back);
        }
    }

    /// Where a line enters a box.
    pub(super) fn tip(&mut self, along: usize, across: usize, conditional: bool) {
        let tip = match (self.charset, conditional, self.way) {
            (Charset::Unicode, true, _) => '◇',
            (Charset::Unicode, false, Direction::Right) => '▶',
            (Charset::Unicode, false, Direction::Down) => '▼',
            (Charset::Ascii, true, _) => '?',
            (Charset::Ascii, false, Direction::Right) => '>',
            (Charset::Ascii, false, Direction::Down) => 'v',
        };
        if let Some(cell) = self.at(along, across) {
            *cell = Cell::Char(tip);
        }
    }

    /// A box of three lines, over whatever was there.
    pub(super) fn boxed(&mut self, along: usize, across: usize, label: &str) {
        let (x, y) = if self.way == Direction::Right { (along, across) } else { (across, along) };
        let inner = columns::width(label) + 2;
        let bar = |charset, (left, mid, right): (char, char, char)| -> String {
            let (left, mid, right) =
                if charset == Charset::Ascii { ('+', '-', '+') } else { (left, mid, right) };
            std::iter::once(left).chain(std::iter::repeat_n(mid, inner)).chain([right]).collect()
        };
        let side = if self.charset == Charset::Ascii { '|' } else { '│' };
        self.write(x, y, &bar(self.charset, ('╭', '─', '╮')));
        self.write(x, y + 1, &format!("{side} {label} {side}"));
        self.write(x, y + 2, &bar(self.charset, ('╰', '─', '╯')));
    }

    fn write(&mut self, x: usize, y: usize, text: &str) {
        let mut x = x;
        for c in text.chars() {
            let wide = columns::of(c);
            let place = y * self.columns + x;
            match (wide, self.cells.get_mut(place)) {
                (0, _) | (_, None) => {}
                (_, Some(cell)) => *cell = Cell::Char(c),
            }
            if let (2, Some(cell)) = (wide, self.cells.get_mut(place + 1)) {
                *cell = Cell::Covered;
            }
            x += wide;
        }
    }

    fn join(&mut self, along: usize, across: usize, direction: u8) {
        if let Some(Cell::Line(directions)) = self.at(along, across) {
            *directions |= direction;
        }
    }

    fn at(&mut self, along: usize, across: usize) -> Option<&mut Cell> {
        let (x, y) = if self.way == Direction::Right { (along, across) } else { (across, along) };
        if x >= self.columns { None } else { self.cells.get_mut(y * self.columns + x) }
    }

    /// The lines of text, without blanks at their ends.
    pub(super) fn finish(self) -> String {
        let mut out = String::new();
        for row in self.cells.chunks(self.columns.max(1)) {
            let line: String = row
                .iter()
                .filter_map(|cell| match cell {
                    Cell::Char(c) => Some(*c),
                    Cell::Covered => None,
                    Cell::Line(directions) => Some(self.joint(*directions)),
                })
                .collect();
            out.push_str(line.trim_end());
            out.push('\n');
        }
        out
    }

    fn joint(&self, directions: u8) -> char {
        match (self.charset, directions) {
            (Charset::Unicode, _) => JOINTS[usize::from(directions & 15)],
            (Charset::Ascii, 0) => ' ',
            (Charset::Ascii, d) if d & (UP | DOWN) == 0 => '-',
            (Charset::Ascii, d) if d & (LEFT | RIGHT) == 0 => '|',
            (Charset::Ascii, _) => '+',
        }
    }
}
