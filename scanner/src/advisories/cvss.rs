//! CVSS 3.0 and 3.1 base scores, and what a score is called.

use crate::Severity;

/// The base score's level of a `CVSS:3.x/…` vector; none: no such vector.
pub(crate) fn level(vector: &str) -> Option<Severity> {
    Some(named(base_score(vector)?))
}

/// Specification 3.1, section 5, "Qualitative Severity Rating Scale".
fn named(tenths: u32) -> Severity {
    match tenths {
        0 => Severity::Negligible,
        1..40 => Severity::Low,
        40..70 => Severity::Medium,
        70..90 => Severity::High,
        _ => Severity::Critical,
    }
}

/// Specification 3.1, section 7.1 and 7.4, in tenths.
fn base_score(vector: &str) -> Option<u32> {
    let metrics = vector.strip_prefix("CVSS:3.0/").or_else(|| vector.strip_prefix("CVSS:3.1/"))?;
    let metric = |key: &str| metrics.split('/').find_map(|m| m.strip_prefix(key)?.strip_prefix(':'));
    let pick = |key: &str, values: &[(&str, f64)]| {
        let value = metric(key)?;
        values.iter().find(|(name, _)| *name == value).map(|(_, weight)| *weight)
    };
    let changed = match metric("S")? {
        "C" => true,
        "U" => false,
        _ => return None,
    };
    let attack_vector = pick("AV", &[("N", 0.85), ("A", 0.62), ("L", 0.55), ("P", 0.2)])?;
    let complexity = pick("AC", &[("L", 0.77), ("H", 0.44)])?;
    let (low, high) = if changed { (0.68, 0.5) } else { (0.62, 0.27) };
    let privileges = pick("PR", &[("N", 0.85), ("L", low), ("H", high)])?;
    let interaction = pick("UI", &[("N", 0.85), ("R", 0.62)])?;
    let impact = [("H", 0.56), ("L", 0.22), ("N", 0.0)];
    let (c, i, a) = (pick("C", &impact)?, pick("I", &impact)?, pick("A", &impact)?);
    let iss = 1.0 - (1.0 - c) * (1.0 - i) * (1.0 - a);
    let impact = if changed { 7.52 * (iss - 0.029) - 3.25 * (iss - 0.02).powi(15) } else { 6.42 * iss };
    if impact <= 0.0 {
        return Some(0);
    }
    let sum = impact + 8.22 * attack_vector * complexity * privileges * interaction;
    let score = if changed { 1.08 * sum } else { sum };
    Some(round_up(score.min(10.0)))
}

/// Appendix A, "Floating Point Rounding": integer arithmetic against the last bit.
fn round_up(score: f64) -> u32 {
    let exact = (score * 100_000.0).round() as u32;
    exact.div_ceil(10_000)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scores_of_the_specifications_examples() {
        for (vector, tenths) in [
            ("CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:H/A:H", 98),
            ("CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:C/C:H/I:H/A:H", 100),
            ("CVSS:3.0/AV:N/AC:L/PR:N/UI:R/S:C/C:L/I:L/A:N", 61),
            ("CVSS:3.1/AV:N/AC:H/PR:N/UI:N/S:U/C:N/I:N/A:H", 59),
            ("CVSS:3.1/AV:L/AC:L/PR:L/UI:N/S:U/C:H/I:H/A:H/E:P", 78),
            ("CVSS:3.1/AV:P/AC:H/PR:H/UI:R/S:U/C:N/I:N/A:N", 0),
        ] {
            assert_eq!(base_score(vector), Some(tenths), "{vector}");
        }
        assert_eq!(level("CVSS:3.1/AV:N"), None);
        assert_eq!(level("AV:N/AC:L/Au:N/C:P/I:P/A:P"), None);
        assert_eq!(level("CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:H/A:H"), Some(Severity::Critical));
    }
}
