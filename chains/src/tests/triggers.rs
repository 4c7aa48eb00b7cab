use std::time::Duration;

use serde_json::json;

use super::{brief, compiled, shown};
use crate::plan::{Error, ImageWindow, Plan, Schedule};

fn chain(head: &str) -> String {
    format!("version: 1\nchain: a\n{head}\nsteps: {{a: {{uses: scan}}}}\n")
}

fn plan(head: &str) -> Plan {
    let mut found = compiled(&chain(head));
    assert_eq!(found.diagnostics, [], "{head}");
    found.plans.remove(0)
}

#[test]
fn a_schedule_is_typed_and_its_json_is_as_a_person_writes_it() {
    let full = plan(
        "on: {schedule: {cron: \"0  3 * * MON\", timezone: Asia/Shanghai, images: {pushed_within: 12w, pulled_within: 36h, running: true, latest: 5}}}",
    );
    let window = ImageWindow {
        pushed_within: Some(Duration::from_secs(84 * 86_400)),
        pulled_within: Some(Duration::from_secs(36 * 3_600)),
        running: true,
        latest: Some(5),
    };
    let schedule = Schedule { cron: "0 3 * * mon".into(), timezone: "Asia/Shanghai".into(), images: window };
    assert_eq!(full.on_schedule.as_ref(), Some(&schedule));
    let images = json!({"pushed_within": "84d", "pulled_within": "1d12h", "running": true, "latest": 5});
    let json = json!({"cron": "0 3 * * mon", "timezone": "Asia/Shanghai", "images": images});
    assert_eq!(serde_json::to_value(&schedule).unwrap(), json);
    // What is as if left out is not written, and is read.
    let bare = plan("on: {schedule: {cron: 0 3 * * *}}");
    assert_eq!(serde_json::to_value(&bare.on_schedule).unwrap(), json!({"cron": "0 3 * * *"}));
    let utc = plan("on: {schedule: {cron: 0 3 * * *, timezone: UTC, images: {running: false}}}");
    assert_eq!(utc.hash(), bare.hash());
    for plan in [full, bare] {
        assert_eq!(Plan::from_json(&serde_json::to_string(&plan).unwrap()).unwrap(), plan);
    }
}

#[test]
fn a_plan_of_another_version_is_told_as_that() {
    let json = serde_json::to_string(&plan("")).unwrap();
    let later = json.replacen("\"version\":1", "\"version\":2", 1);
    let error = Plan::from_json(&later).unwrap_err();
    assert_eq!(error.to_string(), "a plan of version 2; this program reads version 1");
    assert_eq!(error.code(), "plan-version-unknown");
    // Who reads it with serde is told the same.
    let told = serde_json::from_str::<Plan>(&later).unwrap_err().to_string();
    assert!(told.starts_with("a plan of version 2; this program reads version 1"), "{told}");
    assert!(matches!(Plan::from_json("{\"version\":2,\"nodes\":[]}"), Err(Error::Version(2))));
    for no_plan in ["", "[]", "{}", "{\"version\":\"1\"}", "{\"version\":1}", "{\"version\":-1}"] {
        assert_eq!(Plan::from_json(no_plan).unwrap_err().code(), "plan-malformed", "{no_plan}");
    }
}

#[test]
fn cron_and_zone_point_at_what_is_wrong() {
    let text = chain("on: {schedule: {cron: \"0 25 * * *\", timezone: Asia/Shangai}}");
    assert_eq!(
        shown(&text),
        "\
error[bad-cron]: bad cron expression: `25` is no hour, which is 0 to 23
 --> c.yaml:3:26
  |
3 | on: {schedule: {cron: \"0 25 * * *\", timezone: Asia/Shangai}}
  |                          ^^
  = help: minute, hour, day of the month, month, day of the week: `0 3 * * 1-5`
error[bad-timezone]: `Asia/Shangai` is no time zone
 --> c.yaml:3:47
  |
3 | on: {schedule: {cron: \"0 25 * * *\", timezone: Asia/Shangai}}
  |                                               ^^^^^^^^^^^^
  = help: did you mean `Asia/Shanghai`?
"
    );
    assert_eq!(brief(&chain("on: {schedule: {cron: 0 0 31 2 *}}")), ["bad-cron 3:27"]);
    assert_eq!(brief(&chain("on: {schedule: {timezone: UTC}}")), ["missing-key 3:6"]);
    assert_eq!(brief(&chain("on: {schedule: }")), ["wrong-type 3:6"]);
    assert_eq!(
        brief(&chain("on: {import: {}, pull: {}}")),
        ["unsupported-trigger 3:6", "unsupported-trigger 3:18"]
    );
}

#[test]
fn parameters_have_bounds() {
    let one = |param: &str| brief(&chain(&format!("params: {{n: {param}}}")));
    for good in [
        "{type: integer, minimum: 1, maximum: 30, default: 30}",
        "{type: integer, minimum: -5, default: 0}",
        "{type: integer, enum: [1, 2, 4], default: 2, description: how many}",
        "{type: duration, minimum: 1h, maximum: 30d, default: 1w}",
        "{enum: ['1', two], default: two}",
    ] {
        assert_eq!(one(good), [""; 0], "{good}");
    }
    for (bad, told) in [
        ("{type: integer, minimum: 1, maximum: 30, default: 31}", "out-of-range 3:63"),
        ("{type: integer, minimum: 3, maximum: 1, default: 2}", "out-of-range 3:38"),
        ("{type: duration, maximum: 1d, default: 25h}", "out-of-range 3:52"),
        ("{type: duration, maximum: 10, default: 25h}", "wrong-type 3:39"),
        ("{type: integer, maximum: 1d, default: 1}", "wrong-type 3:38"),
        ("{type: integer, enum: [1, two], default: 1}", "wrong-type 3:39"),
        ("{type: integer, enum: [1, 2], default: 3}", "unknown-value 3:52"),
        ("{type: integer, enum: [1, 20], maximum: 9, default: 1}", "out-of-range 3:39"),
        ("{minimum: 1, default: a}", "unknown-key 3:14"),
        ("{type: boolean, enum: [true], default: true}", "unknown-key 3:29"),
    ] {
        let found = one(bad);
        assert!(found.contains(&told.to_owned()), "{bad}: {found:?}");
    }
    let told = shown(&chain("params: {n: {type: integer, minimum: 1, maximum: 30, default: 31}}"));
    assert!(
        told.contains("the default 31 is outside the bounds: 1 to 30") && told.contains("-- the maximum"),
        "{told}"
    );

    let plan = plan(
        "params: {n: {type: integer, minimum: 1, maximum: 30, default: 7}, d: {type: duration, minimum: 1h, default: 1d}, e: {type: integer, enum: [1, 2], default: 1}}",
    );
    let start =
        |given: serde_json::Value| plan.start_params(given.as_object().unwrap()).map_err(|e| e.to_string());
    assert!(start(json!({"n": 30, "d": "1h", "e": 2})).is_ok());
    for (given, told) in [
        (json!({"n": 31}), "parameter `n` takes 1 to 30, not 31"),
        (json!({"n": 0}), "parameter `n` takes 1 to 30, not 0"),
        (json!({"n": 1.5}), "parameter `n` takes a whole number"),
        (json!({"d": "59m"}), "parameter `d` takes at least 1h, not 59m"),
        (json!({"e": 3}), "parameter `e` takes one of 1, 2, not `3`"),
    ] {
        assert_eq!(start(given).unwrap_err(), told);
    }
    let error = plan.start_params(json!({"n": 31}).as_object().unwrap()).unwrap_err();
    assert_eq!(error.code(), "bad-parameter");
    assert_eq!(Plan::from_json(&serde_json::to_string(&plan).unwrap()).unwrap(), plan);
}
