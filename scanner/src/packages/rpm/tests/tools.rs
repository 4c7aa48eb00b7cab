//! Against the formats' own programs, where they are installed: what they write is read here, and
//! what they read is read alike.

use std::{
    io::Write as _,
    path::Path,
    process::{Command, Stdio},
};

use super::{fixtures::go_rpmdb, forms::some, *};

/// Runs a program over some input; none, and said so: there is no such program.
fn run(command: &mut Command, input: &[u8]) -> Option<String> {
    let program = command.get_program().to_string_lossy().into_owned();
    let child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null()).spawn();
    let Ok(mut child) = child else {
        println!("skipped: this machine has no {program}");
        return None;
    };
    let mut stdin = child.stdin.take().expect("stdin");
    let input = input.to_vec();
    let writer = std::thread::spawn(move || stdin.write_all(&input));
    let output = child.wait_with_output().expect("ends");
    writer.join().expect("ends").expect("written");
    assert!(output.status.success(), "{program} failed");
    Some(String::from_utf8_lossy(&output.stdout).into_owned())
}

fn names(path: &Path, form: Form) -> Vec<String> {
    let packages = installed(&std::fs::read(path).expect("a file"), form);
    packages.unwrap_or_else(|e| panic!("{}: {e}", path.display())).into_iter().map(|p| p.name).collect()
}

/// Sizes of pages, vacuums, gaps of deleted rows, WAL.
#[test]
fn reads_what_sqlite_writes() {
    let folder = tempfile::tempdir().expect("a folder");
    let settings =
        ["page_size=512; PRAGMA auto_vacuum=1", "page_size=4096; PRAGMA journal_mode=WAL", "page_size=65536"];
    for (n, setting) in settings.into_iter().enumerate() {
        let path = folder.path().join(format!("{n}.sqlite"));
        let mut sql = format!(
            "PRAGMA {setting};\nCREATE TABLE IF NOT EXISTS 'Packages' (hnum INTEGER PRIMARY KEY AUTOINCREMENT, \
             blob BLOB NOT NULL);\nCREATE TABLE 'Name' (key TEXT, hnum INTEGER);\n\
             CREATE INDEX n ON Name(key);\nBEGIN;\n"
        );
        for blob in some(120) {
            sql += &format!("INSERT INTO Packages(blob) VALUES(x'{}');\n", hex::encode(blob));
        }
        sql += "DELETE FROM Packages WHERE hnum % 3 = 0;\nCOMMIT;\n";
        let Some(_) = run(Command::new("sqlite3").arg(&path), sql.as_bytes()) else { return };
        let kept: Vec<_> = (0..120).filter(|n| n % 3 != 2).map(|n| format!("package{n}")).collect();
        assert_eq!(names(&path, Form::Sqlite), kept, "{setting}");
    }
}

/// Both byte orders, and sizes of pages.
#[test]
fn reads_what_berkeley_db_writes() {
    let folder = tempfile::tempdir().expect("a folder");
    let escaped = |bytes: &[u8]| bytes.iter().map(|b| format!("\\{b:02x}")).collect::<String>();
    for (order, size) in [("4321", "512"), ("1234", "4096"), ("4321", "65536")] {
        let path = folder.path().join(format!("{order}-{size}"));
        let mut text = String::new();
        let number = |n: u32| if order == "4321" { n.to_be_bytes() } else { n.to_le_bytes() };
        text += &format!("{}\n{}\n", escaped(&number(0)), escaped(&number(120)));
        for (n, blob) in (1..).zip(some(120)) {
            text += &format!("{}\n{}\n", escaped(&number(n)), escaped(&blob));
        }
        let settings = [format!("db_lorder={order}"), format!("db_pagesize={size}")];
        let mut command = Command::new("db5.3_load");
        command.args(["-T", "-t", "hash"]).args(settings.iter().flat_map(|s| ["-c", s])).arg(&path);
        let Some(_) = run(&mut command, text.as_bytes()) else { return };
        let (mut found, mut all) =
            (names(&path, Form::BerkeleyDb), (0..120).map(|n| format!("package{n}")).collect::<Vec<_>>());
        found.sort();
        all.sort();
        assert_eq!(found, all, "{order} {size}");
    }
}

const QUERY: &str = "\\f%{NAME}|%|EPOCH?{%{EPOCH}}:{}||%{VERSION}|%{RELEASE}|%|ARCH?{%{ARCH}}:{}||%|SOURCERPM?{%{SOURCERPM}}:{}|\
    |%|VENDOR?{%{VENDOR}}:{}||%{LICENSE}\n[%{FILENAMES} %{FILEDIGESTS}\n]";

/// Every package, file and digest as rpm itself lists them.
#[test]
fn agrees_with_rpm() {
    let Some(files) = go_rpmdb() else { return };
    let sqlite = zstd::decode_all(files["cbl-mariner-2.0/rpmdb.sqlite.zst"].as_slice()).expect("zstd");
    let cases = [
        ("sqlite", "rpmdb.sqlite", Form::Sqlite, &sqlite),
        ("bdb_ro", "Packages", Form::BerkeleyDb, &files["libuuid/Packages"]),
    ];
    for (backend, file, form, bytes) in cases {
        let folder = tempfile::tempdir().expect("a folder");
        std::fs::write(folder.path().join(file), bytes).expect("written");
        let mut command = Command::new("rpm");
        command.arg("--dbpath").arg(folder.path()).args(["--define", &format!("_db_backend {backend}")]);
        let Some(output) = run(command.args(["-qa", "--qf", QUERY]), b"") else { return };
        if output.is_empty() {
            println!("skipped: this rpm cannot read {backend}");
            continue;
        }
        let mut theirs: Vec<String> =
            output.split('\u{c}').skip(1).map(|p| p.trim_end().to_owned()).collect();
        let mut ours: Vec<String> = installed(bytes, form).expect("parses").iter().map(written).collect();
        theirs.sort();
        ours.sort();
        for (ours, theirs) in ours.iter().zip(&theirs) {
            assert_eq!(ours, theirs, "{backend}");
        }
        assert_eq!(ours.len(), theirs.len(), "{backend}");
        println!("{backend}: {} packages as rpm has them", ours.len());
    }
}

/// A package as [`QUERY`] asks for it.
fn written(p: &Installed) -> String {
    let text = |text: &Option<String>| text.clone().unwrap_or_default();
    let epoch = p.epoch.map(|e| e.to_string()).unwrap_or_default();
    let mut out = [
        &p.name,
        &epoch,
        &p.version,
        &p.release,
        &p.architecture,
        &text(&p.source_rpm),
        &text(&p.vendor),
        &text(&p.license),
    ]
    .map(String::as_str)
    .join("|");
    for file in &p.files {
        let digest = file.digest.map(|d| d.to_string()).unwrap_or_default();
        out += &format!("\n/{} {}", file.path, digest.split_once(':').map_or("", |(_, hex)| hex));
    }
    out.trim_end().to_owned()
}
