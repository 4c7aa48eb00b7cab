//! A file as bbolt reads it, in which every bucket lies inline in the one leaf page of the root.

use std::collections::BTreeMap;

const PAGE: usize = 4096;
const LEAF: u16 = 2;
const META: u16 = 4;
const FREE_LIST: u16 = 16;

/// What stands under a key.
pub(crate) enum Node {
    Value(Vec<u8>),
    Bucket(BTreeMap<String, Node>),
}

impl Node {
    pub(crate) fn bucket<const N: usize>(all: [(&str, Node); N]) -> Self {
        Self::Bucket(all.into_iter().map(|(key, node)| (key.to_owned(), node)).collect())
    }
}

/// The whole file: two descriptions, a list of no free pages, and the root's page with what it overflows into.
pub(crate) fn file(root: &Node) -> Vec<u8> {
    let Node::Bucket(root) = root else { panic!("the root is a bucket") };
    let pages = leaf(root, 3, 0).len().div_ceil(PAGE);
    let meta = |number: u64| {
        let mut meta = Vec::new();
        for word in [0xED0C_DAED_u32, 2, PAGE as u32, 0] {
            meta.extend(word.to_le_bytes());
        }
        // Root and its sequence, the list of free pages, the end, the transaction.
        for word in [3, 0, 2, 3 + pages as u64, number] {
            meta.extend(word.to_le_bytes());
        }
        let sum = fnv(&meta);
        meta.extend(sum.to_le_bytes());
        [header(number, META, 0, 0), meta].concat()
    };
    let parts = [meta(0), meta(1), header(2, FREE_LIST, 0, 0), leaf(root, 3, pages as u32 - 1)];
    parts.into_iter().flat_map(padded).collect()
}

fn padded(mut part: Vec<u8>) -> Vec<u8> {
    part.resize(part.len().next_multiple_of(PAGE), 0);
    part
}

fn header(id: u64, flags: u16, count: u16, overflow: u32) -> Vec<u8> {
    let mut header = id.to_le_bytes().to_vec();
    header.extend(flags.to_le_bytes());
    header.extend(count.to_le_bytes());
    header.extend(overflow.to_le_bytes());
    header
}

/// Elements first, each with where its key and value stand behind it.
fn leaf(items: &BTreeMap<String, Node>, id: u64, overflow: u32) -> Vec<u8> {
    let (mut elements, mut data) = (Vec::new(), Vec::new());
    for (at, (key, node)) in items.iter().enumerate() {
        let (flags, value) = match node {
            Node::Value(value) => (0_u32, value.clone()),
            // No page of its own, no sequence.
            Node::Bucket(items) => (1, [vec![0; 16], leaf(items, 0, 0)].concat()),
        };
        let position = (items.len() - at) * 16 + data.len();
        for word in [flags, position as u32, key.len() as u32, value.len() as u32] {
            elements.extend(word.to_le_bytes());
        }
        data.extend(key.as_bytes());
        data.extend(value);
    }
    [header(id, LEAF, items.len() as u16, overflow), elements, data].concat()
}

/// FNV-1a, 64 bits.
fn fnv(bytes: &[u8]) -> u64 {
    bytes
        .iter()
        .fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3))
}
