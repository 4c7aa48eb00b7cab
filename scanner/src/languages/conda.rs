//! conda: `conda-meta/*.json` of installed packages; docs.conda.io, "Conda environments: conda-meta".

use super::{
    Component, Found, Kind, Named, Unreadable, input,
    input::{Size, Whole},
    tree,
};

pub(super) static CONDA: Whole = Whole {
    name: "conda-meta",
    version: 1,
    named: &[Named::Ends("json")],
    wants: |file| file.folder() == "conda-meta",
    limit: Size::Whole,
    parse: |_, bytes| {
        let document = tree::json(bytes)?;
        let (name, version) = (document.get("name").text(), document.get("version").text());
        if name.is_empty() || version.is_empty() {
            return Err(Unreadable::line(1, "it has no name or no version"));
        }
        let licenses = input::license_name(document.get("license").text()).into_iter().collect();
        Ok(Found::from_iter([Component { licenses, ..Component::new(Kind::Conda, name, version) }]))
    },
};

#[cfg(test)]
mod tests {
    use super::*;
    use crate::languages::{Analyser, analyser, tests::file};

    #[test]
    fn installed_packages() {
        let json = r#"{"name": "pip", "version": "22.2.2", "license": "MIT", "files": []}"#;
        let path = "opt/conda/conda-meta/pip-22.2.2-py38_0.json";
        let found = CONDA.read(&file(path), &mut json.as_bytes()).expect("parses");
        assert_eq!(found.components[0].purl(), "pkg:conda/pip@22.2.2");
        assert_eq!(analyser(&file(path)).map(Analyser::name), Some("conda-meta"));
        assert!(CONDA.read(&file(path), &mut "{}".as_bytes()).is_err());
    }
}
