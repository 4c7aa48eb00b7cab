use std::{collections::BTreeMap, sync::Mutex as Lock};

use super::*;
use crate::advisories::{
    AdvisorySet,
    update::{Origin, status, update},
};

#[derive(Default)]
struct Memory {
    current: Lock<Option<String>>,
    parts: Lock<BTreeMap<(String, u32), Vec<u8>>>,
}

#[async_trait]
impl Shelf for Memory {
    async fn current(&self) -> Result<Option<String>, BoxError> {
        Ok(self.current.lock().expect("lock").clone())
    }
    async fn part(&self, revision: &str, part: u32) -> Result<Option<Vec<u8>>, BoxError> {
        Ok(self.parts.lock().expect("lock").get(&(revision.to_owned(), part)).cloned())
    }
    async fn put_part(&self, revision: &str, part: u32, body: &[u8]) -> Result<(), BoxError> {
        self.parts.lock().expect("lock").entry((revision.to_owned(), part)).or_insert_with(|| body.to_vec());
        Ok(())
    }
    async fn publish(&self, current: &str, keep: &[String]) -> Result<(), BoxError> {
        *self.current.lock().expect("lock") = Some(current.to_owned());
        self.parts.lock().expect("lock").retain(|(revision, _), _| keep.contains(revision));
        Ok(())
    }
}

impl Memory {
    fn revisions(&self) -> usize {
        let parts = self.parts.lock().expect("lock");
        parts.keys().map(|(revision, _)| revision).collect::<std::collections::BTreeSet<_>>().len()
    }
}

async fn load(folder: &Path, package: &str, now: &str) -> String {
    let from = tempfile::tempdir().expect("folder");
    let record = serde_json::json!({"id": "DSA-1-1", "modified": "2025-01-02T00:00:00Z",
        "upstream": ["CVE-2025-0001"], "affected": [{"package": {"ecosystem": "Debian:12", "name": package},
        "ranges": [{"type": "ECOSYSTEM", "events": [{"introduced": "0"}, {"fixed": "2"}]}]}]});
    std::fs::write(from.path().join("DSA-1-1.json"), record.to_string()).expect("file");
    update(folder, &Origin::Folder(from.path().to_owned()), now).await.expect("loads");
    AdvisorySet::open(folder).expect("opens").expect("a set").revision().to_owned()
}

struct Two {
    shelf: Arc<Memory>,
    server: Advisories,
    worker: Advisories,
    _folders: [tempfile::TempDir; 2],
}

fn two() -> Two {
    let shelf = Arc::new(Memory::default());
    let folders = [(); 2].map(|()| tempfile::tempdir().expect("folder"));
    let of = |i: usize| Advisories::shared(folders[i].path().join("advisories"), shelf.clone());
    Two { server: of(0), worker: of(1), shelf, _folders: folders }
}

fn newest(of: &Advisories) -> Option<String> {
    AdvisorySet::open(of.folder()).expect("opens").map(|set| set.revision().to_owned())
}

#[tokio::test]
async fn what_one_machine_loads_another_fetches_by_its_hash() {
    let two = two();
    assert!(!two.server.offer().await.expect("nothing to offer"));
    assert!(!two.worker.fetch_newest().await.expect("nothing to fetch"));
    let first = load(two.server.folder(), "a", "2026-01-01T00:00:00Z").await;
    assert!(two.server.offer().await.expect("offers"));
    assert!(!two.server.offer().await.expect("once"), "what lies there is not put there again");
    assert!(two.worker.fetch_newest().await.expect("fetches"));
    assert!(!two.worker.fetch_newest().await.expect("once"));
    assert_eq!(newest(&two.worker), Some(first.clone()));
    assert_eq!(
        status(two.worker.folder()).expect("status"),
        status(two.server.folder()).expect("status"),
        "how old they are is told everywhere"
    );
    // A worker offers nothing that the shelf has; a machine with an older set takes nothing away.
    assert!(!two.worker.offer().await.expect("offers nothing"));
    // Sub-second digits do not decide by their number.
    let second = load(two.server.folder(), "b", "2026-01-01T00:00:00.5Z").await;
    assert!(!two.server.fetch_newest().await.expect("its own is newer"));
    assert!(two.server.offer().await.expect("offers"));
    // The worker proves by the revision of the report, before and after it has seen the new one.
    two.worker.fetch(&first).await.expect("is there");
    assert!(two.worker.fetch_newest().await.expect("fetches"));
    assert_eq!(newest(&two.worker), Some(second));
    AdvisorySet::open_revision(two.worker.folder(), &first).expect("still there");
}

#[tokio::test]
async fn a_worker_that_comes_late_gets_earlier_revisions_too_and_old_ones_go() {
    let two = two();
    let mut revisions = Vec::new();
    for (day, package) in (1..).zip(["a", "b", "c", "d", "e", "f", "g"]) {
        revisions.push(load(two.server.folder(), package, &format!("2026-01-0{day}T00:00:00Z")).await);
        assert!(two.server.offer().await.expect("offers"));
    }
    assert_eq!(two.shelf.revisions(), folder::KEPT);
    two.worker.fetch(&revisions[4]).await.expect("fetches");
    AdvisorySet::open_revision(two.worker.folder(), &revisions[4]).expect("fetched");
    assert_eq!(newest(&two.worker), None, "one revision says nothing of the newest");
    two.worker.fetch(&revisions[0]).await.expect("nothing to fetch");
    let gone = AdvisorySet::open_revision(two.worker.folder(), &revisions[0]).expect_err("gone");
    assert_eq!(gone.code(), "scanner-io");
}

#[tokio::test]
async fn parts_that_are_not_what_the_revision_promises_are_refused() {
    let two = two();
    load(two.server.folder(), "a", "2026-01-01T00:00:00Z").await;
    assert!(two.server.offer().await.expect("offers"));
    for body in two.shelf.parts.lock().expect("lock").values_mut() {
        body[10] ^= 1;
    }
    let error = two.worker.fetch_newest().await.expect_err("refused");
    assert_eq!(error.code(), "advisories-unreadable");
    assert_eq!(newest(&two.worker), None);
    *two.shelf.current.lock().expect("lock") = Some("{".to_owned());
    assert_eq!(two.worker.fetch_newest().await.expect_err("refused").code(), "advisories-unreadable");
    *two.shelf.current.lock().expect("lock") =
        Some(r#"{"format":1,"revision":"sha256:../../x","earlier":[],"sources":[{"source":"s","advisories":1,"newest":null,"loaded":"2027-01-01T00:00:00Z"}]}"#.to_owned());
    assert_eq!(two.worker.fetch_newest().await.expect_err("refused").code(), "advisories-unreadable");
}
