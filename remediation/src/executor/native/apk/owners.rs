//! Whose a package's files are: packages name owners, and what number a name has is the image's to say, as with apk.

use std::collections::BTreeMap;

use crate::{deb::Entry, tree::Tree};

/// The image's accounts and groups, by name.
#[derive(Debug, Default)]
pub(super) struct People {
    users: BTreeMap<String, u64>,
    groups: BTreeMap<String, u64>,
}

impl People {
    /// Those of `etc/passwd` and `etc/group` (passwd(5), group(5)); of two of one name the first.
    pub(super) fn of(tree: &Tree) -> Self {
        let numbers = |file: &str| {
            let mut numbers = BTreeMap::from([("root".to_owned(), 0)]);
            for line in tree.text(file).unwrap_or_default().lines() {
                let mut parts = line.split(':');
                if let (Some(name), Some(number)) = (parts.next(), parts.nth(1))
                    && let Ok(number) = number.parse()
                {
                    numbers.entry(name.to_owned()).or_insert(number);
                }
            }
            numbers
        };
        Self { users: numbers("etc/passwd"), groups: numbers("etc/group") }
    }

    /// An entry with the numbers that its owners have here; where they have none, those that came with it stay.
    pub(super) fn own(&self, entry: &Entry) -> Entry {
        let mut entry = entry.clone();
        if let Some(uid) = self.users.get(&entry.uname) {
            entry.uid = *uid;
        }
        if let Some(gid) = self.groups.get(&entry.gname) {
            entry.gid = *gid;
        }
        entry
    }
}
