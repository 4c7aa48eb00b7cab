//! Why a finding is one, in lines below its row.

use patchline_chains::columns::width;
use patchline_scanner::{
    Finding,
    formats::{Layers, clean},
};

use super::word;

/// Characters of one thing that is said.
const LONGEST: usize = 1000;
/// Names, files: how many of a list.
const LISTED: usize = 20;
/// Before every line.
const INDENT: &str = "    ";

/// `because`, other names, who judged it, files and layer.
pub(super) fn lines(finding: &Finding, layers: &Layers<'_>, columns: usize) -> Vec<String> {
    let layer = finding.layer.as_ref().map(|layer| match layers.number(layer) {
        Some(number) => format!("{number} of {}", layers.count()),
        None => "none of the image's".to_owned(),
    });
    let judged = match finding.severity_source.as_str() {
        "" | "none" => format!("{}: nobody has said", word(finding.severity)),
        source => format!("{}, as {source} has it", word(finding.severity)),
    };
    let said = [
        ("about", finding.summary.clone().unwrap_or_default()),
        ("because", finding.because.clone()),
        ("also", listed(&finding.aliases)),
        ("severity", judged),
        ("packages", listed(&finding.packages)),
        ("file", listed(&finding.paths)),
        ("layer", layer.unwrap_or_else(|| "several, or none that is known".to_owned())),
        // Without its `sha256:` it stands in one line of 80 columns, for whoever copies it.
        ("digest", finding.layer.as_ref().map_or_else(String::new, |layer| layer.hex().to_owned())),
    ];
    let mut lines = Vec::new();
    for (name, text) in said.iter().filter(|(_, text)| !text.is_empty()) {
        let text = clean(text, LONGEST);
        let room = columns.saturating_sub(INDENT.len() + 10).max(20);
        for (at, part) in wrapped(&text, room).into_iter().enumerate() {
            lines.push(format!("{INDENT}{:<10}{part}", if at == 0 { name } else { "" }));
        }
    }
    lines
}

fn listed(all: &[String]) -> String {
    let shown: Vec<&str> = all.iter().take(LISTED).map(String::as_str).collect();
    match all.len() - shown.len() {
        0 => shown.join(", "),
        more => format!("{} and {more} more", shown.join(", ")),
    }
}

/// Breaks at spaces, and within a word that is longer than the room.
pub(crate) fn wrapped(text: &str, room: usize) -> Vec<String> {
    let mut lines = vec![String::new()];
    for word in text.split(' ').filter(|w| !w.is_empty()) {
        let mut word = word;
        loop {
            let line = lines.last_mut().map(std::mem::take).unwrap_or_default();
            let gap = usize::from(!line.is_empty());
            let used = width(&line) + gap;
            if used + width(word) <= room {
                let space = if gap > 0 { " " } else { "" };
                put(&mut lines, format!("{line}{space}{word}"));
                break;
            }
            put(&mut lines, line);
            if gap > 0 {
                lines.push(String::new());
                continue;
            }
            // A word that fits in no line.
            let mut taken = 0;
            let cut = word.char_indices().find(|(_, c)| {
                taken += patchline_chains::columns::of(*c);
                taken > room
            });
            let cut = cut.map_or(word.len(), |(at, _)| at).max(word.chars().next().map_or(1, char::len_utf8));
            put(&mut lines, word[..cut].to_owned());
            word = &word[cut..];
            if word.is_empty() {
                break;
            }
            lines.push(String::new());
        }
    }
    lines
}

/// In place of the last line.
fn put(lines: &mut [String], text: String) {
    if let Some(last) = lines.last_mut() {
        *last = text;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_break_at_spaces_and_long_words_where_they_must() {
        assert_eq!(wrapped("a bb ccc", 4), ["a bb", "ccc"]);
        assert_eq!(wrapped("x abcdefghij y", 4), ["x", "abcd", "efgh", "ij y"]);
        assert_eq!(wrapped("链接器", 4), ["链接", "器"]);
        assert_eq!(wrapped("链", 1), ["链"]);
        assert_eq!(wrapped("", 4), [""]);
    }
}
