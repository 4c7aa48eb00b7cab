//! What stands once all is quiet, against what should: runs, steps, limits, effects.

use std::collections::{BTreeMap, BTreeSet};

use patchline_engine::{EventKind, RunFilter, RunId, RunResult, StepStatus, Store, store::RunRecord};

use crate::{
    lines::{Attempt, End},
    standin::Taken,
    tally::Tally,
    work::{KEY, MOST},
};

/// What the conductor knows.
pub(crate) struct Known<'a> {
    /// The runs that were accepted, by number.
    pub(crate) accepted: &'a BTreeMap<u64, String>,
    /// When a process ended, by its id.
    pub(crate) ended: &'a BTreeMap<u32, u64>,
    /// When the database was away.
    pub(crate) away: &'a [(u64, u64)],
    /// What steps wrote down.
    pub(crate) attempts: &'a [Attempt],
    /// What came to the stand-in.
    pub(crate) taken: &'a BTreeMap<String, Taken>,
}

/// A completion that was not committed may lie so long before a kill.
const COMMIT: u64 = 3_000_000_000;

/// All runs of the store.
pub(crate) async fn runs(store: &dyn Store) -> Result<Vec<RunRecord>, patchline_engine::Error> {
    let mut all: Vec<RunRecord> = Vec::new();
    loop {
        let before = all.last().map(|run| run.id.clone());
        let page = store.runs(&RunFilter { limit: 1000, before, ..RunFilter::default() }).await?;
        if page.is_empty() {
            return Ok(all);
        }
        all.extend(page);
    }
}

/// Everything.
pub(crate) async fn judge(store: &dyn Store, known: &Known<'_>, tally: &mut Tally) {
    let all = runs(store).await.unwrap();
    ended_well(&all, known, tally);
    once(store, &all, tally).await;
    explained(known, tally);
    limited(store, known, tally).await;
    effects(&all, known, tally);
    recovered(store, known, tally).await;
}

fn ended_well(all: &[RunRecord], known: &Known<'_>, tally: &mut Tally) {
    tally.runs += known.accepted.len() as u64;
    let by_id: BTreeMap<&str, &RunRecord> = all.iter().map(|run| (run.id.0.as_str(), run)).collect();
    for (n, id) in known.accepted {
        let result = by_id.get(id.as_str()).map(|run| run.result());
        if result != Some(Some(RunResult::Passed)) {
            tally.lost_runs += 1;
            tally.find(format!("run {n} ({id}) stands as {result:?}"));
        }
    }
    let mut of_subject: BTreeMap<&str, usize> = BTreeMap::new();
    for run in all {
        *of_subject.entry(run.submission.subject.identity.as_str()).or_default() += 1;
    }
    for (subject, count) in of_subject.into_iter().filter(|(_, count)| *count > 1) {
        tally.duplicated_successors += count as u64 - 1;
        tally.find(format!("{count} runs over {subject}"));
    }
    let children = known.accepted.keys().filter(|n| n.is_multiple_of(5)).count();
    let expected = known.accepted.len() + children;
    if all.len() != expected {
        tally.find(format!("{} runs stand, not {expected}", all.len()));
        tally.lost_runs += expected.saturating_sub(all.len()) as u64;
    }
}

/// In the history each step ends once, and each run.
async fn once(store: &dyn Store, all: &[RunRecord], tally: &mut Tally) {
    for run in all {
        let mut ends: BTreeMap<String, u64> = BTreeMap::new();
        for event in store.events(&run.id, 0).await.unwrap() {
            match event.kind {
                EventKind::StepChanged { step, status, .. } if status.is_terminal() => {
                    *ends.entry(step).or_default() += 1;
                }
                EventKind::RunFinished { .. } => *ends.entry("the run".into()).or_default() += 1,
                _ => {}
            }
        }
        for (what, count) in ends.into_iter().filter(|(_, count)| *count != 1) {
            tally.duplicated_successors += count - 1;
            tally.find(format!("{what} of run {} ended {count} times", run.id));
        }
    }
}

/// A step begins again only if its attempt was cut off, or its end could not be written.
fn explained(known: &Known<'_>, tally: &mut Tally) {
    let mut of_step: BTreeMap<(&str, &str), Vec<&Attempt>> = BTreeMap::new();
    for attempt in known.attempts {
        of_step.entry((&attempt.run, &attempt.step)).or_default().push(attempt);
    }
    for ((run, step), attempts) in of_step {
        for pair in attempts.windows(2) {
            let (first, again) = (pair[0], pair[1]);
            let killed = known.ended.get(&first.pid).copied();
            let cut_off = killed.is_some_and(|at| at >= first.begin && at <= again.begin);
            let written = first.end.filter(|(at, how)| {
                let lost = killed.is_some_and(|killed| killed.saturating_sub(*at) < COMMIT)
                    || known.away.iter().any(|(from, to)| *from < at + COMMIT && *at < *to + COMMIT);
                *how == End::Done && !lost
            });
            let undone = matches!(first.end, Some((at, End::Undone)) if at <= again.begin);
            if written.is_some() || !(cut_off || undone || first.end.is_some_and(|(at, _)| at <= again.begin))
            {
                tally.duplicated_successors += 1;
                tally.find(format!("step {step} of run {run} ran again for no reason: {first:?} {again:?}"));
            }
        }
    }
}

async fn limited(store: &dyn Store, known: &Known<'_>, tally: &mut Tally) {
    let mut tx = store.begin().await.unwrap();
    let permits = tx.count_permits(&[KEY.to_owned()]).await.unwrap();
    let leases = tx.leases().await.unwrap();
    drop(tx);
    let left: usize = permits.iter().sum::<usize>() + leases.len();
    if left > 0 {
        tally.leaked_limits += left as u64;
        tally.find(format!("when all is quiet, {permits:?} permits and {} leases stand", leases.len()));
    }
    let mut changes: Vec<(u64, i32)> = Vec::new();
    for attempt in known.attempts.iter().filter(|a| a.kind == "limited") {
        let killed = known.ended.get(&attempt.pid).copied();
        let end = attempt.end.map(|(at, _)| at).or(killed).unwrap_or(u64::MAX);
        changes.extend([(attempt.begin, 1), (end, -1)]);
    }
    // At one and the same moment, ends come first.
    changes.sort_unstable();
    let mut running = 0;
    for (at, change) in changes {
        running += change;
        if change > 0 && running > i32::try_from(MOST).unwrap() {
            tally.exceeded_limits += 1;
            tally.find(format!("{running} ran under a limit of {MOST} at {at}"));
        }
    }
}

fn effects(all: &[RunRecord], known: &Known<'_>, tally: &mut Tally) {
    let runs: BTreeSet<&RunId> = all.iter().map(|run| &run.id).collect();
    let expected: BTreeSet<String> =
        runs.iter().flat_map(|run| [format!("call {run}/call"), format!("message {run}/tell")]).collect();
    for effect in &expected {
        if !known.taken.contains_key(effect) {
            tally.duplicate_effects += 1;
            tally.find(format!("{effect} never came"));
        }
    }
    for (effect, taken) in known.taken {
        if taken.ids.len() != 1 || !expected.contains(effect) {
            tally.duplicate_effects += 1;
            tally.find(format!("{effect} came under {:?}", taken.ids));
        }
        tally.repeated_effects += taken.times.saturating_sub(1) as u64;
    }
}

/// How long the steps of killed processes waited for their next attempt; but for those that met a database that was
/// away. Where a process took a step over and was killed before it could begin, the wait is counted from that kill.
async fn recovered(store: &dyn Store, known: &Known<'_>, tally: &mut Tally) {
    for attempt in known.attempts.iter().filter(|a| a.end.is_none()) {
        let Some(killed) = known.ended.get(&attempt.pid) else { continue };
        let same = |a: &&Attempt| a.run == attempt.run && a.step == attempt.step;
        let Some(next) = known.attempts.iter().filter(same).find(|a| a.begin > *killed) else { continue };
        if known.away.iter().any(|(from, to)| *from < next.begin && *killed < *to) {
            continue;
        }
        let begun = known.attempts.iter().filter(same).count();
        let since = match claims(store, attempt).await > begun {
            // Which kill it was is not known: the first that can have been is the longest wait.
            true => {
                known.ended.values().filter(|at| *at > killed && **at < next.begin).min().unwrap_or(killed)
            }
            false => killed,
        };
        tally.recoveries.push((next.begin - since) as f64 / 1e9);
    }
}

/// How often the step of an attempt was claimed, begun or not.
async fn claims(store: &dyn Store, attempt: &Attempt) -> usize {
    let history = store.events(&RunId(attempt.run.clone()), 0).await.unwrap();
    let claimed = |kind: &EventKind| matches!(kind, EventKind::StepChanged { step, status: StepStatus::Leased, .. } if *step == attempt.step);
    history.iter().filter(|event| claimed(&event.kind)).count()
}
