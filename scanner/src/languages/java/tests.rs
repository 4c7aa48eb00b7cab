use std::io::Write as _;

use super::*;

/// `name`, content, deflated.
type Item<'a> = (&'a str, &'a [u8], bool);

pub(crate) fn zip(items: &[Item<'_>]) -> Vec<u8> {
    let mut writer = ::zip::ZipWriter::new(std::io::Cursor::new(Vec::new()));
    write(&mut writer, items);
    writer.finish().expect("zip").into_inner()
}

/// As a writer that cannot go back writes it: sizes stand behind the data, as Java's own tool has it.
fn streamed(items: &[Item<'_>]) -> Vec<u8> {
    let mut writer = ::zip::ZipWriter::new_stream(Vec::new());
    write(&mut writer, items);
    writer.finish().expect("zip").into_inner()
}

fn write<W: std::io::Write + std::io::Seek>(writer: &mut ::zip::ZipWriter<W>, items: &[Item<'_>]) {
    for (name, content, deflated) in items {
        let method =
            if *deflated { ::zip::CompressionMethod::Deflated } else { ::zip::CompressionMethod::Stored };
        let options = ::zip::write::SimpleFileOptions::default().compression_method(method);
        writer.start_file(*name, options).expect("entry");
        writer.write_all(content).expect("content");
    }
}

fn properties(group: &str, artifact: &str, version: &str) -> Vec<u8> {
    format!("#Generated\nversion={version}\r\ngroupId={group}\nartifactId={artifact}\n").into_bytes()
}

fn read(name: &str, bytes: &[u8]) -> Found {
    let file = File { path: name, size: bytes.len() as u64, executable: false };
    JAVA.read(&file, &mut &*bytes).expect("reads")
}

/// The same without holding anything.
fn read_stream(name: &str, bytes: &[u8]) -> Result<Found, Unreadable> {
    let mut session = Session { held: 0, ..Session::default() };
    session.archive(&mut &*bytes, bytes.len() as u64, 0, None, name)?;
    Ok(session.found.tidy())
}

fn lines(found: &Found) -> Vec<String> {
    let line = |c: &super::super::Component| {
        let inside = c.inside.as_ref().map(|i| format!(" in {i}")).unwrap_or_default();
        let licenses = c.licenses.iter().map(|l| format!(" [{l}]")).collect::<String>();
        let guess = if c.evidence == super::super::Evidence::FileName { " ?" } else { "" };
        format!("{} {}{inside}{licenses}{guess}", c.full_name(), c.version)
    };
    found.components.iter().map(line).collect()
}

const MANIFEST: &str = "META-INF/MANIFEST.MF";

fn both(name: &str, items: &[Item<'_>]) -> Vec<String> {
    let bytes = zip(items);
    let held = read(name, &bytes);
    assert_eq!(held.incomplete, Vec::<String>::new());
    assert_eq!(read_stream(name, &bytes).expect("reads"), held);
    let described = streamed(items);
    let by_stream = read_stream(name, &described).expect("reads");
    assert_eq!((lines(&by_stream), &by_stream.incomplete), (lines(&held), &held.incomplete));
    assert_eq!(lines(&read(name, &described)), lines(&held));
    lines(&held)
}

#[test]
fn nested_and_shaded_archives_are_read_by_directory_and_by_stream_alike() {
    let inner = zip(&[
        ("META-INF/maven/g/deep/pom.properties", &properties("g", "deep", "3"), true),
        ("a.class", &[7; 5000], true),
    ]);
    let middle = zip(&[
        ("META-INF/maven/g/lib/pom.properties", &properties("g", "lib", "2"), true),
        ("lib/deep-3.jar", &inner, true),
    ]);
    let pom = b"<project><licenses><license><name>Apache\n 2.0</name></license></licenses></project>";
    let found = both(
        "app-1.jar",
        &[
            (MANIFEST, b"Manifest-Version: 1.0\nBundle-License: MIT\n", true),
            ("META-INF/maven/g/app/pom.properties", &properties("g", "app", "1"), true),
            ("META-INF/maven/g/shaded/pom.properties", &properties("g", "shaded", "4"), true),
            ("META-INF/maven/g/shaded/pom.xml", pom, true),
            ("BOOT-INF/lib/lib-2.jar", &middle, true),
            ("com/example/App.class", &[1; 70_000], true),
        ],
    );
    assert_eq!(
        found,
        [
            "g:app 1 [MIT]",
            "g:deep 3 in BOOT-INF/lib/lib-2.jar!/lib/deep-3.jar",
            "g:lib 2 in BOOT-INF/lib/lib-2.jar",
            "g:shaded 4 [Apache 2.0]"
        ]
    );
}

#[test]
fn stored_archives_are_read_where_they_stand() {
    let inner = zip(&[("META-INF/maven/g/a/pom.properties", &properties("g", "a", "1"), false)]);
    let outer = zip(&[("x/a.jar", &inner, false)]);
    let found = read("outer.war", &outer);
    assert_eq!(lines(&found), ["g:a 1 in x/a.jar"]);
    let sums: Vec<_> = found.archives.iter().map(|a| (a.sha1.as_str(), a.described)).collect();
    assert_eq!(sums.len(), 2);
    assert!(sums.contains(&(hex::encode(Sha1::digest(&inner)).as_str(), true)));
    assert!(sums.contains(&(hex::encode(Sha1::digest(&outer)).as_str(), false)));
    assert_eq!(read_stream("outer.war", &outer).expect("reads"), found);
}

#[test]
fn without_properties_manifest_and_name_say_it() {
    let jar = |manifest: &str| zip(&[(MANIFEST, manifest.as_bytes(), true)]);
    for (name, manifest, expected) in [
        (
            "spring-webmvc-5.3.17.jar",
            "Implementation-Title: spring-webmvc\nImplementation-Version: 5.3.17\n",
            "org.springframework:spring-webmvc 5.3.17",
        ),
        (
            "commons-lang3-3.11.jar",
            "Bundle-SymbolicName: org.apache.commons.lang3\nBundle-Version: 3.11.0\n",
            "org.apache.commons:commons-lang3 3.11",
        ),
        (
            "x.jar",
            "Implementation-Vendor-Id: com.example\nImplementation-Title: thing\nImplementation-Version: 1.0\n",
            "com.example:thing 1.0",
        ),
        (
            "x-1.2-api-2.0.jar",
            "Implementation-Vendor-Id: e.x\nImplementation-Version: 2.0\n",
            "e.x:x-1.2-api 2.0",
        ),
        ("nothing-4.5.jar", "Manifest-Version: 1.0\n", "nothing 4.5 ?"),
        (
            "hibernate-core-5.6.0.Final.jar",
            "Implementation-Version: 5.6.0.Final\n",
            "org.hibernate:hibernate-core 5.6.0.Final",
        ),
    ] {
        assert_eq!(lines(&read(name, &jar(manifest))), [expected]);
    }
    let shaded = zip(&[
        ("META-INF/maven/cglib/cglib/pom.properties", &properties("cglib", "cglib", "3"), true),
        (MANIFEST, b"Bundle-SymbolicName: com.example.inject\nBundle-Version: 4.2.3\n", true),
    ]);
    assert_eq!(lines(&read("inject.jar", &shaded)), ["cglib:cglib 3", "com.example:inject 4.2.3"]);
    assert_eq!(lines(&read("tools.jar", &jar("Manifest-Version: 1.0\n"))), Vec::<String>::new());
}

/// Zip64 says sizes in extra fields, and its directory's place in a record of its own.
#[test]
fn large_archives_are_understood() {
    let mut writer = ::zip::ZipWriter::new(std::io::Cursor::new(Vec::new()));
    let options = ::zip::write::SimpleFileOptions::default().large_file(true);
    writer.start_file("META-INF/maven/g/a/pom.properties", options).expect("entry");
    writer.write_all(&properties("g", "a", "1")).expect("content");
    // More entries than an end record can count.
    for n in 0..65_540 {
        writer.start_file(format!("{n}.class"), ::zip::write::SimpleFileOptions::default()).expect("entry");
    }
    let bytes = writer.finish().expect("zip").into_inner();
    assert_eq!(lines(&read("a.jar", &bytes)), ["g:a 1"]);
    let streamed = read_stream("a.jar", &bytes).expect("reads");
    assert_eq!((lines(&streamed), &streamed.incomplete), (vec!["g:a 1".to_owned()], &Vec::new()));
}

#[test]
fn a_script_may_stand_in_front() {
    let jar = zip(&[("META-INF/maven/g/a/pom.properties", &properties("g", "a", "1"), true)]);
    let bytes = [b"#!/bin/sh\nexec java -jar \"$0\"\n".as_slice(), &jar].concat();
    assert_eq!(lines(&read("a.jar", &bytes)), ["g:a 1"]);
    assert_eq!(lines(&read_stream("a.jar", &bytes).expect("reads")), ["g:a 1"]);
}

#[test]
fn the_directory_tells_what_a_stream_did_not_see() {
    // The local header says another name than the directory does.
    let mut bytes = zip(&[("META-INF/maven/g/a/pom.properties", &properties("g", "a", "1"), false)]);
    let at = memchr::memmem::find(&bytes, b"pom.properties").expect("the local name");
    bytes[at] = b'x';
    let found = read_stream("a.jar", &bytes).expect("reads");
    assert_eq!(found.incomplete, ["its directory lists entries that do not stand in their order"]);
    assert_eq!(lines(&read("a.jar", &bytes)), ["g:a 1"]);
}

#[test]
fn archives_nest_to_a_depth() {
    let mut bytes = zip(&[("META-INF/maven/g/a/pom.properties", &properties("g", "a", "1"), true)]);
    for _ in 0..100 {
        bytes = zip(&[("n.jar", &bytes, false)]);
    }
    for found in [read("a.jar", &bytes), read_stream("a.jar", &bytes).expect("reads")] {
        assert!(found.components.is_empty());
        assert_eq!(found.incomplete.len(), 1);
        assert!(found.incomplete[0].ends_with("archives nest deeper than 8"), "{:?}", found.incomplete);
    }
}

#[test]
fn bombs_stop() {
    let bomb = vec![0; 8 << 20];
    let pom = zip(&[
        ("META-INF/maven/g/a/pom.properties", &bomb, true),
        ("b/pom.properties", &properties("g", "b", "1"), true),
    ]);
    assert_eq!(lines(&read("a.jar", &pom)), ["g:b 1"], "no more than a limit comes out of one entry");
    let nested = zip(&[("a.jar", &bomb, true)]);
    for held in [limits::archives().held, 0] {
        let mut session = Session { held, inflated: Rc::new(Cell::new(1 << 20)), ..Session::default() };
        session.archive(&mut nested.as_slice(), 0, 0, None, "x.jar").expect("reads");
        let told = session.found.incomplete.iter().any(|note| note.contains("too much comes out"));
        assert!(told, "{:?}", session.found.incomplete);
    }
    // Entries whose end is not known have to be unpacked, wanted or not.
    let streamed = streamed(&[("a.class", &bomb, true)]);
    let mut session = Session { held: 0, inflated: Rc::new(Cell::new(1 << 20)), ..Session::default() };
    session.archive(&mut streamed.as_slice(), 0, 0, None, "x.jar").expect("reads");
    assert!(session.found.incomplete[0].contains("too much comes out"), "{:?}", session.found.incomplete);
}

#[test]
fn claims_are_not_believed() {
    let good = zip(&[("META-INF/maven/g/a/pom.properties", &properties("g", "a", "1"), false)]);
    let end = good.len() - 22;
    let mut claims = Vec::new();
    let offsets = (0..30).chain(end - 120..good.len());
    for at in offsets {
        for value in [0, 1, 0x7f, 0xff] {
            let mut bytes = good.clone();
            bytes[at..(at + 4).min(good.len())].fill(value);
            claims.push(bytes);
        }
    }
    for bytes in claims.iter().chain(&(0..good.len()).map(|n| good[..n].to_vec()).collect::<Vec<_>>()) {
        let file = File { path: "a.jar", size: u64::MAX, executable: false };
        let _ = JAVA.read(&file, &mut bytes.as_slice());
        let _ = read_stream("a.jar", bytes);
        let _ = JAVA.read(&File { size: 1, ..file }, &mut bytes.as_slice());
    }
}

#[test]
fn what_is_no_archive_is_told() {
    for bytes in [b"text".as_slice(), b"PK", b"PK\x05\x06", &[0; 200]] {
        let file = File { path: "a.jar", size: 4, executable: false };
        let error = JAVA.read(&file, &mut &*bytes).expect_err("no archive");
        assert!(error.reason.starts_with("it is no zip archive"), "{error:?}");
    }
}

proptest::proptest! {
    #[test]
    fn never_panics(noise in proptest::collection::vec((0usize..400, proptest::num::u8::ANY), 0..12)) {
        let inner = zip(&[("META-INF/maven/g/a/pom.properties", &properties("g", "a", "1"), true)]);
        let mut bytes = zip(&[(MANIFEST, b"A: b\n", true), ("a.jar", &inner, true), ("b.jar", &inner, false)]);
        for (at, value) in noise {
            if let Some(byte) = bytes.get_mut(at) {
                *byte = value;
            }
        }
        let file = File { path: "a.jar", size: 0, executable: false };
        let _ = JAVA.read(&file, &mut bytes.as_slice());
        let _ = read_stream("a.jar", &bytes);
    }
}

/// A jar of ten megabytes against reading its bytes alone.
#[test]
fn a_large_archive_costs_little_more_than_its_bytes() {
    let mut noise = 1_u64;
    let class: Vec<u8> = std::iter::repeat_with(|| {
        noise = noise.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        (noise >> 56) as u8
    })
    .take(20_000)
    .collect();
    let names: Vec<String> = (0..500).map(|n| format!("com/example/C{n}.class")).collect();
    let mut items: Vec<Item<'_>> = names.iter().map(|n| (n.as_str(), class.as_slice(), true)).collect();
    items.push(("META-INF/maven/g/a/pom.properties", b"groupId=g\nartifactId=a\nversion=1\n", true));
    let bytes = zip(&items);
    let described = streamed(&items);
    let time = |what: &str, work: &dyn Fn()| {
        work();
        #[expect(clippy::disallowed_methods, reason = "a rough measure that is printed")]
        let start = std::time::Instant::now();
        (0..5).for_each(|_| work());
        println!("{what}: {} µs for {} bytes", start.elapsed().as_micros() / 5, bytes.len());
    };
    time("SHA-1 alone", &|| _ = std::hint::black_box(Sha1::digest(&bytes)));
    time("held", &|| assert_eq!(lines(&read("a.jar", &bytes)), ["g:a 1"]));
    time("as a stream", &|| assert_eq!(lines(&read_stream("a.jar", &bytes).expect("reads")), ["g:a 1"]));
    time("as a stream of unknown sizes", &|| {
        assert_eq!(lines(&read_stream("a.jar", &described).expect("reads")), ["g:a 1"]);
    });
}
