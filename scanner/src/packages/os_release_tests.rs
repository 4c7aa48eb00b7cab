use jiff::civil::date;

use super::*;
use crate::packages::testdata;

#[test]
fn reads_debian() {
    let text = "PRETTY_NAME=\"Debian GNU/Linux 12 (bookworm)\"\nVERSION_ID=\"12\"\nVERSION_CODENAME=bookworm\nID=debian\n# ID=x\n";
    let distro = parse(text).expect("debian");
    assert_eq!((distro.id.as_str(), distro.version_id.as_deref()), ("debian", Some("12")));
    assert_eq!(distro.codename.as_deref(), Some("bookworm"));
    assert_eq!(release(&distro), Release::Supported("Debian:12".into()));
}

#[test]
fn fills_in_the_codename_that_distroless_leaves_out() {
    let distro = parse("PRETTY_NAME='Distroless'\nID=\"debian\"\nVERSION_ID=\"11\"").expect("debian");
    assert_eq!(distro.codename.as_deref(), Some("bullseye"));
}

#[test]
fn names_what_is_end_of_life_unknown_or_not_debian() {
    let of = |text: &str| release(&parse(text).expect("a distribution"));
    assert!(
        matches!(of("ID=debian\nVERSION_ID=10"), Release::Unsupported(e, r) if e == "Debian:10" && r.contains("buster"))
    );
    assert!(
        matches!(of("ID=debian\nVERSION_CODENAME=forky"), Release::Unknown(r) if r.contains("not released"))
    );
    assert!(matches!(of("ID=debian\nVERSION_ID=99"), Release::Unknown(r) if r.contains("no release")));
    assert!(matches!(of("ID=debian"), Release::Unknown(r) if r.contains("no release")));
    assert!(matches!(of("ID=plan9\nVERSION_ID=4"), Release::Unknown(r) if r.contains("plan9")));
    assert!(parse("ID=$(reboot)\n").is_none() && parse("").is_none());
}

#[test]
fn support_ends_with_its_last_day() {
    let distro = parse("ID=debian\nVERSION_ID=12.5").expect("debian");
    assert_eq!(release_on(&distro, date(2028, 6, 30)), Release::Supported("Debian:12".into()));
    let reason = "Debian 12 (bookworm) is end-of-life since 2028-06-30: no new advisories appear for it";
    let ended = Release::Unsupported("Debian:12".into(), reason.into());
    assert_eq!(release_on(&distro, date(2028, 7, 1)), ended);
}

#[test]
fn debian_version_is_enough() {
    let distro = from_debian_version("12.5\n").expect("a number");
    assert_eq!(distro.codename.as_deref(), Some("bookworm"));
    assert_eq!(from_debian_version("forky/sid").and_then(|d| d.codename).as_deref(), Some("forky"));
    assert!(from_debian_version("\n").is_none());
}

/// What a distribution is, in a word: its ecosystem, in brackets when it is of the past.
fn said(distro: Option<&Distro>) -> String {
    match distro.map(|distro| release_on(distro, date(2026, 11, 22))) {
        Some(Release::Supported(ecosystem)) => ecosystem,
        Some(Release::Unsupported(ecosystem, _)) => format!("({ecosystem})"),
        Some(Release::Unknown(_)) => "unknown".to_owned(),
        None => "none".to_owned(),
    }
}

#[test]
fn writes_ecosystems_as_osv_does() {
    let cases = [
        ("ubuntu", "22.04", "Ubuntu:22.04:LTS"),
        ("ubuntu", "25.10", "(Ubuntu:25.10)"),
        ("ubuntu", "23.04", "(Ubuntu:23.04)"),
        ("alpine", "3.22.1", "Alpine:v3.22"),
        ("alpine", "3.25.0_alpha20260901", "unknown"),
        ("wolfi", "20230201", "Wolfi"),
        ("chainguard", "20230214", "Chainguard"),
        ("almalinux", "10.0", "AlmaLinux:10"),
        ("rocky", "8.10", "Rocky Linux:8"),
        ("rhel", "9.4", "Red Hat:enterprise_linux:9"),
        ("fedora", "44", "Fedora:44"),
        ("ol", "8.10", "Oracle Linux:8"),
        ("amzn", "2018.03", "(Amazon Linux:1)"),
        ("amzn", "2023", "Amazon Linux:2023"),
        ("mariner", "2.0", "(Azure Linux:2)"),
        ("azurelinux", "3.0", "Azure Linux:3"),
        ("photon", "5.0", "Photon OS:5.0"),
        ("opensuse-leap", "16.0", "openSUSE:Leap 16.0"),
        ("opensuse-tumbleweed", "20260101", "openSUSE:Tumbleweed"),
        ("sles", "15.7", "SUSE:Linux Enterprise Server 15 SP7"),
        ("sles", "15", "(SUSE:Linux Enterprise Server 15)"),
        ("sles", "16.0", "SUSE:Linux Enterprise Server 16.0"),
    ];
    for (id, version, ecosystem) in cases {
        let distro = parse(&format!("ID={id}\nVERSION_ID=\"{version}\"\n"));
        assert_eq!(said(distro.as_ref()), ecosystem, "{id} {version}");
    }
}

#[test]
fn reads_what_stood_before_os_release() {
    let cases = [
        ("etc/alpine-release", "3.5.3\n", "alpine 3.5.3 (Alpine:v3.5)"),
        ("etc/alpine-release", "edge\n", "- none"),
        ("etc/redhat-release", "CentOS release 6.10 (Final)\n", "centos 6.10 (Red Hat:enterprise_linux:6)"),
        ("etc/centos-release", "CentOS Stream release 9\n", "centos 9 CentOS Stream:9"),
        (
            "etc/redhat-release",
            "Red Hat Enterprise Linux release 8.10 (Ootpa)",
            "rhel 8.10 Red Hat:enterprise_linux:8",
        ),
        ("etc/redhat-release", "Red Hat Linux release 6.2 (Zoot)", "red-hat-linux 6.2 unknown"),
        ("etc/system-release", "Amazon Linux AMI release 2018.03\n", "amzn 2018.03 (Amazon Linux:1)"),
        ("etc/system-release", "Amazon Linux release 2 (Karoo)\n", "amzn 2 (Amazon Linux:2)"),
        ("etc/oracle-release", "Oracle Linux Server release 7.6", "ol 7.6 (Oracle Linux:7)"),
        ("etc/fedora-release", "Fedora release 43 (Forty Three)", "fedora 43 Fedora:43"),
        ("etc/redhat-release", "\n", "- none"),
        (
            "etc/lsb-release",
            "DISTRIB_ID=Ubuntu\nDISTRIB_RELEASE=12.04\nDISTRIB_CODENAME=precise\n",
            "ubuntu 12.04 (Ubuntu:12.04:LTS)",
        ),
        ("etc/debian_version", "13.1\n", "debian 13 Debian:13"),
    ];
    for (path, text, expected) in cases {
        let (_, read) = OTHER_FILES.iter().find(|(p, _)| *p == path).expect("a known file");
        let distro = read(text);
        let name = distro
            .as_ref()
            .map_or("-".to_owned(), |d| format!("{} {}", d.id, d.version_id.as_deref().unwrap_or_default()));
        assert_eq!(format!("{name} {}", said(distro.as_ref())), expected, "{text}");
    }
}

proptest::proptest! {
    #[test]
    fn never_panics(text in "\\PC{0,80}", known in "(ID|VERSION_ID|PRETTY_NAME)=[a-z]{0,12}[0-9.]{0,6} release [0-9.]{0,6}") {
        for text in [&text, &known] {
            let read = OTHER_FILES.iter().filter_map(|(_, read)| read(text)).chain(parse(text));
            read.for_each(|distro| drop(release(&distro)));
        }
    }
}

/// Release files of real images, by the folders and names that another scanner's tests give them.
#[test]
fn reads_release_files_of_real_images() {
    let folder = "fixtures/trivy/pkg/fanal/analyzer/os/";
    let Some(members) = testdata::members("fixtures", |p| p.starts_with(folder) && p.contains("/testdata/"))
    else {
        return;
    };
    let cases = [
        ("activestate", "unknown"),
        ("alma", "AlmaLinux:9"),
        ("alpine", "(Alpine:v3.15)"),
        ("azurelinux-3.0", "Azure Linux:3"),
        ("bottlerocket", "unknown"),
        ("centos", "(Red Hat:enterprise_linux:7)"),
        ("centos-stream", "(CentOS Stream:8)"),
        ("coreos", "unknown"),
        ("echo", "Echo"),
        ("fedora", "(Fedora:42)"),
        ("mariner-1.0", "(Azure Linux:1)"),
        ("mariner-2.0", "(Azure Linux:2)"),
        ("minimos", "MinimOS"),
        ("no-id", "none"),
        ("no-version", "unknown"),
        ("opensuseleap-15.2.1", "(openSUSE:Leap 15.2)"),
        ("opensuseleap-42.3", "(openSUSE:Leap 42.3)"),
        ("opensusetumbleweed", "openSUSE:Tumbleweed"),
        ("oracle", "Oracle Linux:8"),
        ("photon", "(Photon OS:4.0)"),
        ("rhel", "Red Hat:enterprise_linux:9"),
        ("rocky", "Rocky Linux:9"),
        ("slemicro", "(SUSE:Linux Enterprise Micro 5.3)"),
        ("slemicro-rancher", "SUSE:Linux Enterprise Micro 5.4"),
        ("slemicro6.0", "SUSE:Linux Micro 6.0"),
        ("sles", "(SUSE:Linux Enterprise Server 15 SP3)"),
        ("unknown", "unknown"),
    ];
    let text = |path: &str| String::from_utf8_lossy(&members[&format!("{folder}{path}")]).into_owned();
    for (name, expected) in cases {
        assert_eq!(said(parse(&text(&format!("release/testdata/{name}"))).as_ref()), expected, "{name}");
    }
    let count = members.keys().filter(|p| p.contains("/release/")).count();
    assert_eq!(count, cases.len(), "each file has its case");
    let old: [(Reader, &str, &str); 11] = [
        (from_redhat_release, "redhatbase/testdata/alma/almalinux-release", "AlmaLinux:8"),
        (from_redhat_release, "redhatbase/testdata/centos/centos-release", "(Red Hat:enterprise_linux:7)"),
        (from_redhat_release, "redhatbase/testdata/fedora_29/fedora-release", "unknown"),
        (from_redhat_release, "redhatbase/testdata/oracle_7/oracle-release", "(Oracle Linux:7)"),
        (from_redhat_release, "redhatbase/testdata/redhat_6/redhat-release", "unknown"),
        (from_redhat_release, "redhatbase/testdata/rocky/rocky-release", "Rocky Linux:8"),
        (from_redhat_release, "redhatbase/testdata/not_redhatbase/empty", "none"),
        (from_debian_version, "debian/testdata/debian_9/etc/debian_version", "(Debian:9)"),
        (from_debian_version, "debian/testdata/debian_sid/etc/debian_version", "(Debian:10)"),
        (from_debian_version, "debian/testdata/empty", "none"),
        (from_lsb_release, "ubuntu/testdata/invalid", "none"),
    ];
    for (read, path, expected) in old {
        assert_eq!(said(read(&text(path)).as_ref()), expected, "{path}");
    }
    assert_eq!(said(from_lsb_release(&text("ubuntu/testdata/lsb-release")).as_ref()), "(Ubuntu:18.04:LTS)");
    println!("{} release files", cases.len() + old.len() + 1);
}
