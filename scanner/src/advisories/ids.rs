//! Finding identifiers of vulnerabilities and advisories in running text.

use std::collections::BTreeSet;

/// Upper-case `CVE-YYYY-N…` ids in a text, whatever their case there.
pub(crate) fn cves(text: &str) -> BTreeSet<String> {
    with_prefix(text, "CVE-", |rest| {
        let year = digits(rest);
        let number = rest.get(5..).map_or(0, digits);
        (year == 4 && rest.as_bytes().get(4) == Some(&b'-') && (4..=9).contains(&number))
            .then_some(5 + number)
    })
}

/// `DSA-1234`, `DSA-1234-1` and `DLA-…` ids.
pub(crate) fn debian_advisories(text: &str) -> BTreeSet<String> {
    let shape = |rest: &str| {
        let number = digits(rest);
        let tail = rest.get(number..).unwrap_or_default();
        let update = tail.strip_prefix('-').map_or(0, digits);
        (1..=6).contains(&number).then_some(if (1..=2).contains(&update) {
            number + 1 + update
        } else {
            number
        })
    };
    let mut found = with_prefix(text, "DSA-", shape);
    found.extend(with_prefix(text, "DLA-", shape));
    found
}

/// `GHSA-xxxx-xxxx-xxxx` ids; their tail is lower case.
pub(crate) fn ghsas(text: &str) -> BTreeSet<String> {
    let found = with_prefix(text, "GHSA-", |rest| {
        let group = |b: &[u8]| b.iter().all(u8::is_ascii_alphanumeric);
        let bytes = rest.as_bytes().get(..14)?;
        let fits = group(&bytes[..4]) && group(&bytes[5..9]) && group(&bytes[10..]);
        (fits && bytes[4] == b'-' && bytes[9] == b'-').then_some(14)
    });
    found.into_iter().map(|id| format!("GHSA-{}", id[5..].to_ascii_lowercase())).collect()
}

fn digits(text: &str) -> usize {
    text.bytes().take_while(u8::is_ascii_digit).count()
}

/// `shape` gives how many bytes behind the prefix belong to the id.
fn with_prefix(text: &str, prefix: &str, shape: impl Fn(&str) -> Option<usize>) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    let upper = text.to_ascii_uppercase();
    let mut at = 0;
    while let Some(hit) = upper[at..].find(prefix) {
        let start = at + hit;
        at = start + prefix.len();
        let free = !upper[..start].ends_with(|c: char| c.is_ascii_alphanumeric());
        if let Some(length) = shape(&upper[at..]).filter(|_| free) {
            found.insert(upper[start..at + length].to_owned());
            at += length;
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_ids_and_nothing_else() {
        let text = "d/p/cve-2024-6119.patch CVE-2024-1234,CVE-2024-123 CVE-24-1234 DEBIAN-CVE-2023-99999-1 éCVE-2020-0001 xCVE-2020-0002";
        assert_eq!(
            cves(text).into_iter().collect::<Vec<_>>(),
            ["CVE-2020-0001", "CVE-2023-99999", "CVE-2024-1234", "CVE-2024-6119"]
        );
        assert_eq!(
            debian_advisories("DSA-5764-1, dla-12; DSA-x DSA-").into_iter().collect::<Vec<_>>(),
            ["DLA-12", "DSA-5764-1"]
        );
        assert_eq!(
            ghsas("ghsa-ABcd-1234-wxyz GHSA-é").into_iter().collect::<Vec<_>>(),
            ["GHSA-abcd-1234-wxyz"]
        );
    }

    proptest::proptest! {
        #[test]
        fn never_panics(text in ".{0,60}(CVE-|GHSA-|DSA-).{0,40}") {
            let _ = (cves(&text), debian_advisories(&text), ghsas(&text));
        }
    }
}
