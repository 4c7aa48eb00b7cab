//! Somebody between a client and a real daemon who changes words in what passes, as an owner's plugin or an older daemon would.

use std::{
    io::{Read, Write},
    os::unix::net::{UnixListener, UnixStream},
    path::{Path, PathBuf},
};

/// A socket in front of a daemon's.
pub(crate) struct Meddler {
    folder: tempfile::TempDir,
}

/// What is written in the place of what; both of one length, for bodies have theirs in front.
pub(crate) type Words = (&'static str, &'static str);

impl Meddler {
    /// `asked`: what is changed on the way to the daemon; `answered`: on the way back.
    pub(crate) fn before(daemon: &Path, asked: Words, answered: Words) -> Self {
        assert_eq!((asked.0.len(), answered.0.len()), (asked.1.len(), answered.1.len()));
        let folder = tempfile::tempdir().unwrap();
        let listener = UnixListener::bind(folder.path().join("socket")).unwrap();
        let daemon = daemon.to_owned();
        std::thread::spawn(move || {
            for client in listener.incoming() {
                let (client, daemon) = (client.unwrap(), UnixStream::connect(&daemon).unwrap());
                let (from, to) = (client.try_clone().unwrap(), daemon.try_clone().unwrap());
                std::thread::spawn(move || pass(from, to, asked));
                std::thread::spawn(move || pass(daemon, client, answered));
            }
        });
        Self { folder }
    }

    pub(crate) fn socket(&self) -> PathBuf {
        self.folder.path().join("socket")
    }
}

/// Until either has had enough. What is looked for comes in one piece: heads and small bodies do.
fn pass(mut from: UnixStream, mut to: UnixStream, (old, new): Words) {
    let mut piece = vec![0; 64 << 10];
    while let Ok(read @ 1..) = from.read(&mut piece) {
        let found = if old.is_empty() {
            None
        } else {
            piece[..read].windows(old.len()).position(|w| w == old.as_bytes())
        };
        if let Some(at) = found {
            piece[at..at + new.len()].copy_from_slice(new.as_bytes());
        }
        if to.write_all(&piece[..read]).is_err() {
            break;
        }
    }
    let _ = to.shutdown(std::net::Shutdown::Write);
}
