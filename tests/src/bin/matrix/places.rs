//! Two fixes of one image that share nothing but the image and the mirror: equal digests.

use std::{fs, path::Path, process::Command};

use patchline_tests::machine;

use crate::{assemble::Image, fixing, table::Row};

/// Where and how one of them runs.
struct Place {
    name: &'static str,
    umask: &'static str,
    zone: &'static str,
    locale: &'static str,
    /// Processors, as taskset(1) takes them; none: all.
    processors: Option<&'static str>,
}

const PLACES: [Place; 2] = [
    Place { name: "north", umask: "022", zone: "UTC", locale: "C.UTF-8", processors: None },
    Place {
        name: "south",
        umask: "077",
        zone: "Pacific/Chatham",
        locale: "tr_TR.UTF-8",
        processors: Some("0"),
    },
];

/// By each executor.
pub(crate) fn run(image: &Image, folder: &Path, row: &mut Row) {
    for executor in ["native", "sandbox"] {
        let mut digests = Vec::new();
        for place in &PLACES {
            match fix(place, image, executor, folder) {
                Ok(digest) => digests.push(digest),
                Err(error) => row.findings.push(format!("{executor} in {}: {error}", place.name)),
            }
        }
        if let [one, other] = &digests[..]
            && one != other
        {
            row.findings.push(format!("{executor}: {one} in one place, {other} in the other"));
        }
        row.notes.push(format!("{executor}: {}", digests.first().map_or("-", |digest| &digest[..19])));
    }
}

fn fix(place: &Place, image: &Image, executor: &str, folder: &Path) -> Result<String, String> {
    let own = folder.join(format!("{}-{executor}", place.name));
    let scratch = own.join("tmp");
    fs::create_dir_all(&scratch).unwrap();
    let line = "echo \"$1\" > /proc/sys/kernel/hostname; umask \"$2\"; shift 2; exec \"$@\"";
    let mut command = Command::new("unshare");
    command.args(["--mount", "--uts", "sh", "-ec", line, "sh", place.name, place.umask]);
    if let Some(processors) = place.processors {
        command.args(["taskset", "--cpu-list", processors]);
    }
    command.arg(machine::patchline()).arg("--data").arg(own.join("data"));
    command.args(["fix", "--allow-expired", "--output", "json", "--executor", executor]);
    command.args(["--tag", &format!("{}-{executor}", place.name)]);
    command.arg(format!("oci:{}:v1", image.layout.display()));
    command.env_remove("PATCHLINE_CONFIG").env("TZ", place.zone).env("LC_ALL", place.locale);
    command.env("HOME", &own).env("TMPDIR", &scratch).current_dir(&own);
    let fixed = fixing::told(&command.output().unwrap())?;
    let digest = fixed.digest().ok_or("nothing was upgraded")?.to_owned();
    fs::remove_dir_all(own).unwrap();
    Ok(digest)
}
