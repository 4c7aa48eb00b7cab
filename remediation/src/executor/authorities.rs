//! ca-certificates upgraded without its postinst: the handler's result laid into the patch layer.

use super::native::{Change, Work, layer::Spool};
use crate::{Result, tree::Tree};

pub(in crate::executor) fn lay(
    _tree: &Tree,
    _changes: &[Change<'_>],
    _newest: u64,
    _spool: &Spool,
    _work: &mut Work,
) -> Result<()> {
    Ok(())
}
