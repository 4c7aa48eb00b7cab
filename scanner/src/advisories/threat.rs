//! What is known of a vulnerability apart from any package: whether it is exploited, how likely that is, how bad it is.

use std::collections::BTreeMap;

use crate::Severity;

/// What the feeds say of one CVE; nothing where none of them is loaded.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Threat {
    /// In CISA's list of known exploited vulnerabilities.
    pub known_exploited: bool,
    /// EPSS: the probability that it is exploited within 30 days, 0 to 1.
    pub epss: Option<f32>,
    /// How bad, and who said so.
    pub severity: Option<(Severity, String)>,
}

impl Threat {
    /// Whether nothing is known.
    pub(super) fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

/// A CVE's year and number, which is how they are sorted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct Cve {
    pub(super) year: u16,
    pub(super) number: u32,
}

impl Cve {
    /// `CVE-2024-6119`, in any case; none: it is no CVE's id.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let rest = text.get(4..).filter(|_| text[..4].eq_ignore_ascii_case("CVE-"))?;
        let (year, number) = rest.split_once('-')?;
        let digits = |s: &str, lengths: std::ops::RangeInclusive<usize>| {
            lengths.contains(&s.len()) && s.bytes().all(|b| b.is_ascii_digit())
        };
        // CVE Record Format, "cveId": four digits and four or more; nine fit.
        (digits(year, 4..=4) && digits(number, 4..=9))
            .then(|| Some(Self { year: year.parse().ok()?, number: number.parse().ok()? }))
            .flatten()
    }
}

/// Every CVE of which a feed speaks.
pub(super) type Threats = BTreeMap<Cve, Threat>;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_years_and_numbers() {
        assert_eq!(Cve::parse("CVE-2024-6119"), Some(Cve { year: 2024, number: 6119 }));
        assert_eq!(Cve::parse("cve-2024-123456789"), Some(Cve { year: 2024, number: 123_456_789 }));
        for odd in [
            "",
            "CVE-",
            "CVE-24-1234",
            "CVE-2024-123",
            "CVE-2024-1234567890",
            "CVE-2024-12a4",
            "GHSA-1-2",
            "CVÉ-2024-1234",
        ] {
            assert_eq!(Cve::parse(odd), None, "{odd}");
        }
    }
}
