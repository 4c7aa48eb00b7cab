//! What reading a stranger's SBOM may cost.

use super::room::limits;

limits! {
    /// SBOMs.
    pub struct Sbom {
        /// Bytes of a document, unpacked; one over an image of thousands of packages with all of its files has about fifty MiB.
        size: u64 = 128 << 20;
        /// Values of its JSON, keys not counted; nesting ends at 128, where `serde_json` stops.
        values: usize = 4_000_000;
        /// Components, at any depth.
        components: usize = 200_000;
        /// Envelopes around a document: a bundle, a signature's, a statement.
        envelopes: usize = 3, to 16;
        /// Bytes of a package URL.
        purl: usize = 4096;
        /// Qualifiers of a package URL.
        qualifiers: usize = 50;
        /// Bytes of a name.
        name: usize = 512;
        /// Bytes of a version or an architecture.
        version: usize = 256;
        /// Characters of a path, or of a reason.
        text: usize = 1000;
        /// Licences of one package.
        licenses: usize = 50;
        /// Components that cannot be understood and are told of one by one.
        unreadable: usize = 100;
        /// Reasons that a document gives itself for not being whole.
        reasons: usize = 100;
        /// Documents that are read of one image.
        attached: usize = 20;
        /// Manifests that are looked at for them.
        manifests: usize = 50;
        /// Bytes of one of them, as it lies in the registry.
        attached_size: u64 = 64 << 20;
    }
}
