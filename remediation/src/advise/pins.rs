//! Versions that a build pins on its command lines, raised to what is required: `pip install x==1`, `npm install x@1`.

use patchline_scanner::version::Order;

use super::Change;

/// Characters of a version that may stand in a command line.
const LONGEST: usize = 100;

/// Which package managers a text calls.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Tools {
    pip: bool,
    npm: bool,
}

impl Tools {
    pub(super) fn of(text: &str) -> Self {
        let words = || text.split(|c: char| !c.is_ascii_alphanumeric() && !"-_.".contains(c));
        let calls = |names: &[&str]| words().any(|word| names.contains(&word));
        let installs = calls(&["install", "i", "add"]);
        let pip = words().any(|w| {
            w == "uv"
                || w.strip_prefix("pip").is_some_and(|v| v.bytes().all(|b| b.is_ascii_digit() || b == b'.'))
        });
        Self { pip: installs && pip, npm: installs && calls(&["npm", "yarn", "pnpm", "bun"]) }
    }
}

/// A line whose pins below what is required are raised; the same line: there is none.
pub(super) fn raised(line: &str, tools: Tools, changes: &[Change]) -> String {
    let mut line = line.to_owned();
    for change in changes {
        let Some(required) = change.require.as_deref().filter(|v| is_version(v)) else { continue };
        match Order::of_ecosystem(&change.ecosystem) {
            Some(Order::Pep440) if tools.pip => line = python(&line, &change.package, required),
            Some(Order::Npm) if tools.npm => line = node(&line, &change.package, required),
            _ => {}
        }
    }
    line
}

/// It goes into a shell: nothing else than what versions are made of.
fn is_version(text: &str) -> bool {
    text.len() <= LONGEST
        && text.starts_with(|c: char| c.is_ascii_digit())
        && text.bytes().all(|b| b.is_ascii_alphanumeric() || b".+-_".contains(&b))
}

/// `name==1.0`, `name[extra]==1.0` (PEP 508); names are equal as PEP 503 says.
fn python(line: &str, package: &str, required: &str) -> String {
    let wanted = normal(package);
    let mut out = String::with_capacity(line.len());
    let mut rest = line;
    while let Some(at) = rest.find("==") {
        let (before, after) = (&rest[..at], &rest[at + 2..]);
        let named = before.trim_end();
        let bare = match named.strip_suffix(']').and_then(|head| head.rfind('[')) {
            Some(open) => &named[..open],
            None => named,
        };
        let start = bare
            .rfind(|c: char| !c.is_ascii_alphanumeric() && !"-_.".contains(c))
            .map_or(0, |i| i + bare[i..].chars().next().map_or(1, char::len_utf8));
        let version: &str = &after[..after.find(|c: char| !is_of_version(c)).unwrap_or(after.len())];
        // `===` compares texts, and a star is no version.
        let is_pin =
            !after.starts_with('=') && is_version(version) && !after[version.len()..].starts_with('*');
        let below = Order::Pep440.compare(version, required).is_lt();
        out.push_str(&rest[..at + 2]);
        if is_pin && below && normal(&bare[start..]) == wanted {
            out.push_str(required);
        } else {
            out.push_str(version);
        }
        rest = &after[version.len()..];
    }
    out.push_str(rest);
    out
}

fn is_of_version(c: char) -> bool {
    c.is_ascii_alphanumeric() || ".+-_!".contains(c)
}

/// PEP 503, "Normalized Names".
fn normal(name: &str) -> String {
    let mut out = String::with_capacity(name.len());
    for c in name.chars() {
        let c = if "-_.".contains(c) { '-' } else { c.to_ascii_lowercase() };
        if c != '-' || !out.ends_with('-') {
            out.push(c);
        }
    }
    out
}

/// `name@1.0.0`, `@scope/name@^1.0.0`.
fn node(line: &str, package: &str, required: &str) -> String {
    let needle = format!("{package}@");
    let mut out = String::with_capacity(line.len());
    let mut rest = line;
    while let Some(at) = rest.find(&needle) {
        let (before, after) = (&rest[..at], &rest[at + needle.len()..]);
        let begins = before.chars().next_back().or_else(|| out.chars().next_back());
        let begins = begins.is_none_or(|c| c.is_whitespace() || "\"'=".contains(c));
        let range = after.len() - after.trim_start_matches(['^', '~']).len();
        let tail = &after[range..];
        let version = &tail[..tail.find(|c: char| !is_of_version(c)).unwrap_or(tail.len())];
        let below = Order::Npm.compare(version, required).is_lt();
        out.push_str(&rest[..at + needle.len() + range]);
        out.push_str(if begins && is_version(version) && below { required } else { version });
        rest = &tail[version.len()..];
    }
    out.push_str(rest);
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pins_of_pip_are_raised_and_nothing_else() {
        for (line, wanted) in [
            ("RUN pip install jinja2==3.0.1 flask==1", "RUN pip install jinja2==3.1.4 flask==1"),
            ("    Jinja2[i18n] ==3.0.1 \\", "    Jinja2[i18n] ==3.1.4 \\"),
            ("pip install 'jinja2==3.0.1'", "pip install 'jinja2==3.1.4'"),
            ("é jinja2==3.0", "é jinja2==3.1.4"),
            ("pip install jinja2==3.1.4", "pip install jinja2==3.1.4"),
            ("pip install jinja2==4.0", "pip install jinja2==4.0"),
            ("pip install jinja2>=3.0", "pip install jinja2>=3.0"),
            ("pip install jinja2===3.0", "pip install jinja2===3.0"),
            ("pip install jinja2==3.*", "pip install jinja2==3.*"),
            ("pip install my-jinja2==3.0", "pip install my-jinja2==3.0"),
            ("[ \"$a\" == 1 ] ==", "[ \"$a\" == 1 ] =="),
        ] {
            assert_eq!(python(line, "jinja2", "3.1.4"), wanted);
        }
        assert_eq!(python("zope.interface==1", "zope-interface", "2"), "zope.interface==2");
    }

    #[test]
    fn pins_of_npm_are_raised_and_nothing_else() {
        for (line, wanted) in [
            ("npm install lodash@4.17.0 x@1", "npm install lodash@4.17.21 x@1"),
            ("npm i \"lodash@^4.17.0\"", "npm i \"lodash@^4.17.21\""),
            ("npm i lodash@latest", "npm i lodash@latest"),
            ("npm i my-lodash@4.0.0 @x/lodash@4.0.0", "npm i my-lodash@4.0.0 @x/lodash@4.0.0"),
            ("npm i lodash@5.0.0", "npm i lodash@5.0.0"),
        ] {
            assert_eq!(node(line, "lodash", "4.17.21"), wanted);
        }
        assert_eq!(node("npm i @a/b@1.0.0", "@a/b", "1.2.0"), "npm i @a/b@1.2.0");
    }

    #[test]
    fn tools_are_known_by_their_words() {
        let tools = |pip, npm| Tools { pip, npm };
        assert_eq!(Tools::of("RUN pip3.11 install -r x"), tools(true, false));
        assert_eq!(Tools::of("RUN python3 -m pip install x && yarn add y"), tools(true, true));
        assert_eq!(Tools::of("RUN uv pip install x"), tools(true, false));
        assert_eq!(Tools::of("RUN pipes; npm run build"), tools(false, false));
        assert!(!is_version("1; rm -rf /") && !is_version("$(x)") && is_version("1.2.3-rc.1+b"));
    }
}
