//! Package databases as they lie in layers.
