//! Changes of a text as a unified diff that `git apply` and `patch -p1` take (POSIX diff, "Diff -u Output Format").

use std::{collections::BTreeMap, fmt::Write as _};

/// Lines around a change.
const CONTEXT: usize = 3;

/// One change of one line, counted from 0.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Edit {
    /// The line becomes another.
    Replace(String),
    /// These lines follow it.
    Insert(Vec<String>),
}

/// A line with its sign; its text ends as it does in the file.
struct Signed {
    sign: char,
    text: String,
}

/// The diff of a text whose lines are changed so; empty: nothing changes. `path`: below the folder that the patch is for.
pub fn unified(path: &str, text: &str, edits: &BTreeMap<usize, Vec<Edit>>) -> String {
    let crlf = text.lines().next().is_some_and(|_| text.contains("\r\n"));
    let end = if crlf { "\r\n" } else { "\n" };
    let mut signed: Vec<Signed> = Vec::new();
    for (number, line) in text.split_inclusive('\n').enumerate() {
        let mut now = vec![line.to_owned()];
        for edit in edits.get(&number).into_iter().flatten() {
            match edit {
                Edit::Replace(text) => {
                    let ending = &line[line.trim_end_matches(['\r', '\n']).len()..];
                    now[0] = format!("{text}{ending}");
                }
                Edit::Insert(lines) => {
                    if let Some(last) = now.last_mut().filter(|last| !last.ends_with('\n')) {
                        last.push_str(end);
                    }
                    now.extend(lines.iter().map(|line| format!("{line}{end}")));
                }
            }
        }
        if now[0] == line {
            signed.push(Signed { sign: ' ', text: line.to_owned() });
        } else {
            signed.push(Signed { sign: '-', text: line.to_owned() });
            signed.push(Signed { sign: '+', text: now[0].clone() });
        }
        signed.extend(now.drain(1..).map(|text| Signed { sign: '+', text }));
    }
    let Some(hunks) = hunks(&signed) else { return String::new() };
    let name = named(path);
    let mut out = format!("--- a/{name}\n+++ b/{name}\n");
    for (from, to) in hunks {
        let before = |sign: char| signed[..from].iter().filter(|line| line.sign != sign).count();
        let within = |sign: char| signed[from..to].iter().filter(|line| line.sign != sign).count();
        let (old, new) = (within('+'), within('-'));
        // An empty range is named by the line before it.
        let at = |lines: usize, before: usize| if lines == 0 { before } else { before + 1 };
        let _ = writeln!(out, "@@ -{},{old} +{},{new} @@", at(old, before('+')), at(new, before('-')));
        for line in &signed[from..to] {
            out.push(line.sign);
            out.push_str(&line.text);
            if !line.text.ends_with('\n') {
                out.push_str("\n\\ No newline at end of file\n");
            }
        }
    }
    out
}

/// Where changes stand with the lines around them; none: there is no change.
fn hunks(signed: &[Signed]) -> Option<Vec<(usize, usize)>> {
    let mut hunks: Vec<(usize, usize)> = Vec::new();
    for (at, _) in signed.iter().enumerate().filter(|(_, line)| line.sign != ' ') {
        let (from, to) = (at.saturating_sub(CONTEXT), (at + CONTEXT + 1).min(signed.len()));
        match hunks.last_mut() {
            Some((_, end)) if from <= *end => *end = to,
            _ => hunks.push((from, to)),
        }
    }
    (!hunks.is_empty()).then_some(hunks)
}

/// A path that both tools read: relative, without anything that would have to be quoted.
fn named(path: &str) -> String {
    let path = path.trim_start_matches("./");
    let plain = !path.starts_with('/')
        && !path.split('/').any(|part| part == "..")
        && path.bytes().all(|b| b.is_ascii_graphic() && b != b'"' && b != b'\\');
    if plain && !path.is_empty() {
        return path.to_owned();
    }
    let last = path.rsplit('/').next().unwrap_or_default();
    let fine = !last.is_empty() && last.bytes().all(|b| b.is_ascii_alphanumeric() || b"._-".contains(&b));
    if fine { last.to_owned() } else { "Dockerfile".to_owned() }
}

#[cfg(test)]
mod tests {
    use std::process::{Command, Stdio};

    use super::*;

    fn edits(all: &[(usize, Edit)]) -> BTreeMap<usize, Vec<Edit>> {
        let mut edits: BTreeMap<usize, Vec<Edit>> = BTreeMap::new();
        for (line, edit) in all {
            edits.entry(*line).or_default().push(edit.clone());
        }
        edits
    }
    fn replace(text: &str) -> Edit {
        Edit::Replace(text.to_owned())
    }
    fn insert(text: &str) -> Edit {
        Edit::Insert(vec![text.to_owned()])
    }

    /// What a tool makes of the patch; none: it is not here.
    fn applied(tool: &[&str], text: &str, patch: &str) -> Option<String> {
        use std::io::Write as _;
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("Dockerfile");
        std::fs::write(&file, text).unwrap();
        let mut child = Command::new(tool[0])
            .args(&tool[1..])
            .current_dir(folder.path())
            .env("GIT_CEILING_DIRECTORIES", folder.path())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .ok()?;
        child.stdin.take().unwrap().write_all(patch.as_bytes()).unwrap();
        let output = child.wait_with_output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(output.status.success(), "{tool:?}: {said}\n{patch}");
        Some(std::fs::read_to_string(&file).unwrap())
    }

    #[test]
    fn a_diff_is_one_that_the_tools_apply() {
        let long: String = (1..=30).map(|n| format!("line {n}\n")).collect();
        let mut changed = long.replace("line 4\n", "line four\n").replace("line 30\n", "line 30\nlast\n");
        changed = changed.replace("line 20\n", "line 20\nmore\n");
        let of_long = edits(&[(3, replace("line four")), (19, insert("more")), (29, insert("last"))]);
        for (text, edits, wanted) in [
            (long.as_str(), of_long, changed.as_str()),
            ("FROM a", edits(&[(0, replace("FROM b"))]), "FROM b"),
            ("FROM a", edits(&[(0, insert("RUN x"))]), "FROM a\nRUN x\n"),
            (
                "FROM a\nRUN y\n",
                edits(&[(0, replace("FROM b")), (0, insert("RUN x"))]),
                "FROM b\nRUN x\nRUN y\n",
            ),
        ] {
            let patch = unified("Dockerfile", text, &edits);
            for tool in [&["git", "apply", "-"][..], &["patch", "-p1", "--batch"]] {
                if let Some(made) = applied(tool, text, &patch) {
                    assert_eq!(made, wanted, "{tool:?}\n{patch}");
                }
            }
        }
        let windows = "FROM a\r\nRUN y\r\n";
        let patch = unified("Dockerfile", windows, &edits(&[(0, insert("RUN x"))]));
        assert_eq!(
            patch,
            "--- a/Dockerfile\n+++ b/Dockerfile\n@@ -1,2 +1,3 @@\n FROM a\r\n+RUN x\r\n RUN y\r\n"
        );
        assert_eq!(unified("Dockerfile", "FROM a\n", &BTreeMap::new()), "");
    }

    #[test]
    fn a_path_cannot_leave_the_folder() {
        assert_eq!(named("./docker/Dockerfile.web"), "docker/Dockerfile.web");
        assert_eq!(named("/srv/app/Dockerfile"), "Dockerfile");
        assert_eq!(named("../x/Containerfile"), "Containerfile");
        assert_eq!(named("a\nb"), "Dockerfile");
        assert_eq!(named("with space"), "Dockerfile");
    }
}
