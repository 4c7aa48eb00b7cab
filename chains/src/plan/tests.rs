use std::time::Duration;

use serde_json::json;

use super::{Plan, PlanStep, Retry, Scope, should_run};

fn step(name: &str, needs: &[&str], when: Option<&str>) -> PlanStep {
    PlanStep {
        name: name.to_owned(),
        title: None,
        uses: "scan".to_owned(),
        needs: needs.iter().map(|n| (*n).to_owned()).collect(),
        when: when.map(str::to_owned),
        with: json!({}),
        timeout: Duration::from_secs(1),
        retry: Retry { attempts: 1, backoff: Duration::ZERO, max_backoff: Duration::ZERO },
        continue_on_failure: false,
    }
}

fn plan(steps: Vec<PlanStep>) -> Plan {
    Plan {
        version: 1,
        chain: "a".to_owned(),
        description: None,
        scope: Scope::default(),
        on_push: true,
        on_advisories: None,
        on_schedule: None,
        params: json!({}),
        parameters: Default::default(),
        concurrency: None,
        timeout: None,
        steps,
    }
}

#[test]
fn scopes_match_registry_repository_and_tag() {
    let list = |patterns: &[&str]| patterns.iter().map(|p| (*p).to_owned()).collect::<Vec<_>>();
    let mut plan = plan(Vec::new());
    assert!(plan.matches("any", "thing", None));
    plan.scope.registry = Some("main".to_owned());
    plan.scope.repositories = list(&["shop/**", "!shop/legacy-*"]);
    plan.scope.tags = list(&["v*", "!*-dev"]);
    assert!(plan.matches("main", "shop/web", Some("v1")));
    assert!(plan.matches("main", "shop/team/web", Some("v1")));
    assert!(!plan.matches("other", "shop/web", Some("v1")));
    assert!(!plan.matches("main", "shop/legacy-1", Some("v1")));
    assert!(!plan.matches("main", "shop", Some("v1")));
    assert!(!plan.matches("main", "shop/web", Some("v1-dev")));
    assert!(!plan.matches("main", "shop/web", None), "some tag is asked for");
    plan.scope.tags = list(&["!*_fixed"]);
    assert!(plan.matches("main", "shop/web", None) && !plan.matches("main", "shop/web", Some("1_fixed")));
}

#[test]
fn graph_and_layers_follow_the_needs() {
    let plan = plan(vec![
        step("a", &[], None),
        step("b", &[], None),
        step("c", &["a"], None),
        step("d", &["c", "b"], None),
        step("e", &["a"], None),
    ]);
    assert_eq!(plan.layers(), [vec![0, 1], vec![2, 4], vec![3]]);
    let graph = plan.graph();
    assert_eq!((graph.node_count(), graph.edge_count()), (5, 4));
    let edges: Vec<_> = graph.raw_edges().iter().map(|e| (graph[e.source()], graph[e.target()])).collect();
    assert!(edges.contains(&(0, 2)) && edges.contains(&(1, 3)) && edges.contains(&(2, 3)));
    assert!(super::Plan { steps: Vec::new(), ..plan }.layers().is_empty());
}

#[test]
fn short_forms_look_at_all_needs() {
    let ended = |a: &str, b: &str| {
        let state = |outcome: &str| {
            json!({"succeeded": outcome == "succeeded", "denied": outcome == "denied", "failed": outcome == "failed",
                "skipped": outcome == "skipped", "outcome": outcome, "output": {}})
        };
        json!({"steps": {"a": state(a), "b": state(b)}})
    };
    let runs = |when: Option<&str>, a: &str, b: &str| {
        should_run(&step("s", &["a", "b"], when), &ended(a, b)).unwrap()
    };
    assert!(runs(None, "succeeded", "succeeded") && runs(Some("succeeded"), "succeeded", "succeeded"));
    assert!(!runs(None, "succeeded", "denied") && !runs(Some("succeeded"), "skipped", "succeeded"));
    assert!(runs(Some("always"), "failed", "skipped"));
    assert!(runs(Some("denied"), "succeeded", "denied") && !runs(Some("denied"), "succeeded", "failed"));
    assert!(runs(Some("failed"), "denied", "failed") && !runs(Some("failed"), "denied", "denied"));
    assert!(runs(Some("steps.a.denied || steps.b.skipped"), "succeeded", "skipped"));
    assert!(runs(Some("true"), "failed", "failed") && !runs(Some("false"), "succeeded", "succeeded"));
    assert!(
        should_run(&step("s", &["a"], Some("steps.a.output.n > 1")), &ended("succeeded", "denied")).is_err()
    );
    assert!(!should_run(&step("s", &["gone"], None), &ended("succeeded", "succeeded")).unwrap());
    assert!(should_run(&step("s", &[], None), &json!({})).unwrap());
}

/// Stored runs name their plan by this hash: a change here orphans them.
#[test]
fn the_canonical_form_stays_as_it_is() {
    let plan = plan(vec![step("a", &[], None), step("b", &["a"], Some("always"))]);
    assert_eq!(plan.hash(), "sha256:474565045990a53819520ddb9d3e52b9a4235e8d4ebdbb26dbd10c5cb19b81cc");
}
