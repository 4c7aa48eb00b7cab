use super::*;

const STATUS: &str = "Package: openssl\nStatus: install ok installed\nArchitecture: amd64\nVersion: 3.0.11-1~deb12u1\nDescription: tools\n long text\n .\n more\n\n\
Package: libssl3\nStatus: hold ok installed\nArchitecture: amd64\nSource: openssl\nMulti-Arch: same\nVersion: 3.0.11-1~deb12u1\n\n\
Package: rebuilt\nStatus: install ok installed\nArchitecture: amd64\nVersion: 1.2-3+b4\n\n\
Package: named\nStatus: install reinstreq half-configured\nArchitecture: all\nSource: gcc-12 (12.2.0-14)\nVersion: 4:12.2.0-3\n\n\
Package: gone\nStatus: deinstall ok config-files\nArchitecture: amd64\nVersion: 1\n\n\
Package: half\nStatus: install ok half-installed\nArchitecture: amd64\nVersion: 1\n";

#[test]
fn reads_what_is_installed() {
    let packages = installed(STATUS.as_bytes(), true).expect("parses");
    let line =
        |p: &Installed| format!("{} {} {} {} {}", p.name, p.version, p.source, p.source_version, p.held);
    assert_eq!(
        packages.iter().map(line).collect::<Vec<_>>(),
        [
            "libssl3 3.0.11-1~deb12u1 openssl 3.0.11-1~deb12u1 true",
            "named 4:12.2.0-3 gcc-12 12.2.0-14 false",
            "openssl 3.0.11-1~deb12u1 openssl 3.0.11-1~deb12u1 false",
            "rebuilt 1.2-3+b4 rebuilt 1.2-3 false",
        ]
    );
}

#[test]
fn keeps_values_and_their_continuations() {
    let stanzas = parse_status(STATUS.as_bytes()).expect("parses");
    assert_eq!(stanzas.len(), 6);
    assert_eq!(stanzas[0].get("description").as_deref(), Some("tools\n long text\n .\n more"));
    assert_eq!((stanzas[1].line, stanzas[1].fields[2].line), (10, 12));
    let conffiles =
        parse_status(b"Package: a\nConffiles:\n /etc/a 00\n /etc/b 11\nX: \n\n\n").expect("parses");
    assert_eq!(conffiles[0].get("Conffiles").as_deref(), Some("\n /etc/a 00\n /etc/b 11"));
    assert_eq!(conffiles[0].get("X").as_deref(), Some(""));
}

#[test]
fn status_d_needs_no_status() {
    let text = b"Package: base-files\nVersion: 12.4\nArchitecture: amd64\n";
    assert_eq!(installed(text, false).expect("parses").len(), 1);
    assert_eq!(installed(text, true).expect("parses").len(), 0);
}

#[test]
fn the_last_stanza_of_a_package_wins() {
    let one = |version: &str, status: &str| {
        format!("Package: a\nStatus: {status}\nArchitecture: all\nVersion: {version}\n\n")
    };
    let text = one("1", "install ok installed") + &one("2", "install ok installed");
    let packages = installed(text.as_bytes(), true).expect("parses");
    assert_eq!(packages.iter().map(|p| p.version.as_str()).collect::<Vec<_>>(), ["2"]);
    let text = text + &one("2", "deinstall ok config-files");
    assert!(installed(text.as_bytes(), true).expect("parses").is_empty());
}

#[test]
fn says_where_it_stops_to_make_sense() {
    let fails = |text: &str, line: usize, reason: &str| {
        let error = installed(text.as_bytes(), true).expect_err(text);
        assert_eq!(error.line, line, "{text}");
        assert!(error.reason.contains(reason), "{error:?}");
    };
    fails("Package: a\nrubbish\n", 2, "colon");
    fails(" a\n", 1, "continues no field");
    fails("Package: a\nPackage: b\n", 2, "repeats the field Package");
    fails("\n\nVersion: 1\n", 3, "no Package");
    fails("Package: a\nStatus: install ok installed\n", 1, "no Version");
    fails("Package: a\nStatus: well installed\n", 2, "no dpkg status");
    fails("Package: ../a\n", 1, "no package name");
    fails("Package: a\nStatus: install ok installed\nVersion: 1\nSource: b (1\n", 4, "bracket");
    fails("Package: a\nX: \0\n", 2, "NUL");
}

proptest::proptest! {
    #[test]
    fn never_panics(text in proptest::collection::vec(proptest::num::u8::ANY, 0..400)) {
        let _ = installed(&text, true);
    }
}

/// The machine's own database, where there is one, against dpkg's own reading of it.
#[test]
fn agrees_with_dpkg_query() {
    let Ok(text) = std::fs::read("/var/lib/dpkg/status") else {
        println!("skipped: this machine has no dpkg");
        return;
    };
    let format =
        "${db:Status-Status} ${Package} ${Version} ${Architecture} ${source:Package} ${source:Version}\n";
    let Ok(output) = std::process::Command::new("dpkg-query").args(["-W", "-f", format]).output() else {
        println!("skipped: this machine has no dpkg-query");
        return;
    };
    let mut expected: Vec<String> = String::from_utf8_lossy(&output.stdout)
        .lines()
        .filter_map(|l| l.strip_prefix("installed "))
        .map(str::to_owned)
        .collect();
    let mut found: Vec<String> = installed(&text, true)
        .expect("parses")
        .iter()
        .map(|p| format!("{} {} {} {} {}", p.name, p.version, p.architecture, p.source, p.source_version))
        .collect();
    expected.sort();
    found.sort();
    assert_eq!(found, expected);
}
