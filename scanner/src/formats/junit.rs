//! Findings as JUnit's XML, for pages of CI that show tests: a suite for each group, a failure for each finding.

use std::fmt::Write as _;

use super::{Group, Layers, Scanned, advice, clean, groups, limits, listed, schemas, word};
use crate::{Completeness, Finding};

/// One document over one image; XML 1.0 (fifth edition), UTF-8, with a newline at its end.
pub fn document(scanned: &Scanned<'_>) -> String {
    let report = scanned.report;
    let layers = scanned.layers();
    let reasons = scanned.reasons();
    let errors = usize::from(report.completeness != Completeness::Complete);
    let failures = report.findings.len();
    let mut out = String::from("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<testsuites");
    attribute(&mut out, "name", &format!("patchline scan {}", clean(scanned.name, limits::documents().name)));
    counts(&mut out, failures + 1, failures, errors);
    out.push_str(">\n");
    // A scan that finds nothing is still a test: a file without any is taken for a mistake.
    suite(&mut out, scanned, "completeness", (1, 0, errors));
    out.push_str("    <properties>\n");
    for (name, value) in [
        ("image", report.image.to_string()),
        ("packages", report.packages.to_string()),
        ("advisoryRevision", clean(&report.advisory_revision, limits::documents().text)),
        ("version", scanned.version.to_owned()),
    ] {
        out.push_str("      <property");
        attribute(&mut out, "name", name);
        attribute(&mut out, "value", &value);
        out.push_str("/>\n");
    }
    out.push_str("    </properties>\n");
    case(&mut out, "completeness", "everything in the image was looked at");
    if errors > 0 {
        let kind = match report.completeness {
            Completeness::Undetermined { .. } => "undetermined",
            _ => "incomplete",
        };
        outcome(&mut out, "error", kind, reasons.first().map_or(kind, String::as_str), &reasons.join("\n"));
    }
    out.push_str("    </testcase>\n  </testsuite>\n");
    for group in groups(&report.findings) {
        suite(&mut out, scanned, &title(&group), (group.findings.len(), group.findings.len(), 0));
        for finding in &group.findings {
            failure(&mut out, finding, &layers);
        }
        out.push_str("  </testsuite>\n");
    }
    out.push_str("</testsuites>\n");
    out
}

/// `openssl`, `app/a.jar and 2 more`
fn title(group: &Group<'_>) -> String {
    match (group.source, group.paths) {
        (Some(source), _) => clean(source, limits::documents().name),
        (None, [path]) => clean(path, limits::documents().name),
        (None, [path, rest @ ..]) => {
            format!("{} and {} more", clean(path, limits::documents().name), rest.len())
        }
        (None, []) => String::new(),
    }
}

fn suite(
    out: &mut String,
    scanned: &Scanned<'_>,
    name: &str,
    (tests, failures, errors): (usize, usize, usize),
) {
    out.push_str("  <testsuite");
    attribute(out, "name", name);
    counts(out, tests, failures, errors);
    attribute(out, "skipped", "0");
    attribute(out, "timestamp", &scanned.seconds());
    out.push_str(">\n");
}

fn counts(out: &mut String, tests: usize, failures: usize, errors: usize) {
    for (name, count) in [("tests", tests), ("failures", failures), ("errors", errors), ("time", 0)] {
        attribute(out, name, &count.to_string());
    }
}

fn case(out: &mut String, class: &str, name: &str) {
    out.push_str("    <testcase");
    attribute(out, "classname", class);
    attribute(out, "name", name);
    attribute(out, "time", "0");
    out.push_str(">\n");
}

fn failure(out: &mut String, finding: &Finding, layers: &Layers<'_>) {
    let (id, source) =
        (clean(&finding.id, limits::documents().name), clean(&finding.source, limits::documents().name));
    case(out, &source, &format!("{id} in {source} {}", clean(&finding.installed, schemas::VERSION)));
    let mut text = advice(finding);
    if let Some(summary) = &finding.summary {
        let _ = write!(text, "\n{}", clean(summary, limits::documents().text));
    }
    let _ = write!(text, "\npackages: {}", listed(&finding.packages));
    if !finding.paths.is_empty() {
        let _ = write!(text, "\nfiles: {}", listed(&finding.paths));
    }
    if let Some(layer) = &finding.layer {
        let _ = write!(text, "\n{}, {layer}", layers.said(layer));
    }
    let _ = write!(text, "\nbecause {}", clean(&finding.because, limits::documents().text));
    let severity = word(finding.severity);
    outcome(out, "failure", severity, &format!("{severity}: {}", advice(finding)), &text);
    out.push_str("    </testcase>\n");
}

fn outcome(out: &mut String, element: &str, kind: &str, message: &str, text: &str) {
    let _ = write!(out, "      <{element}");
    attribute(out, "type", kind);
    attribute(out, "message", message);
    out.push('>');
    escape(out, text);
    let _ = writeln!(out, "</{element}>");
}

fn attribute(out: &mut String, name: &str, value: &str) {
    let _ = write!(out, " {name}=\"");
    escape(out, value);
    out.push('"');
}

/// XML 1.0: markup as references, and no character that production 2 ("Char") leaves out. A carriage return would be
/// read as a newline, so it is a reference; newlines are ours and stand in text alone.
fn escape(out: &mut String, text: &str) {
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&apos;"),
            '\t' | '\r' => {
                let _ = write!(out, "&#{};", u32::from(c));
            }
            '\n' => out.push(c),
            '\u{0}'..='\u{1f}' | '\u{7f}'..='\u{9f}' | '\u{fffe}' | '\u{ffff}' => {
                out.push(char::REPLACEMENT_CHARACTER);
            }
            _ => out.push(c),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn everything_that_xml_forbids_is_gone() {
        let all: String = (0..0x11_0000).filter_map(char::from_u32).collect();
        let mut out = String::new();
        escape(&mut out, &all);
        let allowed = |c: char| matches!(c, '\t' | '\n' | '\r' | '\u{20}'..='\u{d7ff}' | '\u{e000}'..='\u{fffd}' | '\u{10000}'..);
        assert!(out.chars().all(allowed));
        assert!(!out.contains(['<', '>', '"', '\'', '\u{1b}', '\u{9b}']));
        let mut out = String::new();
        escape(&mut out, "]]> <![CDATA[ &amp;");
        assert_eq!(out, "]]&gt; &lt;![CDATA[ &amp;amp;");
    }
}
