use std::{cmp::Ordering, path::Path};

use proptest::prelude::*;

use super::compare_debian;

fn check(a: &str, b: &str, expected: Ordering) {
    assert_eq!(compare_debian(a, b), expected, "{a} against {b}");
    assert_eq!(compare_debian(b, a), expected.reverse(), "{b} against {a}");
}

#[test]
fn policy_examples() {
    for pair in ["~~", "~~a", "~", "", "a"].windows(2) {
        check(pair[0], pair[1], Ordering::Less);
    }
    check("1.0~beta1~svn1245", "1.0~beta1", Ordering::Less);
    check("1.0~beta1", "1.0", Ordering::Less);
    check("590-2.1~deb12u2", "590-2.1", Ordering::Less);
    check("3.0.9-1", "3.0.11-1~deb12u1", Ordering::Less);
    check("3.0.11-1~deb12u1", "3.0.11-1~deb12u2", Ordering::Less);
    check("1.2-1", "1.2-1+b1", Ordering::Less);
    check("1.2-1+b1", "1.2-1.1", Ordering::Less);
    check("2:1", "10", Ordering::Greater);
    check("0:1.00-0", "1.0", Ordering::Equal);
    check("99999999999999999999999999:1", "99999999999999999999999998:2", Ordering::Greater);
    check("1.0a", "1.0+", Ordering::Less);
}

/// Tables of other scanners, where the shared data folder is at hand.
#[test]
fn shared_tables() {
    let archive = Path::new("../shared/data/versions.tar.zst");
    let archive = [archive, &Path::new("..").join(archive), &Path::new("../..").join(archive)]
        .into_iter()
        .find(|p| p.is_file())
        .map(Path::to_owned);
    let Some(archive) = archive else {
        println!("skipped: the shared version tables are not at hand");
        return;
    };
    let bytes = std::fs::read(archive).expect("readable");
    let mut archive = tar::Archive::new(zstd::Decoder::new(bytes.as_slice()).expect("zstd"));
    let mut seen = 0;
    for entry in archive.entries().expect("tar") {
        let mut entry = entry.expect("entry");
        if !entry.path_bytes().ends_with(b"debian-versions.txt") {
            continue;
        }
        let mut text = String::new();
        std::io::Read::read_to_string(&mut entry, &mut text).expect("text");
        for line in text.lines().filter(|l| !l.trim().is_empty() && !l.starts_with('#')) {
            let [a, op, b] = line.split_whitespace().collect::<Vec<_>>()[..] else {
                panic!("unexpected line {line}")
            };
            let expected = match op {
                "<" => Ordering::Less,
                "=" => Ordering::Equal,
                ">" => Ordering::Greater,
                _ => panic!("unexpected operator in {line}"),
            };
            check(a, b, expected);
            seen += 1;
        }
    }
    assert!(seen > 20, "only {seen} lines");
}

proptest! {
    #[test]
    fn agrees_with_debversion(a in "([0-9]{1,2}:)?[0-9][0-9a-z.+~]{0,8}(-[0-9a-z.+~]{1,6})?",
                              b in "([0-9]{1,2}:)?[0-9][0-9a-z.+~]{0,8}(-[0-9a-z.+~]{1,6})?") {
        let oracle_a: debversion::Version = a.parse().expect("valid");
        let oracle_b: debversion::Version = b.parse().expect("valid");
        prop_assert_eq!(compare_debian(&a, &b), oracle_a.cmp(&oracle_b));
    }

    #[test]
    fn total_over_any_strings(a in ".{0,12}", b in ".{0,12}", c in ".{0,12}") {
        prop_assert_eq!(compare_debian(&a, &b), compare_debian(&b, &a).reverse());
        prop_assert_eq!(compare_debian(&a, &a), Ordering::Equal);
        let mut three = [a, b, c];
        three.sort_by(|x, y| compare_debian(x, y));
        prop_assert_ne!(compare_debian(&three[0], &three[2]), Ordering::Greater);
    }
}
