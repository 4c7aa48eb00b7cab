//! Runs as people read them on a terminal.

use patchline_engine::{
    DeliveryState, Engine, Event, EventKind, RunId, RunResult, RunStatus, RunView, StepStatus, StepView,
};

use crate::{
    failure::Result,
    table::Table,
    terminal::{self, Colour, paint},
};

/// Waits for a run of this process, telling its events; `server`: where a question of it is answered.
pub(crate) async fn follow(engine: &Engine, run: &RunId, server: &str) -> Result<RunView> {
    let mut events = engine.subscribe();
    let (engine, run) = (engine.clone(), run.clone());
    let finished = engine.finished(&run);
    tokio::pin!(finished);
    loop {
        tokio::select! {
            view = &mut finished => return Ok(view?),
            event = events.recv() => {
                let Ok(event) = event else { continue };
                tell(&event);
                if let EventKind::StepChanged { step, status: StepStatus::Waiting, .. } = &event.kind
                    && event.run == run
                {
                    let view = engine.run(&run).await?;
                    let asks = view.steps.iter().find(|s| s.name == *step);
                    if let Some(question) = asks.and_then(|s| question(&run, s, Some(server))) {
                        terminal::err(&question);
                    }
                }
            }
        }
    }
}

/// One event, on stderr.
pub(super) fn tell(event: &Event) {
    let at = event.at.strftime("%H:%M:%S");
    match &event.kind {
        EventKind::StepChanged { step, status, problem, .. } => {
            if matches!(status, StepStatus::Blocked | StepStatus::Ready) {
                return;
            }
            let why = problem.as_ref().map(|p| format!(": {}: {}", p.code, p.message)).unwrap_or_default();
            terminal::err(&format!("{at}  {step:<12} {}{why}", status_word(*status)));
        }
        EventKind::Note { step, text } => terminal::err(&format!("{at}  {step:<12} {text}")),
        _ => {}
    }
}

/// Runs, for people.
pub(super) fn list(runs: &[RunView]) -> String {
    let mut table = Table::new(&["run", "chain", "image", "state", "started", ">took"]);
    for run in runs {
        table.row([
            run.id.to_string(),
            run.chain.clone(),
            image(run),
            state(run),
            run.created_at.strftime("%m-%d %H:%M:%S").to_string(),
            run.finished_at.map(|end| seconds(run.created_at, end)).unwrap_or_default(),
        ]);
    }
    table.render()
}

/// One run, for people.
pub(crate) fn render(run: &RunView) -> String {
    let colour = match run.result {
        Some(RunResult::Passed) => Colour::Good,
        Some(RunResult::Remediated) => Colour::Gold,
        Some(RunResult::Denied | RunResult::Failed) => Colour::High,
        _ => Colour::Quiet,
    };
    let mut text =
        format!("{}  {}  {}\n", paint(&state(run), colour), image(run), paint(&run.id.0, Colour::Quiet));
    let mut table = Table::new(&["step", "kind", "state", ">took", "why"]);
    for step in &run.steps {
        let took = match (step.started_at, step.finished_at) {
            (Some(start), Some(end)) => seconds(start, end),
            _ => String::new(),
        };
        table.row([
            step.name.clone(),
            step.uses.clone(),
            status_word(step.status).to_owned(),
            took,
            why(step),
        ]);
    }
    text.push_str(&table.render());
    for step in &run.steps {
        if let Some(question) = question(&run.id, step, None) {
            text.push_str("\n\n");
            text.push_str(&question);
        }
    }
    if !run.deliveries.is_empty() {
        let mut table = Table::new(&["channel", "notification", "why"]);
        for delivery in &run.deliveries {
            let (state, why) = match &delivery.state {
                DeliveryState::Delivered => ("delivered".to_owned(), String::new()),
                DeliveryState::Pending { attempts: 0, .. } => ("on its way".to_owned(), String::new()),
                DeliveryState::Pending { attempts, problem } => (
                    format!("tried {attempts} times"),
                    problem.as_ref().map(|p| format!("{}: {}", p.code, p.message)).unwrap_or_default(),
                ),
                DeliveryState::Failed { problem } => {
                    ("failed".to_owned(), format!("{}: {}", problem.code, problem.message))
                }
            };
            table.row([delivery.message.channel.clone(), state, why]);
        }
        text.push_str("\n\n");
        text.push_str(&table.render());
    }
    text
}

/// What a person is asked, and the command line that answers; none where nobody is.
pub(super) fn question(run: &RunId, step: &StepView, server: Option<&str>) -> Option<String> {
    let until = step.decide_by?.strftime("%Y-%m-%d %H:%M UTC");
    let asked = step.output.get("message").and_then(|v| v.as_str()).unwrap_or_default();
    let server = server.map(|url| format!(" --server {url}")).unwrap_or_default();
    let name = &step.name;
    Some(format!(
        "{name} waits for a person until {until}: {asked}\n  \
         patchline runs approve {run} {name} --reason TEXT{server}   (or: reject)"
    ))
}

fn why(step: &StepView) -> String {
    if let Some(problem) = &step.problem {
        return format!("{}: {}", problem.code, problem.message);
    }
    let text = step.output.get("summary").and_then(|v| v.as_str());
    text.unwrap_or_default().to_owned()
}

/// The image as people name it.
pub(crate) fn image(run: &RunView) -> String {
    let identity = &run.submission.subject.identity;
    identity.split_once('@').map_or(identity.as_str(), |(name, _)| name).to_owned()
}

/// Result where there is one, else status.
pub(crate) fn state(run: &RunView) -> String {
    match (run.status, run.result) {
        (_, Some(RunResult::Passed)) => "passed",
        (_, Some(RunResult::Remediated)) => "remediated",
        (_, Some(RunResult::Denied)) => "denied",
        (_, Some(RunResult::Failed)) => "failed",
        (_, Some(RunResult::Cancelled)) => "cancelled",
        (RunStatus::Queued, None) => "queued",
        (RunStatus::Waiting, None) => "waiting",
        _ => "running",
    }
    .to_owned()
}

/// The word of a step's status.
pub(crate) fn status_word(status: StepStatus) -> &'static str {
    match status {
        StepStatus::Blocked => "blocked",
        StepStatus::Ready => "ready",
        StepStatus::Leased => "running",
        StepStatus::Waiting => "waiting",
        StepStatus::Succeeded => "succeeded",
        StepStatus::Denied => "denied",
        StepStatus::Failed => "failed",
        StepStatus::Skipped => "skipped",
        StepStatus::Cancelled => "cancelled",
        StepStatus::Unknown => "unknown",
    }
}

/// `12.3 s`.
pub(crate) fn seconds(start: jiff::Timestamp, end: jiff::Timestamp) -> String {
    format!("{:.1} s", end.duration_since(start).as_secs_f64())
}
