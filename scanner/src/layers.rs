//! Walking layers as streams: decompression, tar, limits, whiteouts.
