//! passwd, group and their shadows from base-passwd's masters, and the one account that apt makes.

use std::io;

use super::tree::{Content, Kind, Tree};

/// `shadow` in base-passwd's group.master.
const SHADOW: u64 = 42;
const MASTERS: &str = "usr/share/base-passwd";

/// Writes the four files; without base-passwd there are none. `day`: days since the epoch, of the suite.
pub(super) fn write(tree: &mut Tree, day: i64) -> io::Result<()> {
    let (Some(passwd), Some(group)) =
        (tree.text(&format!("{MASTERS}/passwd.master"))?, tree.text(&format!("{MASTERS}/group.master"))?)
    else {
        return Ok(());
    };
    let mut passwd = passwd;
    if tree.exists("usr/lib/apt/methods") && !passwd.lines().any(|line| line.starts_with("_apt:")) {
        passwd += "_apt:*:42:65534::/nonexistent:/usr/sbin/nologin\n";
    }
    let (passwd, shadow) = split(&passwd, |name, secret| format!("{name}:{secret}:{day}:0:99999:7:::"));
    let (group, gshadow) = split(&group, |name, secret| format!("{name}:{secret}::"));
    tree.file("etc/passwd", passwd);
    tree.file("etc/group", group);
    // Without the passwd package nobody has converted to shadow passwords.
    for (name, text) in [("etc/shadow", shadow), ("etc/gshadow", gshadow)] {
        tree.put(name, Kind::File(Content::Bytes(text.into())), 0o640, 0, SHADOW);
    }
    Ok(())
}

/// Moves the second field away, as `pwconv` and `grpconv` do: (public text, shadow text).
fn split(text: &str, shadow: impl Fn(&str, &str) -> String) -> (String, String) {
    let (mut public, mut private) = (String::new(), String::new());
    for line in text.lines() {
        let mut fields = line.splitn(3, ':');
        let (Some(name), Some(secret), Some(rest)) = (fields.next(), fields.next(), fields.next()) else {
            continue;
        };
        let secret = if secret.is_empty() || secret == "x" { "*" } else { secret };
        public += &format!("{name}:x:{rest}\n");
        private += &shadow(name, secret);
        private.push('\n');
    }
    (public, private)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_move_to_the_shadow_files() {
        let mut tree = Tree::default();
        tree.file("usr/share/base-passwd/passwd.master", "root:*:0:0:root:/root:/bin/bash\n");
        tree.file("usr/share/base-passwd/group.master", "root:*:0:\nadm:*:4:\n");
        tree.folder("usr/lib/apt/methods", 0o755);
        write(&mut tree, 19_000).unwrap();
        let text = |path: &str| tree.text(path).unwrap().unwrap();
        assert_eq!(
            text("etc/passwd"),
            "root:x:0:0:root:/root:/bin/bash\n_apt:x:42:65534::/nonexistent:/usr/sbin/nologin\n"
        );
        assert_eq!(text("etc/shadow"), "root:*:19000:0:99999:7:::\n_apt:*:19000:0:99999:7:::\n");
        assert_eq!(text("etc/group"), "root:x:0:\nadm:x:4:\n");
        assert_eq!(text("etc/gshadow"), "root:*::\nadm:*::\n");
        assert_eq!((tree.nodes["etc/shadow"].mode, tree.nodes["etc/shadow"].gid), (0o640, 42));
    }
}
