//! Copyright files in both forms, and files that are neither.

use super::*;

const MACHINE_READABLE: &str = "\
Format: https://www.debian.org/doc/packaging-manuals/copyright-format/1.0/
Upstream-Name: zsh
Source: https://example.org

Files: *
Copyright: 1992 somebody
License: Expat
 Permission is hereby granted, free of charge, ...
 .
 License: GPL-9

Files: m4/*
Copyright: FSF
License: GPL-2+ with Autoconf exception, or FSFULLR
Comment: License: nothing

Files: lib/*
License:
 GPL-3+

License: GPL-2+ with Autoconf exception
 This program ...

License: AGPL-3
 A text that no file refers to.
";

#[test]
fn machine_readable_files() {
    assert_eq!(
        of_copyright_file(MACHINE_READABLE.as_bytes()),
        ["GPL-2.0-or-later WITH Autoconf-exception-2.0 OR FSFULLR", "GPL-3.0-or-later", "MIT"]
    );
    let crlf = MACHINE_READABLE.replace('\n', "\r\n");
    assert_eq!(of_copyright_file(crlf.as_bytes()), of_copyright_file(MACHINE_READABLE.as_bytes()));
    // A header that speaks for all files, and a paragraph that says nothing.
    let header = "format: http://dep.debian.net/deps/dep5/\nLicense: ISC\n";
    assert_eq!(of_copyright_file(header.as_bytes()), ["ISC"]);
    let silent = "Format: copyright-format/1.0\n\nFiles: *\nCopyright: me\n\nFiles: a\nLicense: ISC\n";
    assert_eq!(of_copyright_file(silent.as_bytes()), ["ISC", "NOASSERTION"]);
    let sentence = "Format: copyright-format/1.0\n\nFiles: *\nLicense: Permission to use, copy, modify, and distribute\n";
    assert_eq!(of_copyright_file(sentence.as_bytes()), ["NOASSERTION"]);
}

#[test]
fn free_text_says_what_it_names_and_that_there_may_be_more() {
    let text = "This is Debian's package of foo.\n\nfoo is free software; you can redistribute it under the terms of the\n\
        GNU General Public License as published by the FSF; either version 2 of\nthe License, or (at your option) any \
        later version.\n\nOn Debian systems the text is in `/usr/share/common-licenses/GPL-2'.\n\nThe library is under \
        version 2.1 of the GNU Lesser General Public License,\nsee /usr/share/common-licenses/LGPL-2.1.\n";
    assert_eq!(of_copyright_file(text.as_bytes()), ["GPL-2.0-or-later", "LGPL-2.1-only", "NOASSERTION"]);
    let perl = "You may redistribute it under the same terms\nas Perl itself:\n either version 1, or any later version, \
        /usr/share/common-licenses/GPL-1, or /usr/share/common-licenses/Artistic\n";
    assert_eq!(of_copyright_file(perl.as_bytes()), ["Artistic-1.0-Perl OR GPL-1.0-or-later", "NOASSERTION"]);
    for nothing in [&b""[..], b"All rights reserved.", b"\0\xff\xfe", b"/usr/share/common-licenses/"] {
        assert_eq!(of_copyright_file(nothing), ["NOASSERTION"]);
    }
}

#[test]
fn a_hostile_file_is_bounded() {
    let mut text = "Format: copyright-format/1.0\n\n".to_owned();
    for n in 0..20_000 {
        text.push_str(&format!("Files: {n}\nLicense: own-{n}\n\n"));
    }
    text.push_str(&format!("Files: x\nLicense: {}\n", "GPL-2 and ".repeat(50_000)));
    let found = of_copyright_file(text.as_bytes());
    assert!(found.len() <= crate::limits::licenses().names && found.contains(&NO_ASSERTION.to_owned()));
    let long = format!("Format: copyright-format/1.0\n\nFiles: x\nLicense: {}ISC\n", "ISC or ".repeat(190));
    assert_eq!(of_copyright_file(long.as_bytes()), ["NOASSERTION"]);
}

/// Every file of this machine: nothing panics, each expression parses, most are known.
#[test]
fn this_machines_own_files() {
    let Ok(folder) = std::fs::read_dir("/usr/share/doc") else { return };
    let (mut packages, mut known) = (0, 0);
    for entry in folder.flatten() {
        let Ok(bytes) = std::fs::read(entry.path().join("copyright")) else { continue };
        let found = of_copyright_file(&bytes);
        assert!(!found.is_empty());
        packages += 1;
        for license in &found {
            assert!(
                license == NO_ASSERTION || license.parse::<crate::licenses::Expression>().is_ok(),
                "{license}"
            );
        }
        known += usize::from(found.iter().any(|l| l != NO_ASSERTION));
    }
    assert!(packages < 50 || known * 10 > packages * 7, "{known} of {packages}");
}

proptest::proptest! {
    #[test]
    fn never_panics(text in "(Format: dep5\n|License: .{0,20}\n|Files: x\n| .{0,10}\n|\n|/usr/share/common-licenses/.{0,8}|é){0,30}") {
        let _ = of_copyright_file(text.as_bytes());
    }
}
