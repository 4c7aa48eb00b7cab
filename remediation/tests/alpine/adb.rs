//! apk 3's packages and indexes, written by hand.

use rsa::pkcs1::EncodeRsaPublicKey;
use sha2::Sha512;

use super::*;

/// `DigestInfo` in front of a digest (RFC 8017, 9.2, note 1).
const SHA512_PREFIX: &[u8] =
    &[0x30, 0x51, 0x30, 0x0d, 6, 9, 0x60, 0x86, 0x48, 1, 0x65, 3, 4, 2, 3, 5, 0, 4, 0x40];

/// A tree of values that grows.
struct Values {
    bytes: Vec<u8>,
}

impl Values {
    fn new() -> Self {
        Self { bytes: vec![0; 8] }
    }
    fn put(&mut self, kind: u32, bytes: &[u8], align: usize) -> u32 {
        self.bytes.resize(self.bytes.len().next_multiple_of(align), 0);
        let at = self.bytes.len() as u32;
        self.bytes.extend(bytes);
        kind << 28 | at
    }
    fn blob(&mut self, bytes: &[u8]) -> u32 {
        match bytes.len() {
            0 => 0,
            size @ 1..256 => self.put(8, &[&[size as u8], bytes].concat(), 1),
            size => self.put(9, &[&(size as u16).to_le_bytes(), bytes].concat(), 2),
        }
    }
    fn number(&mut self, number: u32) -> u32 {
        match number < 1 << 28 {
            true => 1 << 28 | number,
            false => self.put(2, &number.to_le_bytes(), 4),
        }
    }
    fn slots(&mut self, kind: u32, slots: &[u32]) -> u32 {
        let count = slots.len() as u32 + 1;
        let words: Vec<u8> = [&[count], slots].concat().iter().flat_map(|word| word.to_le_bytes()).collect();
        self.put(kind, &words, 4)
    }
    fn object(&mut self, slots: &[u32]) -> u32 {
        self.slots(0xe, slots)
    }
    fn array(&mut self, slots: &[u32]) -> u32 {
        if slots.is_empty() { 0 } else { self.slots(0xd, slots) }
    }
    fn finish(mut self, root: u32) -> Vec<u8> {
        self.bytes[4..8].copy_from_slice(&root.to_le_bytes());
        self.bytes
    }
    /// `a b=1`, of which no other bound is written here.
    fn relations(&mut self, text: &str) -> u32 {
        let all: Vec<u32> = text
            .split_whitespace()
            .map(|word| {
                let (name, version) = word.split_once('=').unwrap_or((word, ""));
                let (name, version) = (self.blob(name.as_bytes()), self.blob(version.as_bytes()));
                self.object(&[name, version])
            })
            .collect();
        self.array(&all)
    }
    fn about(&mut self, spec: &Spec, id: &[u8], size: usize) -> u32 {
        let texts = |values: &mut Self, texts: &[&str]| -> Vec<u32> {
            texts.iter().map(|text| values.blob(text.as_bytes())).collect()
        };
        let mut slots = texts(self, &[spec.name, spec.version]);
        slots.push(self.blob(id));
        let described = format!("a test's {}", spec.name);
        slots
            .extend(texts(self, &[&described, "x86_64", "MIT", spec.origin, "", "https://example.test", ""]));
        slots.extend([self.number(1_700_000_000), self.number(4096), self.number(size as u32), 0]);
        slots.extend([self.relations(spec.depends), self.relations(spec.provides)]);
        self.object(&slots)
    }
    fn access(&mut self, mode: u32, user: &str) -> u32 {
        let (mode, user, group) = (self.number(mode), self.blob(user.as_bytes()), self.blob(b"root"));
        self.object(&[mode, user, group])
    }
}

fn block(kind: u32, payload: &[u8]) -> Vec<u8> {
    let mut bytes = [(kind << 30 | (payload.len() as u32 + 4)).to_le_bytes().as_slice(), payload].concat();
    bytes.resize(bytes.len().next_multiple_of(8), 0);
    bytes
}

impl Signer {
    fn block(&self, schema: &[u8], values: &[u8]) -> Vec<u8> {
        let public = self.key.to_public_key().to_pkcs1_der().unwrap();
        let header = [&[0, 4], &Sha512::digest(public.as_bytes())[..16]].concat();
        let message = [schema, &header, Sha512::digest(values).as_slice()].concat();
        let scheme = rsa::Pkcs1v15Sign { hash_len: Some(64), prefix: SHA512_PREFIX.into() };
        let signature = self.key.sign(scheme, &Sha512::digest(message)).unwrap();
        block(1, &[header, signature].concat())
    }
    fn file(&self, schema: &[u8], values: &[u8], data: &[Vec<u8>]) -> Vec<u8> {
        let signed = [block(0, values), self.block(schema, values)].concat();
        [b"ADB.", schema, &signed, &data.concat()].concat()
    }
}

/// A package, and the SHA-256 that it is known by. `spoiled` is put in the place of files' content, after they were hashed.
pub(crate) fn package(spec: &Spec, signer: &Signer, spoiled: Option<&str>) -> (Vec<u8>, Vec<u8>) {
    let mut values = Values::new();
    let about = values.about(spec, &[], 0);
    let (mut folders, mut data) = (Vec::new(), Vec::new());
    for (number, folder) in (1u32..).zip(spec.folders()) {
        let mut inside: Vec<_> =
            spec.files.iter().filter(|(path, _)| path.rsplit_once('/').unwrap().0 == folder).collect();
        inside.sort_by_key(|(path, _)| *path);
        let mut files = Vec::new();
        for (at, (path, what)) in (1u32..).zip(inside) {
            let name = values.blob(path.rsplit_once('/').unwrap().1.as_bytes());
            let time = values.number(1_700_000_000);
            files.push(match what {
                What::File(mode, content) => {
                    let access = values.access(*mode, "root");
                    let size = values.number(content.len() as u32);
                    let hash = values.blob(&Sha256::digest(content));
                    let mut content = content.clone().into_bytes();
                    for (byte, with) in content.iter_mut().zip(spoiled.unwrap_or_default().bytes()) {
                        *byte = with;
                    }
                    let place = [number.to_le_bytes(), at.to_le_bytes()].concat();
                    data.push(block(2, &[place, content].concat()));
                    values.object(&[name, access, size, time, hash])
                }
                What::Link(target) => {
                    let access = values.access(0o777, "root");
                    let target = values.blob(&[&[0x00, 0xa0], target.as_bytes()].concat());
                    values.object(&[name, access, 0, time, 0, target])
                }
            });
        }
        let (name, access, files) =
            (values.blob(folder.as_bytes()), values.access(0o755, "root"), values.array(&files));
        folders.push(values.object(&[name, access, files]));
    }
    let folders = values.array(&folders);
    let order = [
        "trigger",
        "pre-install",
        "post-install",
        "pre-deinstall",
        "post-deinstall",
        "pre-upgrade",
        "post-upgrade",
    ];
    let scripts: Vec<u32> = order
        .iter()
        .map(|name| spec.scripts.iter().find(|(known, _)| known == name).map_or("", |(_, text)| text))
        .map(|text| values.blob(text.as_bytes()))
        .collect();
    let scripts = values.object(&scripts);
    let triggers: Vec<u32> =
        spec.triggers.split_whitespace().map(|folder| values.blob(folder.as_bytes())).collect();
    let triggers = values.array(&triggers);
    let root = values.object(&[about, folders, scripts, triggers]);
    let bytes = values.finish(root);
    let id = Sha256::digest(&bytes).to_vec();
    (signer.file(b"pckg", &bytes, &data), id)
}

/// As it is stored: packed by zstd, or not at all.
#[derive(Clone, Copy, PartialEq)]
pub(crate) enum Packing {
    None,
    Zstd,
}

impl Packing {
    fn of(self, plain: Vec<u8>) -> Vec<u8> {
        match self {
            Self::None => plain,
            Self::Zstd => [b"ADBc\x02\x03".to_vec(), zstd::bulk::compress(&plain, 3).unwrap()].concat(),
        }
    }
}

/// `v3.20/main` with these packages, signed; `naming` says where they lie, when it is not empty.
pub(crate) fn repository(signer: &Signer, packages: &[Spec], naming: &str, packing: Packing) -> Served {
    let packages: Vec<_> = packages
        .iter()
        .map(|spec| (spec, package(spec, signer, None)))
        .map(|(spec, (bytes, id))| (spec, (packing.of(bytes), id)))
        .collect();
    let mut served = Served::new();
    for (spec, (bytes, _)) in &packages {
        let path = match naming {
            "" => format!("x86_64/{}", spec.file_name()),
            naming => naming.replace("${name}", spec.name).replace("${version}", spec.version),
        };
        served.insert(format!("v3.20/main/{path}"), bytes.clone());
    }
    let known: Vec<_> =
        packages.iter().map(|(spec, (bytes, id))| (*spec, bytes.len(), id.as_slice())).collect();
    served.insert("v3.20/main/x86_64/Packages.adb".to_owned(), packing.of(index(signer, &known, naming)));
    served
}

/// An index of packages, with their sizes and what they are known by.
pub(crate) fn index(signer: &Signer, packages: &[(&Spec, usize, &[u8])], naming: &str) -> Vec<u8> {
    let mut values = Values::new();
    let all: Vec<u32> = packages.iter().map(|(spec, size, id)| values.about(spec, id, *size)).collect();
    let (all, said, naming) = (values.array(&all), values.blob(b"a test"), values.blob(naming.as_bytes()));
    let root = values.object(&[said, all, naming]);
    signer.file(b"indx", &values.finish(root), &[])
}
