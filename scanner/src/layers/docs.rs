//! Where packages keep their licences: `usr/share/doc/<package>/copyright`, Debian Policy 12.5.

use super::{facts::Fact, merge::View};
use crate::limits;

const DOC: &str = "usr/share/doc";
const COPYRIGHT: &str = "copyright";
/// What may still be read of a layer.
pub(super) struct Budget {
    bytes: u64,
    count: usize,
    kept: usize,
}

impl Default for Budget {
    fn default() -> Self {
        let limits = limits::licenses();
        Self { bytes: limits.files, count: limits.count, kept: limits.kept }
    }
}

impl Budget {
    /// Whether one more of so many bytes is within bounds.
    pub(super) fn take(&mut self, size: u64) -> bool {
        let fits = size <= limits::licenses().file && size <= self.bytes && self.count > 0;
        if fits {
            self.bytes -= size;
            self.count -= 1;
        }
        fits
    }
    /// What was understood, if there is still room for it.
    pub(super) fn keep(&mut self, found: Vec<String>) -> Fact {
        let size = found.iter().map(|license| license.len() + size_of::<String>()).sum();
        match self.kept.checked_sub(size) {
            Some(left) => {
                self.kept = left;
                Fact::Licenses(found)
            }
            None => Fact::Present,
        }
    }
}

/// What stands behind `usr/share/doc/`.
fn inside(path: &str) -> Option<&str> {
    path.strip_prefix(DOC)?.strip_prefix('/').filter(|rest| !rest.is_empty())
}

/// `usr/share/doc/<package>/copyright`
pub(super) fn is_copyright(path: &str) -> bool {
    inside(path).and_then(|rest| rest.split_once('/')).is_some_and(|(_, file)| file == COPYRIGHT)
}

/// `usr/share/doc/<package>`
pub(super) fn is_folder(path: &str) -> bool {
    inside(path).is_some_and(|rest| !rest.contains('/'))
}

/// Whether hiding this path could hide one of these.
pub(super) fn concerns(path: &str) -> bool {
    DOC == path
        || DOC.strip_prefix(path).is_some_and(|rest| rest.starts_with('/'))
        || is_folder(path)
        || is_copyright(path)
}

/// What a package's copyright file says, through at most so many links, which stay within the image.
pub(super) fn licenses<'a>(view: &View<'a>, package: &str, links: usize) -> &'a [String] {
    let at = |path: &str| view.get(path).map(|placed| placed.fact);
    let mut path = format!("{DOC}/{package}/{COPYRIGHT}");
    for _ in 0..=links {
        match at(&path) {
            Some(Fact::Licenses(found)) => return found,
            Some(Fact::Link(target)) => path.clone_from(target),
            Some(_) => return &[],
            // The folder itself may be a link.
            None => {
                let Some((folder, file)) = path.rsplit_once('/') else { return &[] };
                match at(folder) {
                    Some(Fact::Link(target)) => path = format!("{target}/{file}"),
                    _ => return &[],
                }
            }
        }
    }
    &[]
}
