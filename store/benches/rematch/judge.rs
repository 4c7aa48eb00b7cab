//! Whether what was measured is right: a sample, held against reports over the whole inventories.

use patchline_registry::Digest;
use patchline_scanner::{
    Finding,
    advisories::{AdvisorySet, Touched},
    rematch::Matcher,
    report,
};

use crate::{images::Images, place::Place};

/// Images that are looked at, spread over all of them.
const SAMPLE: usize = 200;

/// How many were looked at.
pub(crate) async fn hold(
    place: &Place,
    images: &Images,
    made: &[Digest],
    touched: &Touched,
    (old, new): (&AdvisorySet, &AdvisorySet),
) -> usize {
    let step = (made.len() / SAMPLE).max(1);
    let matcher = Matcher::new(vec![new.clone()]);
    let (mut whole, mut cut) = (place.store.reading(None), place.store.reading(Some(touched.clone())));
    let mut sampled = 0;
    for n in (0..made.len()).step_by(step) {
        let original = images.make(n);
        let image = std::slice::from_ref(&made[n]);
        assert_eq!(
            whole.some(image).await.unwrap(),
            std::slice::from_ref(&original),
            "it comes back as it was"
        );
        let expected = report(&original, &[new]);
        assert_eq!(matcher.report(&original), expected, "a matcher says what a report says");
        let shared: usize = matcher.findings(&original).iter().map(|(known, _)| known.len()).sum();
        assert_eq!(shared, expected.findings.len(), "shared findings are the same");
        // What was touched, and nothing else, is found anew; the rest is as it was.
        let is_touched = |f: &Finding| touched.iter().any(|(e, name)| e == f.ecosystem && name == plain(f));
        let (hit, rest): (Vec<Finding>, Vec<Finding>) = expected.findings.into_iter().partition(is_touched);
        let before = report(&original, &[old]).findings.into_iter().filter(|f| !is_touched(f));
        assert_eq!(before.map(told).collect::<Vec<_>>(), rest.into_iter().map(told).collect::<Vec<_>>());
        let alone = cut.some(image).await.unwrap().pop();
        let alone = alone.map(|inventory| matcher.report(&inventory).findings).unwrap_or_default();
        assert_eq!(alone, hit, "what is touched is found without the rest");
        sampled += 1;
    }
    sampled
}

/// As the ecosystem compares names.
fn plain(finding: &Finding) -> String {
    match finding.ecosystem.as_str() {
        "PyPI" => {
            let name = finding.source.to_lowercase().replace(['_', '.'], "-");
            name.split('-').filter(|part| !part.is_empty()).collect::<Vec<_>>().join("-")
        }
        _ => finding.source.clone(),
    }
}

/// Without the revision's name.
fn told(finding: Finding) -> Finding {
    Finding { because: String::new(), ..finding }
}
