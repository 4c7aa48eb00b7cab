//! Images that a container daemon on this machine holds: `docker:NAME`.

use std::path::PathBuf;

use patchline_registry::daemon::Daemon;

use super::Image;
use crate::{
    failure::{Failure, Result},
    progress::{Bars, megabytes},
};

/// What stands before a daemon's image: short, and as skopeo writes it.
const PREFIXES: [&str; 2] = ["docker:", "docker-daemon:"];
/// Names the daemon's address, as Docker's own client reads it.
const HOST: &str = "DOCKER_HOST";
/// Where daemons listen unless they are told otherwise: Docker's, and Podman's of the system.
const SOCKETS: [&str; 2] = ["/var/run/docker.sock", "/run/podman/podman.sock"];

/// The daemon's name of the image; none: the text is no image of a daemon.
pub(super) fn named(text: &str) -> Option<&str> {
    PREFIXES.iter().find_map(|prefix| text.strip_prefix(prefix))
}

/// Has the daemon export an image, and opens it. The file lies in the folder for temporary files, and has no name there.
pub(super) async fn exported(name: &str) -> Result<Image> {
    let socket = socket_here()?;
    let bars = Bars::new();
    let told = |arrived: u64, all: u64| {
        bars.set("export", &format!("{} from the daemon", megabytes(arrived)), arrived, all);
    };
    let daemon = Daemon::at(&socket)?;
    let image = daemon.image(name, &std::env::temp_dir(), &told).await;
    bars.clear();
    let (repository, manifest) = image.map_err(|error| {
        let hint = match error.code() {
            "image-not-found" => format!(
                "fetch it with `docker pull {name}`, or leave `docker:` away and it is read from its registry"
            ),
            "registry-unreachable" => format!("start the daemon, or name its socket: {HOST}=unix:///PATH"),
            "registry-io" => "the whole image must fit there: TMPDIR names another folder".to_owned(),
            _ => return Failure::from(error),
        };
        Failure::from(error).hint(hint)
    })?;
    Ok(Image { repository, tag: None, manifest, index: None })
}

/// The socket of this machine's daemon, as its environment names it.
pub(crate) fn socket_here() -> Result<PathBuf> {
    socket(std::env::var(HOST).ok().as_deref(), std::env::var_os("XDG_RUNTIME_DIR").map(PathBuf::from))
}

/// The daemon's socket: that of `DOCKER_HOST`, else the first that is there.
fn socket(host: Option<&str>, runtime: Option<PathBuf>) -> Result<PathBuf> {
    if let Some(host) = host.filter(|host| !host.is_empty()) {
        let path = host.strip_prefix("unix://").filter(|path| path.starts_with('/'));
        return path.map(PathBuf::from).ok_or_else(|| {
            Failure::usage("daemon-address-unsupported", format!("{HOST} names no socket of this machine"))
                .hint("write unix:///PATH, or push the image to a registry and name it there")
        });
    }
    let own = runtime.map(|folder| folder.join("podman/podman.sock"));
    let mut known = SOCKETS.iter().map(PathBuf::from).chain(own);
    Ok(known.find(|path| path.exists()).unwrap_or_else(|| PathBuf::from(SOCKETS[0])))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_daemon_is_one_of_this_machine() {
        assert_eq!(socket(Some("unix:///run/a.sock"), None).expect("a path"), PathBuf::from("/run/a.sock"));
        for other in ["tcp://10.0.0.1:2375", "ssh://a", "unix://a", "/run/a.sock"] {
            assert_eq!(socket(Some(other), None).expect_err(other).code, "daemon-address-unsupported");
        }
        let folder = tempfile::tempdir().expect("folder");
        std::fs::create_dir(folder.path().join("podman")).expect("folder");
        std::fs::write(folder.path().join("podman/podman.sock"), "").expect("file");
        assert!(socket(Some(""), Some(folder.path().to_owned())).expect("one").is_absolute());
    }

    #[test]
    fn both_spellings_are_taken() {
        assert_eq!(named("docker:app:1"), Some("app:1"));
        assert_eq!(named("docker-daemon:shop/web@sha256:0"), Some("shop/web@sha256:0"));
        assert!(named("docker-archive:a.tar").is_none() && named("docker.io/app").is_none());
    }
}
