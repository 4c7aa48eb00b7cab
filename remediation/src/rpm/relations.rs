//! Versions of rpm's packages, and what they need, provide and exclude (rpm-dependencies(7), rpm-version(7)).

use std::{cmp::Ordering, fmt};

use patchline_scanner::version::Order;

/// Epoch, version and release; an absent epoch is 0 to rpm.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub struct Evr {
    /// 0 where none is written.
    pub epoch: u32,
    /// Without epoch and release.
    pub version: String,
    /// None: a relation names none.
    pub release: Option<String>,
}

impl Evr {
    /// Of a package.
    pub fn new(epoch: u32, version: &str, release: &str) -> Self {
        Self { epoch, version: version.to_owned(), release: Some(release.to_owned()) }
    }
    /// As two packages follow one another.
    pub fn compare(&self, other: &Self) -> Ordering {
        compare(&self.to_string(), &other.to_string())
    }
    /// As relations look at it: releases count where both sides have one.
    fn related(&self, other: &Self) -> Ordering {
        match (&self.release, &other.release) {
            (Some(_), Some(_)) => self.compare(other),
            _ => {
                let bare = |evr: &Self| Self { release: None, ..evr.clone() };
                bare(self).compare(&bare(other))
            }
        }
    }
}

impl fmt::Display for Evr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.epoch > 0 {
            write!(f, "{}:", self.epoch)?;
        }
        f.write_str(&self.version)?;
        match &self.release {
            Some(release) => write!(f, "-{release}"),
            None => Ok(()),
        }
    }
}

/// Compares `[epoch:]version-release` as rpm does.
pub(crate) fn compare(a: &str, b: &str) -> Ordering {
    Order::Rpm.compare(a, b)
}

/// One relation: `libc.so.6()(64bit)`, `tool >= 1.2`, `/bin/sh`, `(a if b)`; also what a package provides.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Relation {
    /// A package, a capability, a path, or a rich dependency in parentheses.
    pub name: String,
    /// `<`
    pub less: bool,
    /// `=`
    pub equal: bool,
    /// `>`
    pub greater: bool,
    /// Against what; none: any version.
    pub evr: Option<Evr>,
}

impl Relation {
    /// From the attributes of an entry in `primary.xml`; none: its bound is none of rpm's.
    pub(super) fn from_attributes(
        name: &str,
        flags: Option<&str>,
        epoch: Option<&str>,
        version: Option<&str>,
        release: Option<&str>,
    ) -> Option<Self> {
        let (less, equal, greater) = match flags {
            None => (false, false, false),
            Some("EQ") => (false, true, false),
            Some("LT") => (true, false, false),
            Some("LE") => (true, true, false),
            Some("GT") => (false, false, true),
            Some("GE") => (false, true, true),
            Some(_) => return None,
        };
        let evr = match (flags, version) {
            (Some(_), Some(version)) => Some(Evr {
                epoch: epoch.unwrap_or("0").parse().ok()?,
                version: version.to_owned(),
                release: release.map(str::to_owned),
            }),
            _ => None,
        };
        Some(Self { name: name.to_owned(), less, equal, greater, evr })
    }
    /// What every package provides: itself.
    pub fn itself(name: &str, evr: &Evr) -> Self {
        Self { name: name.to_owned(), less: false, equal: true, greater: false, evr: Some(evr.clone()) }
    }
    /// Whether something provided is within this relation (`rpmdsCompare`).
    pub fn is_met_by(&self, provide: &Self) -> bool {
        if self.name != provide.name {
            return false;
        }
        let (Some(wanted), Some(there)) = (&self.evr, &provide.evr) else { return true };
        match there.related(wanted) {
            Ordering::Less => provide.greater || self.less,
            Ordering::Greater => provide.less || self.greater,
            Ordering::Equal => {
                self.equal && provide.equal || self.less && provide.less || self.greater && provide.greater
            }
        }
    }
    /// `rpmlib(…)`: of rpm itself.
    pub fn is_of_rpm(&self) -> bool {
        self.name.starts_with("rpmlib(")
    }
    /// `(a if b)`: not read by us.
    pub fn is_rich(&self) -> bool {
        self.name.starts_with('(')
    }
    /// `/bin/sh`
    pub fn path(&self) -> Option<&str> {
        self.name.strip_prefix('/')
    }
}

impl fmt::Display for Relation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.name)?;
        let Some(evr) = &self.evr else { return Ok(()) };
        f.write_str(" ")?;
        for (there, sign) in [(self.less, "<"), (self.greater, ">"), (self.equal, "=")] {
            if there {
                f.write_str(sign)?;
            }
        }
        write!(f, " {evr}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn relation(flags: &str, version: &str, release: Option<&str>) -> Relation {
        Relation::from_attributes("a", Some(flags), None, Some(version), release).expect("a relation")
    }

    #[test]
    fn ranges_overlap_as_rpm_has_it() {
        let there = relation("EQ", "1.2", Some("3"));
        for (flags, version, release, met) in [
            ("EQ", "1.2", None, true),
            ("EQ", "1.2", Some("3"), true),
            ("EQ", "1.2", Some("4"), false),
            ("GE", "1.2", Some("4"), false),
            ("GE", "1.2", None, true),
            ("GT", "1.2", None, false),
            ("LE", "1.2", Some("2"), false),
            ("LT", "1.10", None, true),
        ] {
            assert_eq!(
                relation(flags, version, release).is_met_by(&there),
                met,
                "{flags} {version} {release:?}"
            );
        }
        let any = Relation::from_attributes("a", None, None, None, None).expect("a relation");
        assert!(any.is_met_by(&there) && relation("GT", "9", None).is_met_by(&any));
        assert!(relation("LT", "3", None).is_met_by(&relation("GE", "2", None)));
        assert_eq!(relation("GE", "1.2", Some("4")).to_string(), "a >= 1.2-4");
    }

    #[test]
    fn an_epoch_counts_first() {
        let a = Evr::new(1, "1", "1");
        assert_eq!((a.to_string().as_str(), a.compare(&Evr::new(0, "9", "9"))), ("1:1-1", Ordering::Greater));
    }
}
