//! Two network namespaces with two wires each: one to the database, one to the registry. Their names tell whose they
//! are, and what a killed harness has left is removed by the next.

use std::{fs, process::Command};

use patchline_tests::{machine, process};

/// The machine's side of the wires to the registry. 198.18.0.0/15 is set apart for tests (RFC 2544).
pub(crate) const REGISTRY: &str = "198.18.200.1";
/// The machine's side of the wires to the database.
pub(crate) const DATABASE: &str = "198.18.201.1";

/// Both of them; dropped, they are removed.
pub(crate) struct Namespaces {
    pid: u32,
}

/// `a` or `b`.
pub(crate) const BOTH: [&str; 2] = ["a", "b"];

fn ip(arguments: &str) {
    machine::run(Command::new("ip").args(arguments.split(' ')));
}

impl Namespaces {
    /// Makes them. Only root can.
    pub(crate) fn make() -> Self {
        sweep();
        let pid = std::process::id();
        let made = Self { pid };
        for (bridge, address) in [("r", REGISTRY), ("d", DATABASE)] {
            ip(&format!("link add {} type bridge", made.bridge(bridge)));
            ip(&format!("addr add {address}/24 dev {}", made.bridge(bridge)));
            ip(&format!("link set {} up", made.bridge(bridge)));
        }
        for (n, name) in (2..).zip(BOTH) {
            let namespace = made.name(name);
            ip(&format!("netns add {namespace}"));
            ip(&format!("-n {namespace} link set lo up"));
            for (bridge, net) in [("r", "198.18.200"), ("d", "198.18.201")] {
                let (outside, inside) = (made.wire(name, bridge), format!("{bridge}0"));
                ip(&format!("link add {outside} type veth peer name {inside} netns {namespace}"));
                ip(&format!("link set {outside} master {} up", made.bridge(bridge)));
                ip(&format!("-n {namespace} addr add {net}.{n}/24 dev {inside}"));
                ip(&format!("-n {namespace} link set {inside} up"));
            }
        }
        made
    }
    /// The namespace of `a` or `b`.
    pub(crate) fn name(&self, name: &str) -> String {
        format!("patchline-chaos-{}-{name}", self.pid)
    }
    fn bridge(&self, to: &str) -> String {
        format!("plc{}{to}", self.pid)
    }
    fn wire(&self, name: &str, to: &str) -> String {
        format!("plc{}{to}{name}", self.pid)
    }
    /// Cuts a namespace off from the database; or heals it.
    pub(crate) fn cut(&self, name: &str, cut: bool) {
        ip(&format!("link set {} {}", self.wire(name, "d"), if cut { "down" } else { "up" }));
    }
}

impl Drop for Namespaces {
    fn drop(&mut self) {
        remove(self.pid);
    }
}

/// What a process that is gone has left.
fn sweep() {
    let mut owners: Vec<u32> = Vec::new();
    for entry in fs::read_dir("/run/netns").into_iter().flatten().flatten() {
        let name = entry.file_name().to_string_lossy().into_owned();
        owners.extend(
            name.strip_prefix("patchline-chaos-")
                .and_then(|rest| rest.split('-').next()?.parse::<u32>().ok()),
        );
    }
    for entry in fs::read_dir("/sys/class/net").into_iter().flatten().flatten() {
        let name = entry.file_name().to_string_lossy().into_owned();
        let owner =
            name.strip_prefix("plc").map(|rest| rest.trim_end_matches(['r', 'd', 'a', 'b']).parse::<u32>());
        owners.extend(owner.and_then(Result::ok));
    }
    owners.sort_unstable();
    owners.dedup();
    owners.into_iter().filter(|pid| !process::alive(*pid)).for_each(remove);
}

fn remove(pid: u32) {
    let quietly = |arguments: String| drop(Command::new("ip").args(arguments.split(' ')).output());
    for name in BOTH {
        for to in ["r", "d"] {
            quietly(format!("link del plc{pid}{to}{name}"));
        }
        quietly(format!("netns del patchline-chaos-{pid}-{name}"));
    }
    for to in ["r", "d"] {
        quietly(format!("link del plc{pid}{to}"));
    }
}
