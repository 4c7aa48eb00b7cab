use super::svg::Picture;
use super::{Charset, ascii, dot, mermaid, svg, text};
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
+------+
| scan |---+
+------+   |   +------+    +------+
           +-->| gate |---?| tell |
+--------+ |   +------+    +------+
| second |-+
+--------+

scan
second  (scan)
gate    after scan, second
tell    (notify)  after gate  when steps.gate.outcome < \"x\"
"
    );
    assert_eq!(
        text(&plan(), Charset::Unicode, 24).lines().take(9).collect::<Vec<_>>().join("\n"),
        "\
╭──────╮  ╭────────╮
│ scan │  │ second │
╰──────╯  ╰────────╯
    │          │
    └─────┬────┘
          │
          │
          ▼
      ╭──────╮"
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
    assert!(
        picture.contains("<title>tell (notify), when steps.gate.outcome &lt;  &quot;x&quot;</title>"),
        "{picture}"
    );
    assert!(picture.contains("prefers-color-scheme:dark") && !picture.contains(":root"));
    assert!(picture.contains("role=\"img\"") && picture.contains("<title>web</title>\n<desc>4 steps."));
    assert_eq!(picture.matches("<g data-step=").count(), 4);
    assert_eq!(picture.matches("class=\"pl-edge").count(), 3);
    assert_eq!(picture.matches("class=\"pl-edge pl-when\"").count(), 1);
    well_formed(&picture);
    let mut hostile = plan();
    hostile.chain = "</svg><script>\u{1b}".to_owned();
    hostile.steps[0].name = "\"><script>".to_owned();
    hostile.steps[3].when = Some("'<![CDATA[' == \"&\"\u{0}".to_owned());
    let picture = svg(&hostile);
    assert!(!picture.contains("<script") && !picture.contains(['\u{1b}', '\u{0}']));
    well_formed(&picture);
}

fn well_formed(picture: &str) {
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
}

/// A chain of `needs[i]` each.
fn chain(needs: &[Vec<usize>]) -> Plan {
    let mut plan = plan();
    let model = plan.steps[0].clone();
    plan.steps = needs
        .iter()
        .enumerate()
        .map(|(i, needs)| {
            let mut step = model.clone();
            step.name = format!("step{i}");
            step.needs = needs.iter().map(|n| format!("step{n}")).collect();
            step.when = (i % 3 == 0).then(|| "steps.step0.succeeded".to_owned());
            step
        })
        .collect();
    plan
}

/// Boxes lie apart, inside the picture, and no edge touches a box that is not its own.
fn hold(plan: &Plan) {
    let picture = Picture::new(plan);
    let boxes = &picture.boxes;
    for (i, a) in boxes.iter().enumerate() {
        for b in &boxes[i + 1..] {
            let apart =
                a.x + a.width < b.x || b.x + b.width < a.x || a.y + a.height < b.y || b.y + b.height < a.y;
            assert!(apart, "two boxes overlap");
        }
    }
    for (from, to, points) in picture.points() {
        for (i, shape) in boxes.iter().enumerate().filter(|(i, _)| *i != from && *i != to) {
            let inside = |(x, y): &(f64, f64)| {
                *x > shape.x
                    && *x < shape.x + shape.width
                    && *y > shape.y - 3.0
                    && *y < shape.y + shape.height + 3.0
            };
            assert!(!points.iter().any(inside), "the edge from {from} to {to} crosses box {i}");
        }
    }
}

proptest::proptest! {
    #![proptest_config(proptest::prelude::ProptestConfig::with_cases(200))]
    #[test]
    fn boxes_never_overlap_and_edges_keep_clear_of_them(
        picks in proptest::collection::vec(proptest::collection::vec(0..1_000_usize, 0..4), 1..40)
    ) {
        let needs: Vec<Vec<usize>> = picks
            .iter()
            .enumerate()
            .map(|(i, picks)| {
                let mut needs: Vec<usize> = picks.iter().filter(|_| i > 0).map(|p| p % i.max(1)).collect();
                needs.sort_unstable();
                needs.dedup();
                needs
            })
            .collect();
        let plan = chain(&needs);
        hold(&plan);
        well_formed(&svg(&plan));
        for charset in [Charset::Ascii, Charset::Unicode] {
            let drawn = text(&plan, charset, 100);
            assert!(drawn.lines().take_while(|l| !l.is_empty()).all(|l| l.chars().count() <= 100));
        }
    }
}

#[test]
fn a_thousand_steps_are_drawn_within_bounds() {
    let deep: Vec<Vec<usize>> = (0..1_000).map(|i| if i == 0 { vec![] } else { vec![i - 1] }).collect();
    let wide: Vec<Vec<usize>> = (0..1_000).map(|i| if i == 0 { vec![] } else { vec![0] }).collect();
    let far: Vec<Vec<usize>> = (0..1_000_usize).map(|i| (0..i.min(6)).map(|k| i * k / 7).collect()).collect();
    let far: Vec<Vec<usize>> = far
        .into_iter()
        .map(|mut n: Vec<usize>| {
            n.sort_unstable();
            n.dedup();
            n
        })
        .collect();
    // Every step needs its neighbour and all that came before in strides: more lanes than anybody can follow.
    let all: Vec<Vec<usize>> =
        (0..1_000_usize).map(|i| (0..i).filter(|k| k % 25 == 0 || k + 1 == i).collect()).collect();
    for (needs, told) in [(deep, false), (wide, false), (far, false), (all, true)] {
        let plan = chain(&needs);
        let picture = svg(&plan);
        assert!(picture.len() < 4_000_000, "{}", picture.len());
        assert_eq!(picture.contains("long edges are not drawn"), told);
        assert!(text(&plan, Charset::Unicode, 100).lines().count() < 2_000);
    }
}

#[test]
fn text_has_room_in_its_box() {
    use super::text::{fitted, pixels};
    assert!(pixels("扫描镜像", 13.0) > 1.6 * pixels("scan", 13.0));
    assert_eq!(fitted("scan", 13.0, 100.0), "scan");
    let cut = fitted(&"扫".repeat(50), 13.0, 100.0);
    assert!(cut.ends_with('…') && pixels(&cut, 13.0) <= 101.0, "{cut}");
}
