//! Release files signed anew, by keys of our own that GnuPG makes: one that is believed, one that nobody knows, one that
//! has run out.

use std::{
    fs,
    io::Write as _,
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use patchline_tests::machine::run;

/// A key, and when its owner believes to live.
pub(crate) struct Key {
    home: PathBuf,
    /// As gpg's `--faked-system-time` takes it.
    then: Option<&'static str>,
    /// Its public part, as a keyring file.
    pub(crate) keyring: PathBuf,
}

impl Key {
    /// Makes one; with a time, it was made then and ran out a month later.
    pub(crate) fn make(folder: &Path, name: &str, then: Option<&'static str>) -> Self {
        let home = folder.join(format!("gnupg-{name}"));
        fs::create_dir_all(&home).unwrap();
        fs::set_permissions(&home, fs::Permissions::from_mode(0o700)).unwrap();
        let key = Self { home, then, keyring: folder.join(format!("{name}.gpg")) };
        let until = if then.is_some() { "30d" } else { "0" };
        run(key.gpg().args(["--passphrase", "", "--quick-generate-key", name, "ed25519", "sign", until]));
        run(key.gpg().arg("--output").arg(&key.keyring).arg("--export"));
        key
    }

    fn gpg(&self) -> Command {
        let mut command = Command::new("gpg");
        command.args(["--batch", "--quiet", "--yes", "--homedir"]).arg(&self.home);
        if let Some(then) = self.then {
            command.args(["--faked-system-time", then]);
        }
        command
    }

    /// An `InRelease` whose text is this one's.
    pub(crate) fn sign(&self, text: &str) -> Vec<u8> {
        let mut child = self
            .gpg()
            .args(["--digest-algo", "SHA256", "--clearsign"])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        child.stdin.take().unwrap().write_all(text.as_bytes()).unwrap();
        let output = child.wait_with_output().unwrap();
        assert!(output.status.success(), "gpg does not sign");
        output.stdout
    }
}

impl Drop for Key {
    fn drop(&mut self) {
        // gpg started an agent, which would stay.
        drop(Command::new("gpgconf").arg("--homedir").arg(&self.home).args(["--kill", "all"]).output());
    }
}

/// What an `InRelease` is a signature of (RFC 9580, 7).
pub(crate) fn text(signed: &[u8]) -> String {
    let whole = String::from_utf8_lossy(signed);
    let after = whole.split_once("\n\n").expect("a clear-signed text").1;
    let text = after.split_once("-----BEGIN PGP SIGNATURE-----").expect("a signature").0;
    text.to_owned()
}
