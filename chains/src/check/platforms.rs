//! Platforms of an index: `os/architecture[/variant]`, in Go's words, as the OCI image specification has them.

use std::ops::Range;

use crate::diagnostics::{Diagnostic, Span, shown};
use crate::suggest::nearest_within;

/// Operating systems, the usual first.
pub(crate) const SYSTEMS: [&str; 14] = [
    "linux",
    "windows",
    "darwin",
    "freebsd",
    "netbsd",
    "openbsd",
    "dragonfly",
    "solaris",
    "illumos",
    "aix",
    "android",
    "plan9",
    "js",
    "wasip1",
];

/// Architectures, the usual first.
pub(crate) const ARCHITECTURES: [&str; 16] = [
    "amd64", "arm64", "arm", "386", "riscv64", "ppc64le", "s390x", "loong64", "mips64le", "mips64", "mipsle",
    "mips", "ppc64", "sparc64", "wasm", "riscv",
];

/// What other tools call them.
const OTHERWISE: [(&str, &str); 17] = [
    ("x86_64", "amd64"),
    ("x86-64", "amd64"),
    ("x64", "amd64"),
    ("aarch64", "arm64"),
    ("arm64v8", "arm64"),
    ("armv8", "arm64"),
    ("arm32v7", "arm/v7"),
    ("armv7", "arm/v7"),
    ("armv7l", "arm/v7"),
    ("armhf", "arm/v7"),
    ("armv6", "arm/v6"),
    ("armel", "arm/v6"),
    ("x86", "386"),
    ("i386", "386"),
    ("i686", "386"),
    ("ppc64el", "ppc64le"),
    ("loongarch64", "loong64"),
];

const HINT: &str = "write operating system and architecture: `linux/amd64`, `linux/arm/v7`";

/// What is wrong with a text that is no platform; `place` gives the span of some of its bytes.
pub(super) fn fault(text: &str, place: impl Fn(Range<usize>) -> Span) -> Option<Diagnostic> {
    let wrong = |message: String, at| Diagnostic::error("bad-platform", place(at), message);
    let parts: Vec<&str> = text.split('/').collect();
    let (system, architecture, variant) = match parts.as_slice() {
        [system, architecture] => (*system, *architecture, None),
        [system, architecture, variant] => (*system, *architecture, Some(*variant)),
        _ => {
            let meant = architecture_of(text).map(|a| format!("did you mean `linux/{a}`?"));
            let message = format!("`{}` is no platform", shown(text));
            return Some(wrong(message, 0..text.len()).hint(meant.unwrap_or_else(|| HINT.to_owned())));
        }
    };
    let known_system = SYSTEMS.contains(&system);
    let known_architecture = ARCHITECTURES.contains(&architecture);
    let variant_fits = variant.is_none_or(|v| {
        !v.is_empty()
            && v.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || matches!(b, b'_' | b'.'))
    });
    if known_system && known_architecture && variant_fits {
        return None;
    }
    let second = system.len() + 1;
    let third = (second + architecture.len() + 1).min(text.len());
    let (what, part, at) = match (known_system, known_architecture) {
        (false, _) => ("operating system", system, 0),
        (_, false) => ("architecture", architecture, second),
        _ => ("variant", variant.unwrap_or_default(), third),
    };
    let error = wrong(format!("`{}` is no {what} of a platform", shown(part)), at..at + part.len());
    let near_system = nearest_within(system, SYSTEMS, 2);
    let tail = variant.map_or_else(String::new, |v| format!("/{v}"));
    Some(match (near_system, architecture_of(architecture)) {
        (Some(system), Some(architecture)) if variant_fits => {
            let tail = if architecture.contains('/') { "" } else { &tail };
            error.hint(format!("did you mean `{system}/{architecture}{}`?", shown(tail)))
        }
        _ if what == "architecture" => error.hint(format!("one of: {}", ARCHITECTURES.join(", "))),
        _ if what == "operating system" => error.hint(format!("one of: {}", SYSTEMS.join(", "))),
        _ => error.hint(HINT),
    })
}

/// The architecture that was meant, with its variant.
fn architecture_of(text: &str) -> Option<&'static str> {
    let lower = text.to_ascii_lowercase();
    let other = OTHERWISE.iter().find(|(name, _)| *name == lower).map(|(_, own)| *own);
    other.or_else(|| nearest_within(text, ARCHITECTURES, 1))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(place: Range<usize>) -> Span {
        Span { offset: place.start, length: place.len(), ..Span::START }
    }

    #[test]
    fn platforms_are_those_of_images() {
        for good in ["linux/amd64", "linux/arm/v7", "windows/amd64", "linux/arm64/v8", "linux/s390x"] {
            assert!(fault(good, at).is_none(), "{good}");
        }
        for (bad, hint) in [
            ("linux/x86_64", "did you mean `linux/amd64`?"),
            ("linux/aarch64", "did you mean `linux/arm64`?"),
            ("linux/armhf", "did you mean `linux/arm/v7`?"),
            ("Linux/AMD64", "did you mean `linux/amd64`?"),
            ("linus/arm64", "did you mean `linux/arm64`?"),
            ("amd64", "did you mean `linux/amd64`?"),
            ("aarch64", "did you mean `linux/arm64`?"),
            ("linux", HINT),
            ("linux/amd64/", HINT),
            ("linux/arm/v7/x", HINT),
            ("", HINT),
        ] {
            let found = fault(bad, at).unwrap_or_else(|| panic!("{bad}"));
            assert_eq!(found.hint.as_deref(), Some(hint), "{bad}: {}", found.message);
        }
        let unknown = fault("linux/vax", at).unwrap();
        assert_eq!((unknown.span.offset, unknown.span.length), (6, 3));
        assert!(unknown.hint.unwrap().starts_with("one of: amd64, "));
        assert_eq!(fault("haiku/amd64", at).unwrap().message, "`haiku` is no operating system of a platform");
    }
}
