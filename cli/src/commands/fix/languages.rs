//! `--languages`: packages of languages, upgraded in place.

use patchline_remediation::languages::{Languages, Sources};
use url::Url;

/// As it is typed.
#[derive(Debug, Default, clap::Args)]
pub(super) struct LanguageFlags {
    /// Upgrade packages of languages in place, too, where their own rules call the new version compatible and nothing
    /// of them was changed: modules of npm, wheels of Python and jars of Maven; what stays is named, with its file and the version that it needs
    #[arg(long)]
    languages: bool,
    /// npm's registry [default: this machine's npm configuration]
    #[arg(long, value_name = "URL", requires = "languages")]
    npm_registry: Option<Url>,
    /// Python's index, as the Simple API has it [default: this machine's pip configuration]
    #[arg(long, value_name = "URL", requires = "languages")]
    pypi_index: Option<Url>,
    /// A repository of Maven's [default: the mirror of this machine's Maven settings]
    #[arg(long, value_name = "URL", requires = "languages")]
    maven_repository: Option<Url>,
}

impl LanguageFlags {
    /// Whether they are mended.
    pub(super) fn asked(&self) -> bool {
        self.languages
    }
    /// Where they come from: flags, then this machine's own configuration; none: they stay.
    pub(super) fn languages(&self) -> Option<Languages> {
        let given = Sources {
            npm: self.npm_registry.clone(),
            pypi: self.pypi_index.clone(),
            maven: self.maven_repository.clone(),
            ..Sources::default()
        };
        self.languages.then(|| Languages::new(given.or(Sources::from_machine())))
    }
}
