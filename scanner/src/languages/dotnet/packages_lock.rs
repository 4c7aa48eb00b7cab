//! `packages.lock.json`; NuGet, "Enable repeatable package restores using a lock file".

use crate::languages::{
    Component, Found, Kind, Named, Unreadable,
    input::{self, Size, Whole},
    tree,
};

pub(in crate::languages) static PACKAGES_LOCK: Whole = Whole {
    name: "dotnet-packages-lock",
    version: 1,
    named: &[Named::Is("packages.lock.json")],
    wants: input::any,
    limit: Size::Whole,
    parse: |_, bytes| packages_lock(bytes),
};

/// A project of the same solution has no version.
fn packages_lock(bytes: &[u8]) -> Result<Found, Unreadable> {
    let document = tree::json(bytes)?;
    let frameworks = document.get("dependencies").entries().iter().map(|(_, packages)| packages);
    let packages = frameworks.flat_map(|packages| packages.entries());
    Ok(packages
        .filter(|(_, package)| package.get("type").text() != "Project")
        .map(|(name, package)| Component::locked(Kind::Nuget, name.as_ref(), package.get("resolved").text()))
        .filter(|component| !component.version.is_empty())
        .collect())
}
