use super::*;

#[test]
fn references_read_and_show_the_same() {
    let digest = Digest::of(b"");
    let full = format!("127.0.0.1:5000/a/b_c/d__e/f--g.h:V1.0-x@{digest}");
    for text in
        ["main/shop/web:v1", "localhost/web", "[::1]:5000/web:v1", "reg.example.com/index.json", &full]
    {
        let parsed: Reference = text.parse().unwrap();
        assert_eq!(parsed.to_string(), *text);
    }
    let parsed: Reference = full.parse().unwrap();
    assert_eq!(parsed.target(), digest.as_str(), "the digest wins over the tag");
    assert_eq!("main/web".parse::<Reference>().unwrap().target(), "latest");
}

#[test]
fn what_is_no_reference_is_refused() {
    let long = format!("main/{}", "a".repeat(256));
    let long_tag = format!("main/web:{}", "a".repeat(129));
    for text in [
        "",
        "nginx",
        "nginx:1.25",
        "main/",
        "/web",
        "main/Shop",
        "main/../etc",
        "main/a//b",
        "main/a___b",
        "main/a._b",
        "main/web:",
        "main/web:.x",
        "main/web:a:b",
        "main/web@sha256:12",
        "main/web@sha512:12",
        "http://main/web",
        "host:port/web",
        "host:0/web",
        "user@host/web",
        "[::g]/web",
        "main/web\u{e9}",
        "main/-web",
        &long,
        &long_tag,
    ] {
        assert!(text.parse::<Reference>().is_err(), "{text}");
    }
    let hint = "nginx".parse::<Reference>().unwrap_err().to_string();
    assert!(hint.contains("name the registry"), "{hint}");
}

#[test]
fn layouts_have_a_directory_and_perhaps_a_tag() {
    let layout =
        |dir: &str, tag: Option<&str>| Location::Layout { dir: dir.into(), tag: tag.map(str::to_owned) };
    assert_eq!("oci:/tmp/a:v1".parse::<Location>().unwrap(), layout("/tmp/a", Some("v1")));
    assert_eq!("oci:a".parse::<Location>().unwrap(), layout("a", None));
    assert_eq!("oci:/tmp/x:y/a".parse::<Location>().unwrap(), layout("/tmp/x:y/a", None));
    assert!("oci:".parse::<Location>().is_err());
    assert!("oci::v1".parse::<Location>().is_err());
    assert!("oci:a:-".parse::<Location>().is_err());
    assert!(matches!("main/web:v1".parse::<Location>().unwrap(), Location::Registry(_)));
    assert_eq!("oci:a:v1".parse::<Location>().unwrap().to_string(), "oci:a:v1");
}
