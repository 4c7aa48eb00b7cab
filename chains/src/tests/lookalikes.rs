//! What looks like something else in YAML gives the value that it spells, or a located error.

use serde_json::{Value, json};

use super::{brief, compiled, shown, with_steps};

/// What `written` is where text is taken; or the complaint.
fn as_text(written: &str) -> Result<Value, String> {
    let text = with_steps(&format!("  a: {{uses: notify, with: {{template: {written}}}}}\n"));
    let found = compiled(&text);
    match found.diagnostics.first() {
        None => Ok(found.plans[0].steps[0].with["template"].clone()),
        Some(d) => Err(format!("{} {}:{} {}", d.code, d.span.line, d.span.column, d.message)),
    }
}

/// The same where a whole number is taken.
fn as_number(written: &str) -> Result<Value, String> {
    let text = with_steps(&format!("  a: {{uses: fix, with: {{max_rounds: {written}}}}}\n"));
    let found = compiled(&text);
    match found.diagnostics.first() {
        None => Ok(found.plans[0].steps[0].with["max_rounds"].clone()),
        Some(d) => Err(format!("{} {}:{} {}", d.code, d.span.line, d.span.column, d.message)),
    }
}

#[test]
fn words_that_were_booleans_are_text() {
    for word in [
        "yes", "no", "on", "off", "y", "n", "Yes", "NO", "True", "FALSE", "Null", "NaN", ".inf", "-.inf",
        ".nan",
    ] {
        assert_eq!(as_text(word), Ok(json!(word)));
        assert_eq!(
            as_number(word),
            Err(format!("wrong-type 4:37 expected a whole number, found text, `{word}`"))
        );
    }
    for word in ["true", "false"] {
        assert_eq!(as_text(word), Err(format!("wrong-type 4:38 expected text, found a boolean, `{word}`")));
    }
    // The key `on` is text too, though YAML 1.1 reads a boolean.
    assert_eq!(brief("version: 1\nchain: a\non: {push: {}}\nsteps: {a: {uses: scan}}\n"), [""; 0]);
    let told = shown(&with_steps("  a: {uses: scan, continue_on_failure: yes}\n"));
    assert!(told.contains("found text, `yes`") && told.contains("no `yes`, `on` or `True`"), "{told}");
}

#[test]
fn numbers_are_decimal_and_texts_with_digits_stay_texts() {
    for text in [
        "0o17",
        "017",
        "0x1f",
        "0b1",
        "1_000",
        "2026-01-01",
        "2026-01-01T10:00:00Z",
        "1:30",
        "190:20:30",
        "1.2.3",
        "15m",
        "1e999",
        "99999999999999999999",
    ] {
        let written = if text.contains(':') { format!("{text} ") } else { text.to_owned() };
        assert_eq!(as_text(&written), Ok(json!(text)));
        assert_eq!(
            as_number(&written),
            Err(format!("wrong-type 4:37 expected a whole number, found text, `{text}`"))
        );
    }
    for (number, spelled) in [
        ("1.10", "a number"),
        ("1e3", "a number"),
        ("0.5", "a number"),
        ("12", "a whole number"),
        ("-1", "a whole number"),
    ] {
        assert_eq!(
            as_text(number),
            Err(format!("wrong-type 4:38 expected text, found {spelled}, `{number}`"))
        );
    }
    assert_eq!(as_number("12"), Ok(json!(12)));
    assert_eq!(as_number("+12"), Ok(json!(12)));
    assert_eq!(
        as_number("1e3"),
        Err("wrong-type 4:37 expected a whole number, found a number, `1e3`".into())
    );
    // Quotes say what is meant.
    assert_eq!(as_text("\"1.10\""), Ok(json!("1.10")));
    assert_eq!(as_text("'true'"), Ok(json!("true")));
    for (written, hint) in [
        ("017", "write it without the leading zero: 17 (octal is not read)"),
        ("0o17", "write it in decimal: 15"),
        ("0x1f", "write it in decimal: 31"),
        ("1_000", "write it without underscores: 1000"),
        ("\"12\"", "remove the quotes: 12"),
    ] {
        let told = shown(&with_steps(&format!("  a: {{uses: fix, with: {{max_rounds: {written}}}}}\n")));
        assert!(told.contains(&format!("= help: {hint}\n")), "{told}");
    }
}

#[test]
fn nothing_is_nothing_however_it_is_written() {
    for nothing in ["~", "null", ""] {
        assert_eq!(
            as_text(nothing).map_err(|e| e.split(' ').next().unwrap().to_owned()),
            Err("wrong-type".into())
        );
        let text =
            format!("version: 1\nchain: a\nscope: {{tags: {nothing}}}\nsteps: {{a: {{uses: scan}}}}\n");
        assert_eq!(brief(&text), ["no-value 3:9"]);
        assert!(compiled(&text).is_ok() && compiled(&text).plans.len() == 1);
    }
    // A trigger has nothing to say but its name.
    assert_eq!(
        brief("version: 1\nchain: a\non:\n  push:\n  advisories:\nsteps: {a: {uses: scan}}\n"),
        [""; 0]
    );
}

#[test]
fn marks_line_ends_tabs_and_blocks() {
    let plain = "version: 1\nchain: a\ndescription: |\n  two\n  lines\nsteps:\n  a: {uses: scan}\n";
    let hash = compiled(plain).plans[0].hash();
    for same in [
        format!("\u{feff}{plain}"),
        plain.replace('\n', "\r\n"),
        plain.replace("uses: scan", "uses:\tscan"),
        plain.replace("|\n  two\n  lines\n", "\"two\\nlines\\n\"\n"),
        format!("{plain}...\n"),
    ] {
        let found = compiled(&same);
        assert_eq!(found.diagnostics, [], "{same:?}");
        assert_eq!(found.plans[0].hash(), hash, "{same:?}");
    }
    assert_eq!(brief("version: 1\nchain: a\nsteps:\n\ta: {uses: scan}\n"), ["yaml-syntax 4:2"]);
    assert_eq!(
        brief("version: 1\r\nchain: a\r\nchain: b\r\nsteps: {a: {uses: scan}}\r\n"),
        ["duplicate-key 3:1"]
    );
    assert_eq!(
        brief("version: 1\nchain: a\nsteps: {a: {uses: scan}, 'a': {uses: scan}, \"a\": {uses: scan}}\n"),
        ["duplicate-key 3:26", "duplicate-key 3:45"]
    );
    assert_eq!(brief("version: 1\nchain: a\nsteps: {1: {uses: scan}}\n"), ["bad-name 3:9"]);
}
