//! What the maintainer scripts of the base set would have left, done without running them.
//!
//! Each function names the package whose postinst it stands for.

use std::{collections::BTreeSet, io};

use super::{
    accounts, alternatives,
    tree::{Content, Kind, Tree},
    unpack::Unpacked,
};
use crate::executor::ca_certificates;

/// Groups of base-passwd's group.master.
const ADM: u64 = 4;
const MAIL: u64 = 8;
const WWW_DATA: u64 = 33;
const UTMP: u64 = 43;

/// Brings the unpacked tree to where a configured system stands. `day`: days since the epoch, of the suite.
pub(super) fn configure(tree: &mut Tree, packages: &[Unpacked], day: i64) -> io::Result<()> {
    let names: BTreeSet<&str> = packages.iter().map(|package| package.record.name.as_str()).collect();
    system_folders(tree);
    base_files(tree)?;
    accounts::write(tree, day)?;
    alternatives::install(tree, packages);
    if names.contains("dash") && !tree.exists("bin/sh") {
        tree.link("bin/sh", "dash");
    }
    copy(tree, "usr/share/libc-bin/nsswitch.conf", "etc/nsswitch.conf")?;
    tree.file("etc/environment", "");
    shells(tree)?;
    if names.contains("tzdata") {
        tree.link("etc/localtime", "/usr/share/zoneinfo/Etc/UTC");
        tree.file("etc/timezone", "Etc/UTC\n");
    }
    if names.contains("ca-certificates") {
        certificates(tree)?;
    }
    if names.contains("nginx-common") {
        nginx(tree)?;
    }
    tree.file(
        "etc/apt/sources.list",
        "# No repository is named here: add one, or mount one over this file.\n",
    );
    Ok(())
}

fn system_folders(tree: &mut Tree) {
    for (path, mode) in [
        ("dev", 0o755),
        ("proc", 0o555),
        ("sys", 0o555),
        ("run", 0o755),
        ("tmp", 0o1777),
        ("var/tmp", 0o1777),
        ("root", 0o700),
    ] {
        tree.folder(path, mode);
    }
}

fn base_files(tree: &mut Tree) -> io::Result<()> {
    for (from, to) in [
        ("dot.profile", "root/.profile"),
        ("dot.bashrc", "root/.bashrc"),
        ("profile", "etc/profile"),
        ("motd", "etc/motd"),
        ("info.dir", "usr/share/info/dir"),
    ] {
        copy(tree, &format!("usr/share/base-files/{from}"), to)?;
    }
    for path in ["mnt", "srv", "opt", "etc/opt", "var/opt", "media"] {
        tree.folder(path, 0o755);
    }
    tree.put("var/mail", Kind::Directory, 0o2775, 0, MAIL);
    tree.folder("var/spool", 0o755);
    tree.link("var/spool/mail", "../mail");
    for name in ["share", "share/man", "bin", "games", "lib", "include", "sbin", "src", "etc"] {
        tree.folder(&format!("usr/local/{name}"), 0o755);
    }
    tree.link("usr/local/man", "share/man");
    for (name, mode) in [("wtmp", 0o664), ("btmp", 0o660), ("lastlog", 0o664)] {
        tree.put(&format!("var/log/{name}"), Kind::File(Content::Bytes(Vec::new())), mode, 0, UTMP);
    }
    if tree.exists("etc/dpkg/origins/debian") && !tree.exists("etc/dpkg/origins/default") {
        tree.link("etc/dpkg/origins/default", "debian");
    }
    Ok(())
}

/// A default that a package ships elsewhere, unless the file is there.
fn copy(tree: &mut Tree, from: &str, to: &str) -> io::Result<()> {
    if !tree.exists(to)
        && let Some(text) = tree.text(from)?
    {
        tree.file(to, text);
    }
    Ok(())
}

/// debianutils: `update-shells` lists what packages declare, and its twin under a merged /usr.
fn shells(tree: &mut Tree) -> io::Result<()> {
    const DECLARED: &str = "usr/share/debianutils/shells.d/";
    let mut text = match tree.text("usr/share/debianutils/shells")? {
        Some(text) => text,
        None => "# /etc/shells: valid login shells\n".to_owned(),
    };
    let files: Vec<String> = tree
        .nodes
        .range(DECLARED.to_owned()..)
        .map(|(path, _)| path.clone())
        .take_while(|path| path.starts_with(DECLARED))
        .collect();
    let mut lines = vec!["/bin/sh".to_owned()];
    for file in files {
        lines.extend(tree.text(&file)?.unwrap_or_default().lines().map(str::to_owned));
    }
    for line in lines.iter().filter(|line| line.starts_with('/')) {
        for shell in [line.clone(), format!("/usr{line}")] {
            if !shell.starts_with("/usr/usr/")
                && tree.exists(&shell)
                && !text.lines().any(|known| known == shell)
            {
                text += &format!("{shell}\n");
            }
        }
    }
    tree.file("etc/shells", text);
    Ok(())
}

fn certificates(tree: &mut Tree) -> io::Result<()> {
    const SHIPPED: &str = "usr/share/ca-certificates/";
    let mut certs = Vec::new();
    for (path, node) in
        tree.nodes.range(SHIPPED.to_owned()..).take_while(|(path, _)| path.starts_with(SHIPPED))
    {
        if let (Some(name), Kind::File(content)) = (path.strip_prefix(SHIPPED), &node.kind)
            && name.ends_with(".crt")
        {
            certs.push((name.to_owned(), content.read()?));
        }
    }
    let conf = ca_certificates::configuration(certs.iter().map(|(name, _)| name.as_str()));
    let made = ca_certificates::bundle(&certs, &conf);
    tree.file("etc/ca-certificates.conf", conf);
    tree.folder("etc/ssl/certs", 0o755);
    tree.file("etc/ssl/certs/ca-certificates.crt", made.certificates);
    for (name, target) in made.links {
        tree.link(&format!("etc/ssl/certs/{name}"), &target);
    }
    tree.folder("usr/local/share/ca-certificates", 0o755);
    Ok(())
}

fn nginx(tree: &mut Tree) -> io::Result<()> {
    const AVAILABLE: &str = "usr/share/nginx/modules-available/";
    tree.put("var/log/nginx", Kind::Directory, 0o755, 0, ADM);
    for name in ["access.log", "error.log"] {
        tree.put(
            &format!("var/log/nginx/{name}"),
            Kind::File(Content::Bytes(Vec::new())),
            0o640,
            WWW_DATA,
            ADM,
        );
    }
    tree.folder("var/lib/nginx", 0o755);
    if tree.exists("etc/nginx/sites-available/default") {
        tree.link("etc/nginx/sites-enabled/default", "/etc/nginx/sites-available/default");
    }
    copy(tree, "usr/share/nginx/html/index.html", "var/www/html/index.nginx-debian.html")?;
    let modules: Vec<String> = tree
        .nodes
        .range(AVAILABLE.to_owned()..)
        .map_while(|(path, _)| path.strip_prefix(AVAILABLE).map(str::to_owned))
        .collect();
    for module in modules {
        // dh_nginx: 50 is its default, streams come after what they build on.
        let priority = if module.contains("stream-") { 70 } else { 50 };
        tree.link(
            &format!("etc/nginx/modules-enabled/{priority}-{module}"),
            &format!("/{AVAILABLE}{module}"),
        );
    }
    Ok(())
}
