//! What goes wrong with firings: crashes, registries that are away, images that are bad.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use async_trait::async_trait;
use jiff::{SignedDuration, Timestamp};
use patchline_chains::{ConcurrencyRule, WhenBusy};
use patchline_engine::{
    Problem, Result, ScheduleOptions,
    schedule::{Cause, Firing, FiringState, Held, Progress, ScheduleLog, Scheduled},
};

use crate::kit::*;

crate::over_every_store! {
    a_crash_in_the_middle_starts_nothing_twice,
    a_failure_is_put_off_and_tried_again,
    a_firing_is_given_up_in_the_end_or_at_once,
    an_image_that_cannot_start_keeps_no_other_from_it,
    a_hold_is_one_processs_and_a_late_one_writes_nothing,
    finished_firings_do_not_pile_up,
}

/// A log whose process dies after it has started a page's runs, before it writes that down.
struct Dies {
    log: Arc<dyn ScheduleLog>,
    advances: AtomicUsize,
}

#[async_trait]
impl ScheduleLog for Dies {
    async fn scheduled(&self) -> Result<Vec<Scheduled>> {
        self.log.scheduled().await
    }
    async fn put(&self, row: &Scheduled, before: Option<&Scheduled>) -> Result<bool> {
        self.log.put(row, before).await
    }
    async fn keep(&self, rows: &[(String, Cause)], problem: &Problem, now: Timestamp) -> Result<usize> {
        self.log.keep(rows, problem, now).await
    }
    async fn due(&self, now: Timestamp, plans: &[String]) -> Result<Vec<Scheduled>> {
        self.log.due(now, plans).await
    }
    async fn next_due(&self, plans: &[String]) -> Result<Option<Timestamp>> {
        self.log.next_due(plans).await
    }
    async fn fire(&self, row: &Scheduled, next: Option<Timestamp>, firing: &Firing) -> Result<bool> {
        self.log.fire(row, next, firing).await
    }
    async fn fired(&self, chain: &str, cause: Cause, occasion: &str) -> Result<bool> {
        self.log.fired(chain, cause, occasion).await
    }
    async fn take(
        &self,
        now: Timestamp,
        until: Timestamp,
        plans: &[String],
        most: usize,
    ) -> Result<Vec<Held>> {
        self.log.take(now, until, plans, most).await
    }
    async fn hold(&self, held: &Held, until: Timestamp) -> Result<bool> {
        self.log.hold(held, until).await
    }
    async fn advance(&self, held: &Held, progress: &Progress, now: Timestamp) -> Result<bool> {
        if self.advances.fetch_add(1, Ordering::SeqCst) >= 1 {
            return Err(patchline_engine::Error::Store { operation: "living", source: "it is dead".into() });
        }
        self.log.advance(held, progress, now).await
    }
    async fn release(&self) -> Result<()> {
        self.log.release().await
    }
    async fn firings(&self, chain: &str, cause: Option<Cause>, most: usize) -> Result<Vec<Firing>> {
        self.log.firings(chain, cause, most).await
    }
}

async fn a_crash_in_the_middle_starts_nothing_twice(base: Base) {
    let clock = Hand::at("2026-01-01T00:00:00Z");
    let images = Images::of(6);
    let plans = [plan("nightly", Some("0 3 * * *"), false)];
    let engine = base.engine(&clock).await;
    let log = Dies { log: base.log.clone(), advances: AtomicUsize::new(0) };
    let own = plans.iter().cloned().map(Arc::new).collect();
    let options = ScheduleOptions { clock: Arc::new(clock.clone()), ..ScheduleOptions::new(own) };
    engine.start_schedules(Arc::new(log), Arc::new(images.clone()), options).await.unwrap();
    clock.set("2026-01-01T02:00:00Z");
    until(async || runs(&engine).await.len() == 4).await;
    let finished = runs(&engine).await.into_iter().map(|r| r.id);
    for run in finished.collect::<Vec<_>>() {
        engine.finished(&run).await.unwrap();
    }
    engine.stop().await.unwrap();
    let left = base.last("nightly", Cause::Schedule).await.unwrap();
    assert_eq!((left.state, left.counts.started), (FiringState::Running, 2));

    // Its hold stands for a while; then another goes on with the page whose end was not written.
    let engine = base.scheduling(&clock, &images, &plans).await;
    tokio::time::sleep(std::time::Duration::from_millis(1200)).await;
    assert_eq!(images.asked(), 2);
    clock.skip(SignedDuration::from_secs(61));
    until(async || base.last("nightly", Cause::Schedule).await.unwrap().state == FiringState::Done).await;
    assert_eq!(runs(&engine).await.len(), 6, "all have ended, and none was started again");
    let cursors: Vec<_> = images.asked.lock().unwrap().iter().map(|(_, c)| c.clone()).collect();
    let two = Some("2".to_owned());
    assert_eq!(cursors, [None, two.clone(), two, Some("4".to_owned())]);
    let counts = base.last("nightly", Cause::Schedule).await.unwrap().counts;
    assert_eq!((counts.started, counts.present), (4, 2));
    engine.stop().await.unwrap();
}

async fn a_failure_is_put_off_and_tried_again(base: Base) {
    let clock = Hand::at("2026-01-01T00:00:00Z");
    let images = Images::of(3);
    images.fails(true, 2);
    let engine = base.scheduling(&clock, &images, &[plan("nightly", Some("0 3 * * *"), false)]).await;
    clock.set("2026-01-01T02:00:00Z");
    let last = async || base.last("nightly", Cause::Schedule).await.unwrap();
    until(async || images.asked() == 1).await;
    until(async || code(&last().await.problem) == Some("registry-gone")).await;
    assert_eq!(last().await.state, FiringState::Running);
    tokio::time::sleep(std::time::Duration::from_millis(1200)).await;
    assert_eq!(images.asked(), 1, "not before five seconds have passed");
    clock.skip(SignedDuration::from_secs(5));
    until(async || images.asked() == 2).await;
    clock.skip(SignedDuration::from_secs(29));
    tokio::time::sleep(std::time::Duration::from_millis(1200)).await;
    assert_eq!(images.asked(), 2);
    clock.skip(SignedDuration::from_secs(1));
    until(async || last().await.state == FiringState::Done).await;
    let done = last().await;
    assert_eq!((done.counts.started, done.problem), (3, None));
    engine.stop().await.unwrap();
}

async fn a_firing_is_given_up_in_the_end_or_at_once(base: Base) {
    let clock = Hand::at("2026-01-01T00:00:00Z");
    let images = Images::of(1);
    let plans = [plan("a", Some("0 3 * * *"), false), plan("b", Some("0 12 * * *"), false)];
    images.fails(true, 7);
    let engine = base.scheduling(&clock, &images, &plans).await;
    clock.set("2026-01-01T02:00:00Z");
    for tries in 1..=7 {
        until(async || images.asked() == tries).await;
        // What came of it is written a moment later.
        let after = async || base.last("a", Cause::Schedule).await.unwrap();
        let so = if tries == 7 { FiringState::Failed } else { FiringState::Running };
        until(async || after().await.state == so && after().await.problem.is_some()).await;
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
        clock.skip(SignedDuration::from_secs(3600));
    }
    // That keeps no other from firing.
    clock.set("2026-01-01T11:00:00Z");
    until(async || base.last("b", Cause::Schedule).await.is_some_and(|f| f.state == FiringState::Done)).await;
    engine.stop().await.unwrap();

    let clock = Hand::at("2026-02-01T00:00:00Z");
    images.fails(false, 1);
    let engine = base.scheduling(&clock, &images, &[plan("c", Some("0 3 * * *"), false)]).await;
    clock.set("2026-02-01T02:00:00Z");
    until(async || base.last("c", Cause::Schedule).await.is_some_and(|f| f.state == FiringState::Failed))
        .await;
    let failed = base.last("c", Cause::Schedule).await.unwrap();
    assert_eq!(code(&failed.problem), Some("registry-gone"));
    engine.stop().await.unwrap();
}

async fn an_image_that_cannot_start_keeps_no_other_from_it(base: Base) {
    let clock = Hand::at("2026-01-01T00:00:00Z");
    let images = Images::of(4);
    images.tags.lock().unwrap()[1] = "bad".into();
    let mut plan = plan("nightly", Some("0 3 * * *"), false);
    // There is no key for it.
    let key = "{{#if (eq image.tag \"bad\")}}{{image.nothing}}{{else}}{{image.tag}}{{/if}}".into();
    plan.concurrency = Some(ConcurrencyRule { key, limit: 1, when_busy: WhenBusy::Queue });
    let engine = base.scheduling(&clock, &images, &[plan]).await;
    clock.set("2026-01-01T02:00:00Z");
    until(async || base.last("nightly", Cause::Schedule).await.is_some_and(|f| f.state == FiringState::Done))
        .await;
    let done = base.last("nightly", Cause::Schedule).await.unwrap();
    assert_eq!((done.counts.started, done.counts.failed), (3, 1));
    let problem = done.problem.unwrap();
    assert_eq!(problem.code, "concurrency-key-failed");
    assert!(problem.message.starts_with("main/shop/web:bad@"), "{}", problem.message);
    assert_eq!(runs(&engine).await.len(), 3);
    engine.stop().await.unwrap();
}

async fn a_hold_is_one_processs_and_a_late_one_writes_nothing(base: Base) {
    let log = &base.log;
    let at = |text: &str| -> Timestamp { text.parse().unwrap() };
    let (due, now) = (at("2026-01-01T03:00:00Z"), at("2026-01-01T03:00:01Z"));
    let row = Scheduled {
        chain: "a".into(),
        cause: Cause::Schedule,
        plan_hash: "sha256:p".into(),
        cron: Some("0 3 * * *".into()),
        zone: Some("UTC".into()),
        next: Some(due),
    };
    assert!(log.put(&row, None).await.unwrap());
    assert!(!log.put(&row, None).await.unwrap(), "it is there");
    let (ours, theirs) = (["sha256:p".to_owned()], ["sha256:q".to_owned()]);
    assert!(log.due(now, &theirs).await.unwrap().is_empty(), "another version's");
    assert!(log.due(at("2026-01-01T02:59:59.9996Z"), &ours).await.unwrap().is_empty(), "too early");
    assert_eq!(log.due(now, &ours).await.unwrap(), std::slice::from_ref(&row));
    assert_eq!(log.next_due(&ours).await.unwrap(), Some(due));

    let firing = Firing::new(&row, due.to_string(), due, now);
    let next = Some(at("2026-01-02T03:00:00Z"));
    let both = tokio::join!(log.fire(&row, next, &firing), log.fire(&row, next, &firing));
    assert_ne!(both.0.unwrap(), both.1.unwrap(), "one of them was first");
    assert!(log.fired("a", Cause::Schedule, &firing.occasion).await.unwrap());
    assert!(!log.fired("a", Cause::Advisories, &firing.occasion).await.unwrap());

    let minute = SignedDuration::from_mins(1);
    assert!(log.take(now, now + minute, &theirs, 5).await.unwrap().is_empty());
    let first = log.take(now, now + minute, &ours, 5).await.unwrap().remove(0);
    assert_eq!((first.firing.clone(), first.fence), (firing, 1));
    assert!(log.take(now, now + minute, &ours, 5).await.unwrap().is_empty(), "it is held");
    assert!(log.hold(&first, now + minute * 2).await.unwrap());
    assert!(log.take(now + minute, now + minute * 2, &ours, 5).await.unwrap().is_empty(), "it was prolonged");
    let later = now + minute * 3;
    let second = log.take(later, later + minute, &ours, 5).await.unwrap().remove(0);
    assert_eq!(second.fence, 2);

    let progress = Progress {
        state: FiringState::Running,
        cursor: Some("there".into()),
        counts: Default::default(),
        failures: 1,
        later: Some(later + minute),
        until: None,
        problem: None,
    };
    assert!(!log.hold(&first, later + minute).await.unwrap());
    assert!(!log.advance(&first, &progress, later).await.unwrap(), "it is another's");
    assert!(log.advance(&second, &progress, later).await.unwrap());
    assert!(log.take(later, later + minute, &ours, 5).await.unwrap().is_empty(), "not yet");
    // A clock that was far ahead wrote that: it holds nothing back.
    let before = later - SignedDuration::from_hours(5);
    assert_eq!(log.take(before, before + minute, &ours, 5).await.unwrap().len(), 1);
    assert!(log.take(before, before + minute, &ours, 5).await.unwrap().is_empty());
    log.release().await.unwrap();
    let third = log.take(before, before + minute, &ours, 5).await.unwrap().remove(0);
    assert_eq!((third.cursor.as_deref(), third.failures, third.fence), (Some("there"), 1, 4));
    let done = Progress { state: FiringState::Done, later: None, ..progress };
    assert!(log.advance(&third, &done, later).await.unwrap());
    assert!(!log.advance(&third, &done, later).await.unwrap(), "it is over");
}

async fn finished_firings_do_not_pile_up(base: Base) {
    let log = &base.log;
    let start: Timestamp = "2026-01-01T00:00:00Z".parse().unwrap();
    let mut row = Scheduled {
        chain: "a".into(),
        cause: Cause::Schedule,
        plan_hash: "sha256:p".into(),
        cron: Some("* * * * *".into()),
        zone: Some("UTC".into()),
        next: Some(start),
    };
    log.put(&row, None).await.unwrap();
    for minute in 1..=150 {
        let due = row.next.unwrap();
        let next = Some(start + SignedDuration::from_mins(minute));
        let mut firing = Firing::new(&row, due.to_string(), due, due);
        firing.state = if minute == 3 { FiringState::Running } else { FiringState::Done };
        assert!(log.fire(&row, next, &firing).await.unwrap());
        row.next = next;
    }
    let firings = log.firings("a", Some(Cause::Schedule), 1000).await.unwrap();
    assert_eq!(firings.len(), 101);
    assert_eq!(firings[0].due, start + SignedDuration::from_mins(149));
    assert_eq!(firings[100].state, FiringState::Running, "what has not ended stays");
}
