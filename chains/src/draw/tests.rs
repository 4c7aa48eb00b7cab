use super::{ascii, dot, mermaid, svg};
use crate::tests::catalogue::small;
use crate::{Plan, Source, compile};

fn plan() -> Plan {
    let text = "version: 1\nchain: web\nsteps:\n  scan: {uses: scan}\n  second: {uses: scan}\n  gate: {uses: gate, needs: [scan, second]}\n  tell: {uses: notify, needs: [gate], when: 'steps.gate.outcome <  \"x\"'}\n";
    let mut found = compile(Source { name: "c", bytes: text.as_bytes() }, &small());
    assert_eq!(found.diagnostics, []);
    found.plans.remove(0)
}

#[test]
fn text_for_a_terminal() {
    assert_eq!(
        ascii(&plan()),
        "\
[scan]   --> [gate] --> [tell]
[second]

scan
second  (scan)
gate    after scan, second
tell    (notify)  after gate  when steps.gate.outcome < \"x\"
"
    );
}

#[test]
fn graphviz_and_mermaid() {
    assert_eq!(
        dot(&plan()),
        "\
digraph \"web\" {
  rankdir=LR;
  node [shape=box, style=rounded];
  s0 [label=\"scan\"];
  s1 [label=\"second\\nscan\"];
  s2 [label=\"gate\"];
  s3 [label=\"tell\\nnotify\"];
  s0 -> s2;
  s1 -> s2;
  s2 -> s3 [style=dashed];
}
"
    );
    assert_eq!(
        mermaid(&plan()),
        "\
flowchart LR
  s0[\"scan\"]
  s1[\"second<br/>scan\"]
  s2[\"gate\"]
  s3[\"tell<br/>notify\"]
  s0 --> s2
  s1 --> s2
  s2 -.-> s3
"
    );
}

#[test]
fn svg_is_well_formed_and_escapes_what_people_wrote() {
    let picture = svg(&plan());
    assert!(picture.contains("<title>when steps.gate.outcome &lt;  &quot;x&quot;</title>"), "{picture}");
    assert!(picture.contains("prefers-color-scheme:dark") && picture.contains("currentColor"));
    assert_eq!(picture.matches("<g data-step=").count(), 4);
    assert_eq!(picture.matches("class=\"edge").count(), 3);
    assert_eq!(picture.matches("class=\"edge when\"").count(), 1);
    let mut open = Vec::new();
    for tag in picture.split('<').skip(1) {
        let name = tag.split([' ', '>', '/']).find(|n| !n.is_empty()).unwrap();
        if tag.starts_with('/') {
            assert_eq!(open.pop(), Some(name), "{picture}");
        } else if !tag.contains("/>") {
            open.push(name);
        }
    }
    assert!(open.is_empty());
    let mut hostile = plan();
    hostile.chain = "</svg><script>".to_owned();
    hostile.steps[0].name = "\"><script>".to_owned();
    assert!(!svg(&hostile).contains("<script"));
}
