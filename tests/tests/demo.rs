//! `patchline demo`, as a newcomer runs it.

use std::process::Command;

use patchline_tests::machine;

#[test]
fn the_demo_mends_a_real_outdated_image() {
    if machine::mirrors().is_none() {
        return;
    }
    let output = machine::run(Command::new(machine::patchline()).arg("demo").env("NO_COLOR", "1"));
    let text = machine::text(&output);
    println!("{text}");
    let upgraded: usize = text
        .lines()
        .find_map(|l| l.strip_suffix(" packages upgraded"))
        .expect("it says how many packages were upgraded")
        .parse()
        .unwrap();
    assert!(upgraded >= 18, "{upgraded} packages upgraded");
    let mendable = text.lines().find(|l| l.starts_with("mendable")).expect("it counts what is mendable");
    let columns: Vec<&str> = mendable.split_whitespace().collect();
    assert_ne!(columns[1], "0", "the original has something to mend");
    assert_eq!(columns[2], "0", "no mendable finding is left");
    assert!(text.contains("remediated"));
    for step in ["scan", "gate", "backup", "fix"] {
        let line = text.lines().find(|l| l.split_whitespace().next() == Some(step)).expect(step);
        assert!(line.contains(" s"), "{step} shows its time: {line}");
    }
    assert!(text.contains("DingTalk robot (signed)") && text.contains("webhook (signed)"));
    assert!(text.contains("page  http://127.0.0.1:"));
}

#[test]
fn without_a_mirror_it_says_so_with_the_remedy() {
    let output = Command::new(machine::patchline())
        // A port of loopback where nobody listens.
        .args([
            "demo",
            "--mirror",
            "http://127.0.0.1:9/debian",
            "--security-mirror",
            "http://127.0.0.1:9/debian-security",
        ])
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(1));
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(said.contains("error[") && said.contains("--mirror"), "{said}");
    assert!(!said.contains("panicked"), "{said}");
}
