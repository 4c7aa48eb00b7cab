//! CVSS base scores of the versions 2.0, 3.0, 3.1 and 4.0, and what a score is called.

use std::str::FromStr as _;

use crate::{Severity, limits};

/// The base score's level, and before it the version of CVSS in tenths, so that the newest sorts last; none: no vector.
pub(crate) fn level(vector: &str) -> Option<(u32, Severity)> {
    let vector = vector.trim();
    if vector.len() > limits::advisories().vector {
        return None;
    }
    let (version, tenths) = match vector.split_once('/')?.0 {
        "CVSS:4.0" => (40, base_score_4(vector)?),
        "CVSS:3.1" => (31, base_score(vector)?),
        "CVSS:3.0" => (30, base_score(vector)?),
        _ => (20, base_score_2(vector)?),
    };
    // Version 2 has neither "none" nor "critical": NVD's three levels, and 0 by the later versions' word.
    let level = named(tenths);
    Some((version, if version == 20 { level.min(Severity::High) } else { level }))
}

/// The level of a bare score from 0 to 10; none: it is no score.
pub(crate) fn rated(score: f64) -> Option<Severity> {
    (0.0..=10.0).contains(&score).then(|| named((score * 10.0).round() as u32))
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

/// "A Complete Guide to the Common Vulnerability Scoring System Version 2.0", section 3.2.1, in tenths.
fn base_score_2(vector: &str) -> Option<u32> {
    let metrics = vector.strip_prefix('(').and_then(|v| v.strip_suffix(')')).unwrap_or(vector);
    let pick = |key: &str, values: [(&str, f64); 3]| {
        let value = metrics.split('/').find_map(|m| m.strip_prefix(key)?.strip_prefix(':'))?;
        values.iter().find(|(name, _)| *name == value).map(|(_, weight)| *weight)
    };
    let access = pick("AV", [("L", 0.395), ("A", 0.646), ("N", 1.0)])?;
    let complexity = pick("AC", [("H", 0.35), ("M", 0.61), ("L", 0.71)])?;
    let authentication = pick("Au", [("M", 0.45), ("S", 0.56), ("N", 0.704)])?;
    let impact = [("N", 0.0), ("P", 0.275), ("C", 0.660)];
    let (c, i, a) = (pick("C", impact)?, pick("I", impact)?, pick("A", impact)?);
    let impact = 10.41 * (1.0 - (1.0 - c) * (1.0 - i) * (1.0 - a));
    if impact == 0.0 {
        return Some(0);
    }
    let exploitability = 20.0 * access * complexity * authentication;
    let score = (0.6 * impact + 0.4 * exploitability - 1.5) * 1.176;
    Some((score * 10.0).round().clamp(0.0, 100.0) as u32)
}

/// Specification 4.0, section 8, over the base metrics alone: threat and environment are the reader's, not the record's.
fn base_score_4(vector: &str) -> Option<u32> {
    const METRICS: [(&str, &str); 11] = [
        ("AV", "NALP"),
        ("AC", "LH"),
        ("AT", "NP"),
        ("PR", "NLH"),
        ("UI", "NPA"),
        ("VC", "HLN"),
        ("VI", "HLN"),
        ("VA", "HLN"),
        ("SC", "HLN"),
        ("SI", "HLN"),
        ("SA", "HLN"),
    ];
    // Put together anew from what is allowed: the library meets no text of a stranger.
    let mut base = "CVSS:4.0".to_owned();
    for (key, allowed) in METRICS {
        let value = vector.split('/').find_map(|m| m.strip_prefix(key)?.strip_prefix(':'))?;
        let mut letters = value.chars();
        let letter = letters.next().filter(|c| letters.next().is_none() && allowed.contains(*c))?;
        base.extend(['/']);
        base.push_str(key);
        base.extend([':', letter]);
    }
    let vector = cvss::v4::Vector::from_str(&base).ok()?;
    Some((vector.score().value() * 10.0).round().clamp(0.0, 100.0) as u32)
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
        assert_eq!(level("no vector"), None);
        assert_eq!(level(&format!("CVSS:3.1/{}", "AV:N/".repeat(1_000_000))), None);
        assert_eq!(level("CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:H/A:H"), Some((31, Severity::Critical)));
    }

    #[test]
    fn scores_of_version_2_are_those_of_its_guide() {
        // Section 3.3 of the guide: CVE-2002-0392, CVE-2003-0818, CVE-2003-0062.
        for (vector, tenths, wanted) in [
            ("AV:N/AC:L/Au:N/C:N/I:N/A:C", 78, Severity::High),
            ("AV:N/AC:L/Au:N/C:C/I:C/A:C", 100, Severity::High),
            ("AV:L/AC:H/Au:N/C:C/I:C/A:C", 62, Severity::Medium),
            ("(AV:N/AC:L/Au:N/C:P/I:P/A:P)", 75, Severity::High),
            ("AV:N/AC:L/Au:N/C:N/I:N/A:N", 0, Severity::Negligible),
        ] {
            assert_eq!(base_score_2(vector), Some(tenths), "{vector}");
            assert_eq!(level(vector), Some((20, wanted)), "{vector}");
        }
        assert_eq!(level("AV:N/AC:L/Au:N/C:P/I:P"), None);
    }

    #[test]
    fn scores_of_version_4_look_at_the_base_alone() {
        for (vector, tenths) in [
            ("CVSS:4.0/AV:N/AC:L/AT:N/PR:N/UI:N/VC:H/VI:H/VA:H/SC:N/SI:N/SA:N", 93),
            ("CVSS:4.0/AV:N/AC:L/AT:N/PR:N/UI:N/VC:H/VI:H/VA:H/SC:H/SI:H/SA:H", 100),
            ("CVSS:4.0/AV:N/AC:L/AT:N/PR:L/UI:N/VC:L/VI:L/VA:L/SC:N/SI:N/SA:N", 53),
            ("CVSS:4.0/AV:N/AC:H/AT:N/PR:N/UI:N/VC:L/VI:L/VA:L/SC:N/SI:N/SA:N/E:U/MAV:P/U:Red", 63),
            ("CVSS:4.0/AV:N/AC:L/AT:N/PR:N/UI:N/VC:N/VI:N/VA:N/SC:N/SI:N/SA:N", 0),
        ] {
            assert_eq!(base_score_4(vector), Some(tenths), "{vector}");
        }
        assert_eq!(level("CVSS:4.0/AV:N/AC:L/AT:N/PR:N/UI:N/VC:H/VI:H/VA:H/SC:N/SI:N"), None);
        assert_eq!(level("CVSS:4.0/AV:NN/AC:L/AT:N/PR:N/UI:N/VC:H/VI:H/VA:H/SC:N/SI:N/SA:N"), None);
    }

    #[test]
    fn bare_scores_have_levels() {
        assert_eq!((rated(7.5), rated(10.0)), (Some(Severity::High), Some(Severity::Critical)));
        assert_eq!((rated(10.1), rated(-0.1), rated(f64::NAN)), (None, None, None));
    }
}
