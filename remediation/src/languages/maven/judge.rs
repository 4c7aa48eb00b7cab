//! Whether one jar can stand where another did.

use patchline_scanner::{Coordinates, Jar};

use super::pom::Project;
use crate::{languages::blocked, plan::Blocked};

/// What of a manifest others depend on: who starts it, loads it as an agent, or asks for it as a module or a bundle.
const INTERFACE: [&str; 9] = [
    "Main-Class",
    "Automatic-Module-Name",
    "Bundle-SymbolicName",
    "Fragment-Host",
    "Premain-Class",
    "Agent-Class",
    "Launcher-Agent-Class",
    "Class-Path",
    "Bundle-RequiredExecutionEnvironment",
];

/// Why a jar is not certainly this one, and no other.
pub(super) fn itself(jar: &Jar, (group, artifact, version): &Project) -> Option<Blocked> {
    let refuse = |code, reason| Some(blocked(code, reason, None));
    match jar.properties.as_slice() {
        [Coordinates { group: g, artifact: a, version: v }]
            if g == group && a == artifact && v == version =>
        {
            None
        }
        [one] => {
            let reason = format!(
                "its pom.properties is of {:.80}:{:.80} {:.80}",
                one.group, one.artifact, one.version
            );
            refuse("not-in-place", reason)
        }
        [] => refuse("not-in-place", format!("{version} has no pom.properties that says what it is")),
        all => {
            let reason =
                format!("{version} is made of {} artifacts: it has to be built anew with it", all.len());
            refuse("bundled", reason)
        }
    }
}

/// Why a jar cannot just be laid where the old one was.
pub(super) fn unfit(old: &Jar, new: &Jar, to: &str) -> Option<Blocked> {
    let differs = |reason: String| Some(blocked("interface-changed", reason, None));
    // Java 1.1 is 45, and each one after it one more (The Java Virtual Machine Specification, 4.1).
    let java = |classes: u16| classes.saturating_sub(44);
    if new.classes > old.classes {
        let (wanted, is) = (java(new.classes), java(old.classes));
        return differs(format!("{to} is for Java {wanted}, and what is there is for Java {is}"));
    }
    let value = |jar: &Jar, name: &str| {
        let text = jar.manifest.get(name).unwrap_or_default();
        // Parameters of a bundle's name are not the name.
        let plain = if name == "Bundle-SymbolicName" { text.split(';').next().unwrap_or(text) } else { text };
        plain.trim().to_owned()
    };
    if let Some(name) = INTERFACE.into_iter().find(|name| value(old, name) != value(new, name)) {
        return differs(format!("`{name}` of its manifest is another one in {to}"));
    }
    if environment(old) != environment(new) {
        return differs(format!("the Java that its manifest requires is another one in {to}"));
    }
    if old.signed != new.signed {
        let (was, is) = if old.signed { ("signed", "not") } else { ("not signed", "signed") };
        return differs(format!("what is there is {was}, and {to} is {is}"));
    }
    match (&old.modules, &new.modules) {
        (Some(old), Some(new)) => {
            let more = new.difference(old).next()?;
            differs(format!("the module of {to} names {more:.80}, which that of the old one does not"))
        }
        (None, None) => None,
        (Some(_), None) => differs(format!("{to} is no module any more")),
        (None, Some(_)) => differs(format!("{to} is a module, and what is there is none")),
    }
}

/// What a bundle requires of Java (OSGi Core, "osgi.ee Namespace").
fn environment(jar: &Jar) -> Option<String> {
    let text = jar.manifest.get("Require-Capability")?;
    let at = text.find("osgi.ee")?;
    let clause = &text[at..];
    // A clause ends at a comma that stands in no quotes.
    let mut quoted = false;
    let end = clause.find(|c: char| {
        quoted ^= c == '"';
        c == ',' && !quoted
    });
    Some(clause[..end.unwrap_or(clause.len())].split_whitespace().collect())
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use super::*;

    fn jar(manifest: &str, files: &[(&str, &[u8])]) -> Jar {
        let mut archive = zip::ZipWriter::new(std::io::Cursor::new(Vec::new()));
        let manifest = format!("Manifest-Version: 1.0\n{manifest}\n");
        for (path, content) in [("META-INF/MANIFEST.MF", manifest.as_bytes())].iter().chain(files) {
            archive.start_file(*path, zip::write::SimpleFileOptions::default()).unwrap();
            archive.write_all(content).unwrap();
        }
        Jar::read(&archive.finish().unwrap().into_inner()).unwrap()
    }

    fn why(old: &Jar, new: &Jar) -> String {
        unfit(old, new, "1.2").map(|why| why.reason).unwrap_or_default()
    }

    #[test]
    fn what_others_depend_on_stays() {
        let class = |major: u8| [0xCA, 0xFE, 0xBA, 0xBE, 0, 0, 0, major];
        let plain = jar("", &[("a/B.class", &class(52))]);
        assert_eq!(why(&plain, &jar("", &[("a/C.class", &class(50))])), "");
        assert!(why(&plain, &jar("", &[("a/B.class", &class(61))])).contains("Java 17"));
        assert_eq!(why(&plain, &jar("", &[("META-INF/versions/17/B.class", &class(61))])), "");
        assert!(why(&plain, &jar("Main-Class: a.B\n", &[])).contains("`Main-Class`"));
        assert!(why(&plain, &jar("", &[("META-INF/A.SF", b"")])).contains("not signed"));
        let bundle = |more: &str| jar(&format!("Bundle-SymbolicName: a.b{more}\n"), &[]);
        assert_eq!(why(&bundle(""), &bundle(";singleton:=true")), "");
        let ee = |version: &str| {
            let clause = format!("osgi.ee; filter:=\"(&(osgi.ee=JavaSE)(version={version}))\"");
            jar(&format!("Require-Capability: x;y=\"1,2\",{clause},z\n"), &[])
        };
        assert_eq!(why(&ee("1.8"), &ee("1.8")), "");
        assert!(why(&ee("1.8"), &ee("11")).contains("Java"));
    }
}
