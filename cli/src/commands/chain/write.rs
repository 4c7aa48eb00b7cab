//! Where generated text goes: standard output, or a file that is not replaced unasked.

use std::{fs::File, io::Write as _, path::Path};

use crate::{
    failure::{Failure, Result, io},
    terminal,
};

/// `-` is standard output. Without `force`, a file that is there stays as it is.
pub(super) fn to(path: &Path, text: &str, force: bool) -> Result<()> {
    if path.as_os_str() == "-" {
        terminal::out(text.trim_end());
        return Ok(());
    }
    let mut options = File::options();
    options.write(true);
    // One call decides and creates: nobody can put a file there between.
    let opened = if force {
        options.create(true).truncate(true).open(path)
    } else {
        options.create_new(true).open(path)
    };
    match opened {
        Ok(mut file) => file.write_all(text.as_bytes()).map_err(io(format!("write {}", path.display()))),
        Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => {
            let message = format!("{} is there already", path.display());
            Err(Failure::usage("file-exists", message)
                .hint("name another file, or say --force to replace it"))
        }
        Err(error) => Err(io(format!("write {}", path.display()))(error)),
    }
}
