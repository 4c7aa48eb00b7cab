//! `patchline.yaml`: registries, channels, mirrors, listening. Chains name what stands here.

mod addresses;
mod bounds;
mod keys;
mod mirrors;
mod scanners;

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    time::Duration,
};

use patchline_engine::schedule::due::{CATCH_UP, LONGEST_CATCH_UP};
use patchline_registry::{RegistryConfig, remote::Secret};
use patchline_remediation::{Denied, apk, apt::Mirrors, rpm};
use patchline_steps::{
    exceptions::{Exception, Exceptions},
    notify::ChannelConfig,
    signers::Signers,
    trigger::{Method, TargetConfig, Targets},
};
use serde::Deserialize;

use crate::failure::{Failure, Result, io};

/// The whole document; every key is optional.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub(crate) struct Config {
    /// Address of API and pages. Loopback only, until sign-in exists.
    pub(crate) listen: Option<String>,
    /// Address of the embedded registry.
    pub(crate) registry_listen: Option<String>,
    /// Registries by name.
    pub(crate) registries: BTreeMap<String, RegistryEntry>,
    /// Channels by name.
    pub(crate) channels: BTreeMap<String, ChannelEntry>,
    /// What `trigger` steps call, by name.
    pub(crate) targets: BTreeMap<String, TargetEntry>,
    /// What `sign`, `attest` and `fix` steps sign with, by name.
    pub(crate) signing_keys: BTreeMap<String, keys::SigningKeyEntry>,
    /// Archives and repositories.
    pub(crate) mirrors: mirrors::MirrorEntry,
    /// Keyring files beside the host's.
    pub(crate) keyrings: Vec<PathBuf>,
    /// Key files of apk repositories, or folders of them.
    pub(crate) apk_keys: Vec<PathBuf>,
    /// Files of OpenPGP keys of rpm repositories, or folders of them.
    pub(crate) rpm_keys: Vec<PathBuf>,
    /// Images whose tools work on those that bring none.
    pub(crate) tooling: Vec<String>,
    /// Packages that no fix upgrades.
    pub(crate) deny_packages: Vec<Denied>,
    /// What is kept of repositories, in bytes.
    package_cache: Option<bounds::Amount>,
    /// Chain files or folders of them.
    pub(crate) chains: Vec<PathBuf>,
    /// Webhook receivers.
    pub(crate) hooks: HookEntry,
    /// What gates leave out of their rules, by the name of the list.
    pub(crate) exceptions: BTreeMap<String, Vec<Exception>>,
    /// Steps at once: the earlier place of `work.concurrency`.
    pub(crate) concurrency: Option<usize>,
    /// What this process works on.
    pub(crate) work: WorkEntry,
    /// Where runs are kept; none: SQLite in the data folder.
    pub(crate) database: Option<DatabaseEntry>,
    /// How many steps run at once over a registry, in repositories, of a chain; over all processes.
    pub(crate) limits: Vec<LimitEntry>,
    /// How long history stays.
    pub(crate) retention: RetentionEntry,
    /// How long an orderly stop waits for running steps.
    #[serde(deserialize_with = "duration")]
    pub(crate) drain: Option<Duration>,
    /// Chains that start by themselves.
    pub(crate) schedules: ScheduleEntry,
    /// Who is asked beside our own scanner, by name.
    scanners: BTreeMap<String, scanners::ScannerEntry>,
    /// What reading an image may cost.
    scanner_limits: bounds::ScannerLimits,
    /// Who asks ours.
    pub(crate) harbor_scanner: Option<scanners::HarborScannerEntry>,
}

/// A database beside the data folder's own.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(crate) struct DatabaseEntry {
    /// `postgres://…`; it holds a password, so it is named like a secret.
    pub(crate) url: SecretRef,
}

/// What a process works on.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub(crate) struct WorkEntry {
    /// Steps at once.
    pub(crate) concurrency: Option<usize>,
    /// Step kinds that it takes; none: all.
    pub(crate) kinds: Option<Vec<String>>,
}

/// One limit. Exactly one of `registry`, `repository` and `chain` is given.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(crate) struct LimitEntry {
    /// Its name in `registries`, or `embedded`.
    pub(crate) registry: Option<String>,
    /// A glob over `registry/repository`.
    pub(crate) repository: Option<String>,
    /// The chain's name.
    pub(crate) chain: Option<String>,
    /// So many at once.
    pub(crate) steps: usize,
}

/// How long history stays; none: for ever.
#[derive(Debug, Clone, Copy, Default, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub(crate) struct RetentionEntry {
    /// Runs that have ended, with all that is theirs.
    #[serde(deserialize_with = "duration")]
    pub(crate) runs: Option<Duration>,
}

/// `20s`, `30d`: as chains write durations.
fn duration<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Option<Duration>, D::Error> {
    use serde::de::Error as _;
    let text = String::deserialize(deserializer)?;
    match patchline_chains::duration::parse(&text) {
        Ok(duration) => Ok(Some(duration)),
        Err(error) => Err(D::Error::custom(format!("`{text}` is {error}: write 20s, 15m, 30d"))),
    }
}

/// One registry.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(crate) struct RegistryEntry {
    host: String,
    #[serde(default)]
    plain_http: bool,
    username: Option<String>,
    password: Option<SecretRef>,
    /// Hosts beside its own that may see the credentials, to hand out tokens.
    #[serde(default)]
    token_hosts: Vec<String>,
}

/// One channel.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(crate) struct ChannelEntry {
    r#type: ChannelType,
    url: SecretRef,
    secret: Option<SecretRef>,
    /// Lets the channel reach private and loopback addresses.
    #[serde(default)]
    allow_private: bool,
}

#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(rename_all = "lowercase")]
enum ChannelType {
    Webhook,
    Dingtalk,
}

/// One target of `trigger` steps.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(crate) struct TargetEntry {
    url: SecretRef,
    #[serde(default)]
    method: Method,
    /// Values may be credentials, so each is named like a secret.
    #[serde(default)]
    headers: BTreeMap<String, SecretRef>,
    /// `whsec_…`: calls are signed with it.
    secret: Option<SecretRef>,
    /// Lets the target be a private or loopback address.
    #[serde(default)]
    allow_private: bool,
}

/// Chains that start by themselves.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub(crate) struct ScheduleEntry {
    /// What was missed is made up for, once, within this time.
    #[serde(deserialize_with = "duration")]
    catch_up: Option<Duration>,
}

/// Webhook receivers.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub(crate) struct HookEntry {
    /// `POST /hooks/distribution`.
    pub(crate) distribution: Option<DistributionEntry>,
}

/// A docker-registry that tells us of pushes.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(crate) struct DistributionEntry {
    /// Its name in `registries`.
    pub(crate) registry: String,
    /// What its `Authorization: Bearer …` must hold.
    pub(crate) secret: SecretRef,
}

/// A secret never stands in a file of ours: it is named.
#[derive(Debug, Clone)]
pub(crate) enum SecretRef {
    /// An environment variable.
    Env(String),
    /// A file; its last line end is cut.
    File(PathBuf),
}

impl<'de> Deserialize<'de> for SecretRef {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(SecretVisitor)
    }
}

/// Whoever writes the secret itself is told how it is named, without hearing it back.
struct SecretVisitor;

impl<'de> serde::de::Visitor<'de> for SecretVisitor {
    type Value = SecretRef;

    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("a secret by its name: {env: NAME} or {file: PATH}")
    }
    fn visit_str<E: serde::de::Error>(self, _: &str) -> Result<SecretRef, E> {
        Err(E::custom("a secret does not stand here: name it as {env: NAME} or {file: PATH}"))
    }
    fn visit_bool<E: serde::de::Error>(self, _: bool) -> Result<SecretRef, E> {
        self.visit_str("")
    }
    fn visit_i64<E: serde::de::Error>(self, _: i64) -> Result<SecretRef, E> {
        self.visit_str("")
    }
    fn visit_u64<E: serde::de::Error>(self, _: u64) -> Result<SecretRef, E> {
        self.visit_str("")
    }
    fn visit_f64<E: serde::de::Error>(self, _: f64) -> Result<SecretRef, E> {
        self.visit_str("")
    }
    fn visit_map<A: serde::de::MapAccess<'de>>(self, mut map: A) -> Result<SecretRef, A::Error> {
        use serde::de::Error as _;
        let wrong = || A::Error::custom("a secret is named as {env: NAME} or {file: PATH}");
        let key: String = map.next_key()?.ok_or_else(wrong)?;
        let named = match key.as_str() {
            "env" => SecretRef::Env(map.next_value()?),
            "file" => SecretRef::File(map.next_value()?),
            _ => return Err(wrong()),
        };
        if map.next_key::<String>()?.is_some() { Err(wrong()) } else { Ok(named) }
    }
}

impl SecretRef {
    /// Reads it; the failure names the reference, never a value.
    pub(crate) fn resolve(&self) -> Result<Secret> {
        match self {
            Self::Env(name) => std::env::var(name).map(Secret::new).map_err(|_| {
                Failure::usage("secret-missing", format!("the environment variable {name} is not set"))
            }),
            Self::File(path) => {
                let text = std::fs::read_to_string(path)
                    .map_err(io(format!("read the secret in {}", path.display())))?;
                Ok(Secret::new(text.trim_end_matches(['\n', '\r'])))
            }
        }
    }
}

impl Config {
    /// From `--config`, the environment, `./patchline.yaml`, `/etc/patchline/patchline.yaml`; none: defaults. What it says of
    /// this process as a whole is in force from then on.
    pub(crate) fn load(given: Option<&Path>) -> Result<Self> {
        Self::read(given)?.put_in_force()
    }

    fn read(given: Option<&Path>) -> Result<Self> {
        let found = match given {
            Some(path) => Some(path.to_owned()),
            None => ["patchline.yaml", "/etc/patchline/patchline.yaml"]
                .iter()
                .map(PathBuf::from)
                .find(|p| p.is_file()),
        };
        let Some(path) = found else { return Ok(Self::default()) };
        let text = std::fs::read_to_string(&path).map_err(io(format!("read {}", path.display())))?;
        // No snippet: the lines around a mistake may hold a secret that somebody wrote out.
        let options = serde_saphyr::options! { with_snippet: false, strict_booleans: true };
        serde_saphyr::from_str_with_options(&text, options).map_err(|error| {
            Failure::usage("config-invalid", format!("{}: {error}", path.display()))
                .hint("the keys of patchline.yaml stand in docs/configuration.md")
        })
    }
    /// Registries with their secrets read.
    pub(crate) fn registries(&self) -> Result<BTreeMap<String, RegistryConfig>> {
        self.registries.iter().map(|(name, entry)| Ok((name.clone(), entry.resolve()?))).collect()
    }
    /// Channels with their secrets read.
    pub(crate) fn channels(&self) -> Result<BTreeMap<String, ChannelConfig>> {
        self.channels.iter().map(|(name, entry)| Ok((name.clone(), entry.resolve()?))).collect()
    }
    /// Lists of exceptions.
    pub(crate) fn exceptions(&self) -> Exceptions {
        Exceptions::new(self.exceptions.clone())
    }
    /// Targets with their secrets read.
    pub(crate) fn targets(&self) -> Result<Targets> {
        let all = self.targets.iter().map(|(name, entry)| Ok((name.clone(), entry.resolve()?)));
        Targets::new(all.collect::<Result<_>>()?)
            .map_err(|error| Failure::usage("config-invalid", error.to_string()))
    }
    /// Signing keys with their secrets read.
    pub(crate) fn signers(&self) -> Result<Signers> {
        let all = self.signing_keys.iter().map(|(name, entry)| Ok((name.clone(), entry.read(name)?)));
        Ok(Signers::new(all.collect::<Result<_>>()?))
    }
    /// Limits, checked.
    pub(crate) fn limits(&self) -> Result<crate::limits::Configured> {
        crate::limits::Configured::new(&self.limits)
    }
    /// Steps at once, where something is said of it.
    pub(crate) fn concurrency(&self) -> Result<Option<usize>> {
        match (self.concurrency, self.work.concurrency) {
            (Some(_), Some(_)) => Err(Failure::usage(
                "config-invalid",
                "`concurrency` and `work.concurrency` say the same thing twice",
            )),
            (Some(0), _) | (_, Some(0)) => {
                Err(Failure::usage("config-invalid", "`concurrency` is at least 1")
                    .hint("`patchline serve --no-work` works on nothing"))
            }
            (one, other) => Ok(one.or(other)),
        }
    }
    /// Mirrors as configured.
    pub(crate) fn mirrors(&self) -> Result<Mirrors> {
        self.mirrors.apt()
    }
    /// Mirrors of apk repositories as configured.
    pub(crate) fn apk_mirrors(&self) -> Result<apk::Mirrors> {
        self.mirrors.apk()
    }
    /// Mirrors of rpm repositories as configured.
    pub(crate) fn rpm_mirrors(&self) -> Result<rpm::Mirrors> {
        self.mirrors.rpm()
    }
}

impl ScheduleEntry {
    /// How long after its time a missed firing is made up for; a day when it is not said, a week at most.
    pub(crate) fn catch_up(&self) -> Result<Duration> {
        let time = self.catch_up.unwrap_or(CATCH_UP.unsigned_abs());
        if time > LONGEST_CATCH_UP.unsigned_abs() {
            return Err(Failure::usage("config-invalid", "`schedules.catch-up` is more than a week"));
        }
        Ok(time)
    }
}

impl RegistryEntry {
    fn resolve(&self) -> Result<RegistryConfig> {
        let credentials = match (&self.username, &self.password) {
            (Some(user), Some(password)) => Some((user.clone(), password.resolve()?)),
            (None, None) => None,
            _ => {
                return Err(Failure::usage(
                    "config-invalid",
                    format!("registry {} needs both username and password, or neither", self.host),
                ));
            }
        };
        Ok(RegistryConfig {
            host: self.host.clone(),
            plain_http: self.plain_http,
            credentials,
            token_hosts: self.token_hosts.clone(),
        })
    }
}

impl ChannelEntry {
    fn resolve(&self) -> Result<ChannelConfig> {
        let url = self.url.resolve()?;
        let secret = self.secret.as_ref().map(SecretRef::resolve).transpose()?;
        let allow_private = self.allow_private;
        Ok(match self.r#type {
            ChannelType::Webhook => ChannelConfig::Webhook { url, secret, allow_private },
            ChannelType::Dingtalk => ChannelConfig::DingTalk { url, secret, allow_private },
        })
    }
}

impl TargetEntry {
    fn resolve(&self) -> Result<TargetConfig> {
        let headers = self.headers.iter().map(|(name, value)| Ok((name.clone(), value.resolve()?)));
        Ok(TargetConfig {
            url: self.url.resolve()?,
            method: self.method,
            headers: headers.collect::<Result<_>>()?,
            secret: self.secret.as_ref().map(SecretRef::resolve).transpose()?,
            allow_private: self.allow_private,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn load(text: &str) -> Result<Config> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("patchline.yaml");
        std::fs::write(&path, text).unwrap();
        Config::read(Some(&path))
    }

    #[test]
    fn secrets_are_named_and_the_example_of_the_documentation_loads() {
        let text = include_str!("../../docs/configuration.md");
        let (_, rest) = text.split_once("```yaml\n").unwrap();
        let (example, _) = rest.split_once("```").unwrap();
        let config = load(example).unwrap();
        assert_eq!((config.channels.len(), config.targets.len(), config.limits.len()), (2, 1, 3));
        config.limits().unwrap();
        assert_eq!(config.concurrency().unwrap(), Some(4));
        assert_eq!(config.drain, Some(Duration::from_secs(20)));
        assert_eq!(config.retention.runs, Some(Duration::from_secs(180 * 86_400)));
        assert!(
            matches!(&config.database, Some(DatabaseEntry { url: SecretRef::Env(name) }) if name == "DATABASE_URL")
        );
        assert!(
            matches!(&config.channels["ops-dingtalk"].secret, Some(SecretRef::Env(name)) if name == "DINGTALK_SECRET")
        );
    }

    #[test]
    fn how_long_is_made_up_for_is_a_duration() {
        let catch_up = |text: &str| load(text).unwrap().schedules.catch_up();
        assert_eq!(catch_up("concurrency: 1\n").unwrap(), Duration::from_secs(86_400));
        assert_eq!(catch_up("schedules: {catch-up: 90m}\n").unwrap(), Duration::from_secs(5_400));
        assert_eq!(catch_up("schedules: {catch-up: 0s}\n").unwrap(), Duration::ZERO);
        let failure = catch_up("schedules: {catch-up: 8d}\n").unwrap_err();
        assert!(format!("{failure:?}").contains("config-invalid"), "{failure:?}");
        assert!(load("schedules: {catch-up: soon}\n").is_err());
    }

    #[test]
    fn an_exception_that_is_not_whole_is_located() {
        let head = "exceptions:\n  main:\n    - {id: CVE-2024-1, reason: r, owner: o, expires: 2026-12-31}\n";
        assert_eq!(load(head).unwrap().exceptions["main"].len(), 1);
        for (entry, said) in [
            (
                "{reason: r, owner: o, expires: 2026-12-31}",
                "an exception names an `id`, a `package`, or both",
            ),
            ("{id: CVE-1, owner: o, expires: 2026-12-31}", "reason"),
            ("{id: CVE-1, reason: '', owner: o, expires: 2026-12-31}", "nothing stands here"),
            ("{id: CVE-1, reason: r, owner: o, expires: never}", "`expires` is a day"),
            ("{package: 'a[', reason: r, owner: o, expires: 2026-12-31}", "is no glob"),
            ("{id: CVE-1, resaon: r, owner: o, expires: 2026-12-31}", "resaon"),
            ("{id: CVE-1, scope: {repositories: [1]}, reason: r, owner: o, expires: soon}", "expires"),
        ] {
            let said_of_it = format!("{:?}", load(&format!("{head}    - {entry}\n")).unwrap_err());
            assert!(said_of_it.contains(said) && said_of_it.contains("line 4"), "{entry}: {said_of_it}");
        }
    }

    #[test]
    fn what_a_fleet_is_told_is_located_where_it_is_wrong() {
        for (text, said) in [
            ("drain: soon\n", "`soon` is not a duration"),
            ("retention: {runs: 20y}\n", "is not a duration"),
            ("retention: {run: 20d}\n", "run"),
            ("limits:\n  - {registry: main}\n", "steps"),
            ("limits:\n  - {registry: main, steps: -1}\n", "line 2"),
            ("database: {url: 'postgres://a:hunter2@db/patchline'}\n", "a secret does not stand here"),
        ] {
            let said_of_it = format!("{:?}", load(text).unwrap_err());
            assert!(said_of_it.contains(said) && !said_of_it.contains("hunter2"), "{text}: {said_of_it}");
        }
        for (text, said) in [
            ("limits: [{registry: main, steps: 0}]\n", "at least 1"),
            (
                "limits: [{registry: main, chain: web, steps: 1}]\n",
                "one of `registry`, `repository` and `chain`",
            ),
            ("limits: [{steps: 1}]\n", "one of `registry`, `repository` and `chain`"),
            ("limits: [{repository: 'main/[', steps: 1}]\n", "is no glob"),
            ("limits: [{chain: web, steps: 1}, {chain: web, steps: 2}]\n", "stands twice"),
        ] {
            let failure = load(text).unwrap().limits().err().unwrap();
            assert_eq!(failure.code, "config-invalid");
            assert!(failure.causes[0].contains(said), "{text}: {:?}", failure.causes);
        }
        for text in ["concurrency: 4\nwork: {concurrency: 4}\n", "work: {concurrency: 0}\n"] {
            assert_eq!(load(text).unwrap().concurrency().err().unwrap().code, "config-invalid");
        }
    }

    #[test]
    fn a_secret_that_stands_in_the_file_is_refused_and_never_shown() {
        for text in [
            "channels:\n  a: {type: webhook, url: https://hooks.example/x?token=hunter2}\n",
            "registries:\n  main: {host: registry.example, username: a, password: hunter2}\n",
            "registries:\n  main: {host: registry.example, username: a, password: {plain: hunter2}}\n",
            "channels:\n  a: {type: webhook, url: hunter2, sceret: hunter2}\n",
            "targets:\n  a: {url: {env: URL}, headers: {Authorization: Bearer hunter2}}\n",
        ] {
            let failure = load(text).unwrap_err();
            let said = format!("{failure:?}");
            assert!(!said.contains("hunter2"), "{said}");
            assert!(said.contains("config-invalid") && said.contains("line"), "{said}");
        }
    }
}
