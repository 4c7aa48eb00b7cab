//! Software that says its version in a small file of its own: JDKs, Go, Erlang, Tomcat.

use super::{
    Component, File, Found, Kind, Named, Unreadable,
    input::{self, Size, Whole},
};

pub(super) static RUNTIMES: Whole = Whole {
    name: "runtimes",
    version: 1,
    named: &[
        Named::Is("release"),
        Named::Is("VERSION"),
        Named::Is("OTP_VERSION"),
        Named::Is("RELEASE-NOTES"),
    ],
    wants: |file| {
        let place = file.name() != "VERSION" || file.folder() == "go";
        place && file.path.contains('/') && !input::is_managed(file.path)
    },
    limit: Size::Entry,
    parse: runtime,
};

fn runtime(file: &File<'_>, bytes: &[u8]) -> Result<Found, Unreadable> {
    let text = input::text(bytes);
    let found = match file.name() {
        "release" => java(&text),
        "VERSION" => text.lines().next().and_then(|l| l.strip_prefix("go")).map(|version| ("go", version)),
        "OTP_VERSION" => Some(("erlang", text.trim())),
        _ => {
            text.lines().find_map(|l| l.trim().strip_prefix("Apache Tomcat Version ")).map(|v| ("tomcat", v))
        }
    };
    let found = found.filter(|(_, version)| input::begins_with_digit(version) && version.len() <= 40);
    // Many other things are called like this.
    Ok(found
        .map(|(product, version)| Component::new(Kind::Generic, product, version.trim()))
        .into_iter()
        .collect())
}

/// JEP 223, "release file"; JAVA_RUNTIME_VERSION has the build as well, which advisories do not.
fn java(text: &str) -> Option<(&'static str, &str)> {
    let value = |key: &str| {
        let line = text.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix('='))?;
        Some(line.trim().trim_matches('"'))
    };
    let version = value("JAVA_VERSION")?;
    let product = match value("IMPLEMENTOR") {
        Some(name) if name.contains("GraalVM") => "graalvm",
        Some("Oracle Corporation") => "jdk",
        _ => "openjdk",
    };
    Some((product, version))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::languages::{Analyser, analyser, tests::file};

    #[test]
    fn files_and_versions() {
        for (path, text, expected) in [
            (
                "opt/java/openjdk/release",
                "IMPLEMENTOR=\"Eclipse Adoptium\"\nJAVA_VERSION=\"17.0.9\"\n",
                Some("pkg:generic/openjdk@17.0.9"),
            ),
            ("usr/local/go/VERSION", "go1.21.5\ntime 2023\n", Some("pkg:generic/go@1.21.5")),
            ("usr/local/lib/erlang/releases/26/OTP_VERSION", "26.1.2\n", Some("pkg:generic/erlang@26.1.2")),
            (
                "usr/local/tomcat/RELEASE-NOTES",
                "\n                     Apache Tomcat Version 9.0.83\n",
                Some("pkg:generic/tomcat@9.0.83"),
            ),
            ("etc/x/release", "nothing", None),
        ] {
            let found = RUNTIMES.read(&file(path), &mut text.as_bytes()).expect(text);
            assert_eq!(found.components.first().map(Component::purl).as_deref(), expected);
            assert!(analyser(&file(path)).is_some());
        }
        assert!(analyser(&file("app/VERSION")).is_none());
        assert!(
            analyser(&file("usr/lib/jvm/java-17-openjdk-amd64/release")).is_none(),
            "a package manager's"
        );
    }
}
