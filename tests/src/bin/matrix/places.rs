//! Fixes of one image that share nothing but the image and the mirror, one of them without root: equal digests.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

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
    /// Whose it is: root's, or somebody's who has nothing but this id and a range of subordinate ones.
    person: Option<u32>,
}

const PLACES: [Place; 3] = [
    Place { name: "north", umask: "022", zone: "UTC", locale: "C.UTF-8", processors: None, person: None },
    Place {
        name: "south",
        umask: "077",
        zone: "Pacific/Chatham",
        locale: "tr_TR.UTF-8",
        processors: Some("0"),
        person: None,
    },
    Place {
        name: "below",
        umask: "027",
        zone: "America/St_Johns",
        locale: "C.UTF-8",
        processors: None,
        person: Some(4242),
    },
];

/// What stands before a fix, in a mount namespace of its own: a host name, and for a person an entry in the lists of people.
/// Everything that is the person's is seen at /mnt: the folders above it may be closed.
const BEFORE: &str = r#"
echo "$1" > /proc/sys/kernel/hostname
if [ -n "$3" ]; then
    mount --bind . /mnt
    for list in passwd subuid subgid; do mount --bind "/mnt/$list" "/etc/$list"; done
    cd /mnt
    set -- "$1" "$2" setpriv --reuid "$3" --regid "$3" --clear-groups --inh-caps=-all "${@:4}"
else
    set -- "$1" "$2" "${@:4}"
fi
umask "$2"
shift 2
exec "$@"
"#;

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
        if digests.iter().any(|one| Some(one) != digests.first()) {
            row.findings.push(format!("{executor}: another digest in another place: {}", digests.join(", ")));
        }
        row.notes.push(format!("{executor}: {}", digests.first().map_or("-", |digest| &digest[..19])));
    }
}

fn fix(place: &Place, image: &Image, executor: &str, folder: &Path) -> Result<String, String> {
    let own = folder.join(format!("{}-{executor}", place.name));
    fs::create_dir_all(own.join("tmp")).unwrap();
    let person = place.person.map_or_else(String::new, |id| id.to_string());
    let (at, program, layout) = match place.person {
        None => (own.clone(), machine::patchline(), image.layout.clone()),
        Some(id) => {
            settle(id, image, &own);
            let at = PathBuf::from("/mnt");
            (at.clone(), at.join("patchline"), at.join("layout"))
        }
    };
    let mut command = Command::new("unshare");
    command.args(["--mount", "--uts", "bash", "-ec", BEFORE, "bash", place.name, place.umask, &person]);
    if let Some(processors) = place.processors {
        command.args(["taskset", "--cpu-list", processors]);
    }
    command.arg(program).arg("--data").arg(at.join("data"));
    command.args(["fix", "--allow-expired", "--output", "json", "--executor", executor]);
    command.args(["--tag", &format!("{}-{executor}", place.name)]);
    command.arg(format!("oci:{}:v1", layout.display()));
    command.env_remove("PATCHLINE_CONFIG").env("TZ", place.zone).env("LC_ALL", place.locale);
    command.env("HOME", &at).env("TMPDIR", at.join("tmp")).current_dir(&own);
    let fixed = fixing::told(&command.output().unwrap())?;
    let digest = fixed.digest().ok_or("nothing was upgraded")?.to_owned();
    fs::remove_dir_all(own).unwrap();
    Ok(digest)
}

/// What a person needs who can reach nothing of root's: the image, the program, and lists of people with themselves in them.
fn settle(id: u32, image: &Image, own: &Path) {
    let copied = |from: &Path, to: &str| {
        let status = Command::new("cp").arg("--recursive").arg(from).arg(own.join(to)).status().unwrap();
        assert!(status.success(), "cp {}", from.display());
    };
    copied(&image.layout, "layout");
    copied(&machine::patchline(), "patchline");
    let people = fs::read_to_string("/etc/passwd").unwrap();
    fs::write(own.join("passwd"), format!("{people}person:x:{id}:{id}::/mnt:/bin/sh\n")).unwrap();
    for list in ["subuid", "subgid"] {
        fs::write(own.join(list), "person:2000000000:65536\n").unwrap();
    }
    let status = Command::new("chown").args(["--recursive", &format!("{id}:{id}")]).arg(own).status();
    assert!(status.unwrap().success(), "chown");
}
