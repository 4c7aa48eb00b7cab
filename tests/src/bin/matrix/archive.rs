//! Archives of packages that are made here, signed by a key of ours.

use std::{fs, path::Path, process::Command};

use patchline_tests::machine::{run, text};

use crate::{keys::Key, rootfs::hash};

/// What an index says of a package whose file lies in its archive's `pool`.
pub(crate) fn stanza(file: &Path) -> String {
    let control = text(&run(Command::new("dpkg-deb").arg("--field").arg(file)));
    format!(
        "{}\nFilename: pool/{}\nSize: {}\nSHA256: {}\n\n",
        control.trim_end(),
        file.file_name().unwrap().display(),
        size(file),
        &hash(file)[7..]
    )
}

/// Writes suites with one index each: (suite, what its index says).
pub(crate) fn suites(archive: &Path, architecture: &str, key: &Key, suites: &[(&str, &str)]) {
    let mut now = Command::new("date");
    let date = text(&run(now.args(["--utc", "+%a, %d %b %Y %H:%M:%S UTC"]).env("LC_ALL", "C")));
    for (suite, index) in suites {
        let place = archive.join("dists").join(suite);
        let name = format!("main/binary-{architecture}/Packages");
        let path = place.join(&name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, index).unwrap();
        let release = format!(
            "Origin: The matrix\nSuite: {suite}\nCodename: {suite}\nDate: {date}Architectures: {architecture}\n\
             Components: main\nSHA256:\n {} {} {name}\n",
            &hash(&path)[7..],
            size(&path)
        );
        fs::write(place.join("InRelease"), key.sign(&release)).unwrap();
    }
}

fn size(path: &Path) -> u64 {
    fs::metadata(path).unwrap().len()
}
