//! Whether a database is whole: the file, every row, and what must hold between rows.

use std::collections::{BTreeMap, HashMap, HashSet};

use patchline_chains::Plan;
use patchline_engine::{EventKind, Problem};
use serde_json::Value as Json;
use sqlx::{AssertSqlSafe, SqliteConnection};

use super::{
    Progress, Watch,
    cursor::{Cursor, Row, Source, Value},
    error::Result,
    judge::{Case, int, judge, read, text},
    table::{
        EFFECTS, EVENTS, FACTS, FIXES, INVENTORIES, OUTBOX, PACKAGES, PERMITS, PLANS, REPORTS, RUNS, STEPS,
        Table,
    },
};
use crate::{Postgres, Sqlite, inventories, pack};

/// Findings that are told one by one.
const TOLD: usize = 1000;
/// Plans that are held in memory.
const HELD: usize = 256;
/// Rows between two words about progress.
const EVERY: u64 = 1000;

/// One thing that is not as it must be.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Finding {
    /// The table.
    pub table: &'static str,
    /// Its row, by its key.
    pub row: String,
    /// What is wrong with it.
    pub what: String,
}

/// What a check found.
#[derive(Debug, Clone, Default, PartialEq, Eq, serde::Serialize)]
pub struct Checked {
    /// Rows that were looked at, by table.
    pub rows: BTreeMap<&'static str, u64>,
    /// The first thousand.
    pub findings: Vec<Finding>,
    /// How many more there are.
    pub more: u64,
}

impl Checked {
    /// Whether nothing is wrong.
    pub fn is_whole(&self) -> bool {
        self.findings.is_empty()
    }
    fn find(&mut self, table: &'static str, row: impl Into<String>, what: impl Into<String>) {
        if self.findings.len() < TOLD {
            self.findings.push(Finding { table, row: row.into(), what: what.into() });
        } else {
            self.more += 1;
        }
    }
}

impl Sqlite {
    /// Looks at the file, at every row, and at what must hold between rows, as of one moment; others may go on.
    ///
    /// # Errors
    /// The database cannot be read at all; what is merely wrong is a finding.
    pub async fn check(&self, watch: Watch<'_>) -> Result<Checked> {
        let mut tx = self.begin_reading().await?;
        let mut checked = Checked::default();
        watch(Progress { what: "the file", done: 0, total: 0 });
        file(&mut tx, &mut checked).await?;
        rows(Source::Sqlite(&mut tx), &mut checked, watch).await?;
        Ok(checked)
    }
}

impl Postgres {
    /// Looks at every row, and at what must hold between rows, as of one moment; others may go on.
    ///
    /// # Errors
    /// The database cannot be read at all; what is merely wrong is a finding.
    pub async fn check(&self, watch: Watch<'_>) -> Result<Checked> {
        let mut db = self.connect_alone().await?;
        sqlx::raw_sql("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY").execute(&mut db).await?;
        let mut checked = Checked::default();
        rows(Source::Postgres(&mut db), &mut checked, watch).await?;
        for (run, position) in self.unwatched_leases(&mut db).await? {
            checked.find(STEPS.name, format!("{run} {position}"), "nobody watches its lease");
        }
        Ok(checked)
    }
}

/// What SQLite says of its own pages, indices and references.
async fn file(db: &mut SqliteConnection, checked: &mut Checked) -> Result<()> {
    let said: Vec<(String,)> = sqlx::query_as("PRAGMA integrity_check(100)").fetch_all(&mut *db).await?;
    for (what,) in said.into_iter().filter(|(what,)| what != "ok") {
        checked.find("the file", "", what);
    }
    let loose: Vec<(String, Option<i64>, String)> =
        sqlx::query_as("SELECT \"table\", rowid, parent FROM pragma_foreign_key_check LIMIT 1000")
            .fetch_all(db)
            .await?;
    for (table, row, parent) in loose {
        let row = row.map(|row| row.to_string()).unwrap_or_default();
        checked.find("the file", row, format!("a row of {table} names a row of {parent} that is not there"));
    }
    Ok(())
}

async fn rows(mut source: Source<'_>, checked: &mut Checked, watch: Watch<'_>) -> Result<()> {
    runs(&mut source, checked, watch).await?;
    // Inventories name packages by their numbers.
    let mut packages: HashSet<i64> = HashSet::new();
    for table in [&PLANS, &EFFECTS, &OUTBOX, &FACTS, &PACKAGES, &INVENTORIES, &REPORTS, &FIXES] {
        let total = source.count(table).await?;
        let (mut cursor, mut done) = (Cursor::over(table), 0);
        while let Some(row) = cursor.next(&mut source).await? {
            if done % EVERY == 0 {
                watch(Progress { what: table.name, done, total });
            }
            done += 1;
            if table.name == PACKAGES.name {
                packages.extend(int(table, &row, "id"));
            }
            if let Some(what) = unread(table, &row, &packages) {
                checked.find(table.name, key(table, &row), what);
            }
        }
        checked.rows.insert(table.name, done);
    }
    let query =
        "SELECT id FROM outbox WHERE NOT EXISTS (SELECT 1 FROM runs WHERE runs.id = outbox.run) LIMIT 1000";
    let orphans: Vec<(String,)> = match &mut source {
        Source::Sqlite(db) => sqlx::query_as(AssertSqlSafe(query)).fetch_all(&mut **db).await?,
        Source::Postgres(db) => sqlx::query_as(AssertSqlSafe(query)).fetch_all(&mut **db).await?,
    };
    for (id,) in orphans {
        checked.find("outbox", id, "its run is not there");
    }
    Ok(())
}

fn key(table: &Table, row: &Row) -> String {
    let part = |at: &usize| match &row[*at] {
        Value::Text(text) => text.clone(),
        Value::Int(int) => int.to_string(),
        _ => String::new(),
    };
    table.key.iter().map(part).collect::<Vec<_>>().join(" ")
}

/// Why a row cannot be read by whoever needs it.
fn unread(table: &Table, row: &Row, packages: &HashSet<i64>) -> Option<String> {
    let text = |name| text(table, row, name);
    let said = |result: Result<(), serde_json::Error>| result.err().map(|error| error.to_string());
    let told = |error: crate::Error| {
        std::error::Error::source(&error).map_or_else(|| error.to_string(), ToString::to_string)
    };
    let packed = || match row.get(table.place("body")) {
        Some(Value::Blob(body)) => {
            pack::inflate("", body).map_err(|error| format!("it cannot be unpacked: {}", told(error)))
        }
        _ => Err("it has no body".to_owned()),
    };
    let whole = |bytes: &[u8], into: fn(&[u8]) -> Result<(), serde_json::Error>| said(into(bytes));
    match table.name {
        "plans" => said(read::<Plan>(text("body")).map(drop)),
        "effects" => said(read::<Json>(text("detail")).map(drop)),
        "outbox" => said(read::<Json>(text("payload")).map(drop)).or_else(|| {
            let problem = row.get(table.place("problem")).and_then(Value::text)?;
            said(read::<Problem>(problem).map(drop))
        }),
        "layer_facts" => packed().err(),
        "packages" => match row.get(table.place("hash")) {
            Some(Value::Blob(hash)) => inventories::package(hash, text("body")).err().map(told),
            _ => Some("it has no hash".to_owned()),
        },
        "inventories" => match row.get(table.place("body")) {
            Some(Value::Blob(body)) => match inventories::whole(body) {
                Ok(numbers) => numbers
                    .into_iter()
                    .find(|number| !packages.contains(number))
                    .map(|number| format!("its package {number} is not there")),
                Err(error) => Some(told(error)),
            },
            _ => Some("it has no body".to_owned()),
        },
        "reports" => packed().map_or_else(Some, |bytes| {
            whole(&bytes, |b| serde_json::from_slice::<patchline_scanner::Report>(b).map(drop))
        }),
        "fixes" => said(read::<patchline_remediation::FixPlan>(text("body")).map(drop)),
        _ => None,
    }
}

/// Runs with their steps, permits and history, side by side in the order of their ids.
async fn runs(source: &mut Source<'_>, checked: &mut Checked, watch: Watch<'_>) -> Result<()> {
    let total = source.count(&RUNS).await?;
    let (mut runs, mut done) = (Cursor::over(&RUNS), 0);
    let (mut steps, mut permits, mut events) =
        (Cursor::over(&STEPS), Cursor::over(&PERMITS), Cursor::over(&EVENTS));
    let mut plans: HashMap<String, Option<Plan>> = HashMap::new();
    // (slot → who waits, who works)
    let mut slots: HashMap<String, (Option<String>, u64)> = HashMap::new();
    while let Some(run) = runs.next(source).await? {
        if done % EVERY == 0 {
            watch(Progress { what: RUNS.name, done, total });
        }
        done += 1;
        let id = text(&RUNS, &run, "id").to_owned();
        let own_steps = belonging(&mut steps, source, &STEPS, &id, checked).await?;
        let own_permits = belonging(&mut permits, source, &PERMITS, &id, checked).await?;
        let history = belonging(&mut events, source, &EVENTS, &id, checked).await?;
        for row in &history {
            let body = text(&EVENTS, row, "body");
            let kinds = if body.starts_with('[') {
                read::<Vec<EventKind>>(body).map(drop)
            } else {
                read::<EventKind>(body).map(drop)
            };
            if let Err(error) = kinds {
                checked.find(EVENTS.name, key(&EVENTS, row), error.to_string());
            }
        }
        let hash = text(&RUNS, &run, "plan_hash").to_owned();
        if !plans.contains_key(&hash) {
            if plans.len() >= HELD {
                plans.clear();
            }
            plans.insert(hash.clone(), plan(source, &hash).await?);
        }
        let case = Case {
            run: &run,
            steps: &own_steps,
            permits: &own_permits,
            plan: plans.get(&hash).and_then(Option::as_ref),
            last_seq: history.last().and_then(|row| int(&EVENTS, row, "seq")),
        };
        for what in judge(&case) {
            checked.find(RUNS.name, id.clone(), what);
        }
        let phase = text(&RUNS, &run, "phase");
        let slot = text(&RUNS, &run, "slot");
        if !slot.is_empty() && phase != "finished" {
            let entry = slots.entry(slot.to_owned()).or_default();
            if phase == "queued" {
                entry.0.get_or_insert(id);
            } else {
                entry.1 += 1;
            }
        }
    }
    for cursor in [(&mut steps, &STEPS), (&mut permits, &PERMITS), (&mut events, &EVENTS)] {
        // What is left belongs to no run.
        belonging(cursor.0, source, cursor.1, "\u{10FFFF}", checked).await?;
    }
    for (slot, (waits, works)) in slots {
        if let (Some(run), 0) = (waits, works) {
            checked.find(RUNS.name, run, format!("it waits for the slot {slot:?}, which nobody holds"));
        }
    }
    checked.rows.insert(RUNS.name, done);
    Ok(())
}

/// The rows of one run, and a finding for each that belongs to none.
async fn belonging(
    cursor: &mut Cursor,
    source: &mut Source<'_>,
    table: &'static Table,
    run: &str,
    checked: &mut Checked,
) -> Result<Vec<Row>> {
    let mut own = Vec::new();
    loop {
        let Some(of) = cursor.peek(source).await?.map(|row| text(table, row, "run").to_owned()) else {
            break;
        };
        if of.as_str() > run {
            break;
        }
        let Some(row) = cursor.next(source).await? else { break };
        *checked.rows.entry(table.name).or_default() += 1;
        if of == run {
            own.push(row);
        } else if !(table.name == EVENTS.name && matches!(source, Source::Postgres(_))) {
            // A day of history goes as a whole, some hours after the last of its runs.
            checked.find(table.name, key(table, &row), "its run is not there");
        }
    }
    Ok(own)
}

async fn plan(source: &mut Source<'_>, hash: &str) -> Result<Option<Plan>> {
    let body: Option<(String,)> = match source {
        Source::Sqlite(db) => {
            sqlx::query_as("SELECT body FROM plans WHERE hash = ?1")
                .bind(hash)
                .fetch_optional(&mut **db)
                .await?
        }
        Source::Postgres(db) => {
            sqlx::query_as("SELECT body FROM plans WHERE hash = $1")
                .bind(hash)
                .fetch_optional(&mut **db)
                .await?
        }
    };
    // One that cannot be read is told of where plans are looked at.
    Ok(body.and_then(|(body,)| read(&body).ok()))
}
