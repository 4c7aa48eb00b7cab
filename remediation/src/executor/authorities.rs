//! ca-certificates upgraded without its postinst: configuration, bundle and links as it would leave them, and
//! what somebody has added to or taken out of the bundle, kept.

use std::collections::{BTreeMap, BTreeSet};

use super::{
    ca_certificates::{bundle, configuration},
    native::{
        Change, Work,
        layer::{Content, Laid, Spool},
    },
};
use crate::{
    Result,
    tree::{Kind, Tree},
};

const CONF: &str = "etc/ca-certificates.conf";
const BUNDLE: &str = "etc/ssl/certs/ca-certificates.crt";
const LINKS: &str = "etc/ssl/certs";
const SHIPPED: &str = "usr/share/ca-certificates";
const LOCAL: &str = "usr/local/share/ca-certificates";
/// Local certificates pass through the handler under this name, and get their own folder back after it.
const LOCAL_MARK: &str = "@local/";

/// Certificates by path under their folder.
type Certificates = BTreeMap<String, Vec<u8>>;

/// Lays the handler's work when ca-certificates goes up; else nothing.
pub(in crate::executor) fn lay(
    tree: &Tree,
    changes: &[Change<'_>],
    newest: u64,
    spool: &Spool,
    work: &mut Work,
) -> Result<()> {
    if !changes.iter().any(|change| change.record.name == "ca-certificates") {
        return Ok(());
    }
    let before = certificates(tree, SHIPPED);
    let local = certificates(tree, LOCAL);
    let after = upgraded(&before, spool, work)?;
    let conf_before = tree.text(CONF).map(|text| text.into_owned());
    let conf = match &conf_before {
        Some(text) => reconfigured(text, &after, trusts_new(tree)),
        None => configuration(after.keys().map(String::as_str)),
    };
    let old_conf = conf_before.unwrap_or_else(|| configuration(before.keys().map(String::as_str)));
    let was = made(&before, &local, &old_conf);
    let mut is = made(&after, &local, &conf);
    is.links.values_mut().for_each(localise);
    let mut was_links = was.links;
    was_links.values_mut().for_each(localise);
    let present = tree.content(BUNDLE).unwrap_or_default();
    let (certificates, added) = merged(present, &was.certificates, &is.certificates);
    if added > 0 {
        work.kept.insert(format!("/{BUNDLE} ({added} certificates of its own)"));
    }
    let mut put = |path: &str, bytes: Vec<u8>| {
        if tree.content(path) == Some(bytes.as_slice()) {
            return;
        }
        let path = tree.real(path).into_owned();
        let old = tree.get(&path).map(|node| &node.entry);
        let (mode, uid, gid) = old.map_or((0o644, 0, 0), |old| (old.mode, old.uid, old.gid));
        work.entries.insert(
            path,
            Laid { content: Content::Bytes(bytes), mode, uid, gid, mtime: newest, xattrs: Vec::new() },
        );
    };
    put(CONF, conf.into_bytes());
    put(BUNDLE, certificates);
    links(tree, &was_links, &is.links, newest, work);
    Ok(())
}

fn certificates(tree: &Tree, folder: &str) -> Certificates {
    tree.under(folder)
        .filter(|(path, _)| path.ends_with(".crt"))
        .filter_map(|(path, _)| Some((path[folder.len() + 1..].to_owned(), tree.content(path)?.to_vec())))
        .collect()
}

/// What will stand there with the layer on top.
fn upgraded(before: &Certificates, spool: &Spool, work: &Work) -> Result<Certificates> {
    let prefix = format!("{SHIPPED}/");
    let mut after = before.clone();
    for path in &work.whiteouts {
        if let Some(path) = path.strip_prefix(&prefix) {
            after.remove(path);
        }
    }
    for (path, laid) in work.entries.range(prefix.clone()..).take_while(|(path, _)| path.starts_with(&prefix))
    {
        if !path.ends_with(".crt") {
            continue;
        }
        if let Some(bytes) = spool.read(&laid.content)? {
            after.insert(path[prefix.len()..].to_owned(), bytes);
        }
    }
    Ok(after)
}

/// The answer to "trust new certificates?": yes unless debconf knows better.
fn trusts_new(tree: &Tree) -> bool {
    let text = tree.text("var/cache/debconf/config.dat").unwrap_or_default();
    let stanza = text.split("\n\n").find(|s| s.lines().any(|l| l == "Name: ca-certificates/trust_new_crts"));
    let value = stanza.and_then(|s| s.lines().find_map(|l| l.strip_prefix("Value: ")));
    !matches!(value, Some("no" | "ask"))
}

/// `etc/ca-certificates.conf` as the postinst rewrites it: every line stays, what is gone is deselected, what is
/// new comes at the end.
fn reconfigured(old: &str, after: &Certificates, trusts_new: bool) -> String {
    let mut known = BTreeSet::new();
    let mut text = String::new();
    for line in old.lines() {
        if line.starts_with('#') || line.trim().is_empty() {
            text.push_str(line);
        } else if let Some(path) = line.strip_prefix('!') {
            known.insert(path);
            text.push_str(line);
        } else {
            known.insert(line);
            if !after.contains_key(line) {
                text.push('!');
            }
            text.push_str(line);
        }
        text.push('\n');
    }
    for path in after.keys().filter(|path| !known.contains(path.as_str())) {
        if !trusts_new {
            text.push('!');
        }
        text.push_str(path);
        text.push('\n');
    }
    text
}

/// The handler over the package's and the local certificates.
fn made(shipped: &Certificates, local: &Certificates, conf: &str) -> super::ca_certificates::Bundle {
    let mut all: Vec<(String, Vec<u8>)> = shipped.iter().map(|(p, c)| (p.clone(), c.clone())).collect();
    let mut conf = conf.to_owned();
    if !conf.is_empty() && !conf.ends_with('\n') {
        conf.push('\n');
    }
    for (path, content) in local {
        let marked = format!("{LOCAL_MARK}{path}");
        conf.push_str(&marked);
        conf.push('\n');
        all.push((marked, content.clone()));
    }
    bundle(&all, &conf)
}

fn localise(target: &mut String) {
    if let Some(path) = target.strip_prefix(&format!("/{SHIPPED}/{LOCAL_MARK}")) {
        *target = format!("/{LOCAL}/{path}");
    }
}

/// PEM blocks with what stands before each.
fn blocks(bundle: &[u8]) -> Vec<String> {
    let text = String::from_utf8_lossy(bundle);
    let end = "-----END CERTIFICATE-----";
    text.split_inclusive(end)
        .filter(|block| block.contains(end))
        .map(|block| block.trim_start().to_owned())
        .collect()
}

/// Without line breaks, so that one certificate is one text however it is wrapped.
fn body(block: &str) -> String {
    let start = block.find("-----BEGIN").unwrap_or(0);
    block[start..].split_whitespace().collect()
}

/// The new bundle with what somebody had added to the present one, and without what somebody had taken out.
fn merged(present: &[u8], was: &[u8], is: &[u8]) -> (Vec<u8>, usize) {
    let known: BTreeSet<String> = blocks(was).iter().map(|b| body(b)).collect();
    let new: BTreeSet<String> = blocks(is).iter().map(|b| body(b)).collect();
    let present = blocks(present);
    let there: BTreeSet<String> = present.iter().map(|b| body(b)).collect();
    let taken_out = |block: &str| {
        let body = body(block);
        !there.is_empty() && known.contains(&body) && !there.contains(&body)
    };
    let mut out: Vec<u8> = if blocks(is).iter().any(|block| taken_out(block)) {
        blocks(is)
            .iter()
            .filter(|block| !taken_out(block))
            .flat_map(|b| [b.as_bytes(), b"\n"].concat())
            .collect()
    } else {
        is.to_vec()
    };
    let mut added = 0;
    for block in present.iter().filter(|block| !known.contains(&body(block)) && !new.contains(&body(block))) {
        out.extend_from_slice(block.as_bytes());
        out.push(b'\n');
        added += 1;
    }
    (out, added)
}

/// Links that come, change and go; those that nobody of ours made stay.
fn links(
    tree: &Tree,
    was: &BTreeMap<String, String>,
    is: &BTreeMap<String, String>,
    newest: u64,
    work: &mut Work,
) {
    let folder = tree.real(LINKS).into_owned();
    let there: BTreeMap<&str, &str> = tree
        .under(&folder)
        .filter(|(path, _)| !path[folder.len() + 1..].contains('/'))
        .filter_map(|(path, node)| {
            let target = if node.entry.kind == Kind::Symlink { node.entry.link.as_deref()? } else { "" };
            Some((&path[folder.len() + 1..], target))
        })
        .collect();
    // A hash link is ours when the name that it leads to is.
    let names: BTreeSet<&String> = was.keys().filter(|name| name.ends_with(".pem")).collect();
    let ours = |name: &str, target: &str| {
        was.get(name).is_some_and(|t| t == target)
            || target.starts_with(&format!("/{SHIPPED}/"))
            || (!target.contains('/') && names.iter().any(|n| n.as_str() == target))
    };
    for (name, target) in &there {
        if ours(name, target) && is.get(*name).is_none_or(|new| new != target) {
            work.whiteouts.insert(format!("{folder}/{name}"));
        }
    }
    for (name, target) in is {
        let mut name = name.clone();
        match there.get(name.as_str()) {
            Some(old) if old == target => continue,
            Some(old) if !ours(&name, old) => {
                // Somebody's own: a hash link takes the next number, a name is theirs.
                let Some((hash, _)) =
                    name.split_once('.').filter(|(hash, _)| hash.len() == 8 && !name.ends_with(".pem"))
                else {
                    work.kept.insert(format!("/{folder}/{name}"));
                    continue;
                };
                let free = (0..64)
                    .map(|n| format!("{hash}.{n}"))
                    .find(|n| !there.contains_key(n.as_str()) && !is.contains_key(n));
                let Some(free) = free else { continue };
                name = free;
            }
            _ => {}
        }
        let laid = Laid {
            content: Content::Symlink(target.clone()),
            mode: 0o777,
            uid: 0,
            gid: 0,
            mtime: newest,
            xattrs: Vec::new(),
        };
        work.entries.insert(format!("{folder}/{name}"), laid);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pem(text: &str) -> String {
        format!("-----BEGIN CERTIFICATE-----\n{text}\n-----END CERTIFICATE-----\n")
    }

    #[test]
    fn the_configuration_is_rewritten_as_by_the_postinst() {
        let after: Certificates =
            ["mozilla/A.crt", "mozilla/N.crt", "mozilla/Off.crt"].map(|p| (p.to_owned(), Vec::new())).into();
        let old = "# c\nmozilla/A.crt\nmozilla/Gone.crt\n!mozilla/Off.crt\n";
        assert_eq!(
            reconfigured(old, &after, true),
            "# c\nmozilla/A.crt\n!mozilla/Gone.crt\n!mozilla/Off.crt\nmozilla/N.crt\n"
        );
        assert!(reconfigured(old, &after, false).ends_with("!mozilla/N.crt\n"));
    }

    #[test]
    fn additions_and_removals_by_others_stay() {
        let (a, b, new, mine) = (pem("AAAA"), pem("BBBB"), pem("CCCC"), pem("DDDD"));
        let was = format!("{a}{b}");
        let is = format!("{a}{new}");
        // B was removed by the package, D was appended by somebody, in other line breaks.
        let (out, added) = merged(format!("{a}{b}# mine\n{mine}").as_bytes(), was.as_bytes(), is.as_bytes());
        let out = String::from_utf8(out).unwrap();
        assert_eq!(added, 1);
        assert!(
            out.contains("DDDD") && out.contains("CCCC") && out.contains("# mine") && !out.contains("BBBB")
        );
        // A was taken out by somebody.
        let (out, _) = merged(b.as_bytes(), was.as_bytes(), is.as_bytes());
        assert!(!String::from_utf8(out).unwrap().contains("AAAA"));
        // No bundle yet: all of the new one.
        assert_eq!(merged(b"", was.as_bytes(), is.as_bytes()).0, is.as_bytes());
    }
}
