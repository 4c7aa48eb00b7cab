//! A part of a file, read by whoever wants it while others read other parts.

use std::{
    fs::File,
    io::{self, Read},
    os::unix::fs::FileExt as _,
};

/// Some bytes of a file, one after the other.
pub(crate) struct Span<'a> {
    file: &'a File,
    at: u64,
    left: u64,
}

impl<'a> Span<'a> {
    /// From a byte on, so many of them.
    pub(crate) fn new(file: &'a File, at: u64, left: u64) -> Self {
        Self { file, at, left }
    }
    /// Bytes that nobody has read yet.
    pub(crate) fn left(&self) -> u64 {
        self.left
    }
}

impl Read for Span<'_> {
    /// A file that is shorter comes to its end sooner.
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let most = buffer.len().min(usize::try_from(self.left).unwrap_or(usize::MAX));
        let count = self.file.read_at(&mut buffer[..most], self.at)?;
        self.at += count as u64;
        self.left -= count as u64;
        Ok(count)
    }
}
