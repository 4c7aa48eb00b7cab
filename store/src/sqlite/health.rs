//! Whether the file can be written.

use std::{
    fs::OpenOptions,
    io::{self, ErrorKind, Write as _},
    path::{Path, PathBuf},
};

use async_trait::async_trait;
use tokio::sync::Mutex;

use super::{Sqlite, transaction::Tx};
use crate::{Error, Health, error::Result};

/// What there must be room for, in bytes. Hardly any transaction of the engine is larger.
const ROOM: usize = 256 << 10;

/// One at a time: those who ask must not fill the disk themselves.
static ASKED: Mutex<()> = Mutex::const_new(());

#[async_trait]
impl Health for Sqlite {
    async fn writable(&self) -> Result<()> {
        let _alone = ASKED.lock().await;
        // Dropped, it is undone. It fails where the file was read-only when the connection opened it, and where
        // somebody else has it locked; a disk that is full it meets only when it commits.
        drop(Tx::begin(&self.writer).await?);
        let file = self.writer.connect_options().get_filename().to_owned();
        let looked = tokio::task::spawn_blocking(move || look(&file)).await;
        looked.map_err(io::Error::from).flatten().map_err(Error::Unwritable)
    }
}

/// Whether the log can be opened for writing, and whether there is room beside it.
fn look(file: &Path) -> io::Result<()> {
    // The log is what a commit writes. It alone may be opened beside SQLite: to close the database itself, or its
    // index, would drop the locks that the process holds on it (SQLite, "How To Corrupt An SQLite Database File",
    // section 2.2).
    let mut log = file.as_os_str().to_owned();
    log.push("-wal");
    match OpenOptions::new().append(true).open(PathBuf::from(log)) {
        // Whoever writes next makes it.
        Err(error) if error.kind() == ErrorKind::NotFound => {}
        opened => drop(opened?),
    }
    // Never synced, and gone when it is dropped: it takes its room, and hardly ever reaches the disk. A row that is
    // written and rolled back would not even leave SQLite's cache.
    let folder = file.parent().filter(|folder| !folder.as_os_str().is_empty());
    tempfile::tempfile_in(folder.unwrap_or(Path::new(".")))?.write_all(&[0; ROOM])
}
