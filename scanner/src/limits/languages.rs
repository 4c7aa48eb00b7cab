//! What files of languages may cost: lock files and descriptions, Java archives, compiled programs.

use super::room::limits;

limits! {
    /// Files of languages.
    pub struct Languages {
        /// Bytes of one file that is read whole: the longest lock files of large repositories have about ten megabytes.
        whole: u64 = 32 << 20;
        /// Bytes of one table of a TOML file: its reader keeps a multiple of the text.
        table: usize = 1 << 20;
        /// Bytes of one description of a single package: `METADATA` holds a whole README at times.
        description: u64 = 4 << 20;
        /// Values of a JSON, YAML or TOML document, keys not counted.
        values: usize = 1_000_000;
        /// Nesting of a YAML or XML document; `serde_json` stops at 128 by itself.
        depth: usize = 100, to 128;
        /// Documents of a YAML file; pnpm writes two.
        documents: usize = 100;
        /// Attributes of an XML element.
        attributes: usize = 100;
        /// Components of one file.
        components: usize = 200_000;
        /// Notes on what was cut in one file.
        notes: usize = 100;
        /// Bytes of a name or a namespace; Go's import paths are the longest.
        name: usize = 512;
        /// Bytes of a version.
        version: usize = 256;
        /// Bytes of a licence as it is stated; what is longer is a licence's text and not its name.
        license: usize = 200;
        /// Licences of one component.
        licenses: usize = 50;
    }
}

limits! {
    /// Java archives.
    pub struct Archives {
        /// Bytes of all archives of one file that are held at once; larger ones are read as streams.
        held: u64 = 48 << 20;
        /// Bytes of one archive that is held: reading its directory then costs less than reading all of its entries.
        held_one: u64 = 32 << 20;
        /// Bytes that come out of all compressed entries of one file: about three seconds of work.
        inflated: u64 = 2 << 30;
        /// Archives in archives: an EAR with a WAR with a JAR has three.
        depth: usize = 8, to 32;
        /// Archives in one file, at any depth.
        count: usize = 20_000;
        /// Entries of all archives in one file.
        entries: usize = 2_000_000;
        /// Entries that are read of one archive: a shaded one has hundreds of descriptions, a large WAR as many archives.
        described: usize = 5_000;
        /// Licences of one `pom.xml`.
        pom_licenses: usize = 10;
        /// Bytes of `pom.properties`, `pom.xml`, `PKG-INFO` in an archive.
        entry: u64 = 1 << 20;
        /// As many bytes of a manifest as are read: what follows its first section are hashes of entries.
        manifest: u64 = 256 << 10;
    }
}

limits! {
    /// Compiled programs.
    pub struct Binaries {
        /// Bytes that are held from where something begins to where it ends: Kubernetes' list of modules has 40 KiB.
        capture: usize = 4 << 20;
        /// Beginnings that are followed in one binary: it has one or two of them.
        beginnings: usize = 64;
        /// Places in a binary that could be compressed data and are tried, at most: chance makes a few thousand.
        tries: usize = 200_000;
        /// Segments of a binary.
        segments: usize = 100;
        /// Places where an old Go version could stand.
        go_versions: usize = 10_000;
        /// Bytes of a list of crates, unpacked.
        crates: u64 = 16 << 20;
    }
}
