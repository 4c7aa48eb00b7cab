//! The private PostgreSQL cluster does what tests trust it for.

use std::{
    process::{Command, Stdio},
    time::Duration,
};

use patchline_tests::{
    machine,
    postgres::{self, Error, Options, Postgres, Stop},
    process,
};

fn cluster() -> Option<Postgres> {
    match Postgres::start(Options { listen: vec!["127.0.0.1".into()], ..Options::default() }) {
        Ok(cluster) => Some(cluster),
        Err(Error::NotInstalled(what)) => {
            machine::skip(&format!("{what} is not installed"));
            None
        }
        Err(error) => panic!("{error}"),
    }
}

#[test]
fn what_is_committed_survives_a_kill_and_a_freeze_is_felt() {
    let Some(cluster) = cluster() else { return };
    let name = cluster.database().unwrap();
    cluster.psql(&name, "CREATE TABLE t (x int); INSERT INTO t VALUES (7)").unwrap();
    cluster.restart(Some(Stop::Kill)).unwrap();
    assert_eq!(cluster.psql(&name, "SELECT x FROM t").unwrap(), "7");
    cluster.restart(Some(Stop::Fast)).unwrap();
    assert_eq!(cluster.psql(&name, "SELECT x FROM t; SHOW fsync").unwrap(), "7\non");

    let mut asked = Command::new(postgres::bin().unwrap().join("psql"));
    asked.args(["-X", "-At", "-d", &cluster.tcp("127.0.0.1", &name), "-c", "SELECT 1"]);
    cluster.freeze();
    let mut child = asked.stdout(Stdio::null()).spawn().unwrap();
    assert!(!process::ended(&mut child, Duration::from_millis(500)), "nothing answers while it is frozen");
    cluster.thaw();
    assert!(process::ended(&mut child, Duration::from_secs(60)));
    assert!(child.wait().unwrap().success(), "the password is taken over TCP");

    let (folder, log) = (cluster.folder().to_owned(), cluster.log_file().to_owned());
    let pid = cluster.pid().unwrap();
    drop(cluster);
    assert!(!folder.exists() && !log.exists() && !process::alive(pid));
}
