use std::sync::Mutex;

use patchline_registry::{Digest, layout};
use patchline_remediation::diff::{Count, Difference, Side};
use tokio::sync::Semaphore;

use super::*;

const LONG: Duration = Duration::from_secs(30);
const SHORT: Duration = Duration::from_millis(20);

/// Waits until it is let go, and counts what it is asked.
struct Gated {
    gate: Semaphore,
    asked: Mutex<usize>,
}

impl Gated {
    async fn pass(&self) {
        *self.asked.lock().unwrap() += 1;
        self.gate.acquire().await.unwrap().forget();
    }
}

#[async_trait]
impl Bench for Gated {
    async fn changes(&self, before: Spot, after: Spot) -> Result<Changes> {
        self.pass().await;
        let side = |digest: Digest| Side { digest, size: 0, layers: Vec::new(), files: 0 };
        let one = patchline_remediation::diff::FileChange {
            path: "a".into(),
            change: patchline_remediation::diff::Change::Added,
            what: Vec::new(),
            size: (0, 0),
        };
        Ok(Changes {
            packages: Vec::new(),
            gone: Vec::new(),
            left: Vec::new(),
            new: Vec::new(),
            count: Count { added: MOST_FILES + 1, ..Count::default() },
            image: Difference {
                before: side(before.manifest),
                after: side(after.manifest),
                shared: 0,
                files: vec![one; MOST_FILES + 1],
            },
        })
    }
    async fn draft(&self, _: Ask) -> Result<Draft> {
        self.pass().await;
        Err(Error::NotAnImage("a chart".into()))
    }
}

fn workbench() -> (Workbench, Arc<Gated>, tempfile::TempDir, impl Fn(&str) -> Spot) {
    let gated = Arc::new(Gated { gate: Semaphore::new(0), asked: Mutex::new(0) });
    let folder = tempfile::tempdir().unwrap();
    let repository = layout::open(folder.path(), true).unwrap();
    let spot = move |text: &str| Spot {
        repository: repository.clone(),
        manifest: Digest::of(text.as_bytes()),
        tag: None,
    };
    (Workbench::new(gated.clone()), gated, folder, spot)
}

#[tokio::test]
async fn a_comparison_is_waited_for_and_asked_for_again() {
    let (bench, gated, _folder, spot) = workbench();
    let ask = |wait| bench.changes(spot("a"), spot("b"), wait);
    assert!(ask(SHORT).await.unwrap().is_none());
    assert!(ask(SHORT).await.unwrap().is_none());
    assert_eq!(*gated.asked.lock().unwrap(), 1, "who asks again waits for the same work");
    gated.gate.add_permits(2);
    let changes = ask(LONG).await.unwrap().unwrap();
    assert_eq!(changes.image.files.len(), MOST_FILES, "an answer has an end");
    // Later advisories may tell otherwise.
    assert!(ask(LONG).await.unwrap().is_some());
    assert_eq!(*gated.asked.lock().unwrap(), 2);
    // The other way round is another question.
    assert!(bench.changes(spot("b"), spot("a"), SHORT).await.unwrap().is_none());
    assert_eq!(*gated.asked.lock().unwrap(), 3);
}

#[tokio::test]
async fn a_plan_has_a_name_and_what_kept_it_is_told_to_all() {
    let (bench, gated, _folder, spot) = workbench();
    let whole = |text: &str| Ask::whole(spot(text), UpgradePolicy::Minimal);
    let id = bench.plan(whole("a")).unwrap();
    assert_eq!(bench.plan(whole("a")).unwrap(), id);
    let latest = Ask { policy: UpgradePolicy::Latest, ..whole("a") };
    for other in [whole("b"), latest] {
        assert_ne!(bench.plan(other).unwrap(), id);
    }
    assert!(bench.planned(&id, SHORT).await.unwrap().is_none());
    gated.gate.add_permits(3);
    for _ in 0..2 {
        let error = bench.planned(&id, LONG).await.unwrap_err();
        assert_eq!((error.code(), error.status().as_u16()), ("not-an-image", 422));
    }
    assert_eq!(*gated.asked.lock().unwrap(), 3);
    let error = bench.planned("nothing", SHORT).await.unwrap_err();
    assert_eq!((error.code(), error.status().as_u16()), ("fix-plan-unknown", 404));
}

#[tokio::test]
async fn no_more_is_begun_than_is_remembered() {
    let (bench, _gated, _folder, spot) = workbench();
    for n in 0..PLANS.most {
        bench.plan(Ask::whole(spot(&n.to_string()), UpgradePolicy::Minimal)).unwrap();
    }
    let error = bench.plan(Ask::whole(spot("more"), UpgradePolicy::Minimal)).unwrap_err();
    assert_eq!((error.code(), error.status().as_u16()), ("work-busy", 503));
    assert!(error.hint().is_some());
}
