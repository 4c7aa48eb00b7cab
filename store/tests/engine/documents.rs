//! What the scanner and remediation keep: facts, inventories, reports, fixes; and what a full disk does.

use patchline_registry::{Digest, Platform};
use patchline_remediation::{FixPlan, fix::Fixes};
use patchline_scanner::{Completeness, Inventory, LayerFacts, Report, Reports};
use patchline_store::{Postgres, PostgresOptions, Sqlite};

use crate::kit::*;

on_both!(reports_are_named_by_content_and_the_newest_is_found, inventories_facts_and_fixes_come_back,);

trait Documents: LayerFacts + Reports + Fixes {}
impl<T: LayerFacts + Reports + Fixes> Documents for T {}

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
