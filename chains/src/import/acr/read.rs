//! The JSON of a delivery chain, part by part; a part that is not known is told.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use super::policy::Policy;
use super::{Error, Node, Notes, Settings};
use crate::diagnostics::shown;

/// Keys that say nothing about what the chain does.
const QUIET: [&str; 14] = [
    "RequestId",
    "Code",
    "IsSuccess",
    "CreateTime",
    "ModifiedTime",
    "ChainId",
    "ChainConfigId",
    "Version",
    "Title",
    "Icon",
    "Customized",
    "Action",
    "RegionId",
    "Name",
];

/// What stands around a `ChainConfig`.
pub(super) struct Envelope<'v> {
    pub(super) chain: String,
    pub(super) description: Option<String>,
    map: Option<&'v Map<String, Value>>,
    config: std::borrow::Cow<'v, Value>,
    /// Of the `ChainConfig`.
    path: String,
}

/// A `ChainConfig`.
pub(super) struct Config {
    pub(super) path: String,
    pub(super) active: bool,
    pub(super) nodes: BTreeMap<Node, ReadNode>,
    pub(super) routers: Vec<(Node, Node)>,
    pub(super) policy: Policy,
}

/// A node as it stands there.
pub(super) struct ReadNode {
    pub(super) enabled: bool,
    pub(super) settings: Settings,
}

pub(super) struct Reader<'n> {
    pub(super) notes: &'n mut Notes,
}

/// With its article.
fn kind(value: &Value) -> &'static str {
    match value {
        Value::Null => "nothing",
        Value::Bool(_) => "a boolean",
        Value::Number(_) => "a number",
        Value::String(_) => "text",
        Value::Array(_) => "a list",
        Value::Object(_) => "an object",
    }
}

fn wrong<T>(path: &str, expected: &'static str, value: &Value) -> Result<T, Error> {
    Err(Error::WrongType { path: path.to_owned(), expected, found: kind(value) })
}

fn object<'v>(value: &'v Value, path: &str) -> Result<&'v Map<String, Value>, Error> {
    value.as_object().map_or_else(|| wrong(path, "an object", value), Ok)
}

fn list<'v>(map: &'v Map<String, Value>, key: &str, path: &str) -> Result<&'v [Value], Error> {
    match map.get(key) {
        None | Some(Value::Null) => Ok(&[]),
        Some(Value::Array(items)) => Ok(items),
        Some(other) => wrong(&format!("{path}.{key}"), "a list", other),
    }
}

/// Text, none where it is empty.
pub(super) fn text(map: &Map<String, Value>, key: &str, path: &str) -> Result<Option<String>, Error> {
    match map.get(key) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(text)) => Ok(Some(text.trim().to_owned()).filter(|t| !t.is_empty())),
        Some(other) => wrong(&format!("{path}.{key}"), "text", other),
    }
}

/// A number, or text that is one: the API writes some so.
pub(super) fn number(map: &Map<String, Value>, key: &str, path: &str) -> Result<Option<u64>, Error> {
    let found = match map.get(key) {
        None | Some(Value::Null) => return Ok(None),
        Some(Value::String(text)) if text.trim().is_empty() => return Ok(None),
        Some(Value::String(text)) => text.trim().parse().ok(),
        Some(other) => other.as_u64(),
    };
    match (found, &map[key]) {
        (Some(number), _) => Ok(Some(number)),
        (None, other) => wrong(&format!("{path}.{key}"), "a whole number", other),
    }
}

fn boolean(map: &Map<String, Value>, key: &str, path: &str, default: bool) -> Result<bool, Error> {
    match map.get(key) {
        None | Some(Value::Null) => Ok(default),
        Some(Value::Bool(answer)) => Ok(*answer),
        Some(Value::String(text)) if text == "true" || text == "false" => Ok(text == "true"),
        Some(other) => wrong(&format!("{path}.{key}"), "true or false", other),
    }
}

impl Reader<'_> {
    pub(super) fn unknown(&mut self, map: &Map<String, Value>, known: &[&str], path: &str) {
        for key in map.keys().filter(|key| !known.contains(&key.as_str()) && !QUIET.contains(&key.as_str())) {
            let message = format!("`{}` is not known", shown(key));
            let path = format!("{path}.{}", shown(key));
            self.notes.add(
                "import-unknown-key",
                &path,
                message,
                "look whether the chain needs it, and write it by hand",
            );
        }
    }

    pub(super) fn envelope<'v>(&mut self, value: &'v Value) -> Result<Envelope<'v>, Error> {
        use std::borrow::Cow;
        let map = object(value, "$")?;
        if map.contains_key("Nodes") {
            let hint = "name the chain as you like";
            self.notes.add(
                "import-name-changed",
                "$",
                "a configuration alone has no name; the chain is `acr-chain`",
                hint,
            );
            let (chain, path) = ("acr-chain".to_owned(), "$".to_owned());
            return Ok(Envelope { chain, description: None, map: None, config: Cow::Borrowed(value), path });
        }
        let known = [
            "Description",
            "InstanceId",
            "RepoName",
            "RepoNamespaceName",
            "ScopeId",
            "ScopeType",
            "ScopeExclude",
            "ChainConfig",
        ];
        self.unknown(map, &known, "$");
        let given = text(map, "Name", "$")?.unwrap_or_default();
        let chain = name(&given);
        if chain != given {
            let message = format!("the name `{}` becomes `{chain}`", shown(&given));
            self.notes.add("import-name-changed", "$.Name", message, "name the chain as you like");
        }
        let path = "$.ChainConfig".to_owned();
        let config = match map.get("ChainConfig") {
            // `CreateChain` takes it as a text that holds JSON.
            Some(Value::String(json)) => {
                let config = serde_json::from_str(json).map_err(|e| Error::NotJson {
                    line: e.line(),
                    column: e.column(),
                    reason: format!("in $.ChainConfig: {}", super::reason(&e.to_string())),
                })?;
                Cow::Owned(config)
            }
            Some(config @ Value::Object(_)) => Cow::Borrowed(config),
            None | Some(Value::Null) => return Err(Error::Missing { path }),
            Some(other) => return wrong(&path, "an object", other),
        };
        if let Some(instance) = text(map, "InstanceId", "$")? {
            let message =
                format!("the instance `{}` has no equal: the chain takes any registry", shown(&instance));
            let hint = "name the registry under `registries` in patchline.yaml, and in `scope.registry`";
            self.notes.add("import-instance", "$.InstanceId", message, hint);
        }
        let description = text(map, "Description", "$")?;
        Ok(Envelope { chain, description, map: Some(map), config, path })
    }

    /// Globs over repositories.
    pub(super) fn scope(
        &mut self,
        envelope: &Envelope<'_>,
        given: Option<&str>,
    ) -> Result<Vec<String>, Error> {
        let none = Map::new();
        let map = envelope.map.unwrap_or(&none);
        let (space, repository) = (text(map, "RepoNamespaceName", "$")?, text(map, "RepoName", "$")?);
        let base = match (given, space.as_deref(), repository.as_deref()) {
            (Some(given), ..) => given.to_owned(),
            (None, Some(space), Some(repository)) => format!("{}/{}", literal(space), literal(repository)),
            (None, Some(space), None) => format!("{}/**", literal(space)),
            (None, None, _) => {
                let path = if map.contains_key("ScopeId") { "$.ScopeId" } else { "$" };
                let message = "the repositories are named by an id, or not at all";
                self.notes.add(
                    "import-scope-unknown",
                    path,
                    message,
                    "say --scope NAMESPACE/REPOSITORY, or edit `scope.repositories`",
                );
                "name-the-repositories/**".to_owned()
            }
        };
        let mut globs = vec![base];
        for (i, item) in list(map, "ScopeExclude", "$")?.iter().enumerate() {
            let Value::String(name) = item else {
                return wrong(&format!("$.ScopeExclude[{i}]"), "text", item);
            };
            let prefix = match (name.contains('/'), space.as_deref()) {
                (true, _) => String::new(),
                (false, Some(space)) => format!("{}/", literal(space)),
                (false, None) => {
                    globs[0].split_once('/').map_or_else(String::new, |(first, _)| format!("{first}/"))
                }
            };
            globs.push(format!("!{prefix}{}", literal(name)));
        }
        Ok(globs)
    }

    pub(super) fn config(&mut self, envelope: &Envelope<'_>) -> Result<Config, Error> {
        let path = envelope.path.clone();
        let map = object(&envelope.config, &path)?;
        self.unknown(map, &["IsActive", "Nodes", "Routers"], &path);
        let active = boolean(map, "IsActive", &path, true)?;
        let mut config = Config {
            path: path.clone(),
            active,
            nodes: BTreeMap::new(),
            routers: Vec::new(),
            policy: Policy::default(),
        };
        for (i, item) in list(map, "Nodes", &path)?.iter().enumerate() {
            self.node(&mut config, item, &format!("{path}.Nodes[{i}]"))?;
        }
        if config.nodes.is_empty() {
            return Err(Error::Missing { path: format!("{path}.Nodes") });
        }
        for (i, item) in list(map, "Routers", &path)?.iter().enumerate() {
            let path = format!("{path}.Routers[{i}]");
            let map = object(item, &path)?;
            self.unknown(map, &["From", "To"], &path);
            let mut end = |key: &str| -> Result<Option<Node>, Error> {
                let path = format!("{path}.{key}");
                let Some(value) = map.get(key) else { return Err(Error::Missing { path }) };
                let map = object(value, &path)?;
                self.unknown(map, &["NodeName"], &path);
                self.named(map, &path)
            };
            if let (Some(from), Some(to)) = (end("From")?, end("To")?) {
                config.routers.push((from, to));
            }
        }
        Ok(config)
    }

    fn named(&mut self, map: &Map<String, Value>, path: &str) -> Result<Option<Node>, Error> {
        let name = match text(map, "NodeName", path)? {
            Some(name) => Some(name),
            None => text(map, "Name", path)?,
        };
        let Some(name) = name else { return Err(Error::Missing { path: format!("{path}.NodeName") }) };
        let node = Node::named(&name);
        if node.is_none() {
            let message = format!("a node `{}` is not known", shown(&name));
            self.notes.add(
                "import-unknown-node",
                path,
                message,
                "write the step by hand, if there is one for it",
            );
        }
        Ok(node)
    }

    fn node(&mut self, config: &mut Config, value: &Value, path: &str) -> Result<(), Error> {
        let map = object(value, path)?;
        self.unknown(map, &["NodeName", "Enable", "NodeConfig"], path);
        let Some(node) = self.named(map, path)? else { return Ok(()) };
        let enabled = boolean(map, "Enable", path, true)?;
        if config.nodes.contains_key(&node) {
            self.notes.add(
                "import-duplicate-node",
                path,
                "this node stands twice; the first counts",
                "look which one is meant",
            );
            return Ok(());
        }
        let mut settings = Settings::default();
        if let Some(value) = map.get("NodeConfig").filter(|v| !v.is_null()) {
            let path = format!("{path}.NodeConfig");
            let own = object(value, &path)?;
            self.unknown(own, &["Timeout", "Retry", "ScanEngine", "DenyPolicy"], &path);
            settings =
                Settings { timeout: number(own, "Timeout", &path)?, retry: number(own, "Retry", &path)? };
            if let (Node::Scan, true) = (node, enabled) {
                self.engine(own, &path)?;
                if let Some(value) = own.get("DenyPolicy").filter(|v| !v.is_null()) {
                    let path = format!("{path}.DenyPolicy");
                    config.policy = Policy::read(self, object(value, &path)?, &path)?;
                }
            }
        }
        if enabled {
            self.without_equal(node, path);
        }
        config.nodes.insert(node, ReadNode { enabled, settings });
        Ok(())
    }

    fn engine(&mut self, map: &Map<String, Value>, path: &str) -> Result<(), Error> {
        if let Some(engine) = text(map, "ScanEngine", path)? {
            let message = format!(
                "the scan engine `{}` is replaced by the builtin one, which may find other things",
                shown(&engine)
            );
            let hint = "scan an image in both, and compare";
            self.notes.add("import-scan-engine", &format!("{path}.ScanEngine"), message, hint);
        }
        Ok(())
    }

    fn without_equal(&mut self, node: Node, path: &str) {
        match node {
            Node::Build => {
                let message = "images are not built here: the build rules stay where they are, and the push starts the chain";
                self.notes.add("import-no-build", path, message, "let CI build and push the image");
            }
            Node::Replicate => {
                let message = "where images are replicated to is a rule of the instance, and does not stand in the chain";
                self.notes.add(
                    "import-replication-target",
                    path,
                    message,
                    "write the target into `to` of the step `replicate`",
                );
            }
            Node::Trigger | Node::TriggerSnapshot => {
                let message =
                    "what is called is a trigger of the repository, and does not stand in the chain";
                let hint = "define the target under `targets` in patchline.yaml, and name it in the step";
                self.notes.add("import-trigger-target", path, message, hint);
            }
            Node::Snapshot => {
                let message = "where snapshots lie, and when they are made, does not stand in the chain; \
                               here a denied image is copied";
                let hint = "write the place into `to` of the step `backup`, and look at its `when`";
                self.notes.add("import-snapshot", path, message, hint);
            }
            Node::Push | Node::Scan => {}
        }
    }
}

/// A name as chains have them.
fn name(given: &str) -> String {
    let mut name: String = given
        .chars()
        .take(63)
        .map(|c| match c.to_ascii_lowercase() {
            c if c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-' || c == '_' => c,
            _ => '-',
        })
        .collect();
    if !name.starts_with(|c: char| c.is_ascii_lowercase()) {
        name = format!("acr-{}", name.trim_start_matches(['-', '_']));
        name.truncate(63);
    }
    if name == "acr-" { "acr-chain".to_owned() } else { name }
}

/// A name inside a glob.
fn literal(name: &str) -> String {
    name.chars().flat_map(|c| "*?[]{}!\\".contains(c).then_some('\\').into_iter().chain([c])).collect()
}
