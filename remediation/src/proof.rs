//! Proof that the mended tree is what was planned: files against verified archives, and a re-scan.
