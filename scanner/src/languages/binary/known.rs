//! Software that official images compile themselves: its version is a string in its binary.

use std::path::Path;

use crate::languages::{Component, Evidence, File, Found, Kind, input::is_managed};

/// How a program says its version: what stands before it.
struct Program {
    /// The name in the package URL.
    product: &'static str,
    /// Names of files, or their beginnings where they end with `*`.
    files: &'static [&'static str],
    /// Texts that stand right before the version; of several the first that is found counts.
    before: &'static [&'static str],
}

const PROGRAMS: &[Program] = &[
    Program { product: "node", files: &["node"], before: &["/download/release/v", "node.js/v"] },
    Program { product: "ruby", files: &["ruby", "libruby.so*", "libruby-static*"], before: &["ruby "] },
    Program {
        product: "php",
        files: &["php", "php-fpm", "php-cgi", "phpdbg", "libphp*"],
        before: &["X-Powered-By: PHP/"],
    },
    Program { product: "nginx", files: &["nginx"], before: &["nginx version: nginx/", "nginx/"] },
    Program { product: "apache", files: &["httpd"], before: &["Apache/"] },
    Program { product: "postgresql", files: &["postgres"], before: &["postgres (PostgreSQL) "] },
    Program { product: "memcached", files: &["memcached"], before: &["memcached "] },
    Program { product: "bash", files: &["bash"], before: &["@(#)Bash version "] },
    Program { product: "perl", files: &["perl", "perl5*"], before: &["/perl5/"] },
    Program { product: "openssl", files: &["openssl", "libcrypto.so*", "libssl.so*"], before: &["OpenSSL "] },
    Program { product: "curl", files: &["curl", "libcurl.so*"], before: &["libcurl/", "curl/"] },
    Program { product: "haproxy", files: &["haproxy"], before: &["HAProxy version ", "HA-Proxy version "] },
];
const PYTHON: &str = "python";
/// Redis and its relatives write version, builder and time of build one behind the other.
const REDIS: &[(&str, &str)] =
    &[("redis-server", "redis"), ("valkey-server", "valkey"), ("keydb-server", "keydb")];

/// One program that is looked for in one binary.
pub(super) struct Known<'a> {
    product: &'static str,
    before: Vec<Vec<u8>>,
    /// By the index of what stood before it.
    version: Option<(usize, String)>,
    /// `3.12`, which the file's name says, and with which the version begins.
    series: Option<&'a str>,
}

impl<'a> Known<'a> {
    /// None: its name says that it is none of them.
    pub(super) fn of(file: &File<'a>) -> Option<Self> {
        let name = file.name();
        if is_managed(file.path) {
            return None;
        }
        let new = |product, before| Some(Self { product, before, version: None, series: None });
        if let Some(series) = python_series(name) {
            // A linker that shares the ends of strings may find the version's at the end of a path.
            let alone = [b"\0", series.as_bytes(), b"."].concat();
            let known = new(PYTHON, vec![alone.clone(), alone[1..].to_vec()])?;
            return Some(Self { series: Some(series), ..known });
        }
        if let Some((_, product)) = REDIS.iter().find(|(file, _)| *file == name) {
            return new(product, Vec::new());
        }
        let fits = |pattern: &&str| match pattern.strip_suffix('*') {
            Some(start) => name.starts_with(start),
            None => name == *pattern,
        };
        let program = PROGRAMS.iter().find(|p| p.files.iter().any(fits))?;
        new(program.product, program.before.iter().map(|b| b.as_bytes().to_vec()).collect())
    }

    /// Looks at a window, whose beginning was the end of the one before.
    pub(super) fn look(&mut self, bytes: &[u8]) {
        if self.before.is_empty() {
            if self.version.is_none() {
                self.version = redis_version(bytes).map(|v| (0, v));
            }
            return;
        }
        for (index, before) in self.before.iter().enumerate() {
            if self.version.as_ref().is_some_and(|(best, _)| *best <= index) {
                return;
            }
            let found = memchr::memmem::find_iter(bytes, before).find_map(|at| match self.series {
                Some(series) => {
                    let start = at + 1 - index;
                    let text = version(bytes.get(start..)?)?;
                    let begins = start.checked_sub(1).and_then(|before| bytes.get(before));
                    let begins = begins.is_some_and(|b| !b.is_ascii_alphanumeric() && *b != b'.');
                    let ends = bytes.get(start + text.len()) == Some(&0);
                    let patch = text.as_bytes().get(series.len() + 1).is_some_and(u8::is_ascii_digit);
                    (begins && ends && patch).then_some(text)
                }
                None => version(bytes.get(at + before.len()..)?),
            });
            if let Some(text) = found {
                self.version = Some((index, text));
            }
        }
    }

    pub(super) fn finish(self, found: &mut Found) {
        if let Some((_, version)) = self.version {
            let component = Component::new(Kind::Generic, self.product, version);
            found.add(Component { evidence: Evidence::Binary, ..component });
        }
    }
}

/// `python3.12`, `libpython3.12.so.1.0`, `libpython3.7m.so.1.0`.
fn python_series(name: &str) -> Option<&str> {
    let rest = name.strip_prefix("libpython").or_else(|| name.strip_prefix("python"))?;
    let length = rest.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(rest.len());
    let series = rest[..length].trim_end_matches('.');
    let (major, minor) = series.split_once('.')?;
    let library = Path::new(name).extension().is_none_or(|e| e != "a");
    (major.len() == 1 && !minor.is_empty() && !minor.contains('.') && library).then_some(series)
}

/// A version at the very beginning: digits, a dot and digits at least; what follows may be letters.
fn version(bytes: &[u8]) -> Option<String> {
    let length = bytes.iter().take(40).position(|b| !b.is_ascii_alphanumeric() && !b".-+_".contains(b))?;
    let text = std::str::from_utf8(&bytes[..length]).ok()?.trim_end_matches(['.', '-', '+', '_']);
    let (major, rest) = text.split_once('.')?;
    let fits = (1..=4).contains(&major.len())
        && major.bytes().all(|b| b.is_ascii_digit())
        && rest.starts_with(|c: char| c.is_ascii_digit());
    fits.then(|| text.to_owned())
}

/// `7.2.3` + `buildhost` + `-` + seconds or nanoseconds.
fn redis_version(bytes: &[u8]) -> Option<String> {
    memchr::memchr_iter(0, bytes).find_map(|at| {
        let text = bytes.get(at + 1..)?.get(..80).or(bytes.get(at + 1..))?;
        if !text.first()?.is_ascii_digit() {
            return None;
        }
        let mut parts = text.splitn(3, |b| *b == b'.');
        let digits = |part: &[u8]| (1..=3).contains(&part.len()) && part.iter().all(u8::is_ascii_digit);
        let (major, minor, rest) = (parts.next()?, parts.next()?, parts.next()?);
        let patch = rest.iter().take_while(|b| b.is_ascii_digit()).count();
        let build = rest.get(patch..)?;
        let dash = memchr::memchr(b'-', build).filter(|d| (4..=40).contains(d))?;
        let host = build[..dash].iter().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit());
        let time = build[dash + 1..].iter().take_while(|b| b.is_ascii_digit()).count();
        if !digits(major) || !digits(minor) || !(1..=3).contains(&patch) || !host || time < 10 {
            return None;
        }
        let text = |part: &[u8]| String::from_utf8_lossy(part).into_owned();
        Some(format!("{}.{}.{}", text(major), text(minor), text(&rest[..patch])))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(path: &str, strings: &str) -> Option<String> {
        let mut known = Known::of(&File { path, size: 1000, executable: true })?;
        known.look(strings.as_bytes());
        let mut found = Found::default();
        known.finish(&mut found);
        found.components.first().map(Component::purl)
    }

    #[test]
    fn names_and_strings_say_it() {
        for (path, strings, expected) in [
            ("usr/local/bin/python3.12", "\x003.12.\0\x003.12.1\0", "pkg:generic/python@3.12.1"),
            ("usr/local/lib/libpython3.7m.so.1.0", "x\x003.7.17rc1\0", "pkg:generic/python@3.7.17rc1"),
            (
                "opt/lib/libpython3.12.so.1.0",
                "x1.3.12.9\0/opt/3.12.1\0/3.12.txt\0",
                "pkg:generic/python@3.12.1",
            ),
            (
                "usr/local/bin/node",
                "https://h/download/release/v20.10.0/node-v20",
                "pkg:generic/node@20.10.0",
            ),
            ("usr/local/lib/libruby.so.3.2.2", "ruby - x\0ruby 3.2.2 (2023-03-30)", "pkg:generic/ruby@3.2.2"),
            ("usr/local/sbin/php-fpm", "X-Powered-By: PHP/8.2.1\0", "pkg:generic/php@8.2.1"),
            ("opt/nginx/nginx", "nginx/x nginx version: nginx/1.25.3\n", "pkg:generic/nginx@1.25.3"),
            (
                "usr/local/bin/redis-server",
                "%5\x007.2.3\x007.2.3buildkitsandbox-1698952332000000000\0",
                "pkg:generic/redis@7.2.3",
            ),
        ] {
            assert_eq!(found(path, strings).as_deref(), Some(expected));
        }
        assert_eq!(found("usr/bin/python3.12", "\x003.12.1\0"), None, "a package manager's");
        assert_eq!(found("usr/local/bin/python3.12", "\x003.12.txt\0"), None);
        assert_eq!(found("usr/local/bin/other", "nginx/1.25.3"), None);
    }

    proptest::proptest! {
        #[test]
        fn never_panics(bytes in proptest::collection::vec(proptest::num::u8::ANY, 0..200)) {
            for path in ["a/python3.12", "a/redis-server", "a/nginx", "a/libpython3."] {
                if let Some(mut known) = Known::of(&File { path, size: 1, executable: true }) {
                    known.look(&bytes);
                }
            }
        }
    }
}
