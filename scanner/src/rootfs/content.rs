//! A regular file that is opened when somebody reads it, and not before.

use std::{
    ffi::CStr,
    fs::File,
    io::{self, Read},
    os::fd::{AsFd, OwnedFd},
};

use rustix::fs::{FileType, Mode, OFlags, Stat, fstat, openat};

/// A file by its folder and name, as it stood there a moment ago.
pub(super) struct Content<'a> {
    folder: &'a OwnedFd,
    name: &'a CStr,
    stood: Stat,
    file: Option<File>,
    left: u64,
    /// Bytes that all files together may still give.
    budget: &'a mut u64,
    /// Why it could not be read, or not to its end.
    pub(super) fault: Option<String>,
}

impl<'a> Content<'a> {
    pub(super) fn new(folder: &'a OwnedFd, name: &'a CStr, stood: Stat, budget: &'a mut u64) -> Self {
        let left = u64::try_from(stood.st_size).unwrap_or(0);
        Self { folder, name, stood, file: None, left, budget, fault: None }
    }

    /// No link is followed, and what is a pipe or a device by now does not hold us up.
    fn open(&self) -> io::Result<File> {
        let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC;
        let file = openat(self.folder, self.name, flags, Mode::empty())?;
        let now = fstat(file.as_fd())?;
        let same = (now.st_dev, now.st_ino) == (self.stood.st_dev, self.stood.st_ino);
        if !same || FileType::from_raw_mode(now.st_mode) != FileType::RegularFile {
            return Err(io::Error::other("something else has taken its place"));
        }
        Ok(File::from(file))
    }

    fn more(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.left == 0 || buffer.is_empty() {
            return Ok(0);
        }
        if *self.budget == 0 {
            return Err(io::Error::other("too much was read of other files"));
        }
        if self.file.is_none() {
            self.file = Some(self.open()?);
        }
        let most = usize::try_from(self.left.min(*self.budget)).unwrap_or(usize::MAX).min(buffer.len());
        let count = match &mut self.file {
            Some(file) => file.read(&mut buffer[..most])?,
            None => 0,
        };
        if count == 0 {
            return Err(io::Error::other("it became shorter while it was read"));
        }
        self.left -= count as u64;
        *self.budget -= count as u64;
        Ok(count)
    }
}

impl Read for Content<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.more(buffer);
        if let Err(error) = &read
            && error.kind() != io::ErrorKind::Interrupted
        {
            self.fault = Some(error.to_string());
        }
        read
    }
}
