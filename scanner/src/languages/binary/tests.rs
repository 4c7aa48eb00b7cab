use std::io::Write as _;

use super::*;

const START: &[u8] = b"\x30\x77\xaf\x0c\x92\x74\x08\x02\x41\xe1\xc1\x07\xe6\xd6\x18\xe6";
const END: &[u8] = b"\xf9\x32\x43\x31\x86\x18\x20\x72\x00\x82\x42\x10\x41\x16\xd8\xf2";
const MODULES: &str = "path\tx.org/app\nmod\tx.org/app\tv1.0.0\t\ndep\tx.org/lib\tv2.0.0\th1:x\n";
const ADDRESS: u64 = 0x40_0000;

/// An ELF of 64 bits whose one segment is loaded to [`ADDRESS`], padded to a size.
pub(crate) fn elf(size: usize) -> Vec<u8> {
    let mut bytes = vec![0; size.max(128)];
    bytes[..6].copy_from_slice(b"\x7fELF\x02\x01");
    let mut put = |at: usize, value: u64, count: usize| {
        bytes[at..at + count].copy_from_slice(&value.to_le_bytes()[..count]);
    };
    put(32, 64, 8);
    put(54, 56, 2);
    put(56, 1, 2);
    put(64, 1, 4);
    put(64 + 8, 0, 8);
    put(64 + 16, ADDRESS, 8);
    put(64 + 32, size as u64, 8);
    bytes
}

fn varint(mut value: usize) -> Vec<u8> {
    let mut out = Vec::new();
    while value >= 0x80 {
        out.push((value & 0x7f) as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
    out
}

fn marked(list: &str) -> Vec<u8> {
    [START, list.as_bytes(), END].concat()
}

/// A list that never ends.
pub(crate) fn open_list(list: &str) -> Vec<u8> {
    [START, list.as_bytes()].concat()
}

/// A header of Go 1.18 and later.
pub(crate) fn inline(version: &str, list: &str) -> Vec<u8> {
    let modules = marked(list);
    let header = [b"\xff Go buildinf:".as_slice(), &[8, 2], &[0; 16]].concat();
    [header, varint(version.len()), version.into(), varint(modules.len()), modules].concat()
}

fn read_as(path: &str, bytes: &[u8]) -> Found {
    let file = File { path, size: bytes.len() as u64, executable: true };
    BINARY.read(&file, &mut &*bytes).expect("reads")
}

fn lines(found: &Found) -> Vec<String> {
    let line = |c: &super::super::Component| {
        format!("{}@{}{}", c.full_name(), c.version, if c.main { " main" } else { "" })
    };
    found.components.iter().map(line).collect()
}

const EXPECTED: [&str; 3] = ["stdlib@v1.22.1", "x.org/app@v1.0.0 main", "x.org/lib@v2.0.0"];

/// Around every place where a window could cut it.
#[test]
fn go_headers_are_found_wherever_windows_end() {
    let header = inline("go1.22.1", MODULES);
    let edges = [HEAD, HEAD + WINDOW, HEAD + 2 * WINDOW];
    for edge in edges {
        for before in [0, 16, 32, 48, 64, 96, 160, OVERLAP - 16, OVERLAP, OVERLAP + 16] {
            let at = (edge - before) / 16 * 16;
            let mut bytes = elf(at);
            bytes.extend(&header);
            assert_eq!(lines(&read_as("a", &bytes)), EXPECTED, "at {at}");
            bytes.resize(bytes.len() + 1_000_000, 0);
            assert_eq!(lines(&read_as("a", &bytes)), EXPECTED, "at {at}, with more behind it");
        }
    }
}

#[test]
fn other_containers_are_searched_too() {
    for magic in [b"MZ\0\0".as_slice(), b"\xcf\xfa\xed\xfe", b"\xfe\xed\xfa\xce"] {
        let mut bytes = magic.to_vec();
        bytes.resize(4096, 0);
        bytes.extend(inline("go1.22.1", MODULES));
        assert_eq!(lines(&read_as("a.exe", &bytes)), EXPECTED);
    }
    let script = [b"#!/bin/sh\n".as_slice(), &[0; 22], &inline("go1.22.1", MODULES)].concat();
    assert_eq!(read_as("a", &script), Found::default());
}

/// An old header whose version lies in the second of two segments, behind what could be another version.
pub(crate) fn pointing() -> Vec<u8> {
    let mut bytes = elf(6000);
    bytes[56] = 2;
    bytes.copy_within(64..120, 120);
    bytes[64] = 6;
    let mut put = |at: usize, what: &[u8]| bytes[at..at + what.len()].copy_from_slice(what);
    let address = |at: usize| (ADDRESS + at as u64).to_le_bytes();
    put(600, b"go1.9.9");
    put(1000, b"go1.16.4");
    put(2000, &[b"\xff Go buildinf:".as_slice(), &[8, 0], &address(3000), &address(3016)].concat());
    put(3000, &[address(1000), 8_u64.to_le_bytes()].concat());
    put(4000, &marked(MODULES));
    bytes
}

/// Version, modules, header, and the string headers behind it, each far from the others.
#[test]
fn old_headers_point_to_their_version() {
    let far = 3 * WINDOW;
    let mut bytes = elf(6 * far);
    let size = bytes.len() as u64;
    bytes[64 + 32..64 + 40].copy_from_slice(&size.to_le_bytes());
    let mut put = |at: usize, what: &[u8]| bytes[at..at + what.len()].copy_from_slice(what);
    let address = |at: usize| (ADDRESS + at as u64).to_le_bytes();
    put(far + 3, b"xxgo1.16.4go1.1");
    put(2 * far + 5, &marked(MODULES));
    put(
        3 * far,
        &[b"\xff Go buildinf:".as_slice(), &[8, 0], &address(5 * far), &address(5 * far + 16)].concat(),
    );
    put(5 * far, &[address(far + 5), 8_u64.to_le_bytes()].concat());
    let found = read_as("a", &bytes);
    assert_eq!(lines(&found), ["stdlib@v1.16.4", EXPECTED[1], EXPECTED[2]]);
    assert!(found.incomplete.is_empty());
    // Right behind the header, as the linker has it.
    let mut put = |at: usize, what: &[u8]| bytes[at..at + what.len()].copy_from_slice(what);
    put(3 * far + 16, &address(3 * far + 64));
    put(3 * far + 64, &[address(far + 5), 8_u64.to_le_bytes()].concat());
    assert_eq!(lines(&read_as("a", &bytes)), ["stdlib@v1.16.4", EXPECTED[1], EXPECTED[2]]);
    // A pointer to nowhere.
    bytes[3 * far + 16..3 * far + 24].fill(0xff);
    let found = read_as("a", &bytes);
    assert_eq!(lines(&found), EXPECTED[1..]);
    assert_eq!(found.incomplete, ["it is built by Go, and the version of Go cannot be read"]);
}

pub(crate) fn auditable(json: &str) -> Vec<u8> {
    let mut encoder = flate2::write::ZlibEncoder::new(Vec::new(), flate2::Compression::best());
    encoder.write_all(json.as_bytes()).expect("compresses");
    encoder.finish().expect("compresses")
}

#[test]
fn lists_of_crates_are_found() {
    let json = r#"{"packages":[{"name":"app","version":"0.1.0","source":"local","root":true,"dependencies":[1]},
        {"name":"lib","version":"1.2.3","source":"crates.io"},{"name":"cc","version":"1.0.0","source":"crates.io","kind":"build"}]}"#;
    for at in [4097, HEAD + WINDOW - 7, HEAD + WINDOW - OVERLAP] {
        let mut bytes = elf(at);
        bytes.extend(auditable(json));
        bytes.extend([0; 5000]);
        assert_eq!(lines(&read_as("a", &bytes)), ["app@0.1.0 main", "lib@1.2.3"]);
    }
    let many: String = (0..50_000).map(|n| format!(r#",{{"name":"c{n}","version":"1.{n}.0"}}"#)).collect();
    let json = format!(r#"{{"packages":[{}]}}"#, &many[1..]);
    let mut bytes = elf(5000);
    bytes.extend(auditable(&json));
    assert_eq!(read_as("a", &bytes).components.len(), 50_000);
}

#[test]
fn lists_without_an_end_are_cut_and_told() {
    let mut bytes = elf(4096);
    bytes.extend([START, b"path\tx\n"].concat());
    bytes.resize(3 * limits::binaries().capture, b'x');
    let found = read_as("a", &bytes);
    assert_eq!((found.components.len(), found.incomplete.len()), (0, 1), "{:?}", found.incomplete);
    let mut bytes = elf(4096);
    let json = format!("{{\"packages\":[{}", " ".repeat(20 << 20));
    bytes.extend(auditable(&json));
    assert!(read_as("a", &bytes).incomplete[0].contains("more than"));
    let mut bytes = elf(4096);
    bytes.extend(&auditable(r#"{"packages":[{"name":"lib","version":"1.2.3"}]}"#)[..30]);
    assert!(read_as("a", &bytes).incomplete[0].contains("cut off"));
    // Thousands of beginnings.
    let mut bytes = elf(4096);
    (0..10_000).for_each(|_| bytes.extend([START, b"path\t"].concat()));
    assert!(!read_as("a", &bytes).incomplete.is_empty());
}

#[test]
fn claims_of_length_are_not_believed() {
    for length in
        [vec![0xff; 9], varint(1 << 30), varint(limits::binaries().capture), varint(usize::MAX >> 2)]
    {
        let mut bytes = elf(4096);
        bytes.extend(
            [b"\xff Go buildinf:".as_slice(), &[8, 2], &[0; 16], &varint(8), b"go1.22.1", &length].concat(),
        );
        bytes.resize(bytes.len() + 100, b'x');
        let _ = read_as("a", &bytes);
        let mut bytes = elf(4096);
        bytes.extend([b"\xff Go buildinf:".as_slice(), &[8, 2], &[0; 16], &length].concat());
        let _ = read_as("a", &bytes);
    }
}

#[test]
fn versions_are_found_across_windows() {
    for back in [3, 10, 100] {
        let mut bytes = elf(HEAD + WINDOW - back);
        bytes.extend(b"nginx version: nginx/1.25.3\n");
        bytes.extend([0; 5000]);
        let found = read_as("opt/nginx/sbin/nginx", &bytes);
        assert_eq!(
            found.components.iter().map(super::super::Component::purl).collect::<Vec<_>>(),
            ["pkg:generic/nginx@1.25.3"]
        );
    }
}

proptest::proptest! {
    #[test]
    fn never_panics(
        head in proptest::collection::vec(proptest::num::u8::ANY, 0..600),
        tail in proptest::collection::vec(proptest::num::u8::ANY, 0..100),
        magic in 0..4_usize, flags in 0..4_u8,
    ) {
        let magic = [b"\x7fELF\x02\x01".as_slice(), b"MZ", b"\xcf\xfa\xed\xfe", b"\xfe\xed\xfa\xce"][magic];
        let mut bytes = [magic, &head].concat();
        bytes.resize(bytes.len().div_ceil(16) * 16, 0);
        bytes.extend([b"\xff Go buildinf:".as_slice(), &[8, flags], &tail].concat());
        let _ = read_as("usr/local/bin/node", &bytes);
    }
}

/// How fast a binary without anything in it is searched.
#[test]
fn searching_keeps_up_with_decompression() {
    let mut noise = 1_u64;
    let mut bytes = elf(4096);
    bytes.extend(
        std::iter::repeat_with(|| {
            noise = noise.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            (noise >> 56) as u8
        })
        .take(32 << 20),
    );
    #[expect(clippy::disallowed_methods, reason = "a rough measure that is printed")]
    let start = std::time::Instant::now();
    assert_eq!(read_as("a", &bytes), Found::default());
    println!("{} MB/s", bytes.len() as u128 / start.elapsed().as_micros().max(1));
}

#[test]
fn what_only_looks_compressed_is_not_tried_without_end() {
    let mut bytes = elf(4096);
    (0..400_000).for_each(|_| bytes.extend(b"\x78\xda"));
    let found = read_as("a", &bytes);
    assert_eq!(found.incomplete, ["more places than can be tried could hold a list of crates"]);
}
