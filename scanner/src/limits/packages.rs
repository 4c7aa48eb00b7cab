//! How much of a package database is read.

use super::room::limits;

limits! {
    /// Package databases.
    pub struct Packages {
        /// Packages of one database; a whole distribution has fewer.
        packages: usize = 200_000;
        /// Fields of one of dpkg's stanzas.
        fields: usize = 500;
        /// Files that the packages of one database own; a full workstation has less than half of it.
        files: usize = 1_000_000;
        /// Bytes of one path: what Linux calls PATH_MAX.
        path: usize = 4096;
        /// Bytes of all paths together: a folder is written once and stands in each.
        paths: usize = 64 << 20;
        /// Bytes of a name, a version, a release, an architecture or an origin.
        word: usize = 512;
        /// Bytes of a licence, a vendor or a modularity label.
        text: usize = 16 << 10;
        /// Dependencies, provided and replaced names of all packages together.
        relations: usize = 1_000_000;
        /// Entries in the index of one header; rpm itself refuses more.
        header_entries: usize = 1 << 16;
        /// Folders of one package in an rpm database.
        folders: usize = 200_000;
    }
}
