//! A whole database: backed up while in use, restored, checked, moved to PostgreSQL and worked on there.

use std::{path::Path, sync::Arc, time::Duration};

use patchline_engine::{
    DeliveryState, EventKind, Message, Outcome, RunFilter, RunId, RunResult, RunStatus, StepStatus as S,
    Store,
};
use patchline_remediation::{FixPlan, fix::Fixes};
use patchline_scanner::{Completeness, Digest, Inventory, LayerFacts, Package, Platform, Report, Reports};
use patchline_store::{
    Postgres, PostgresOptions, Sqlite,
    admin::{self, Progress},
};
use serde_json::json;
use sqlx::{ConnectOptions, Connection, sqlite::SqliteConnectOptions};

use crate::{cut::Cut, kit::*};

/// `end` ends well and tells, `wait` waits for a person, `hold` runs until its process is gone.
fn script() -> Script {
    Script::default()
        .on("tell", |c| async move {
            let id = format!("{}/ops", c.idempotency_key);
            let message = Message { id, channel: "ops".into(), payload: json!({"text": "nul \u{0} inside"}) };
            Ok(Outcome::Succeeded { output: json!({"n": 1}), messages: vec![message], mends: false })
        })
        .on("wait", |c| async move {
            let intent = patchline_engine::step::Intent {
                kind: "push".into(),
                target: "a target\0 of a hostile kind".into(),
                detail: json!({"digest": "sha256:0"}),
                done: false,
            };
            c.effects.log.intend(&c.run, &c.step, &intent).await.unwrap();
            Ok(Outcome::Approval { expires: Duration::from_secs(86_400), output: json!({}) })
        })
        .on("hold", |_| async { std::future::pending().await })
}

struct Runs {
    ended: RunId,
    waits: RunId,
    held: RunId,
    queued: RunId,
}

/// A database as a process leaves it that was cut off in the middle of its work.
async fn filled(place: &Place) -> Runs {
    let (sink, clock, script) = (Sink::default(), Ahead::default(), script());
    let cut = Cut::new(place.open().await);
    let engine = engine_over(Arc::new(cut.clone()), &script, &sink, &clock).await;
    let start = async |plan: &patchline_chains::Plan, tag: &str| {
        engine.submit(vec![submission(plan, tag)]).await.unwrap().remove(0).run
    };
    let mut lone = plan("lone", vec![step("hold", &[]), step("after", &["hold"])]);
    lone.concurrency = Some(patchline_chains::ConcurrencyRule {
        key: "{{image.repository}}".into(),
        limit: 1,
        when_busy: patchline_chains::WhenBusy::Queue,
    });
    let ended = start(&plan("ends", vec![step("tell", &[])]), "v1").await;
    let waits = start(&plan("waits", vec![step("wait", &[]), step("after", &["wait"])]), "v1").await;
    let (held, queued) = (start(&lone, "v1").await, start(&lone, "v2").await);
    until(async || {
        let told = engine.run(&ended).await.unwrap().deliveries;
        told.len() == 1 && told[0].state == DeliveryState::Delivered
    })
    .await;
    until(async || engine.run(&waits).await.unwrap().status == RunStatus::Waiting).await;
    until(async || script.count("hold") == 1).await;
    assert_eq!(engine.run(&queued).await.unwrap().status, RunStatus::Queued);
    cut.cut();
    Runs { ended, waits, held, queued }
}

fn inventory(image: &Digest, packages: &[&str]) -> Inventory {
    let package = |name: &&str| Package { name: (*name).into(), version: "1".into(), ..Package::default() };
    Inventory {
        image: image.clone(),
        platform: Platform { os: "linux".into(), architecture: "amd64".into(), variant: None },
        distro: None,
        packages: packages.iter().map(package).collect(),
        database: None,
        unread: Vec::new(),
        incomplete: Vec::new(),
        unreadable: Vec::new(),
        layers: vec![(Digest::of(b"layer"), Digest::of(b"diff"))],
    }
}

async fn documents(store: &(impl LayerFacts + Reports + Fixes)) {
    let (image, fixed) = (Digest::of(b"image"), Digest::of(b"fixed"));
    store.put(&image, "dpkg 1", b"facts").await.unwrap();
    store.put_inventory(&inventory(&image, &["a", "nul\0"])).await.unwrap();
    for revision in ["1", "2"] {
        let report = Report {
            version: 1,
            image: image.clone(),
            distro: None,
            packages: 3,
            advisory_revision: revision.into(),
            completeness: Completeness::Complete,
            findings: Vec::new(),
        };
        store.put_report(&report).await.unwrap();
    }
    let plan = FixPlan {
        version: 1,
        upgrades: Vec::new(),
        refused: Vec::new(),
        repositories: Vec::new(),
        advisory_revision: "1".into(),
        smoked: Vec::new(),
    };
    store.put_fix(&image, &fixed, &plan).await.unwrap();
}

async fn sql(file: &Path, statement: &'static str) {
    let options = SqliteConnectOptions::new().filename(file).foreign_keys(false);
    let mut db = options.connect().await.unwrap();
    sqlx::raw_sql(statement).execute(&mut db).await.unwrap();
    db.close().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_database_moves_to_postgresql_and_goes_on_there() {
    let (from, Some(to)) = (Place::sqlite(), Place::postgres()) else { return };
    let runs = filled(&from).await;
    let sqlite = Sqlite::open(from.name().as_ref()).await.unwrap();
    documents(&sqlite).await;
    let postgres = Postgres::open(&to.name(), PostgresOptions::default()).await.unwrap();
    let mut heard: Vec<Progress> = Vec::new();
    let moved = admin::migrate(&sqlite, &postgres, &mut |p| heard.push(p)).await.unwrap();
    let rows = |name: &str| moved.tables.iter().find(|t| t.name == name).unwrap().rows;
    assert_eq!((rows("runs"), rows("steps"), rows("plans"), rows("outbox")), (4, 7, 3, 1));
    assert_eq!((rows("effects"), rows("reports"), rows("fixes"), rows("layer_facts")), (1, 2, 1, 1));
    assert_eq!((rows("packages"), rows("inventories")), (2, 1));
    assert!(heard.iter().any(|p| p.what == "events" && p.done == p.total && p.total > 0));
    // What was said of them before is said of them now.
    for run in [&runs.ended, &runs.waits, &runs.held, &runs.queued] {
        assert_eq!(Store::run(&postgres, run).await.unwrap(), Store::run(&sqlite, run).await.unwrap());
        assert_eq!(
            Store::events(&postgres, run, 0).await.unwrap(),
            Store::events(&sqlite, run, 0).await.unwrap()
        );
        assert_eq!(
            Store::deliveries(&postgres, run).await.unwrap(),
            Store::deliveries(&sqlite, run).await.unwrap()
        );
    }
    let image = Digest::of(b"image");
    assert_eq!(
        postgres.latest_report(&image).await.unwrap(),
        sqlite.latest_report(&image).await.unwrap(),
        "the newest is the newest"
    );
    assert_eq!(postgres.inventory(&image).await.unwrap(), sqlite.inventory(&image).await.unwrap());
    let whole = postgres.check(&mut |_| {}).await.unwrap();
    assert!(whole.is_whole(), "{whole:?}");
    // A second time is refused.
    let refused = admin::migrate(&sqlite, &postgres, &mut |_| {}).await.unwrap_err();
    assert_eq!(refused.code(), "target-not-empty");
    documents(&postgres).await;
    let other = inventory(&Digest::of(b"other"), &["a", "b", "nul\0"]);
    postgres.put_inventory(&other).await.unwrap();
    assert_eq!(postgres.inventory(&other.image).await.unwrap(), Some(other), "numbers go on after the last");

    // The engine goes on: the lease of the process that is gone runs out by the server's clock.
    let (sink, clock) = (Sink::default(), Ahead::default());
    let well = Script::default();
    let engine = engine_over(Arc::new(postgres.clone()), &well, &sink, &clock).await;
    engine.decide(&runs.waits, "wait", true, "bo", "well").await.unwrap();
    for run in [&runs.waits, &runs.held, &runs.queued] {
        let view = tokio::time::timeout(Duration::from_secs(60), engine.finished(run)).await;
        assert_eq!(view.expect("the run ends").unwrap().result, Some(RunResult::Passed), "{run}");
    }
    assert_eq!(well.count("tell"), 0, "what had ended stays ended");
    let new = engine.submit(vec![submission(&diamond(), "v9")]).await.unwrap().remove(0);
    assert!(new.new && engine.finished(&new.run).await.unwrap().result == Some(RunResult::Passed));
    engine.stop().await.unwrap();
    let whole = postgres.check(&mut |_| {}).await.unwrap();
    assert!(whole.is_whole(), "{whole:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_backup_is_made_under_load_and_restored_whole() {
    let place = Place::sqlite();
    let file = Path::new(&place.name()).to_owned();
    let house = House::new(&place, &script()).await;
    let plan = plan("ends", vec![step("tell", &[])]);
    let started = house.engine.submit((0..50).map(|n| submission(&plan, &format!("v{n}"))).collect()).await;
    let copy = place.dir.path().join("backup.db");
    let made = admin::backup(&file, &copy, &mut |_| {}).await.unwrap();
    assert!(made.bytes > 0 && made.schema > 0 && made.path == copy);
    assert_eq!(admin::backup(&file, &copy, &mut |_| {}).await.unwrap_err().code(), "backup-exists");
    let nothing = place.dir.path().join("nothing.db");
    assert_eq!(admin::backup(&nothing, &copy, &mut |_| {}).await.unwrap_err().code(), "backup-not-found");
    for submitted in started.unwrap() {
        house.finished(&submitted.run).await;
    }
    // In use, it is not replaced.
    let refused = admin::restore(&copy, &file, &mut |_| {}).await.unwrap_err();
    assert_eq!(refused.code(), "database-in-use");
    house.engine.stop().await.unwrap();
    drop(house);
    tokio::time::sleep(Duration::from_millis(300)).await;
    let newer = place.open().await;
    let last = newer.runs(&RunFilter::default()).await.unwrap();
    assert!(last.iter().all(|r| r.result() == Some(RunResult::Passed)));
    drop(newer);
    until(async || admin::restore(&copy, &file, &mut |_| {}).await.is_ok()).await;
    let restored = Sqlite::open(&file).await.unwrap();
    assert!(restored.check(&mut |_| {}).await.unwrap().is_whole());
    assert_eq!(Store::runs(&restored, &RunFilter::default()).await.unwrap().len(), 50);
    restored.close().await;
    // What stood there before is kept.
    let before = place.dir.path().join("p.db.before");
    let kept = Sqlite::open(&before).await.unwrap();
    assert_eq!(Store::runs(&kept, &RunFilter::default()).await.unwrap(), last);
    kept.close().await;
    // The restored one works on.
    let engine = engine(&place, &script(), &Sink::default(), &Ahead::default(), true).await;
    for record in engine.runs(&RunFilter::default()).await.unwrap() {
        assert_eq!(engine.finished(&record.id).await.unwrap().result, Some(RunResult::Passed));
    }
    engine.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_damaged_foreign_or_newer_is_not_restored() {
    let dir = tempfile::tempdir().unwrap();
    let (copy, file) = (dir.path().join("copy.db"), dir.path().join("p.db"));
    let place = Place::sqlite();
    filled(&place).await;
    admin::backup(place.name().as_ref(), &copy, &mut |_| {}).await.unwrap();
    let bytes = std::fs::read(&copy).unwrap();
    let code = async || admin::restore(&copy, &file, &mut |_| {}).await.unwrap_err().code();

    let mut damaged = bytes.clone();
    damaged[8192..12_288].fill(0x5a);
    std::fs::write(&copy, &damaged).unwrap();
    assert_eq!(code().await, "database-damaged");
    std::fs::write(&copy, "a letter, and no database at all. ".repeat(300)).unwrap();
    assert_eq!(code().await, "database-damaged");
    std::fs::write(&copy, &bytes[..bytes.len() / 2]).unwrap();
    assert_eq!(code().await, "database-damaged");
    std::fs::remove_file(&copy).unwrap();
    assert_eq!(code().await, "backup-not-found");
    sql_new(&copy).await;
    assert_eq!(code().await, "database-foreign");
    std::fs::write(&copy, &bytes).unwrap();
    sql(&copy, "UPDATE _sqlx_migrations SET version = 9000 WHERE version = 1").await;
    assert_eq!(code().await, "database-newer");
    assert!(!file.exists() && std::fs::read_dir(dir.path()).unwrap().count() == 1, "nothing is left behind");
    // Nor is what a newer version has written replaced.
    std::fs::write(&file, std::fs::read(&copy).unwrap()).unwrap();
    std::fs::write(&copy, &bytes).unwrap();
    assert_eq!(code().await, "database-newer");
    std::fs::remove_file(&file).unwrap();
    let restored = admin::restore(&copy, &file, &mut |_| {}).await.unwrap();
    assert_eq!((restored.before, restored.bytes), (None, bytes.len() as u64));
}

async fn sql_new(file: &Path) {
    let mut db = SqliteConnectOptions::new().filename(file).create_if_missing(true).connect().await.unwrap();
    sqlx::raw_sql("CREATE TABLE notes (text)").execute(&mut db).await.unwrap();
    db.close().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_check_finds_what_cannot_be() {
    let place = Place::sqlite();
    let runs = filled(&place).await;
    let file = Path::new(&place.name()).to_owned();
    let store = Sqlite::open(&file).await.unwrap();
    documents(&store).await;
    let whole = store.check(&mut |_| {}).await.unwrap();
    assert!(whole.is_whole(), "{whole:?}");
    assert_eq!((whole.rows["runs"], whole.rows["steps"], whole.rows["reports"]), (4, 7, 2));
    let damages: [(&'static str, &str); 9] = [
        ("UPDATE steps SET body = '{' WHERE status = 'succeeded'", "cannot be read"),
        (
            "UPDATE runs SET phase = 'finished', status = 'finished', result = 'passed', finished_at = 1 WHERE phase = 'active'",
            "steps of it have not",
        ),
        ("UPDATE steps SET fence = 9 WHERE status = 'leased'", "another fence"),
        (
            "INSERT INTO permits (key, run, position) SELECT 'registry main', id, 0 FROM runs WHERE phase = 'finished'",
            "not leased",
        ),
        ("UPDATE reports SET body = x'00'", "cannot be unpacked"),
        ("UPDATE runs SET last_seq = last_seq + 1", "history does not end"),
        ("DELETE FROM plans WHERE chain = 'ends'", "is not there"),
        ("DELETE FROM steps WHERE position = 1", "its plan 2"),
        ("UPDATE runs SET slot = 'another' WHERE phase = 'queued'", "which nobody holds"),
    ];
    let dir = tempfile::tempdir().unwrap();
    for (n, (damage, said)) in damages.into_iter().enumerate() {
        let copy = dir.path().join(format!("{n}.db"));
        admin::backup(&file, &copy, &mut |_| {}).await.unwrap();
        sql(&copy, damage).await;
        let found = Sqlite::open(&copy).await.unwrap().check(&mut |_| {}).await.unwrap();
        assert!(found.findings.iter().any(|f| f.what.contains(said)), "{damage}: {found:?}");
    }
    let view = Store::run(&store, &runs.held).await.unwrap().unwrap();
    assert_eq!(view.steps[0].state.status(), S::Leased);
    let history = Store::events(&store, &runs.ended, 0).await.unwrap();
    assert!(matches!(
        history.last().unwrap().kind,
        EventKind::RunFinished { .. } | EventKind::DeliveryChanged { .. }
    ));
}

#[tokio::test]
async fn every_table_and_column_is_moved() {
    let Some(place) = Place::postgres() else { return };
    let sqlite = Place::sqlite();
    let here = Sqlite::open(sqlite.name().as_ref()).await.unwrap();
    let there = Postgres::open(&place.name(), PostgresOptions::default()).await.unwrap();
    let moved = admin::migrate(&here, &there, &mut |_| {}).await.unwrap();
    let mut names: Vec<String> = moved.tables.iter().map(|t| t.name.to_owned()).collect();
    names.sort();
    let mut db = SqliteConnectOptions::new().filename(sqlite.name()).connect().await.unwrap();
    let tables: Vec<(String,)> =
        sqlx::query_as("SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT GLOB '_sqlx_*' AND name NOT GLOB 'sqlite_*' ORDER BY 1")
            .fetch_all(&mut db)
            .await
            .unwrap();
    assert_eq!(names, tables.into_iter().map(|(name,)| name).collect::<Vec<_>>());
    for table in names {
        let ours: Vec<(String,)> = sqlx::query_as("SELECT name FROM pragma_table_info(?1) ORDER BY 1")
            .bind(&table)
            .fetch_all(&mut db)
            .await
            .unwrap();
        let columns = admin::columns(&table);
        for (column,) in ours {
            assert!(columns.contains(&column.as_str()), "{table}.{column} would be left behind");
        }
    }
}
