//! The shapes of SARIF 2.1.0 (OASIS) that Patchline writes, of images and of chains.

use std::{borrow::Cow, collections::BTreeMap};

use serde::Serialize;

const SCHEMA: &str =
    "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json";

/// `sarifLog`, section 3.13, with one run.
#[derive(Debug, Serialize)]
pub struct Log<'a> {
    #[serde(rename = "$schema")]
    schema: &'static str,
    version: &'static str,
    runs: [Run<'a>; 1],
}

impl<'a> Log<'a> {
    /// Around one run.
    pub fn new(run: Run<'a>) -> Self {
        Self { schema: SCHEMA, version: "2.1.0", runs: [run] }
    }
}

/// `run`, section 3.14.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Run<'a> {
    tool: Tool<'a>,
    invocations: [Invocation; 1],
    /// What the names before relative addresses stand for.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub original_uri_base_ids: BTreeMap<&'static str, Base>,
    /// Files that were read.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub artifacts: Option<Vec<Artifact>>,
    /// What was found.
    pub results: Vec<Found<'a>>,
    column_kind: &'static str,
    /// What else there is to say.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub properties: BTreeMap<&'static str, String>,
}

impl<'a> Run<'a> {
    /// Of Patchline in this version, over these rules.
    pub fn new(
        version: &'a str,
        rules: Vec<Rule<'a>>,
        invocation: Invocation,
        results: Vec<Found<'a>>,
    ) -> Self {
        Self {
            tool: Tool { driver: Driver { name: "patchline", semantic_version: version, rules } },
            invocations: [invocation],
            original_uri_base_ids: BTreeMap::new(),
            artifacts: None,
            results,
            // Characters, not UTF-16 units.
            column_kind: "unicodeCodePoints",
            properties: BTreeMap::new(),
        }
    }
}

#[derive(Debug, Serialize)]
struct Tool<'a> {
    driver: Driver<'a>,
}

/// `toolComponent`, section 3.19.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Driver<'a> {
    name: &'static str,
    semantic_version: &'a str,
    rules: Vec<Rule<'a>>,
}

/// `reportingDescriptor`, section 3.49.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Rule<'a> {
    /// Each once in a run.
    pub id: Cow<'a, str>,
    /// One line.
    pub short_description: Text<'a>,
    /// What to do.
    pub help: Text<'a>,
    /// Where more is said.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub help_uri: Option<String>,
    /// For those who sort.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub properties: Option<RuleProperties>,
}

impl<'a> Rule<'a> {
    /// With its words alone.
    pub fn new(
        id: impl Into<Cow<'a, str>>,
        short: impl Into<Cow<'a, str>>,
        help: impl Into<Cow<'a, str>>,
    ) -> Self {
        Self {
            id: id.into(),
            short_description: Text { text: short.into() },
            help: Text { text: help.into() },
            help_uri: None,
            properties: None,
        }
    }
}

/// Properties that code hosts read.
#[derive(Debug, Serialize)]
pub struct RuleProperties {
    /// A number from 0 to 10, as text; none: nobody has said how bad it is.
    #[serde(rename = "security-severity", skip_serializing_if = "Option::is_none")]
    pub security_severity: Option<&'static str>,
    /// Words to filter by.
    pub tags: Vec<&'static str>,
}

/// `message` and `multiformatMessageString`, sections 3.11 and 3.12.
#[derive(Debug, Serialize)]
pub struct Text<'a> {
    /// Plain.
    pub text: Cow<'a, str>,
}

/// `invocation`, section 3.20.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Invocation {
    /// The work itself went well, whatever it found.
    pub execution_successful: bool,
    /// UTC.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub end_time_utc: Option<String>,
    /// What a reader must know of it.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub tool_execution_notifications: Vec<Notification>,
}

impl Invocation {
    /// It went well, and there is nothing to say.
    pub fn well() -> Self {
        Self { execution_successful: true, end_time_utc: None, tool_execution_notifications: Vec::new() }
    }
}

/// `notification`, section 3.58.
#[derive(Debug, Serialize)]
pub struct Notification {
    /// `error`, `warning`, `note`
    pub level: &'static str,
    /// What.
    pub message: Text<'static>,
}

/// `artifact`, section 3.24.
#[derive(Debug, Serialize)]
pub struct Artifact {
    /// Where it is.
    pub location: ArtifactLocation,
}

/// What a base stands for: an `artifactLocation` of its own, section 3.14.14.
#[derive(Debug, Serialize)]
pub struct Base {
    /// Ends with a slash.
    pub uri: &'static str,
}

/// `artifactLocation`, section 3.4.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ArtifactLocation {
    /// A URI reference.
    pub uri: String,
    /// What it is relative to.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub uri_base_id: Option<&'static str>,
    /// Among the run's artifacts.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub index: Option<usize>,
}

/// `result`, section 3.27.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Found<'a> {
    /// Of a rule of this run.
    pub rule_id: Cow<'a, str>,
    /// Its place among them.
    pub rule_index: usize,
    /// `error`, `warning`, `note`
    pub level: &'static str,
    /// What.
    pub message: Text<'static>,
    /// Where; never empty.
    pub locations: Vec<Location>,
    /// Where else one should look.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub related_locations: Vec<Location>,
    /// What tells that two runs found the same.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub partial_fingerprints: BTreeMap<&'static str, String>,
    /// What else there is to say.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub properties: BTreeMap<&'static str, String>,
}

/// `location`, section 3.28.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Location {
    /// Among the related ones.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub id: Option<usize>,
    /// Which file, and where in it.
    pub physical_location: PhysicalLocation,
    /// Which layer.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub logical_locations: Vec<LogicalLocation>,
    /// What is there.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub message: Option<Text<'static>>,
}

/// `physicalLocation`, section 3.29.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct PhysicalLocation {
    /// Which file.
    pub artifact_location: ArtifactLocation,
    /// Where in it.
    pub region: Region,
}

/// `logicalLocation`, section 3.33.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct LogicalLocation {
    /// For people.
    pub name: String,
    /// For programs.
    pub fully_qualified_name: String,
}

/// `region`, section 3.30: lines and columns from 1, the end column is the first one behind.
#[derive(Debug, Default, Serialize)]
#[serde(rename_all = "camelCase")]
#[expect(missing_docs, reason = "the names are the specification's")]
pub struct Region {
    pub start_line: usize,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub start_column: Option<usize>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub end_line: Option<usize>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub end_column: Option<usize>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub byte_offset: Option<usize>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub byte_length: Option<usize>,
}
