use std::{io::Write as _, sync::Arc};

use super::{body::BLOCK, header::LENGTH, *};
use crate::{
    Severity,
    advisories::{
        advisory::{Advisory, Record, Standing, Step, Turn},
        threat::{Cve, Threat, Threats},
    },
};

fn advisory(n: usize, package: &str) -> Advisory {
    let step = |turn, version: &str| Step { turn, version: version.to_owned() };
    Advisory {
        record: Arc::new(Record {
            id: format!("GHSA-{n}"),
            vulnerabilities: vec![format!("CVE-2024-{n:04}")],
            aliases: vec![format!("GHSA-{n}"), format!("PYSEC-{n}")],
            summary: (n.is_multiple_of(2)).then(|| format!("the flaw {n} of {}", "a ".repeat(40))),
            published: (n.is_multiple_of(3)).then_some(1_700_000_000 + n as i64),
        }),
        source: "osv/PyPI".into(),
        ecosystem: "PyPI".into(),
        package: package.into(),
        ranges: vec![vec![step(Turn::Introduced, "0"), step(Turn::Fixed, &format!("{n}.1"))], vec![]],
        versions: vec![format!("{n}.5")],
        severity: Severity::ALL[n % 6],
        severity_source: "ghsa".into(),
        standing: Some(Standing::ALL[n % 4]).filter(|_| n.is_multiple_of(5)),
        overruled: if n.is_multiple_of(7) { vec![format!("CVE-2024-{n:04}")] } else { Vec::new() },
    }
}

/// More than a few blocks of it.
fn many() -> (Vec<Advisory>, Threats) {
    let mut all: Vec<Advisory> = (0..1_000).map(|n| advisory(n, &format!("package-{}", n % 700))).collect();
    all.sort_by(|a, b| (&a.package, &a.record).cmp(&(&b.package, &b.record)));
    let threats = (0..500_u32).map(|n| {
        let threat = Threat {
            known_exploited: n.is_multiple_of(2),
            epss: (n.is_multiple_of(3)).then_some(0.25),
            severity: (n % 5 == 1).then(|| (Severity::High, "nvd".to_owned())),
        };
        (Cve { year: 2_000 + (n % 20) as u16, number: 1_000 + n }, threat)
    });
    (all, threats.filter(|(_, t)| *t != Threat::default()).collect())
}

fn bytes() -> Vec<u8> {
    let (all, threats) = many();
    let mut out = Vec::new();
    write(all, &threats, &["PyPI".to_owned(), "npm".to_owned()].into()).write_to(&mut out).expect("memory");
    out
}

fn open(bytes: &[u8]) -> Result<Reader, Rot> {
    let mut file = tempfile::tempfile().expect("file");
    file.write_all(bytes).expect("write");
    Reader::open(file).expect("the disk")
}

/// Everything that a reader of the set may ask.
fn ask(reader: &Reader) -> Result<usize, Rot> {
    let mut answers = reader.all()?.len() + reader.threats()?.len();
    for n in 0..700 {
        answers += reader.about("PyPI", &format!("package-{n}"))?.len();
    }
    Ok(answers)
}

#[test]
fn what_was_written_is_read_again() {
    let (all, threats) = many();
    let bytes = bytes();
    assert!(bytes.len() > 4 * BLOCK);
    let memory = Reader::memory(write(all.clone(), &threats, &["PyPI".to_owned(), "npm".to_owned()].into()));
    let whole = Reader::whole(bytes.clone()).expect("opens");
    for reader in [open(&bytes).expect("opens"), memory, whole] {
        assert_eq!(reader.count(), 1_000);
        assert!(reader.covers("PyPI") && reader.covers("npm") && !reader.covers("Go"));
        let mut read = reader.all().expect("reads");
        read.sort_by(|a, b| (&a.package, &a.record).cmp(&(&b.package, &b.record)));
        assert_eq!(read, all);
        let about = reader.about("PyPI", "package-7").expect("reads");
        assert_eq!(about.len(), 2);
        assert!(about.iter().all(|a| all.contains(a)));
        assert!(reader.about("PyPI", "package-700").expect("reads").is_empty());
        assert!(reader.about("npm", "package-7").expect("reads").is_empty());
        assert_eq!(reader.threats().expect("reads"), threats);
        for (cve, threat) in &threats {
            assert_eq!(reader.threat(*cve).expect("reads"), *threat);
        }
        let unknown = Cve { year: 2030, number: 1 };
        assert_eq!(reader.threat(unknown).expect("reads"), Threat::default());
    }
}

/// More blocks than stay: those beyond are read again, and are the same.
#[test]
fn a_set_that_is_larger_than_what_is_kept_is_read_all_the_same() {
    let blocks = super::body::BLOCKS + super::body::RECENT_BLOCKS + 40;
    let text = |n: usize| format!("{n:06}{}", "x".repeat(BLOCK - 16));
    let of = |n: usize| Advisory { versions: vec![text(n)], ..advisory(n, &format!("package-{n}")) };
    let mut out = Vec::new();
    write((0..blocks).map(of).collect(), &Threats::new(), &Default::default())
        .write_to(&mut out)
        .expect("memory");
    let reader = open(&out).expect("opens");
    for _ in 0..2 {
        for n in 0..blocks {
            assert_eq!(reader.about("PyPI", &format!("package-{n}")).expect("reads")[0].versions, [text(n)]);
        }
    }
}

#[test]
fn equal_advisories_give_equal_bytes_in_whatever_order_they_came() {
    let (mut all, threats) = many();
    all.reverse();
    let mut out = Vec::new();
    write(all, &threats, &["npm".to_owned(), "PyPI".to_owned()].into()).write_to(&mut out).expect("memory");
    assert_eq!(out, bytes());
}

#[test]
fn an_empty_set_is_one() {
    let mut out = Vec::new();
    write(Vec::new(), &Threats::new(), &Default::default()).write_to(&mut out).expect("memory");
    let reader = open(&out).expect("opens");
    assert_eq!((reader.count(), reader.all().expect("reads").len()), (0, 0));
    assert!(reader.about("PyPI", "a").expect("reads").is_empty());
    assert_eq!(reader.threat(Cve { year: 2024, number: 1 }).expect("reads"), Threat::default());
}

#[test]
fn a_bit_that_turned_anywhere_is_found_before_it_is_believed() {
    let whole = bytes();
    for at in (0..whole.len()).step_by(997).chain([0, 8, 12, 16, 24, LENGTH - 1, whole.len() - 1]) {
        let mut rotten = whole.clone();
        rotten[at] ^= 0x10;
        assert!(open(&rotten).and_then(|reader| ask(&reader)).is_err(), "byte {at}");
    }
}

#[test]
fn a_file_of_another_length_is_refused() {
    let whole = bytes();
    for length in [0, 1, LENGTH - 1, LENGTH, LENGTH + 1, BLOCK, whole.len() - 1] {
        assert!(open(&whole[..length]).is_err(), "{length}");
    }
    let mut longer = whole;
    longer.push(0);
    let error = open(&longer).map(|_| ()).expect_err("longer");
    assert!(error.to_string().contains("where its header says"), "{error}");
}

#[test]
fn a_file_that_is_cut_while_it_is_open_is_an_error() {
    let mut file = tempfile::tempfile().expect("file");
    file.write_all(&bytes()).expect("write");
    let reader = Reader::open(file.try_clone().expect("clone")).expect("the disk").expect("opens");
    file.set_len(BLOCK as u64).expect("cut");
    assert!(ask(&reader).is_err());
}

#[test]
fn a_newer_format_is_named() {
    let mut bytes = bytes();
    bytes[8] = 4;
    assert_eq!(open(&bytes).map(|_| ()).expect_err("newer").reason, "its format 4 is not 3");
}

/// A body that was made to harm, under sums that hold.
fn forged(change: impl Fn(&mut Vec<u8>)) -> Result<usize, Rot> {
    let (all, threats) = many();
    let mut image = write(all, &threats, &["PyPI".to_owned()].into());
    let length = image.body.len();
    change(&mut image.body);
    image.body.resize(length, 0xff);
    let mut out = Vec::new();
    image.write_to(&mut out).expect("memory");
    open(&out).and_then(|reader| ask(&reader))
}

proptest::proptest! {
    #![proptest_config(proptest::test_runner::Config::with_cases(64))]
    #[test]
    fn forged_bodies_give_answers_or_errors_and_never_panic(
        at in 0_usize..200_000, with in proptest::collection::vec(proptest::prelude::any::<u8>(), 1..64)
    ) {
        let _ = forged(|body| {
            let at = at % body.len();
            for (i, byte) in with.iter().enumerate() {
                if let Some(place) = body.get_mut(at + i) {
                    *place = *byte;
                }
            }
        });
    }
}

#[test]
fn lengths_and_counts_beyond_the_file_are_refused() {
    // Every byte the highest: numbers without end, lengths and places far outside.
    assert!(forged(|body| body.fill(0xff)).is_err());
    assert!(forged(|body| body.fill(0x7f)).is_err());
    let _ = forged(|body| body.fill(0));
}
