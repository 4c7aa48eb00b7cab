//! What a chain says of a fix.

use std::time::Duration;

use patchline_engine::StepError;
use patchline_remediation::{
    Choice, Denied, Edited, Remediator, Selection, Smoke, UpgradePolicy,
    apt::{Apt, AptConfig, Archives, Mirrors},
    fix::{Command, LONGEST_SMOKE, NoCommand, SMOKE_TIME},
    languages::{Languages, Sources},
};
use serde::Deserialize;
use url::Url;

use crate::{World, failure, severity::SeverityRule};

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Params {
    #[serde(default)]
    pub(super) tag: Option<String>,
    #[serde(default)]
    select: Select,
    #[serde(default)]
    pub(super) policy: UpgradePolicy,
    #[serde(default)]
    pub(super) executor: Choice,
    #[serde(default)]
    deny_packages: Vec<String>,
    #[serde(default)]
    plan: String,
    #[serde(default)]
    mirrors: RawMirrors,
    #[serde(default = "two")]
    pub(super) max_rounds: u32,
    #[serde(default = "yes")]
    pub(super) reenter: bool,
    #[serde(default)]
    pub(super) attest: Vec<String>,
    #[serde(default)]
    pub(super) sign_key: Option<String>,
    #[serde(default)]
    languages: bool,
    #[serde(default)]
    smoke: Vec<String>,
    #[serde(default)]
    smoke_timeout: Option<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Select {
    severity: Option<String>,
    fixable: Option<bool>,
    ids: Vec<String>,
    packages: Vec<String>,
}

/// How many images are mended at once: one that this machine cannot run is refused alone, and not beside others.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Platforms {
    One,
    Several,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct RawMirrors {
    debian: Option<String>,
    #[serde(rename = "debian-security")]
    debian_security: Option<String>,
    ubuntu: Option<String>,
    #[serde(rename = "ubuntu-security")]
    ubuntu_security: Option<String>,
    #[serde(rename = "ubuntu-ports")]
    ubuntu_ports: Option<String>,
}

fn two() -> u32 {
    2
}

fn yes() -> bool {
    true
}

impl Params {
    /// The plan that a person has chosen; none: the step decides.
    pub(super) fn plan(&self) -> Result<Option<Edited>, StepError> {
        if self.plan.trim().is_empty() {
            return Ok(None);
        }
        Edited::read(self.plan.as_bytes()).map(Some).map_err(failure::remediation)
    }
    /// Which findings; a plan says which upgrades, whatever they end.
    pub(super) fn selection(&self) -> Result<Selection, StepError> {
        if !self.plan.trim().is_empty() {
            return Ok(Selection::default());
        }
        if self.select.fixable == Some(false) {
            return Err(StepError::permanent(
                "select-unfixable",
                "what has no fix cannot be selected for one",
            ));
        }
        let severity = match &self.select.severity {
            None => None,
            Some(text) => Some(text.parse::<SeverityRule>()?.at_least().ok_or_else(|| {
                StepError::permanent(
                    "select-severity",
                    format!("`{text}` has an upper end: a selection is a severity and everything above"),
                )
            })?),
        };
        Ok(Selection { severity, ids: self.select.ids.clone(), packages: self.select.packages.clone() })
    }
    /// Packages that stay.
    pub(super) fn denied(&self) -> Result<Vec<Denied>, StepError> {
        let one = |text: &String| {
            let wrong = |error: patchline_remediation::NoEntry| {
                StepError::permanent("deny-package-invalid", error.to_string())
            };
            text.parse::<Denied>().map_err(wrong)
        };
        self.deny_packages.iter().map(one).collect()
    }
    /// What a fixed image must show, on each platform that this machine can run; none: nothing is asked.
    fn smoke(&self, platforms: Platforms) -> Result<Option<Smoke>, StepError> {
        let invalid = |error: NoCommand| StepError::permanent("smoke-invalid", error.to_string());
        let commands = self.smoke.iter().map(|text| text.parse::<Command>().map_err(invalid));
        let time = self.smoke_timeout.as_deref().map_or(Ok(SMOKE_TIME), smoke_time);
        let time = time.map_err(|error| StepError::permanent("smoke-invalid", error))?;
        let smoke = Smoke::new(commands.collect::<Result<_, _>>()?, time).map_err(invalid)?;
        Ok(match platforms {
            Platforms::One => smoke,
            Platforms::Several => smoke.map(Smoke::unless_foreign),
        })
    }
    /// The process's own, or one that takes from the chain's mirrors first.
    pub(super) fn remediator(&self, world: &World, platforms: Platforms) -> Result<Remediator, StepError> {
        let named = &self.mirrors;
        let mirrors = Mirrors {
            debian: Archives {
                main: mirror("debian", named.debian.as_deref())?,
                security: mirror("debian-security", named.debian_security.as_deref())?,
                // Which releases have ended is no chain's to say.
                ..Archives::default()
            },
            ubuntu: Archives {
                main: mirror("ubuntu", named.ubuntu.as_deref())?,
                security: mirror("ubuntu-security", named.ubuntu_security.as_deref())?,
                ports: mirror("ubuntu-ports", named.ubuntu_ports.as_deref())?,
                ..Archives::default()
            },
            // Whose own repositories are asked, and where, is this machine's to say.
            ..Mirrors::default()
        };
        let remediator = world.remediator.clone().choosing(self.executor).denying(self.denied()?);
        let mut remediator = remediator.smoking(self.smoke(platforms)?);
        if self.languages {
            // Which registries are asked is this machine's to say, as its own tools are told.
            remediator = remediator.with_languages(Languages::new(Sources::from_machine()));
        }
        if mirrors.is_empty() {
            return Ok(remediator);
        }
        let config = world.remediator.apt().config();
        let apt = Apt::new(AptConfig { mirrors: mirrors.or(config.mirrors.clone()), ..config.clone() })
            .map_err(failure::remediation)?;
        Ok(remediator.with_apt(apt))
    }
}

/// How long smoke commands may take; why not, for people.
pub(super) fn smoke_time(text: &str) -> Result<Duration, String> {
    match patchline_chains::duration::parse(text) {
        Ok(time) if time >= Duration::from_secs(1) && time <= LONGEST_SMOKE => Ok(time),
        Ok(_) => Err(format!("`smoke_timeout` is {text}, and not between 1s and 1h")),
        Err(error) => Err(format!("`smoke_timeout` is {error}")),
    }
}

fn mirror(name: &str, text: Option<&str>) -> Result<Option<Url>, StepError> {
    let Some(text) = text else { return Ok(None) };
    // The text is not repeated: whoever wrote a password into it wrote a secret.
    let wrong = |reason: &str| {
        StepError::permanent("mirror-invalid", format!("the chain's mirror `{name}` {reason}"))
    };
    let url = Url::parse(text).map_err(|_| wrong("is no address"))?;
    if !matches!(url.scheme(), "http" | "https") {
        return Err(wrong("is neither http nor https"));
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err(wrong("holds credentials: a secret stands in the configuration, never in a chain"));
    }
    Ok(Some(url))
}

#[cfg(test)]
mod tests {
    use patchline_scanner::Severity;
    use serde_json::json;

    use super::*;

    fn params(with: serde_json::Value) -> Params {
        crate::params::read(&with).expect("parameters")
    }

    #[test]
    fn smoke_commands_are_read() {
        let smoke = |with| params(with).smoke(Platforms::One).map_err(|error| error.code);
        assert_eq!(smoke(json!({})), Ok(None));
        assert_eq!(smoke(json!({"smoke": []})), Ok(None));
        let whole = smoke(json!({"smoke": ["nginx -t"]}));
        assert!(matches!(whole, Ok(Some(_))));
        assert_eq!(whole, smoke(json!({"smoke": ["nginx -t"], "smoke_timeout": "1m"})));
        assert_ne!(whole, smoke(json!({"smoke": ["nginx -t"], "smoke_timeout": "61s"})));
        let several = params(json!({"smoke": ["nginx -t"]})).smoke(Platforms::Several);
        assert_eq!(several.map_err(|error| error.code), whole.map(|smoke| smoke.map(Smoke::unless_foreign)));
        assert_eq!(smoke(json!({"smoke": ["nginx", "-t"]})), Err("smoke-invalid".to_owned()));
        assert_eq!(smoke(json!({"smoke": ["sh -c '"]})), Err("smoke-invalid".to_owned()));
        for time in ["soon", "2h", "1ms"] {
            let read = smoke(json!({"smoke": ["a"], "smoke_timeout": time}));
            assert_eq!(read, Err("smoke-invalid".to_owned()), "{time}");
        }
    }

    #[test]
    fn defaults_and_selections() {
        let plain = params(json!({}));
        assert_eq!((plain.max_rounds, plain.reenter, plain.executor), (2, true, Choice::Auto));
        assert_eq!(plain.selection().expect("all").severity, None);
        let chosen = params(json!({"select": {"severity": ">= high", "ids": ["CVE-1"], "fixable": true}}));
        let selection = chosen.selection().expect("a selection");
        assert_eq!((selection.severity, selection.ids), (Some(Severity::High), vec!["CVE-1".to_owned()]));
        let denying =
            params(json!({"select": {"packages": ["openssl"]}, "deny_packages": ["libc6", "curl=1"]}));
        assert_eq!(denying.selection().expect("a selection").packages, ["openssl"]);
        let denied: Vec<String> = denying.denied().expect("a list").iter().map(ToString::to_string).collect();
        assert_eq!(denied, ["libc6", "curl=1"]);
        let wrong = params(json!({"deny_packages": ["a b"]})).denied().expect_err("refused");
        assert_eq!(wrong.code, "deny-package-invalid");
        assert_eq!(plain.plan().expect("none"), None);
        assert_eq!(params(json!({"plan": " "})).plan().expect("none"), None, "a parameter that nobody set");
        let unreadable = params(json!({"plan": "{}"})).plan().expect_err("refused");
        assert_eq!(unreadable.code, "fix-plan-unreadable");
        for (with, code) in [
            (json!({"select": {"severity": "< high"}}), "select-severity"),
            (json!({"select": {"severity": "dire"}}), "severity-invalid"),
            (json!({"select": {"fixable": false}}), "select-unfixable"),
        ] {
            assert_eq!(params(with).selection().expect_err("refused").code, code);
        }
    }

    #[test]
    fn a_mirror_with_a_password_is_not_repeated() {
        let error = mirror("debian", Some("https://me:hush@mirror.example/debian")).expect_err("refused");
        assert_eq!(error.code, "mirror-invalid");
        assert!(!error.message.contains("hush"));
        for wrong in ["file:///srv/debian", "mirror", "ftp://mirror.example"] {
            assert!(mirror("debian", Some(wrong)).is_err(), "{wrong}");
        }
        assert!(mirror("debian", Some("http://mirror.example/debian")).expect("fine").is_some());
    }
}
