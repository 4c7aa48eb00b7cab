//! What the benches compile: a long honest chain, and one input for each way to make a reader work.

/// A chain of `steps` steps in a row, each with a `when` as people write them.
pub(crate) fn chain(steps: usize) -> Vec<u8> {
    let mut text = String::from("version: 1\nchain: long\nsteps:\n  s0: {uses: gate}\n");
    for i in 1..steps {
        let before = i - 1;
        text.push_str(&format!(
            "  s{i}:\n    uses: gate\n    needs: [s{before}]\n    when: steps.s{before}.denied && steps.s{before}.output.mendable || image.tag.startsWith('v1')\n"
        ));
    }
    text.into_bytes()
}

/// A hostile input by the name that it is told by.
pub(crate) struct Hostile {
    pub(crate) name: &'static str,
    pub(crate) make: fn() -> Vec<u8>,
}

/// Every one is refused, or compiles within the limits.
pub(crate) const HOSTILE: [Hostile; 33] = [
    Hostile { name: "flow-sequences-1mib", make: || within("a: ", "[[],[]],") },
    Hostile { name: "flow-mappings-1mib", make: || within("a: ", "[{a: b},{c: d}],") },
    Hostile { name: "document-10mb", make: || vec![b'a'; 10_000_000] },
    Hostile { name: "steps-100000", make: || steps(100_000, |i| format!("  s{i}: {{uses: scan}}\n")) },
    Hostile { name: "steps-60000-within-1mib", make: || steps(60_000, |i| format!("  a{i}: {{a: b}}\n")) },
    Hostile { name: "nesting-100000-flow", make: || format!("a: {}", "[".repeat(100_000)).into_bytes() },
    Hostile { name: "nesting-100000-block", make: || "- ".repeat(100_000).into_bytes() },
    Hostile { name: "alias-bomb", make: alias_bomb },
    Hostile { name: "aliases-of-long-text", make: long_aliases },
    Hostile { name: "nul-bytes", make: || vec![0; 1 << 20] },
    Hostile { name: "invalid-utf8", make: || vec![0xff; 1 << 20] },
    Hostile { name: "duplicate-keys-20000", make: || steps(20_000, |_| "  a: {uses: scan}\n".to_owned()) },
    Hostile { name: "unknown-keys-20000", make: unknown_keys },
    Hostile { name: "steps-5000-with-when", make: || chain(5_000) },
    Hostile { name: "needs-of-5000-steps", make: || steps(5_000, near_needs) },
    Hostile { name: "one-step-needs-5000", make: wide_needs },
    Hostile { name: "ring-of-5000", make: ring },
    Hostile { name: "near-names-5000", make: || steps(5_000, near_names) },
    Hostile { name: "unknown-fields-5000", make: || steps(5_000, unknown_fields) },
    Hostile { name: "deep-expressions", make: || steps(60, |i| when(i, &nested("(", "true", ")"))) },
    Hostile { name: "deep-lists-in-expressions", make: || steps(60, |i| when(i, &nested("[", "1", "]"))) },
    Hostile { name: "long-expressions", make: || steps(62, |i| when(i, &"a+".repeat(2_000))) },
    Hostile { name: "comprehensions", make: || steps(60, |i| when(i, &comprehensions())) },
    Hostile { name: "templates-5000", make: || steps(5_000, templates) },
    Hostile {
        name: "plain-templates-1mib",
        make: || steps(62, |i| template(i, &"{{image.tag}} ".repeat(1_170))),
    },
    Hostile {
        name: "block-templates-1mib",
        make: || steps(62, |i| template(i, &"{{#if a}}b{{/if}}".repeat(960))),
    },
    Hostile { name: "unknown-templates-1mib", make: || steps(62, |i| template(i, &"{{aa}}".repeat(2_700))) },
    Hostile {
        name: "wide-conditions",
        make: || steps(62, |i| when(i, &format!("{}false", "true||".repeat(600)))),
    },
    Hostile { name: "comments-1mib", make: || "# a comment\n".repeat(87_000).into_bytes() },
    Hostile { name: "escapes-1mib", make: || format!("a: \"{}\"\n", "\\x41".repeat(260_000)).into_bytes() },
    Hostile {
        name: "lines-of-text-1mib",
        make: || format!("a: |\n{}", "  a\n".repeat(260_000)).into_bytes(),
    },
    Hostile {
        name: "anchors-25000",
        make: || (0..25_000).map(|i| format!("- &a{i} x\n")).collect::<String>().into_bytes(),
    },
    Hostile { name: "each-needs-40-before-it", make: many_needs },
];

/// `head`, then `part` until a file is as large as may be.
fn within(head: &str, part: &str) -> Vec<u8> {
    let most = patchline_chains::limits::MAX_BYTES - head.len() - 2;
    format!("{head}[{}]", part.repeat(most / part.len())).into_bytes()
}

fn steps(count: usize, line: impl Fn(usize) -> String) -> Vec<u8> {
    let lines: String = (0..count).map(line).collect();
    format!("version: 1\nchain: test\nsteps:\n{lines}").into_bytes()
}

fn when(i: usize, expression: &str) -> String {
    format!("  s{i}: {{uses: scan, when: \"{expression}\"}}\n")
}

fn alias_bomb() -> Vec<u8> {
    let mut text = String::from("a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n");
    for i in 1..12 {
        let aliases = vec![format!("*a{}", i - 1); 10].join(", ");
        text.push_str(&format!("a{i}: &a{i} [{aliases}]\n"));
    }
    text.into_bytes()
}

fn long_aliases() -> Vec<u8> {
    format!("a: &a {}\nb: [{}]\n", "x".repeat(500_000), "*a, ".repeat(100_000)).into_bytes()
}

fn unknown_keys() -> Vec<u8> {
    let lines: String = (0..20_000).map(|i| format!("chainn{i}: 1\n")).collect();
    format!("version: 1\nchain: a\n{lines}").into_bytes()
}

fn near_needs(i: usize) -> String {
    match i {
        0 => "  s0: {uses: scan}\n".to_owned(),
        _ => format!("  s{i}: {{uses: scan, needs: [s{}], when: steps.s0.succeeded}}\n", i - 1),
    }
}

fn wide_needs() -> Vec<u8> {
    let mut text = steps(4_999, |i| format!("  s{i}: {{uses: scan}}\n"));
    let all: Vec<String> = (0..4_999).map(|i| format!("s{i}")).collect();
    text.extend(format!("  last: {{uses: notify, needs: [{}], when: always}}\n", all.join(", ")).bytes());
    text
}

fn ring() -> Vec<u8> {
    steps(5_000, |i| format!("  s{i}: {{uses: scan, needs: [s{}]}}\n", (i + 4_999) % 5_000))
}

fn near_names(i: usize) -> String {
    let long = "step-with-quite-a-long-name-that-costs-when-compared";
    format!("  {long}-{i}: {{uses: scan, needs: [{long}x{i}]}}\n")
}

fn many_needs() -> Vec<u8> {
    steps(2_500, |i| {
        let needs: Vec<String> = (i.saturating_sub(40)..i).map(|n| format!("s{n}")).collect();
        format!("  s{i}: {{uses: scan, needs: [{}]}}\n", needs.join(", "))
    })
}

fn template(i: usize, text: &str) -> String {
    format!("  s{i}: {{uses: notify, with: {{template: '{text}'}}}}\n")
}

fn unknown_fields(i: usize) -> String {
    format!("  s{i}: {{uses: scan, when: image.tagg == 'a' && imag.tag == 'b'}}\n")
}

fn templates(i: usize) -> String {
    format!("  s{i}: {{uses: notify, with: {{template: 'x {{{{image.tag}}}} {{{{run.id}}}}'}}}}\n")
}

fn nested(open: &str, inner: &str, close: &str) -> String {
    format!("{}{inner}{}", open.repeat(2_000), close.repeat(2_000))
}

fn comprehensions() -> String {
    let list = vec!["1"; 400].join(",");
    format!("[{list}].exists(x, [{list}].exists(y, [{list}].all(z, x + y > z)))")
}
