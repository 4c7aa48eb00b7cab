//! What whoever watches is told: spans that hang together across runs and processes, and what waits.

use std::sync::{Arc, Mutex};

use jiff::SignedDuration;
use patchline_engine::{
    EngineOptions, ErrorClass, Outcome, RunId,
    store::Backlog,
    trace::{Observer, Part, Span, SpanContext, SpanId, TraceId},
};
use serde_json::json;

use crate::kit::*;

on_both!(
    a_cascade_is_one_trace_and_its_spans_hang_together,
    a_claim_that_another_process_took_over_is_a_span_of_its_own,
    what_waits_is_counted,
);

#[derive(Clone, Default)]
struct Kept(Arc<Mutex<Vec<Span>>>);

impl Observer for Kept {
    fn ended(&self, span: Span) {
        self.0.lock().unwrap().push(span);
    }
}

impl Kept {
    fn all(&self) -> Vec<Span> {
        self.0.lock().unwrap().clone()
    }
    fn options(&self) -> EngineOptions {
        EngineOptions { owns_data: true, observer: Some(Arc::new(self.clone())), ..options() }
    }
}

fn attempts(spans: &[Span], run: &RunId, step: &str) -> Vec<(u32, &'static str)> {
    let of = |span: &&Span| matches!(&span.part, Part::Step { name, .. } if name == step) && span.run == *run;
    let attempt = |span: &Span| match span.part {
        Part::Step { attempt, .. } => attempt,
        Part::Run { .. } => 0,
    };
    spans.iter().filter(of).map(|span| (attempt(span), span.outcome)).collect()
}

fn of_run<'a>(spans: &'a [Span], run: &RunId) -> &'a Span {
    spans.iter().find(|s| s.run == *run && matches!(s.part, Part::Run { .. })).unwrap()
}

async fn a_cascade_is_one_trace_and_its_spans_hang_together(place: Place) {
    let (kept, seen) = (Kept::default(), Arc::new(Mutex::new(Vec::<SpanContext>::new())));
    let contexts = seen.clone();
    let script = Script::default()
        .on("gate", |c| async move {
            Ok(if c.round == 1 { Outcome::denied(json!({})) } else { Outcome::succeeded(json!({})) })
        })
        .on("fix", move |c| {
            let contexts = contexts.clone();
            async move {
                contexts.lock().unwrap().push(c.span);
                if c.attempt == 1 {
                    return Err(error(ErrorClass::Transient, "shaky"));
                }
                Ok(Outcome::Child { subject: subject("v1_fixed"), output: json!({}), mends: true })
            }
        });
    let mut fix = step("fix", &["gate"]);
    fix.when = Some("steps.gate.denied".into());
    let plan = plan("web", vec![step("gate", &[]), fix]);
    let store = place.open().await;
    let (sink, clock) = (Sink::default(), Ahead::default());
    let engine = engine_with(store, &script, &sink, &clock, kept.options()).await;
    let run = engine.submit(vec![submission(&plan, "v1")]).await.unwrap()[0].run.clone();
    let view = engine.finished(&run).await.unwrap();
    let child = view.steps[1].child.clone().unwrap();
    engine.stop().await.unwrap();

    let spans = kept.all();
    assert!(spans.iter().all(|s| s.context.trace == TraceId::of(&run)), "{spans:#?}");
    assert_eq!(attempts(&spans, &run, "gate"), [(1, "denied")]);
    assert_eq!(attempts(&spans, &run, "fix"), [(1, "retried"), (2, "succeeded")]);
    assert_eq!(attempts(&spans, &child, "gate"), [(1, "succeeded")]);
    assert_eq!(attempts(&spans, &child, "fix"), [], "what is skipped takes no time");
    let (outer, inner) = (of_run(&spans, &run), of_run(&spans, &child));
    assert_eq!((outer.parent, outer.outcome, inner.outcome), (None, "remediated", "passed"));
    let fixes: Vec<&Span> = spans
        .iter()
        .filter(|s| s.run == run && matches!(&s.part, Part::Step { name, .. } if name == "fix"))
        .collect();
    assert_eq!(
        inner.parent,
        Some(fixes[1].context.span),
        "the child hangs below the attempt that waits for it"
    );
    assert!(fixes[1].start <= inner.start && inner.end <= fixes[1].end, "which lasts as long as it waits");
    assert!(fixes[0].end <= fixes[1].start, "each attempt begins with its own claim");
    assert_eq!(fixes[0].problem.as_ref().map(|p| p.code.as_str()), Some("shaky"));
    for span in &spans {
        if let Part::Step { .. } = span.part {
            assert_eq!(span.parent, Some(SpanId::of_run(&span.run)));
        }
    }
    // What a step was handed for its calls is what is told afterwards.
    assert_eq!(*seen.lock().unwrap(), fixes.iter().map(|s| s.context).collect::<Vec<_>>());
}

async fn a_claim_that_another_process_took_over_is_a_span_of_its_own(place: Place) {
    let kept = Kept::default();
    let script = Script::default().on("slow", |c| async move {
        if c.effects.log.of_step(&c.run, &c.step).await.unwrap().is_empty() {
            let intent = patchline_engine::step::Intent {
                kind: "call".into(),
                target: "x".into(),
                detail: json!({}),
                done: true,
            };
            c.effects.log.intend(&c.run, &c.step, &intent).await.unwrap();
            tokio::time::sleep(std::time::Duration::from_secs(600)).await;
        }
        Ok(Outcome::succeeded(json!({})))
    });
    let (sink, clock) = (Sink::default(), Ahead::default());
    let plan = plan("web", vec![step("quick", &[]), step("slow", &["quick"])]);
    let store = place.open().await;
    let dead = engine_with(store.clone(), &script, &sink, &clock, kept.options()).await;
    let run = dead.submit(vec![submission(&plan, "v1")]).await.unwrap()[0].run.clone();
    until(async || script.count("slow") == 1 && !store.of_step(&run, "slow").await.unwrap().is_empty()).await;
    // Whoever owns the data holds that every other process is dead.
    let alive = engine_with(store, &script, &sink, &clock, kept.options()).await;
    alive.finished(&run).await.unwrap();
    until(async || kept.all().len() == 4).await;
    let told = kept.all();
    assert_eq!(attempts(&told, &run, "quick"), [(1, "succeeded")]);
    assert_eq!(attempts(&told, &run, "slow"), [(1, "returned"), (1, "succeeded")]);
    let mut ids: Vec<_> = told.iter().map(|s| s.context.span.0).collect();
    ids.sort_unstable();
    ids.dedup();
    assert_eq!(ids.len(), 4, "every claim is a span of its own: {told:#?}");
    assert!(told.iter().all(|s| s.context.trace == of_run(&told, &run).context.trace));
    alive.stop().await.unwrap();
}

async fn what_waits_is_counted(place: Place) {
    let store = place.open().await;
    let (sink, clock, script) = (Sink::default(), Ahead::default(), Script::default());
    let nobody = EngineOptions { concurrency: 0, owns_data: true, ..options() };
    let engine = engine_with(store.clone(), &script, &sink, &clock, nobody).await;
    let empty = store.backlog().await.unwrap();
    assert_eq!(Backlog { now: None, ..empty }, Backlog::default());
    let plan = diamond();
    engine.submit(vec![submission(&plan, "v1"), submission(&plan, "v2")]).await.unwrap();
    clock.skip(SignedDuration::from_secs(60));
    let backlog = store.backlog().await.unwrap();
    assert_eq!(backlog.ready.len(), 1, "{backlog:?}");
    let ready = &backlog.ready[0];
    assert_eq!((ready.kind.as_str(), ready.priority, ready.steps), ("do", 0, 2));
    assert!(ready.oldest.is_some());
    assert_eq!((backlog.pending, backlog.dead, backlog.due), (0, 0, None));
    engine.stop().await.unwrap();
}
