//! Smoke commands: the image's own programs, started in a sandbox over the fixed image before anything of it is pushed.

use std::time::Duration;

use patchline_registry::{Digest, Repository};
use serde::{Deserialize, Serialize};

use super::{FixRequest, Remediator, lay};
use crate::{
    Error, Result,
    executor::sandbox::{Sandbox, tried},
    plan::Smoked,
    tree::{Image, Tree, image_blocking as blocking, open},
};

/// All commands together, unless somebody says otherwise.
pub const SMOKE_TIME: Duration = Duration::from_secs(60);
/// The longest that anybody can say.
pub const LONGEST_SMOKE: Duration = Duration::from_secs(3600);
/// Commands of one fix.
const MOST_COMMANDS: usize = 32;
/// Characters of one command.
const LONGEST_COMMAND: usize = 16 << 10;

/// One command: a program of the image and its arguments, written as words for a shell, and run without one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Command {
    text: String,
    words: Vec<String>,
}

/// What is no command.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{text}` is no command: {why}")]
pub struct NoCommand {
    text: String,
    why: &'static str,
}

impl std::str::FromStr for Command {
    type Err = NoCommand;
    fn from_str(text: &str) -> Result<Self, NoCommand> {
        let wrong = |why| {
            let text = text.chars().filter(|c| !c.is_control()).take(80).collect();
            Err(NoCommand { text, why })
        };
        if text.len() > LONGEST_COMMAND {
            return wrong("it is too long");
        }
        let Some(words) = shlex::split(text) else { return wrong("a quote is open at its end") };
        match words.first() {
            None => wrong("it names no program"),
            Some(program) if program.is_empty() => wrong("it names no program"),
            // The words of one command, written as a list of commands.
            Some(program) if program.starts_with('-') => {
                wrong("it begins with an option, not with a program")
            }
            Some(_) if text.contains('\0') => wrong("it holds a zero byte"),
            Some(_) => Ok(Self { text: text.trim().to_owned(), words }),
        }
    }
}

impl TryFrom<String> for Command {
    type Error = NoCommand;
    fn try_from(text: String) -> Result<Self, NoCommand> {
        text.parse()
    }
}

impl From<Command> for String {
    fn from(command: Command) -> Self {
        command.text
    }
}

impl std::fmt::Display for Command {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.text)
    }
}

/// What a fixed image must be able to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Smoke {
    commands: Vec<Command>,
    time: Duration,
    foreign: Foreign,
}

/// What becomes of an image whose programs this machine cannot run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Foreign {
    Refused,
    NotRun,
}

impl Smoke {
    /// These commands, one after the other; the first that fails ends the fix. None: no smoke at all.
    pub fn new(commands: Vec<Command>, time: Duration) -> Result<Option<Self>, NoCommand> {
        if commands.len() > MOST_COMMANDS {
            let text = format!("{} commands", commands.len());
            return Err(NoCommand { text, why: "a fix takes 32 at most" });
        }
        let time = time.clamp(Duration::from_secs(1), LONGEST_SMOKE);
        Ok((!commands.is_empty()).then_some(Self { commands, time, foreign: Foreign::Refused }))
    }
    /// For one platform of several: where its programs do not run here, it is mended without, and its plan says so. Whoever mends them all sees
    /// to it that one has been run.
    #[must_use]
    pub fn unless_foreign(self) -> Self {
        Self { foreign: Foreign::NotRun, ..self }
    }

    fn smoked(&self, image: &Image, skipped: Option<String>) -> Vec<Smoked> {
        let word = |key: &str| image.config.get(key).and_then(serde_json::Value::as_str).unwrap_or_default();
        let platform = format!("{}/{}", word("os"), word("architecture"));
        let one = |command: &Command| Smoked {
            platform: platform.clone(),
            command: command.words.clone(),
            skipped: skipped.clone(),
        };
        self.commands.iter().map(one).collect()
    }
}

impl Remediator {
    /// Whether the commands can be run at all, before any work: on this machine, for this image.
    pub(super) async fn may_smoke(&self, image: &Image) -> Result<()> {
        let Some(smoke) = &self.smoke else { return Ok(()) };
        let sandbox = self.smoke_sandbox()?.clone();
        match tried::runs(&image.config) {
            Ok(()) => {}
            Err(reason) if smoke.foreign == Foreign::Refused => {
                return Err(Error::SmokeUnavailable { reason });
            }
            Err(_) => return Ok(()),
        }
        let probed = blocking(move || Ok(sandbox.probe())).await?;
        probed.map_err(|failure| Error::SmokeUnavailable { reason: failure.to_string() })
    }

    /// The same for the platforms of one index that are mended together: one of them at least must run here.
    pub async fn may_smoke_any(&self, repository: &dyn Repository, images: &[Digest]) -> Result<()> {
        if self.smoke.is_none() {
            return Ok(());
        }
        let mut first = None;
        for digest in images {
            match tried::runs(&open(repository, digest.as_str()).await?.config) {
                Ok(()) => return Ok(()),
                Err(reason) => first = first.or(Some(reason)),
            }
        }
        let reason = first.unwrap_or_else(|| "there is no image".to_owned());
        Err(Error::SmokeUnavailable { reason })
    }

    /// The same, for what is known once the image is read: whether there is room for it.
    pub(super) fn has_room_to_smoke(&self, image: &Image, tree: &Tree) -> Result<()> {
        if self.smoke.is_none() || tried::runs(&image.config).is_err() {
            return Ok(());
        }
        tried::has_room(self.smoke_sandbox()?, [tree]).map_err(|reason| Error::SmokeUnavailable { reason })
    }

    fn smoke_sandbox(&self) -> Result<&Sandbox> {
        let none = || Error::SmokeUnavailable { reason: "no sandbox is configured".to_owned() };
        self.sandbox.as_ref().ok_or_else(none)
    }

    /// Runs them over an image that is there already: one that needs no upgrade, and that is to be given out all the same.
    pub async fn smoke_as_it_is(&self, request: &FixRequest<'_>) -> Result<Vec<Smoked>> {
        let image = open(request.repository, request.manifest.as_str()).await?;
        self.may_smoke(&image).await?;
        self.smoke(request.repository, &image, request).await
    }

    /// Runs them over the fixed image, whose parts `repository` has; what became of each.
    pub(super) async fn smoke(
        &self,
        repository: &dyn Repository,
        image: &Image,
        request: &FixRequest<'_>,
    ) -> Result<Vec<Smoked>> {
        let Some(smoke) = &self.smoke else { return Ok(Vec::new()) };
        if let Err(reason) = tried::runs(&image.config) {
            return Ok(smoke.smoked(image, Some(reason)));
        }
        let sandbox = self.smoke_sandbox()?.clone();
        let mut layers = lay::layers(repository, image, request).await?;
        (request.progress)("smoke", 0, 1);
        let (config, time) = (image.config.clone(), smoke.time);
        let commands: Vec<Vec<String>> = smoke.commands.iter().map(|command| command.words.clone()).collect();
        blocking(move || tried::run(&sandbox, &config, &commands, time, &mut layers)).await?;
        (request.progress)("smoke", 1, 1);
        Ok(smoke.smoked(image, None))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(text: &str) -> Result<Vec<String>, String> {
        text.parse::<Command>().map(|command| command.words).map_err(|error| error.to_string())
    }

    #[test]
    fn commands_are_words() {
        assert_eq!(words("nginx -t"), Ok(vec!["nginx".into(), "-t".into()]));
        assert_eq!(
            words(r#"sh -c 'nginx && echo "$HOME"; exit 3' a\ b"#),
            Ok(vec!["sh".into(), "-c".into(), r#"nginx && echo "$HOME"; exit 3"#.into(), "a b".into()])
        );
        for (text, why) in [
            ("", "names no program"),
            ("  ", "names no program"),
            ("''", "names no program"),
            ("-t", "begins with an option"),
            ("sh -c 'x", "a quote is open"),
            ("a\0b", "zero byte"),
        ] {
            assert!(words(text).unwrap_err().contains(why), "{text:?}: {:?}", words(text));
        }
        assert!(words(&"x".repeat(LONGEST_COMMAND + 1)).is_err());
        assert!(!words("\u{1b}[31m '").unwrap_err().contains('\u{1b}'));
    }

    #[test]
    fn none_is_no_smoke() {
        assert_eq!(Smoke::new(Vec::new(), SMOKE_TIME), Ok(None));
        let one: Command = "true".parse().unwrap();
        assert!(Smoke::new(vec![one.clone(); MOST_COMMANDS + 1], SMOKE_TIME).is_err());
        let smoke = Smoke::new(vec![one], Duration::ZERO).unwrap().unwrap();
        assert_eq!(smoke.time, Duration::from_secs(1));
    }
}
