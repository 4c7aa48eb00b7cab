//! When images were seen.

use jiff::Timestamp;
use patchline_scanner::Digest;
use patchline_store::{
    Postgres, PostgresOptions, Sqlite,
    sightings::{Seen, Sight, Sighting, Sightings},
};

fn at(second: i64) -> Timestamp {
    Timestamp::from_second(second).unwrap()
}

fn seen(tag: Option<&str>, bytes: &str) -> Seen {
    Seen {
        registry: "main".into(),
        repository: "shop/web".into(),
        tag: tag.map(str::to_owned),
        digest: Digest::of(bytes.as_bytes()),
    }
}

async fn what_is_newest_stands_and_a_moved_tag_is_another_image(store: &dyn Sightings) {
    let (old, new) = (Digest::of(b"old"), Digest::of(b"new"));
    store.saw(&[], at(1)).await.unwrap();
    store.saw(&[(seen(Some("v1"), "old"), Sight::Pushed)], at(100)).await.unwrap();
    store
        .saw(&[(seen(Some("v1"), "old"), Sight::Pulled), (seen(None, "old"), Sight::Pulled)], at(200))
        .await
        .unwrap();
    store.saw(&[(seen(Some("v1"), "old"), Sight::Pulled)], at(150)).await.unwrap();
    store.saw(&[(seen(None, "old"), Sight::Created)], at(50)).await.unwrap();
    store.saw(&[(seen(Some("v1"), "old"), Sight::Running)], at(300)).await.unwrap();
    let tagged = |digest: &Digest, pushed, pulled, running| Sighting {
        tag: Some("v1".into()),
        digest: digest.clone(),
        pushed,
        pulled,
        running,
        created: None,
    };
    let all = store.of_repository("main", "shop/web").await.unwrap();
    assert_eq!(all.len(), 2);
    assert!(all.contains(&tagged(&old, Some(at(100)), Some(at(200)), Some(at(300)))), "{all:?}");
    let untagged = all.iter().find(|s| s.tag.is_none()).unwrap();
    assert_eq!((untagged.pulled, untagged.created, untagged.pushed), (Some(at(200)), Some(at(50)), None));

    store.saw(&[(seen(Some("v1"), "new"), Sight::Pushed)], at(400)).await.unwrap();
    let all = store.of_repository("main", "shop/web").await.unwrap();
    assert!(all.contains(&tagged(&new, Some(at(400)), None, None)), "{all:?}");
    assert!(store.of_repository("main", "shop/we").await.unwrap().is_empty());
    assert!(store.of_repository("other", "shop/web").await.unwrap().is_empty());
}

#[tokio::test]
async fn sqlite() {
    let dir = tempfile::tempdir().unwrap();
    let store = Sqlite::open(&dir.path().join("p.db")).await.unwrap();
    what_is_newest_stands_and_a_moved_tag_is_another_image(&store).await;
}

#[tokio::test]
async fn postgres() {
    let Some(url) = crate::cluster::fresh() else { return };
    let store = Postgres::open(&url, PostgresOptions::default()).await.unwrap();
    what_is_newest_stands_and_a_moved_tag_is_another_image(&store).await;
}
