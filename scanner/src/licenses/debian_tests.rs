//! Names as they stand in Debian's copyright files.

use super::*;

#[test]
fn short_names_become_spdx() {
    for (debian, spdx) in [
        ("Expat", "MIT"),
        ("MIT", "MIT"),
        ("BSD-3-clause", "BSD-3-Clause"),
        ("BSD-2", "BSD-2-Clause"),
        ("GPL-2+", "GPL-2.0-or-later"),
        ("GPL-2", "GPL-2.0-only"),
        ("GPL-2.0+", "GPL-2.0-or-later"),
        ("GPLv3+", "GPL-3.0-or-later"),
        ("GPL-2.0-or-later", "GPL-2.0-or-later"),
        ("GPL-3-only", "GPL-3.0-only"),
        ("GPL", "GPL-1.0-or-later"),
        ("LGPL-2.1+", "LGPL-2.1-or-later"),
        ("LGPL-2", "LGPL-2.0-only"),
        ("LGPL", "LGPL-2.0-or-later"),
        ("AGPL-3", "AGPL-3.0-only"),
        ("AGPL-3+", "AGPL-3.0-or-later"),
        ("AGPL", "AGPL-3.0-or-later"),
        ("GFDL-NIV-1.3+", "GFDL-1.3-no-invariants-or-later"),
        ("GFDL-1.2", "GFDL-1.2-only"),
        ("SSPL-1.0", "SSPL-1.0"),
        ("zlib", "Zlib"),
        ("Apache-2", "Apache-2.0"),
        ("MPL-2", "MPL-2.0"),
        ("public-domain", "LicenseRef-public-domain"),
        ("Public-domain", "LicenseRef-public-domain"),
        ("OpenLDAP-2.8", "OLDAP-2.8"),
        ("BSD-3-clause-PADL", "LicenseRef-BSD-3-clause-PADL"),
        ("GPL-7", "LicenseRef-GPL-7"),
        ("MIT/X11", "LicenseRef-MIT-X11"),
        ("Perl", "Artistic-1.0-Perl OR GPL-1.0-or-later"),
        ("§§", "LicenseRef-unnamed"),
    ] {
        assert_eq!(expressions(debian).expect("a name"), [spdx], "{debian}");
    }
}

#[test]
fn exceptions_keep_their_licence() {
    for (debian, spdx) in [
        ("GPL-2+ with Autoconf exception", "GPL-2.0-or-later WITH Autoconf-exception-2.0"),
        ("GPL-3+ with AutoConf-data exception", "GPL-3.0-or-later WITH Autoconf-exception-3.0"),
        ("GPL-2+ with Libtool exception", "GPL-2.0-or-later WITH Libtool-exception"),
        ("GPL-2 with Linux-syscall-note exception", "GPL-2.0-only WITH Linux-syscall-note"),
        ("GPL-3+ with GCC-Runtime-3.1 exception", "GPL-3.0-or-later WITH GCC-exception-3.1"),
        ("Apache-2.0 with LLVM exception", "Apache-2.0 WITH LLVM-exception"),
        ("GPL-2+ with OpenSSL exception", "GPL-2.0-or-later WITH AdditionRef-OpenSSL-exception"),
        ("GPL-3+-with-Bison-exception", "GPL-3.0-or-later WITH Bison-exception-2.2"),
        ("BSD-like with a twist", "LicenseRef-BSD-like-with-a-twist"),
    ] {
        assert_eq!(expressions(debian).expect("a name"), [spdx], "{debian}");
    }
}

#[test]
fn commas_bind_less_than_words() {
    let of = |text: &str| expressions(text).expect("names");
    assert_eq!(of("GPL-1+ or Artistic"), ["GPL-1.0-or-later OR Artistic-1.0-Perl"]);
    assert_eq!(of("GPL-1+ or Artistic, and Expat"), ["GPL-1.0-or-later OR Artistic-1.0-Perl", "MIT"]);
    assert_eq!(of("GPL-2+ or AFL-2.1, and Expat and Zlib"), ["GPL-2.0-or-later OR AFL-2.1", "MIT", "Zlib"]);
    assert_eq!(of("ISC, MIT, or Zlib"), ["ISC OR MIT OR Zlib"]);
    assert_eq!(of("ISC, MIT, Zlib"), ["ISC", "MIT", "Zlib"]);
    assert_eq!(of("ISC or MIT and Zlib"), ["ISC OR (MIT AND Zlib)"]);
    assert_eq!(of("LGPLv3+_or_GPLv2+"), ["LGPL-3.0-or-later OR GPL-2.0-or-later"]);
    assert_eq!(of("(ISC or MIT) and Zlib"), ["ISC OR MIT", "Zlib"]);
    assert_eq!(of("Perl and ISC"), ["Artistic-1.0-Perl OR GPL-1.0-or-later", "ISC"]);
    assert_eq!(
        of("GPL-2+ with Libtool exception and ISC"),
        ["GPL-2.0-or-later WITH Libtool-exception", "ISC"]
    );
    for sentence in [
        "",
        "Permission is hereby granted, free of charge, to any person obtaining",
        "Redistribution and use in source and binary forms, with or without",
        "ISC or",
        "ISC, ",
        "(ISC",
        "ISC )",
        &"(".repeat(300),
        &"ISC and ".repeat(300),
    ] {
        assert_eq!(expressions(sentence), None, "{sentence}");
    }
}

#[test]
fn common_licences_are_read_with_the_words_before_them() {
    let of = |name: &str, before: &str| common_license(name, before);
    let later = "either version 2 of the license, or (at your option)\n any later version. the text is in";
    assert_eq!(of("GPL-2", later).as_deref(), Some("GPL-2.0-or-later"));
    assert_eq!(of("GPL", later).as_deref(), Some("GPL-2.0-or-later"));
    assert_eq!(of("GPL-2", "under version 2 of the license").as_deref(), Some("GPL-2.0-only"));
    assert_eq!(of("GPL", "").as_deref(), Some("GPL-1.0-or-later"));
    assert_eq!(of("LGPL-2.1", "see").as_deref(), Some("LGPL-2.1-only"));
    assert_eq!(of("GFDL-1.2", "version 1.2 or any later version").as_deref(), Some("GFDL-1.2-or-later"));
    // The package's own version is not the licence's.
    assert_eq!(of("GPL-3", "foo version 9.1; any later version").as_deref(), Some("GPL-3.0-or-later"));
    assert_eq!(of("BSD", "").as_deref(), Some("BSD-3-Clause"));
    assert_eq!(of("Apache-2.0", "").as_deref(), Some("Apache-2.0"));
    assert_eq!(of("Whatever", ""), None);
    assert_eq!(of("GPL-9", ""), None);
}

proptest::proptest! {
    #[test]
    fn what_is_made_is_always_an_expression(text in "([A-Za-z0-9.+/§-]{1,8}|and|or|with|exception|,|\\(|\\)| ){0,12}") {
        for expression in expressions(&text).unwrap_or_default() {
            let parsed = expression.parse::<crate::licenses::Expression>();
            proptest::prop_assert!(parsed.is_ok(), "{text:?} gave {expression:?}");
        }
    }
}
