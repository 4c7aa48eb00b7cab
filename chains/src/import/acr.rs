//! Delivery chains of Alibaba Cloud Container Registry, Enterprise Edition (API version 2018-12-01): what `GetChain`
//! answers, what `CreateChain` takes, or a `ChainConfig` alone.

mod policy;
mod read;
#[cfg(test)]
mod tests;
mod write;

use std::collections::{BTreeMap, BTreeSet};

use super::{Error, Imported, Note};
use crate::limits::MAX_BYTES;
use policy::Policy;
use read::{Config, Reader};

/// Notes about one file; more are counted in the last.
const MOST_NOTES: usize = 200;

/// The nodes that such a chain is made of, each at most once.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Node {
    Build,
    Push,
    Scan,
    Replicate,
    Trigger,
    Snapshot,
    TriggerSnapshot,
}

impl Node {
    const ALL: [(&'static str, Node); 7] = [
        ("DOCKER_IMAGE_BUILD", Node::Build),
        ("DOCKER_IMAGE_PUSH", Node::Push),
        ("VULNERABILITY_SCANNING", Node::Scan),
        ("ACTIVATE_REPLICATION", Node::Replicate),
        ("TRIGGER", Node::Trigger),
        ("SNAPSHOT", Node::Snapshot),
        ("TRIGGER_SNAPSHOT", Node::TriggerSnapshot),
    ];

    fn named(name: &str) -> Option<Node> {
        Node::ALL.iter().find(|(own, _)| *own == name).map(|(_, node)| *node)
    }

    /// The step that stands for it, in the new chain.
    fn step(self) -> &'static str {
        match self {
            Node::Build | Node::Push => "",
            Node::Scan => "scan",
            Node::Replicate => "replicate",
            Node::Trigger => "deploy",
            Node::Snapshot => "backup",
            Node::TriggerSnapshot => "deploy-backup",
        }
    }
}

/// The order that every chain of the console has, where the file names none.
const FIXED: [(Node, Node); 6] = [
    (Node::Build, Node::Push),
    (Node::Push, Node::Scan),
    (Node::Scan, Node::Replicate),
    (Node::Replicate, Node::Trigger),
    (Node::Scan, Node::Snapshot),
    (Node::Snapshot, Node::TriggerSnapshot),
];

/// What becomes of the notes while the file is read.
#[derive(Debug, Default)]
pub(super) struct Notes(Vec<Note>);

impl Notes {
    fn add(&mut self, code: &'static str, path: &str, message: impl Into<String>, hint: &'static str) {
        if self.0.len() < MOST_NOTES {
            self.0.push(Note { code, path: path.to_owned(), message: message.into(), hint });
        }
    }
}

/// A chain as it will be written.
#[derive(Debug)]
pub(super) struct Outline {
    chain: String,
    description: Option<String>,
    repositories: Vec<String>,
    on_push: bool,
    nodes: BTreeMap<Node, Settings>,
    /// By node: the nodes that it waits for.
    needs: BTreeMap<Node, BTreeSet<Node>>,
    policy: Policy,
}

/// Of one enabled node.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Settings {
    /// Seconds of one attempt.
    timeout: Option<u64>,
    /// Tries after the first.
    retry: Option<u64>,
}

/// Reads a chain and writes it anew. `scope`: the repositories that it handles, where the file does not name them.
pub fn import(json: &[u8], scope: Option<&str>) -> Result<Imported, Error> {
    if json.len() > MAX_BYTES {
        return Err(Error::TooLarge);
    }
    let json = json.strip_prefix(b"\xef\xbb\xbf").unwrap_or(json);
    let value = serde_json::from_slice(json).map_err(|e| Error::NotJson {
        line: e.line(),
        column: e.column(),
        reason: reason(&e.to_string()),
    })?;
    let mut notes = Notes::default();
    let mut reader = Reader { notes: &mut notes };
    let envelope = reader.envelope(&value)?;
    let config = reader.config(&envelope)?;
    let repositories = reader.scope(&envelope, scope)?;
    let on_push = config.active && config.nodes.get(&Node::Push).is_none_or(|node| node.enabled);
    let needs = needs(&config)?;
    let Config { nodes, policy, .. } = config;
    let enabled = nodes.into_iter().filter(|(_, node)| node.enabled);
    let outline = Outline {
        chain: envelope.chain,
        description: envelope.description,
        repositories,
        on_push,
        nodes: enabled.map(|(node, read)| (node, read.settings)).collect(),
        needs,
        policy,
    };
    let yaml = write::yaml(&outline, &mut notes);
    Ok(Imported { yaml, notes: notes.0 })
}

/// The parser's words, without the place that it repeats.
fn reason(text: &str) -> String {
    crate::diagnostics::shown(text.split(" at line ").next().unwrap_or(text))
}

/// What each node waits for, across nodes that are switched off.
fn needs(config: &Config) -> Result<BTreeMap<Node, BTreeSet<Node>>, Error> {
    let edges: Vec<(Node, Node)> =
        if config.routers.is_empty() { FIXED.to_vec() } else { config.routers.clone() };
    let before = |node: Node| edges.iter().filter(move |(_, to)| *to == node).map(|(from, _)| *from);
    let enabled = |node: Node| config.nodes.get(&node).is_some_and(|n| n.enabled);
    let mut needs = BTreeMap::new();
    for (_, node) in Node::ALL {
        let (mut found, mut seen) = (BTreeSet::new(), BTreeSet::new());
        let mut waiting: Vec<Node> = before(node).collect();
        while let Some(next) = waiting.pop() {
            if !seen.insert(next) {
                continue;
            }
            match enabled(next) {
                true => drop(found.insert(next)),
                false => waiting.extend(before(next)),
            }
        }
        needs.insert(node, found);
    }
    // Seven nodes: whoever still waits after seven rounds waits for ever.
    let mut done: BTreeSet<Node> = BTreeSet::new();
    for _ in Node::ALL {
        done.extend(
            needs.iter().filter(|(_, own)| own.is_subset(&done)).map(|(node, _)| *node).collect::<Vec<_>>(),
        );
    }
    match done.len() == Node::ALL.len() {
        true => Ok(needs),
        false => Err(Error::Cycle { path: format!("{}.Routers", config.path) }),
    }
}
