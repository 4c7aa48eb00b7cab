//! What all orders have in common, and what others say of them.

mod oracles;
mod pairs;
mod vectors;

use std::collections::BTreeSet;

use proptest::prelude::*;

use super::*;

/// How many pairs each program at hand is asked about.
const PAIRS: usize = 10_000;

/// Groups of equal versions in their order: every pair of them, in both directions.
pub(super) fn ascending(order: Order, groups: &[&[&str]]) {
    for (i, left) in groups.iter().enumerate() {
        for (j, right) in groups.iter().enumerate() {
            for a in *left {
                for b in *right {
                    assert_eq!(order.compare(a, b), i.cmp(&j), "{}: {a:?} against {b:?}", order.name());
                }
            }
        }
    }
}

#[test]
fn ecosystems_have_orders() {
    let of = Order::of_ecosystem;
    for (ecosystem, order) in [
        ("Debian:12", Order::Dpkg),
        ("Ubuntu:22.04:LTS", Order::Dpkg),
        ("AlmaLinux:9", Order::Rpm),
        ("Red Hat:rhel_aus:8.4::appstream", Order::Rpm),
        ("Alpine:v3.20", Order::Apk),
        ("Docker Hardened Images:Alpine:3.23", Order::Apk),
        ("Root:Debian:12", Order::Dpkg),
        ("Root:PyPI", Order::Pep440),
        ("Maven:elsewhere", Order::Maven),
        ("crates.io", Order::SemVer),
        ("npm", Order::Npm),
        ("Go", Order::Go),
    ] {
        assert_eq!(of(ecosystem), Some(order), "{ecosystem}");
    }
    for unknown in ["", ":", "debian", "OSS-Fuzz", "GIT", "Docker Hardened Images", "Root:"] {
        assert_eq!(of(unknown), None, "{unknown}");
    }
}

#[test]
fn names_differ() {
    assert_eq!(Order::ALL.map(Order::name).into_iter().collect::<BTreeSet<_>>().len(), Order::ALL.len());
}

/// Sorted by an order, versions stand in that order pair by pair, and equal ones side by side: with that it is a
/// total preorder over them.
fn holds(order: Order, mut versions: Vec<String>) {
    versions.sort_by(|a, b| order.compare(a, b));
    // Which of the groups of equal neighbours each belongs to.
    let mut groups = vec![0; versions.len()];
    for i in 1..versions.len() {
        groups[i] = groups[i - 1] + usize::from(order.compare(&versions[i - 1], &versions[i]).is_ne());
    }
    for (a, i) in versions.iter().zip(&groups) {
        for (b, j) in versions.iter().zip(&groups) {
            assert_eq!(order.compare(a, b), i.cmp(j), "{}: {a:?} against {b:?}", order.name());
        }
    }
}

#[test]
fn every_order_is_total() {
    for order in Order::ALL {
        for seed in 0..4 {
            let mut random = pairs::Random::new(seed);
            holds(order, (0..400).map(|_| random.version(order)).collect());
        }
    }
}

proptest! {
    #[test]
    fn any_texts_have_a_place(texts in proptest::collection::vec(".{0,12}", 12)) {
        for order in Order::ALL {
            holds(order, texts.clone());
        }
    }

    #[test]
    fn texts_of_separators_have_a_place(texts in proptest::collection::vec("[-.+~^_:!vx#01ar ]{0,9}", 24)) {
        for order in Order::ALL {
            holds(order, texts.clone());
        }
    }
}

/// Long texts are one pass, whatever they repeat: quadratic time would show.
#[test]
fn long_texts_take_as_long_as_they_are() {
    for piece in ["0", ".0", "-0", "0-", "a", "1a", "-", ".", "~", "^", "+", "_p", "!", "\u{3b1}", "-a0"] {
        let mut long = "1".to_owned();
        while long.len() < 1 << 15 {
            long.push_str(piece);
        }
        let (zeros, word) = (format!("{long}1"), format!("{long}z"));
        for order in Order::ALL {
            assert_eq!(order.compare(&zeros, &zeros), Ordering::Equal);
            assert_eq!(order.compare(&zeros, &word), order.compare(&word, &zeros).reverse());
        }
    }
}

/// Tables of other scanners, where the shared data folder is at hand.
#[test]
fn shared_tables() {
    let Some(tables) = vectors::at_hand() else {
        println!("skipped: the shared version tables are not at hand");
        return;
    };
    let vectors = vectors::all(&tables);
    let unexplained: Vec<_> =
        vectors.iter().filter(|v| !v.holds() && v.reason().is_none()).map(vectors::Vector::name).collect();
    assert!(unexplained.is_empty(), "{unexplained:#?}");
    let explained: BTreeSet<_> =
        vectors.iter().filter(|v| !v.holds()).filter_map(vectors::Vector::reason).collect();
    assert_eq!(explained.len(), vectors::REASONS.len(), "a reason that no miss has any more");
    println!("{} vectors hold", vectors.iter().filter(|v| v.holds()).count());
    assert!(vectors.len() > 6500, "only {} vectors", vectors.len());
}

#[test]
fn programs_agree() {
    for oracle in oracles::ALL {
        let mut random = pairs::Random::new(0x5eed);
        let pairs: Vec<_> = (0..oracle.of(PAIRS)).map(|_| random.pair(oracle.order)).collect();
        match oracle.ask(&pairs) {
            None => println!("skipped: this machine has no {}", oracle.name),
            Some(answers) => {
                assert_eq!(answers.len(), pairs.len(), "{}", oracle.name);
                let judged = answers.iter().flatten().count();
                let wrong: Vec<_> = pairs
                    .iter()
                    .zip(&answers)
                    .filter(|((a, b), answer)| answer.is_some_and(|said| oracle.order.compare(a, b) != said))
                    .collect();
                assert!(wrong.is_empty(), "{}: {wrong:#?}", oracle.name);
                assert!(judged * 4 > pairs.len(), "{} judged {judged} of {} pairs", oracle.name, pairs.len());
                println!("{}: {judged} of {} pairs judged, all alike", oracle.name, pairs.len());
            }
        }
    }
}
