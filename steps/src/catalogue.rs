//! The list of step kinds, as chains are checked against it.

use patchline_chains::Catalogue;

/// `scan`, `gate`, `backup`, `delete`, `fix`, `notify`.
pub fn catalogue() -> Catalogue {
    todo!()
}
