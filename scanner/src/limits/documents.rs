//! How much of what strangers wrote goes into a document of ours.

use super::room::limits;

limits! {
    /// What is written; where a format has a bound of its own, that one holds.
    pub struct Documents {
        /// Characters of a summary, or of a reason.
        text: usize = 4000;
        /// Characters of a name, an id, a path or a title.
        name: usize = 1024;
        /// Places of one finding: files, packages that it affects.
        places: usize = 100;
        /// Reasons why a report is not whole.
        reasons: usize = 100;
    }
}
