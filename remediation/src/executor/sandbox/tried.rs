//! An image's own commands, tried in a sandbox over its tree: as its user, in its folder, with its environment.

use std::{fs::File, time::Duration};

use serde_json::Value;

use super::{
    Nothing, Sandbox,
    fault::{Failure, Fault},
    limits::Limits,
    machine, wire,
};
use crate::{Error, Result};

pub(crate) use machine::has_room;

/// Where container runtimes look for programs when the image does not say.
const PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
/// What a variable's name has whose value is nobody's to read.
const HUSHED: &[&str] = &["PASS", "SECRET", "TOKEN", "KEY", "CREDENTIAL", "AUTH"];
/// A value that is shorter is a switch, and hiding it would leave holes in every word.
const SHORTEST_HUSHED: usize = 4;

/// Whether programs of an image's architecture run here; why not, for people.
pub(crate) fn runs(config: &Value) -> Result<(), String> {
    let word = |key: &str| config.get(key).and_then(Value::as_str).unwrap_or_default();
    let (os, architecture) = (word("os"), word("architecture"));
    if os != "linux" {
        return Err(format!(
            "the image is of {}, and a sandbox of linux",
            if os.is_empty() { "no system" } else { os }
        ));
    }
    machine::runs(architecture)
}

/// Runs the commands one after the other, all of them within `time`; `layers` are the image's, lowest first, as they are stored. Blocks.
pub fn run(
    sandbox: &Sandbox,
    config: &Value,
    commands: &[Vec<String>],
    time: Duration,
    layers: &mut [File],
) -> Result<()> {
    let environment = environment(config);
    let text = |key: &str| config.pointer(key).and_then(Value::as_str).unwrap_or_default();
    let folder = format!("/{}", text("/config/WorkingDir").trim_start_matches('/'));
    let limits = sandbox.limits();
    let job = wire::Job {
        limits: Limits { seconds: time.as_secs().max(1), disk: limits.disk_here(), ..*limits },
        tools: 0,
        layers: layers.len(),
        files: Vec::new(),
        commands: commands.to_vec(),
        environment: environment.clone(),
        fatal: Vec::new(),
        tried: Some(wire::Tried { user: text("/config/User").to_owned(), folder }),
    };
    match sandbox.run(&job, layers, &mut [], &mut Nothing) {
        Err(Error::Sandbox(failure)) => Err(explained(failure, &environment)),
        other => other,
    }
}

/// The image's own, later entries before earlier ones.
fn environment(config: &Value) -> Vec<(String, String)> {
    let mut all = vec![("PATH".to_owned(), PATH.to_owned())];
    let own = config.pointer("/config/Env").and_then(Value::as_array).into_iter().flatten();
    for (name, value) in own.filter_map(|entry| entry.as_str()?.split_once('=')) {
        // What the system would refuse; it names nothing.
        if name.is_empty() || name.contains('\0') || value.contains('\0') {
            continue;
        }
        all.retain(|(known, _)| known != name);
        all.push((name.to_owned(), value.to_owned()));
    }
    all
}

/// What was the command's doing is its failure; a sandbox that could not be had, or broke, is not.
fn explained(failure: Failure, environment: &[(String, String)]) -> Error {
    let what = match failure.fault {
        Fault::Tool => "",
        Fault::Time => "it was not done in its time: ",
        Fault::Memory => "it took too much memory: ",
        Fault::Processes => "it had too many processes: ",
        Fault::Disk => "it filled its disk: ",
        Fault::Unavailable | Fault::LeftRunning | Fault::Outcome | Fault::Broken => return failure.into(),
    };
    Error::Smoke { reason: format!("{what}{}", hushed(failure.reason, environment)) }
}

/// Without the values that the image keeps in variables of telling names: a command may print all that it has.
fn hushed(mut text: String, environment: &[(String, String)]) -> String {
    let telling = |name: &str| HUSHED.iter().any(|part| name.to_ascii_uppercase().contains(part));
    for (_, value) in environment.iter().filter(|(name, _)| telling(name)) {
        for line in value.lines().filter(|line| line.trim().len() >= SHORTEST_HUSHED) {
            text = text.replace(line.trim(), "***");
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn an_environment_is_the_images() {
        let config = json!({"config": {"Env": ["A=1", "PATH=/opt/bin", "A=2", "odd", "=x", "N=a\0b", "E="]}});
        let pairs: Vec<(String, String)> = [("PATH", "/opt/bin"), ("A", "2"), ("E", "")]
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .to_vec();
        assert_eq!(environment(&config), pairs);
        assert_eq!(environment(&json!({}))[0].1, PATH);
    }

    #[test]
    fn secrets_are_not_said() {
        let env = |pairs: &[(&str, &str)]| -> Vec<(String, String)> {
            pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
        };
        let all = env(&[
            ("DB_PASSWORD", "correct horse"),
            ("Api_Key", "k-123\nk-456"),
            ("USE_AUTH", "on"),
            ("LANG", "C.UTF-8"),
        ]);
        let failure = Failure::of(Fault::Tool, "it said: correct horse, k-123, k-456, on, C.UTF-8");
        let Error::Smoke { reason } = explained(failure, &all) else { panic!("another error") };
        assert_eq!(reason, "it said: ***, ***, ***, on, C.UTF-8");
        assert!(matches!(explained(Failure::of(Fault::Broken, "x"), &all), Error::Sandbox(_)));
    }

    #[test]
    fn foreign_images_are_told() {
        let why = |os: &str, architecture: &str| runs(&json!({"os": os, "architecture": architecture}));
        assert_eq!(
            why("linux", "mips64le").unwrap_err(),
            format!("programs of mips64le do not run on {}", std::env::consts::ARCH)
        );
        assert!(why("windows", "amd64").unwrap_err().contains("of windows"));
        assert!(runs(&json!({})).unwrap_err().contains("no system"));
        #[cfg(target_arch = "x86_64")]
        assert_eq!((why("linux", "amd64"), why("linux", "386")), (Ok(()), Ok(())));
    }
}
