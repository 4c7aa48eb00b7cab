//! Elixir: `mix.lock`, an Elixir map of tuples; hexdocs.pm, "mix deps.get".

use super::{
    Component, Kind, Named, input,
    input::{Size, Whole},
};

pub(super) static MIX: Whole = Whole {
    name: "elixir-mix",
    version: 1,
    named: &[Named::Is("mix.lock")],
    wants: input::any,
    limit: Size::Whole,
    parse: |_, bytes| Ok(input::text(bytes).lines().filter_map(package).collect()),
};

/// `"alias": {:hex, :name, "1.0.0", …`; what comes from a repository has no version.
fn package(line: &str) -> Option<Component> {
    let (_, tuple) = line.split_once("{:hex,")?;
    let mut fields = tuple.splitn(3, ',').map(str::trim);
    let name = fields.next()?.strip_prefix(':')?.trim_matches('"');
    let version = fields.next()?.strip_prefix('"')?.strip_suffix('"')?;
    Some(Component::locked(Kind::Hex, name, version))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn packages_of_hex() {
        let line = |text| package(text).map(|c| c.purl());
        assert_eq!(
            line("  \"a\": {:hex, :a_b, \"1.0.0\", \"00\", [:mix], []},").as_deref(),
            Some("pkg:hex/a_b@1.0.0")
        );
        assert_eq!(line("  \"a\": {:git, \"https://h/a.git\", \"00\", []},"), None);
        assert_eq!(line("  \"a\": {:hex"), None);
    }
}
