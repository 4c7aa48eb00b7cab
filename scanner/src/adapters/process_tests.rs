//! Programs that are late, loud, wrong or curious: each a shell script that is really started.

use std::{os::unix::fs::PermissionsExt as _, path::PathBuf};

use super::*;

struct Script {
    folder: tempfile::TempDir,
    program: Program,
}

impl Script {
    fn new(text: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("scanner");
        std::fs::write(&path, format!("#!/bin/sh\n{text}\n")).unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
        Self { folder, program: Program { path, sha256: None, time: Duration::from_secs(20) } }
    }
    async fn run(&self, secret: &str) -> Result<Vec<u8>> {
        output(Start {
            scanner: "peer",
            program: &self.program,
            arguments: vec!["a b".into()],
            environment: vec![("PEER_TOKEN", secret.into())],
            home: self.folder.path(),
            secrets: vec![secret],
        })
        .await
    }
}

#[tokio::test]
async fn a_program_sees_what_it_is_given_and_nothing_of_ours() {
    let script = Script::new(
        "env | cut -d= -f1 | grep -v -e '^_$' -e '^PWD$' -e '^SHLVL$' -e '^OLDPWD$' | sort; pwd; echo \"$1\"",
    );
    let out = String::from_utf8(script.run("t").await.unwrap()).unwrap();
    let home = script.folder.path().canonicalize().unwrap();
    assert_eq!(out, format!("HOME\nPEER_TOKEN\nTMPDIR\nXDG_CACHE_HOME\n{}\na b\n", home.display()));
}

#[tokio::test]
async fn a_failure_is_told_without_the_secret() {
    let script = Script::new("echo \"no access with $PEER_TOKEN\" >&2; printf '\\033[31m' >&2; exit 7");
    let error = script.run("hunter2").await.unwrap_err();
    assert_eq!(error.code(), "scanner-failed");
    assert_eq!(error.to_string(), "peer failed (exit code 7): no access with … \u{fffd}[31m");
    let script = Script::new("exit 0");
    assert!(script.run("t").await.unwrap().is_empty());
}

#[tokio::test]
async fn who_is_late_goes_with_all_that_it_started() {
    let mut script = Script::new("sleep 300 & echo $! > child; wait");
    script.program.time = Duration::from_secs(1);
    let error = script.run("t").await.unwrap_err();
    assert_eq!((error.code(), error.is_transient()), ("scanner-late", true));
    let child = std::fs::read_to_string(script.folder.path().join("child")).unwrap();
    let proc = PathBuf::from(format!("/proc/{}/stat", child.trim()));
    // Killed at once; whoever adopts it takes a moment to bury it.
    let gone = || std::fs::read_to_string(&proc).map_or(true, |stat| stat.contains(") Z "));
    for _ in 0..100 {
        if gone() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    panic!("process {} still runs", child.trim());
}

#[tokio::test]
async fn who_does_not_end_to_speak_is_ended() {
    let script = Script::new("exec cat /dev/zero");
    assert_eq!(script.run("t").await.unwrap_err().code(), "scanner-too-much");
    // Of what is said beside the report only the end is kept.
    let script = Script::new("head -c 3000000 /dev/zero | tr '\\0' x >&2; echo end >&2; exit 1");
    let error = script.run("t").await.unwrap_err().to_string();
    assert!(error.ends_with("xxend") && error.len() < 600, "{error}");
}

#[tokio::test]
async fn only_the_pinned_program_runs() {
    let mut script = Script::new("echo ran");
    let bytes = std::fs::read(&script.program.path).unwrap();
    script.program.sha256 = Some(hex::encode(Sha256::digest(&bytes)));
    assert_eq!(script.run("t").await.unwrap(), b"ran\n");
    std::fs::write(&script.program.path, "#!/bin/sh\necho other\n").unwrap();
    assert_eq!(script.run("t").await.unwrap_err().code(), "scanner-not-pinned");
    std::fs::remove_file(&script.program.path).unwrap();
    assert_eq!(script.run("t").await.unwrap_err().code(), "scanner-not-started");
}
