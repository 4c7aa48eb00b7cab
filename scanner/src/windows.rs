//! Images of Windows: packages of languages are read, the system's own are not, and that is said.

use crate::{Inventory, layers::facts::WINDOWS_FILES};

/// What images call it: image-spec, "config", property `os`.
const OS: &str = "windows";
/// Characters of a version: `10.0.20348.2402`.
const VERSION: usize = 32;

/// Whether an inventory is one of Windows.
pub(crate) fn is(inventory: &Inventory) -> bool {
    inventory.platform.os == OS
}

/// Why a report of Windows is never whole; the version is the configuration's `os.version`.
pub(crate) fn not_covered(version: Option<&str>) -> String {
    let fits = |version: &&str| version.bytes().all(|b| b.is_ascii_alphanumeric() || b".-".contains(&b));
    let version = version.filter(|v| !v.is_empty() && v.len() <= VERSION).filter(fits);
    let version = version.map(|version| format!(" {version}")).unwrap_or_default();
    format!("Windows{version}: its own packages and updates are not covered, only packages of languages are")
}

/// Paths as they are seen inside, and what is missing. Of any other system nothing changes.
pub(crate) fn complete(inventory: &mut Inventory, version: Option<&str>) {
    if !is(inventory) {
        return;
    }
    let strip = |path: &mut String| {
        if let Some(inside) = path.strip_prefix(WINDOWS_FILES) {
            *path = inside.to_owned();
        }
    };
    inventory.packages.iter_mut().filter_map(|package| package.path.as_mut()).for_each(strip);
    inventory.incomplete.iter_mut().chain(&mut inventory.unreadable).for_each(strip);
    inventory.incomplete.insert(0, not_covered(version));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_version_is_said_if_it_is_one() {
        assert!(not_covered(Some("10.0.20348.2402")).starts_with("Windows 10.0.20348.2402: "));
        for none in [None, Some(""), Some("10.0\u{1b}[2J"), Some("1 and all is well"), Some(&*"1".repeat(33))]
        {
            assert!(not_covered(none).starts_with("Windows: "), "{none:?}");
        }
    }
}
