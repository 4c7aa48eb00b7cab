//! What the demo shows: progress while the run goes on, then the two images side by side.

use std::time::Duration;

use patchline_engine::{EventKind, RunId, RunView, StepStatus};
use patchline_scanner::Report;

use super::{report_of, sink::Sink, verdict};
use crate::{
    commands::{fix, runs, scan},
    exit::Exit,
    failure::{Failure, Result},
    progress::Bars,
    table::Table,
    terminal::{self, Colour, paint},
    wiring::Running,
};

/// Follows a run and its children to the end of the first.
pub(super) async fn follow(running: &Running, run: &RunId, bars: &Bars) -> Result<RunView> {
    let mut events = running.engine.subscribe();
    let finished = running.engine.finished(run);
    tokio::pin!(finished);
    loop {
        tokio::select! {
            view = &mut finished => return Ok(view?),
            event = events.recv() => {
                let Ok(event) = event else { tokio::time::sleep(Duration::from_millis(50)).await; continue };
                // The child's steps stand under the same names: say which run.
                let of = if event.run == *run { "" } else { "again: " };
                match event.kind {
                    EventKind::Progress { step, phase, done, total } => {
                        bars.set(&format!("{of}{step}"), &format!("{of}{step}: {phase}"), done, total);
                    }
                    EventKind::StepChanged { step, status: StepStatus::Leased, .. } => {
                        bars.set(&format!("{of}{step}"), &format!("{of}{step}"), 0, 0);
                    }
                    EventKind::StepChanged { step, status, .. } if status.is_terminal() => {
                        bars.end(&format!("{of}{step}"), &format!("{of}{step} {}", painted(status)));
                    }
                    _ => {}
                }
            }
        }
    }
}

fn painted(status: StepStatus) -> String {
    let colour = match status {
        StepStatus::Succeeded => Colour::Good,
        StepStatus::Denied | StepStatus::Failed => Colour::High,
        _ => Colour::Quiet,
    };
    paint(runs::status_word(status), colour)
}

/// Prints verdict, risk side by side, upgrades and times; gives the demo's own verdict.
pub(super) async fn summary(running: &Running, sink: &Sink, view: &RunView) -> Result<Result<Exit>> {
    terminal::out(&format!("\n{}\n", runs::render(view)));
    let original = view.submission.subject.context["digest"].as_str().unwrap_or_default().to_owned();
    let fixed = view
        .steps
        .iter()
        .filter(|s| s.uses == "fix")
        .find_map(|s| s.output.get("digest").and_then(|d| d.as_str()).map(str::to_owned));
    let before = report_of(running, &original).await?;
    let after = match &fixed {
        Some(digest) => report_of(running, digest).await?,
        None => None,
    };
    if let Some(before) = &before {
        risk(before, after.as_ref());
    }
    if let Some(digest) = fixed.as_deref().and_then(|d| d.parse().ok()) {
        let found = running
            .database
            .fixes
            .fix_of(&digest)
            .await
            .map_err(|e| Failure::new("store-failed", e.as_ref()))?;
        if let Some((_, plan)) = found {
            terminal::out(&format!(
                "\n{}",
                paint(&format!("{} packages upgraded", plan.upgrades.len()), Colour::Gold)
            ));
            terminal::out(&fix::upgrades(&plan));
            for refused in &plan.refused {
                terminal::out(&format!(
                    "refused: {} {}: {} [{}]",
                    refused.package, refused.from, refused.reason, refused.code
                ));
            }
        }
    }
    for step in &view.steps {
        if let Some(child) = &step.child {
            let child = sink.settle(&running.engine, child).await?;
            terminal::out(&format!(
                "\nthe fixed image went through the chain again:\n{}",
                runs::render(&child)
            ));
        }
    }
    let left = after.as_ref().map_or(0, |r| r.findings.iter().filter(|f| scan::mendable(f)).count());
    Ok(verdict(view, left))
}

/// Counts by severity, original beside fixed.
fn risk(before: &Report, after: Option<&Report>) {
    let mut table = Table::new(&["risk", ">original", ">fixed"]);
    let counts = before.counts();
    let fixed = after.map(Report::counts);
    for (severity, count) in counts.iter().rev() {
        let left = fixed
            .as_ref()
            .map_or_else(|| "-".to_owned(), |f| f.get(severity).copied().unwrap_or(0).to_string());
        table.row([scan::word(*severity).to_owned(), count.to_string(), left]);
    }
    let mendable = |r: &Report| r.findings.iter().filter(|f| scan::mendable(f)).count().to_string();
    table.row([
        "in all".to_owned(),
        before.findings.len().to_string(),
        after.map_or("-".into(), |r| r.findings.len().to_string()),
    ]);
    table.row(["mendable".to_owned(), mendable(before), after.map_or("-".into(), mendable)]);
    terminal::out(&table.render());
}

/// What the receivers got.
pub(super) fn notifications(sink: &Sink) {
    let received = sink.received();
    terminal::out(&format!("\n{} notifications received, signatures checked", received.len()));
    for one in received {
        let signed = if one.signed { "signed" } else { "not signed" };
        terminal::out(&format!("  {} ({signed}): {}", one.by, one.title));
        for line in one.text.lines().filter(|l| !l.trim().is_empty()).take(12) {
            terminal::out(&format!("    {line}"));
        }
    }
}
