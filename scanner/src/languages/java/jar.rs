//! One jar for who would replace it by another: what it is, and what of it others depend on.

use std::{collections::BTreeSet, io::Read};

use super::{
    description::{Coordinates, coordinates},
    manifest::Manifest,
    zip::{Directory, Entry},
};
use crate::languages::limits;

/// A class file's first bytes: its sign, and its version (The Java Virtual Machine Specification, 4.1).
const CLASS: [u8; 4] = [0xCA, 0xFE, 0xBA, 0xBE];
/// Bytes of a `module-info.class` that are read.
const MODULE_INFO: u64 = 1 << 20;

/// What a jar says of itself, by its central directory alone.
#[derive(Debug)]
pub struct Jar {
    /// All its `META-INF/maven/…/pom.properties`, in their order.
    pub properties: Vec<Coordinates>,
    /// Its manifest's main section.
    pub manifest: Manifest,
    /// Somebody has signed it (JAR File Specification, "Signed JAR File").
    pub signed: bool,
    /// The highest major version of its classes, 52 for Java 8; those for single releases and descriptions of modules
    /// are left out. 0: it has none.
    pub classes: u16,
    /// The names in its `module-info.class`: its own and those of the modules that it names; none: it has none.
    pub modules: Option<BTreeSet<String>>,
}

impl Jar {
    /// Reads one that is held whole. None: it is no zip archive, one that makes no sense, or one with more entries than
    /// are read; of classes no more than their first bytes are unpacked.
    pub fn read(bytes: &[u8]) -> Option<Self> {
        let mut jar = Self {
            properties: Vec::new(),
            manifest: Manifest::default(),
            signed: false,
            classes: 0,
            modules: None,
        };
        for (count, entry) in Directory::of(bytes).ok()?.enumerate() {
            let entry = entry.ok()?;
            if count >= limits::archives().entries {
                return None;
            }
            jar.entry(&entry)?;
        }
        Some(jar)
    }

    fn entry(&mut self, entry: &Entry<'_>) -> Option<()> {
        let name = &*entry.name;
        let file = name.rsplit('/').next().unwrap_or(name);
        if file == "module-info.class" {
            let read = modules(&unpacked(entry, MODULE_INFO)?)?;
            self.modules.get_or_insert_default().extend(read);
        } else if name.ends_with(".class") {
            if !name.starts_with("META-INF/versions/") {
                let head = unpacked(entry, 8)?;
                let is_class = head.get(..4) == Some(&CLASS[..]);
                let major =
                    head.get(6..8).filter(|_| is_class).map(|two| u16::from_be_bytes([two[0], two[1]]));
                self.classes = self.classes.max(major.unwrap_or(0));
            }
        } else if file == "pom.properties" {
            // One that says nothing is one more all the same.
            let text = unpacked(entry, limits::archives().entry)?;
            self.properties.push(coordinates(&String::from_utf8_lossy(&text)).unwrap_or_default());
            if self.properties.len() > limits::archives().described {
                return None;
            }
        } else if name.eq_ignore_ascii_case("META-INF/MANIFEST.MF") {
            let text = unpacked(entry, limits::archives().manifest)?;
            self.manifest = Manifest::parse(&String::from_utf8_lossy(&text));
        } else if let Some(file) = name.strip_prefix("META-INF/") {
            let end = file.rsplit_once('.').map(|(_, end)| end.to_ascii_uppercase());
            self.signed |= !file.contains('/') && matches!(end.as_deref(), Some("SF" | "RSA" | "DSA" | "EC"));
        }
        Some(())
    }
}

/// At most so many of an entry's first bytes; none: it cannot be unpacked.
fn unpacked(entry: &Entry<'_>, most: u64) -> Option<Vec<u8>> {
    let mut bytes = Vec::new();
    entry.open()?.take(most).read_to_end(&mut bytes).ok()?;
    Some(bytes)
}

/// Every module that a class file's constant pool names (The Java Virtual Machine Specification, 4.4.11).
fn modules(bytes: &[u8]) -> Option<BTreeSet<String>> {
    let short = |at: usize| Some(u16::from_be_bytes(bytes.get(at..at + 2)?.try_into().ok()?));
    if bytes.get(..4)? != CLASS {
        return None;
    }
    let (count, mut at) = (short(8)?, 10);
    let (mut texts, mut named) = (std::collections::BTreeMap::new(), BTreeSet::new());
    let mut index = 1;
    while index < count {
        let tag = *bytes.get(at)?;
        at += 1;
        let length = match tag {
            1 => {
                let length = usize::from(short(at)?);
                texts
                    .insert(index, String::from_utf8_lossy(bytes.get(at + 2..at + 2 + length)?).into_owned());
                2 + length
            }
            19 => {
                named.insert(short(at)?);
                2
            }
            7 | 8 | 16 | 20 => 2,
            15 => 3,
            3 | 4 | 9..=12 | 17 | 18 => 4,
            5 | 6 => {
                // Numbers of eight bytes count twice.
                index += 1;
                8
            }
            _ => return None,
        };
        at += length;
        index += 1;
    }
    named.iter().map(|index| texts.get(index).cloned()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::languages::java::tests::zip;

    fn class(major: u8) -> Vec<u8> {
        [&CLASS[..], &[0, 0, 0, major], &[0; 40]].concat()
    }

    fn module(names: &[&str]) -> Vec<u8> {
        let count = u8::try_from(2 * names.len() + 2).unwrap();
        let mut bytes = [&CLASS[..], &[0, 0, 0, 53, 0, count + 1, 5, 0, 0, 0, 0, 0, 0, 0, 0]].concat();
        for (at, name) in names.iter().enumerate() {
            let index = u8::try_from(2 * at + 3).unwrap();
            bytes.extend(
                [&[1, 0, u8::try_from(name.len()).unwrap()], name.as_bytes(), &[19, 0, index]].concat(),
            );
        }
        bytes
    }

    #[test]
    fn what_others_depend_on_is_read() {
        let properties = b"version=1.2.0\ngroupId=org.example\nartifactId=left\n".to_vec();
        let jar = zip(&[
            ("META-INF/MANIFEST.MF", b"Manifest-Version: 1.0\r\nMain-Class: a.B\r\n\r\n", true),
            ("META-INF/maven/org.example/left/pom.properties", &properties, true),
            ("META-INF/LEFT.SF", b"Signature-Version: 1.0", false),
            ("META-INF/versions/21/a/B.class", &class(65), true),
            ("module-info.class", &module(&["org.example.left", "java.base"]), true),
            ("a/B.class", &class(52), true),
            ("a/C.class", &class(51), false),
        ]);
        let jar = Jar::read(&jar).unwrap();
        assert_eq!((jar.classes, jar.signed, jar.manifest.get("Main-Class")), (52, true, Some("a.B")));
        let names = ["java.base", "org.example.left"].map(str::to_owned);
        assert_eq!(jar.modules, Some(BTreeSet::from(names)));
        let [one] = jar.properties.as_slice() else { panic!("{:?}", jar.properties) };
        assert_eq!(
            (one.group.as_str(), one.artifact.as_str(), one.version.as_str()),
            ("org.example", "left", "1.2.0")
        );
    }

    #[test]
    fn what_makes_no_sense_is_none() {
        assert!(Jar::read(b"no archive").is_none());
        for content in [&module(&["a"])[..20], b"text"] {
            assert!(Jar::read(&zip(&[("module-info.class", content, true)])).is_none());
        }
    }
}
