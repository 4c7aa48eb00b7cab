//! What the scanner and remediation keep: facts, inventories, reports, fixes; and what a full disk does.

use patchline_registry::{Digest, Platform};
use patchline_remediation::{FixPlan, fix::Fixes};
use patchline_scanner::{
    Completeness, Inventory, LayerFacts, Package, Report, Reports,
    rematch::{Inventories, Matched},
};
use patchline_store::{Postgres, PostgresOptions, Sqlite};

use crate::kit::*;

on_both!(
    reports_are_named_by_content_and_the_newest_is_found,
    inventories_facts_and_fixes_come_back,
    packages_are_kept_once_whoever_writes_them,
    what_an_older_version_kept_is_read_and_replaced,
    what_was_matched_is_noted_until_something_changes,
    a_check_finds_inventories_and_packages_that_cannot_be,
);

trait Documents: LayerFacts + Reports + Inventories + Fixes {}
impl<T: LayerFacts + Reports + Inventories + Fixes> Documents for T {}

async fn store(place: &Place) -> Box<dyn Documents> {
    if place.is_postgres() {
        Box::new(Postgres::open(&place.name(), PostgresOptions::default()).await.unwrap())
    } else {
        Box::new(Sqlite::open(place.name().as_ref()).await.unwrap())
    }
}

fn report(image: &Digest, revision: &str) -> Report {
    Report {
        version: 1,
        image: image.clone(),
        distro: None,
        packages: 3,
        advisory_revision: revision.into(),
        completeness: Completeness::Complete,
        findings: Vec::new(),
    }
}

async fn reports_are_named_by_content_and_the_newest_is_found(place: Place) {
    let store = store(&place).await;
    let image = Digest::of(b"image");
    let (old, new) = (report(&image, "1"), report(&image, "2"));
    let id = store.put_report(&old).await.unwrap();
    assert!(id.starts_with("sha256:") && id.len() == 71);
    assert_eq!(store.put_report(&old).await.unwrap(), id);
    let newer = store.put_report(&new).await.unwrap();
    assert_eq!(store.latest_report(&image).await.unwrap(), Some((newer, new)));
    store.put_report(&old).await.unwrap();
    assert_eq!(store.latest_report(&image).await.unwrap(), Some((id.clone(), old.clone())));
    assert_eq!(store.report(&id).await.unwrap(), Some(old));
    assert_eq!(store.report("sha256:0").await.unwrap(), None);
    assert_eq!(store.latest_report(&Digest::of(b"other")).await.unwrap(), None);
}

async fn inventories_facts_and_fixes_come_back(place: Place) {
    let made = store(&place).await;
    let (image, fixed, later) = (Digest::of(b"image"), Digest::of(b"fixed"), Digest::of(b"later"));
    let inventory = Inventory {
        image: image.clone(),
        platform: serde_json::from_value::<Platform>(
            serde_json::json!({"os": "linux", "architecture": "amd64"}),
        )
        .unwrap(),
        distro: None,
        packages: Vec::new(),
        database: Some("dpkg".into()),
        layers: Vec::new(),
        unread: Default::default(),
        incomplete: Vec::new(),
        unreadable: Vec::new(),
    };
    made.put_inventory(&inventory).await.unwrap();
    made.put_inventory(&inventory).await.unwrap();
    made.put(&image, "dpkg 1", b"facts").await.unwrap();
    made.put(&image, "dpkg 1", b"facts").await.unwrap();
    let plan = FixPlan {
        version: 1,
        upgrades: Vec::new(),
        refused: Vec::new(),
        repositories: vec![("bookworm-security".into(), "0".into())],
        advisory_revision: "1".into(),
        smoked: Vec::new(),
    };
    made.put_fix(&image, &later, &plan).await.unwrap();
    made.put_fix(&image, &fixed, &plan).await.unwrap();
    drop(made);

    let store = store(&place).await;
    assert_eq!(store.inventory(&image).await.unwrap(), Some(inventory));
    assert_eq!(store.get(&image, "dpkg 1").await.unwrap().as_deref(), Some(&b"facts"[..]));
    assert_eq!(store.get(&image, "dpkg 2").await.unwrap(), None);
    assert_eq!(store.fix_of(&fixed).await.unwrap(), Some((image.clone(), plan.clone())));
    assert_eq!(store.fixes_from(&image).await.unwrap(), [(later, plan.clone()), (fixed, plan)]);
    assert_eq!(store.fix_of(&image).await.unwrap(), None);
}

fn of(image: &Digest, packages: &[&str]) -> Inventory {
    let layer = Digest::of(b"layer");
    let package = |name: &&str| Package {
        name: (*name).into(),
        version: "1".into(),
        source: (*name).into(),
        source_version: "1".into(),
        purl: format!("pkg:npm/{name}"),
        path: Some(format!("app/{name}\0/package.json")),
        layer: Some(layer.clone()),
        ..Package::default()
    };
    Inventory {
        image: image.clone(),
        platform: Platform { os: "linux".into(), architecture: "amd64".into(), variant: None },
        distro: None,
        packages: packages.iter().map(package).collect(),
        database: None,
        layers: vec![(layer.clone(), Digest::of(b"diff"))],
        unread: Vec::new(),
        incomplete: Vec::new(),
        unreadable: Vec::new(),
    }
}

/// One statement, whichever database it is.
async fn sql(place: &Place, statement: &str) {
    let statement = sqlx::AssertSqlSafe(statement.to_owned());
    if place.is_postgres() {
        let mut db = <sqlx::PgConnection as sqlx::Connection>::connect(&place.name()).await.unwrap();
        sqlx::raw_sql(statement).execute(&mut db).await.unwrap();
    } else {
        let mut db = <sqlx::SqliteConnection as sqlx::Connection>::connect(&place.name()).await.unwrap();
        sqlx::raw_sql(statement).execute(&mut db).await.unwrap();
    }
}

async fn check(place: &Place) -> patchline_store::admin::Checked {
    if place.is_postgres() {
        let store = Postgres::open(&place.name(), PostgresOptions::default()).await.unwrap();
        store.check(&mut |_| {}).await.unwrap()
    } else {
        Sqlite::open(place.name().as_ref()).await.unwrap().check(&mut |_| {}).await.unwrap()
    }
}

async fn packages_are_kept_once_whoever_writes_them(place: Place) {
    let (one, two) = (store(&place).await, store(&place).await);
    let names: Vec<String> = (0..60).map(|n| format!("package-{n}")).collect();
    let inventory = |n: usize| {
        // Each has most of them, in an order of its own.
        let mut some: Vec<&str> = names.iter().map(String::as_str).skip(n % 5).collect();
        some.rotate_left(n * 7 % 50);
        of(&Digest::of(&[n as u8]), &some)
    };
    let writes = (0..24).map(|n| {
        let (store, inventory) = (if n % 2 == 0 { &one } else { &two }, inventory(n));
        async move { store.put_inventory(&inventory).await.unwrap() }
    });
    futures::future::join_all(writes).await;
    let images: Vec<Digest> = (0..24).map(|n| Digest::of(&[n as u8])).collect();
    let mut back = one.reading(None).some(&images).await.unwrap();
    back.sort_by_key(|inventory| images.iter().position(|image| *image == inventory.image));
    assert_eq!(back, (0..24).map(inventory).collect::<Vec<_>>());
    assert_eq!(two.inventory(&images[3]).await.unwrap(), Some(inventory(3)));
    // Cut to what is asked for; what has nothing of it is left out.
    let touched = [("npm".to_owned(), "package-2".to_owned())].into_iter().collect();
    let cut = two.reading(Some(touched)).some(&images).await.unwrap();
    let expected = (0..24).filter(|n| n % 5 <= 2).count();
    assert_eq!(cut.len(), expected);
    assert!(cut.iter().all(|i| i.packages.len() == 1 && i.packages[0].name == "package-2"));
    let whole = check(&place).await;
    assert!(whole.is_whole(), "{whole:?}");
    assert_eq!((whole.rows["packages"], whole.rows["inventories"]), (60, 24));
}

async fn what_an_older_version_kept_is_read_and_replaced(place: Place) {
    let store = store(&place).await;
    let image = Digest::of(b"image");
    let old = of(&image, &["a", "b"]);
    let json = serde_json::to_vec(&old).unwrap();
    let body: String = zstd::encode_all(&json[..], 3).unwrap().iter().map(|b| format!("{b:02x}")).collect();
    let body = if place.is_postgres() { format!("'\\x{body}'") } else { format!("x'{body}'") };
    sql(&place, &format!("INSERT INTO inventories (image, body) VALUES ('{image}', {body})")).await;
    assert_eq!(store.inventory(&image).await.unwrap(), Some(old.clone()));
    let touched = [("npm".to_owned(), "b".to_owned())].into_iter().collect();
    let mut reading = store.reading(Some(touched));
    let cut = reading.some(std::slice::from_ref(&image)).await.unwrap();
    assert_eq!((cut.len(), cut[0].packages.len()), (1, 1));
    let whole = check(&place).await;
    assert!(whole.is_whole(), "{whole:?}");
    store.put_inventory(&old).await.unwrap();
    assert_eq!(store.inventory(&image).await.unwrap(), Some(old));
    assert_eq!(reading.some(&[image]).await.unwrap(), cut, "in the new form it is the same");
    assert_eq!(check(&place).await.rows["packages"], 2);
}

async fn what_was_matched_is_noted_until_something_changes(place: Place) {
    let store = store(&place).await;
    let (image, other) = (Digest::of(b"image"), Digest::of(b"other"));
    let images = [image.clone(), other.clone()];
    store.put_inventory(&of(&image, &["a"])).await.unwrap();
    store.put_inventory(&of(&other, &["a"])).await.unwrap();
    assert_eq!(
        store.matched(&images).await.unwrap(),
        [],
        "without a report there is nothing to hold against"
    );
    let id = store.put_report(&report(&image, "1")).await.unwrap();
    let matched = store.matched(&images).await.unwrap();
    assert_eq!(matched.len(), 1);
    assert_eq!((&matched[0].image, &matched[0].report, matched[0].up_to()), (&image, &id, None));
    let noted: Vec<Matched> = matched.iter().map(|one| one.clone().noted("sha256:7")).collect();
    let up_to = async || store.matched(&images).await.unwrap()[0].up_to().map(str::to_owned);
    store.set_matched(&noted).await.unwrap();
    assert_eq!(up_to().await.as_deref(), Some("sha256:7"));
    store.put_inventory(&of(&image, &["a"])).await.unwrap();
    assert_eq!(up_to().await.as_deref(), Some("sha256:7"), "the same inventory changes nothing");
    // Another report has to be held against it anew; the former one back, it holds again.
    store.put_report(&report(&image, "2")).await.unwrap();
    assert_eq!(up_to().await, None);
    store.put_report(&report(&image, "1")).await.unwrap();
    assert_eq!(up_to().await.as_deref(), Some("sha256:7"));
    // Another inventory, too; and what was read before it cannot be noted any more.
    store.put_inventory(&of(&image, &["a", "b"])).await.unwrap();
    assert_eq!(up_to().await, None);
    store.set_matched(&noted).await.unwrap();
    assert_eq!(up_to().await, None);
    let anew = store.matched(&images).await.unwrap().remove(0).noted("sha256:8");
    store.set_matched(&[anew]).await.unwrap();
    assert_eq!(up_to().await.as_deref(), Some("sha256:8"));
}

async fn a_check_finds_inventories_and_packages_that_cannot_be(place: Place) {
    let store = store(&place).await;
    let image = Digest::of(b"image");
    store.put_inventory(&of(&image, &["a", "b"])).await.unwrap();
    sql(&place, "UPDATE packages SET body = body || ' ' WHERE body LIKE '%\"b\"%'").await;
    let said = |checked: &patchline_store::admin::Checked| {
        checked.findings.iter().map(|f| format!("{}: {}", f.table, f.what)).collect::<Vec<_>>()
    };
    assert_eq!(said(&check(&place).await), ["packages: its body does not have its hash"]);
    let error = store.inventory(&image).await.unwrap_err();
    assert_eq!(error.downcast_ref::<patchline_store::Error>().unwrap().code(), "database-corrupt");
    sql(&place, "DELETE FROM packages WHERE body LIKE '%\"b\"%'").await;
    let found = said(&check(&place).await);
    assert!(found.len() == 1 && found[0].starts_with("inventories: its package"), "{found:?}");
    sql(&place, "UPDATE inventories SET body = substr(body, 1, 40)").await;
    assert_eq!(said(&check(&place).await), ["inventories: its body does not have its sum"]);
}

#[tokio::test]
async fn a_file_that_is_no_database_is_a_clear_error() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("p.db");
    std::fs::write(&file, b"this is a letter, and a long one, and no database at all. ".repeat(40)).unwrap();
    let error = Sqlite::open(&file).await.unwrap_err();
    assert_eq!(error.code(), "database-unavailable");
    assert!(error.to_string().contains("p.db"));
    assert!(Sqlite::open(&dir.path().join("no/such/folder/p.db")).await.is_err());
}
