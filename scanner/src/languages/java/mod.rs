//! Java archives: what lies in them, and in the archives in them.
//!
//! An archive that is small enough is held and read by its directory; a larger
//! one is read as a stream. Classes are never unpacked where their size is known.

mod description;
mod groups;
mod jar;
mod manifest;
mod stream;
pub(super) mod zip;

use std::{
    cell::Cell,
    collections::HashSet,
    hash::{BuildHasher as _, RandomState},
    io::{self, Read},
    rc::Rc,
};

use sha1::{Digest as _, Sha1};

use self::{
    description::Description,
    stream::{Ahead, Visit},
    zip::Directory,
};
use super::{Analyser, Archive, File, Found, Named, Unreadable, limits};

pub use self::{description::Coordinates, jar::Jar, manifest::Manifest};

/// Wars, ears, Play's and Jenkins' archives are jars by other names.
pub(super) static JAVA: Java = Java;

pub(super) struct Java;

impl Analyser for Java {
    fn name(&self) -> &'static str {
        "java-archive"
    }
    fn version(&self) -> u32 {
        2
    }
    fn named(&self) -> &'static [Named] {
        &[
            Named::Ends("jar"),
            Named::Ends("war"),
            Named::Ends("ear"),
            Named::Ends("par"),
            Named::Ends("hpi"),
            Named::Ends("jpi"),
            Named::Ends("kar"),
            Named::Ends("sar"),
        ]
    }
    fn wants(&self, file: &File<'_>) -> bool {
        file.size > 0
    }
    fn read(&self, file: &File<'_>, content: &mut dyn Read) -> Result<Found, Unreadable> {
        let mut session = Session::default();
        session.archive(content, file.size, 0, None, file.name())?;
        Ok(session.found.tidy())
    }
}

/// What an entry is read for.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Want {
    Properties,
    Pom,
    Manifest,
    Archive,
}

/// Most entries are classes: their last letter says that nobody wants them.
fn want(name: &str) -> Option<Want> {
    let file =
        |file: &str| name.strip_suffix(file).is_some_and(|rest| rest.is_empty() || rest.ends_with('/'));
    match name.as_bytes().last()? {
        b's' if !name.ends_with(".class") && file("pom.properties") => Some(Want::Properties),
        b'l' if file("pom.xml") && name.starts_with("META-INF/maven/") => Some(Want::Pom),
        b'F' | b'f' if name.eq_ignore_ascii_case("META-INF/MANIFEST.MF") => Some(Want::Manifest),
        b'r' => {
            let (_, end) = name.rsplit_once('.')?;
            ["jar", "war", "ear", "par", "kar", "sar"].contains(&end).then_some(Want::Archive)
        }
        _ => None,
    }
}

/// What is left for one outer file.
struct Session {
    found: Found,
    /// Bytes that may still come out of compressed entries; shared with what reads them.
    inflated: Rc<Cell<u64>>,
    held: u64,
    archives: usize,
    entries: usize,
}

impl Default for Session {
    fn default() -> Self {
        Self {
            found: Found::default(),
            inflated: Rc::new(Cell::new(limits::archives().inflated)),
            held: limits::archives().held,
            archives: limits::archives().count,
            entries: limits::archives().entries,
        }
    }
}

/// Stops when too much has come out.
struct Bounded<R> {
    inner: R,
    left: Rc<Cell<u64>>,
}

impl<R: Read> Read for Bounded<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.inner.read(buffer)?;
        let left = self.left.get().checked_sub(count as u64);
        self.left.set(left.unwrap_or(0));
        left.map(|_| count).ok_or_else(|| io::Error::other("too much comes out of compressed entries"))
    }
}

/// Hashes what passes.
struct Hashed<R> {
    inner: R,
    hash: Sha1,
}

impl<R: Read> Read for Hashed<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.inner.read(buffer)?;
        self.hash.update(&buffer[..count]);
        Ok(count)
    }
}

/// Where an archive stands in the outer file.
type Inside = Option<String>;

/// Names come from strangers: what is longer than any name is cut.
fn deeper(inside: &Inside, name: &str) -> Inside {
    let place = inside.as_ref().map_or_else(|| name.to_owned(), |outer| format!("{outer}!/{name}"));
    Some(cut(&place).to_owned())
}

fn cut(text: &str) -> &str {
    let mut end = text.len().min(limits::languages().name);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    &text[..end]
}

impl Session {
    /// Reads one archive from its beginning to its end. `claimed`: its size, as somebody says.
    fn archive(
        &mut self,
        content: &mut dyn Read,
        claimed: u64,
        depth: usize,
        inside: Inside,
        name: &str,
    ) -> Result<(), Unreadable> {
        let most = limits::archives().held_one.min(self.held);
        let mut bytes = Vec::new();
        if claimed <= most {
            bytes.reserve_exact(usize::try_from(claimed).unwrap_or(0).min(1 << 20));
            (&mut *content).take(most + 1).read_to_end(&mut bytes)?;
            if bytes.len() as u64 <= most {
                let size = bytes.len() as u64;
                self.held -= size;
                let read = self.held_archive(&bytes, depth, inside, name);
                self.held += size;
                return read;
            }
        }
        let held = bytes.len() as u64;
        self.held = self.held.saturating_sub(held);
        let mut stream = Ahead::new(Hashed { inner: bytes.chain(content), hash: Sha1::new() });
        let mut visit = Streamed {
            session: self,
            depth,
            inside: inside.clone(),
            description: Description::default(),
            seen: HashSet::new(),
            hasher: RandomState::new(),
            unlisted: false,
        };
        let walked = stream::walk(&mut stream, &mut visit);
        let (description, unlisted) = (visit.description, visit.unlisted);
        if unlisted {
            self.found.note("its directory lists entries that do not stand in their order");
        }
        // What was understood before it stops to make sense stays.
        if let Err(error) = walked {
            self.found.note(format_args!("{}: {}", place(&inside, name), error.reason));
        }
        io::copy(&mut stream, &mut io::sink())?;
        self.held += held;
        self.finish(description, inside, name, stream.into_inner().hash);
        Ok(())
    }

    fn held_archive(
        &mut self,
        bytes: &[u8],
        depth: usize,
        inside: Inside,
        name: &str,
    ) -> Result<(), Unreadable> {
        let mut description = Description::default();
        let mut read = 0;
        for entry in Directory::of(bytes)? {
            let entry = entry?;
            let Some(left) = self.entries.checked_sub(1) else {
                self.found.note(format_args!("more than {} entries in archives", limits::archives().entries));
                break;
            };
            self.entries = left;
            let Some(want) = want(&entry.name) else { continue };
            read += 1;
            if read > limits::archives().described {
                let place = place(&inside, name);
                self.found.note(format_args!(
                    "{place}: more than {} descriptions and archives",
                    limits::archives().described
                ));
                break;
            }
            if want == Want::Archive && entry.method == 0 && entry.flags & 1 == 0 {
                // Entries may share their bytes, and each archive is hashed: that has a bound as unpacking has.
                let Some(left) = self.inflated.get().checked_sub(entry.data.len() as u64) else {
                    self.found.note("too much stands in archives in archives");
                    break;
                };
                self.inflated.set(left);
                let inside = deeper(&inside, &entry.name);
                self.nested(inside, &entry.name, depth, |session, inside, name| {
                    session.held_archive(entry.data, depth + 1, inside, name)
                });
                continue;
            }
            let mut content = entry.open();
            let content = content.as_mut().map(|c| c as &mut dyn Read);
            self.entry(want, &entry.name, content, depth, &inside, &mut description);
        }
        self.finish(description, inside, name, Sha1::new_with_prefix(bytes));
        Ok(())
    }

    /// One wanted entry: what is wrong with it is said, and the rest of the archive goes on.
    fn entry(
        &mut self,
        want: Want,
        name: &str,
        content: Option<&mut dyn Read>,
        depth: usize,
        inside: &Inside,
        description: &mut Description,
    ) {
        let Some(content) = content else {
            let place = place(&deeper(inside, name), name).to_owned();
            return self
                .found
                .note(format_args!("{place}: it is encrypted, or compressed by an unknown method"));
        };
        let mut content = Bounded { inner: content, left: self.inflated.clone() };
        if want == Want::Archive {
            return self.nested(deeper(inside, name), name, depth, |session, inside, file| {
                session.archive(&mut content, 0, depth + 1, inside, file)
            });
        }
        let limit =
            if want == Want::Manifest { limits::archives().manifest } else { limits::archives().entry };
        let mut bytes = Vec::new();
        if let Err(error) = content.take(limit).read_to_end(&mut bytes) {
            let place = place(&deeper(inside, name), name).to_owned();
            return self.found.note(format_args!("{place}: {error}"));
        }
        let text = String::from_utf8_lossy(&bytes);
        match want {
            Want::Properties => description.properties(name, &text),
            Want::Pom => description.pom(name, &text),
            Want::Manifest => description.manifest(&text),
            Want::Archive => {}
        }
    }

    /// An archive in an archive, if limits allow one more.
    fn nested(
        &mut self,
        inside: Inside,
        name: &str,
        depth: usize,
        read: impl FnOnce(&mut Self, Inside, &str) -> Result<(), Unreadable>,
    ) {
        let place = place(&inside, name).to_owned();
        if depth + 1 >= limits::archives().depth {
            return self
                .found
                .note(format_args!("{place}: archives nest deeper than {}", limits::archives().depth));
        }
        let Some(left) = self.archives.checked_sub(1) else {
            return self.found.note(format_args!("more than {} archives in one", limits::archives().count));
        };
        self.archives = left;
        let file = name.rsplit('/').next().unwrap_or(name);
        if let Err(error) = read(self, inside, file) {
            self.found.note(format_args!("{place}: {}", error.reason));
        }
    }

    fn finish(&mut self, description: Description, inside: Inside, name: &str, hash: Sha1) {
        let (components, described) = description.components(name);
        for component in components {
            self.found.add(super::Component { inside: inside.clone(), ..component });
        }
        let sha1 = hex::encode(hash.finalize());
        self.found.archives.push(Archive { inside, sha1, described });
    }
}

fn place<'a>(inside: &'a Inside, name: &'a str) -> &'a str {
    inside.as_deref().unwrap_or_else(|| cut(name))
}

/// One archive that is read as a stream.
struct Streamed<'s> {
    session: &'s mut Session,
    depth: usize,
    inside: Inside,
    description: Description,
    /// Hashes of the names of wanted entries that have come.
    seen: HashSet<u64>,
    hasher: RandomState,
    /// The directory lists a wanted one that has not.
    unlisted: bool,
}

impl Visit for Streamed<'_> {
    fn wants(&self, name: &str) -> bool {
        want(name).is_some()
    }
    fn entry(&mut self, name: &str, content: Option<&mut dyn Read>) -> Result<(), Unreadable> {
        let Some(want) = want(name) else { return Ok(()) };
        if self.seen.len() >= limits::archives().described {
            return Err(Unreadable::new(format!(
                "more than {} descriptions and archives",
                limits::archives().described
            )));
        }
        self.seen.insert(self.hasher.hash_one(name));
        self.session.entry(want, name, content, self.depth, &self.inside, &mut self.description);
        Ok(())
    }
    fn unpacked(&mut self, content: &mut dyn Read) -> Result<(), Unreadable> {
        io::copy(&mut Bounded { inner: content, left: self.session.inflated.clone() }, &mut io::sink())?;
        Ok(())
    }
    fn listed(&mut self, name: &str) {
        self.unlisted |= want(name).is_some() && !self.seen.contains(&self.hasher.hash_one(name));
    }
}

#[cfg(test)]
pub(crate) mod tests;
