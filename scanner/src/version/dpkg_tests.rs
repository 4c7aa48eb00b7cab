use std::cmp::Ordering;

use proptest::prelude::*;

use super::compare as compare_debian;

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
