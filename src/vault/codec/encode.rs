//! From nodes to bytes.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::{AT, BLOCK, CHARACTER, CONTENT, GONE, PIPE, SAME, SINGLE, SOCKET, TARGET, VERSION};
use crate::trie::Key;
use crate::trie::wire::put_varint;
use crate::vault::{Attr, Data, Kind, Node, NodeId, Place, ReplicaId, Stamp, Versions};

pub(super) fn leaf(entries: &[(Key, Arc<Node>)]) -> Vec<u8> {
    let mut writer = Writer::new(entries);
    writer.out.push(VERSION);
    put_varint(&mut writer.out, writer.replicas.len() as u64);
    writer.replicas.iter().for_each(|replica| writer.out.extend_from_slice(&replica.0));
    put_varint(&mut writer.out, writer.parents.len() as u64);
    writer.parents.iter().for_each(|parent| writer.out.extend_from_slice(&parent.0));
    put_varint(&mut writer.out, entries.len() as u64);
    for (key, node) in entries {
        writer.out.extend_from_slice(key);
        writer.node(node);
    }
    writer.out
}

struct Writer {
    replicas: Vec<ReplicaId>,
    parents: Vec<NodeId>,
    out: Vec<u8>,
}

/// The stamp of the one version that each field has, if they are so.
fn single(node: &Node) -> Option<[Stamp; 3]> {
    let (place, at) = node.places.winner().filter(|_| node.places.len() == 1)?;
    let (attr, _) = node.attr.winner().filter(|_| node.attr.len() == 1)?;
    let data = match node.kind {
        Kind::Directory if node.data.is_empty() => place,
        _ => node.data.winner().filter(|_| node.data.len() == 1)?.0,
    };
    at.is_at().then_some([place, attr, data])
}

impl Writer {
    fn new(entries: &[(Key, Arc<Node>)]) -> Self {
        let (mut replicas, mut parents) = (BTreeSet::new(), BTreeSet::new());
        for (_, node) in entries {
            replicas.extend(node.stamps().map(|stamp| stamp.replica));
            for (_, place) in node.places.iter() {
                parents.insert(place.slot().0);
                if let Place::Gone { covers, .. } = place {
                    replicas.extend(covers.iter().map(|stamp| stamp.replica));
                }
            }
        }
        let (replicas, parents) = (replicas.into_iter().collect(), parents.into_iter().collect());
        Writer { replicas, parents, out: Vec::with_capacity(128 * entries.len()) }
    }

    fn number(&mut self, number: u64) {
        put_varint(&mut self.out, number);
    }

    fn bytes(&mut self, bytes: &[u8]) {
        self.number(bytes.len() as u64);
        self.out.extend_from_slice(bytes);
    }

    fn stamp(&mut self, stamp: Stamp) {
        // In the table by construction.
        let index = self.replicas.binary_search(&stamp.replica).unwrap_or(usize::MAX);
        self.number(index as u64);
        self.number(stamp.lamport);
    }

    fn node(&mut self, node: &Node) {
        let kind = node.kind.code();
        match single(node) {
            Some([place, attr, data]) => {
                let same = place == attr && place == data;
                self.out.push(kind | SINGLE | if same { SAME } else { 0 });
                let stamps = [Some(place), Some(attr), (!node.is_directory()).then_some(data)];
                stamps.into_iter().flatten().take(if same { 1 } else { 3 }).for_each(|it| self.stamp(it));
                node.places.iter().for_each(|(_, place)| self.slot(place));
                node.attr.iter().for_each(|(_, attr)| self.attr(attr));
                node.data.iter().for_each(|(_, data)| self.data(data));
            }
            None => {
                self.out.push(kind);
                self.versions(&node.places, Self::place);
                self.versions(&node.attr, Self::attr);
                self.versions(&node.data, Self::data);
            }
        }
    }

    fn versions<T>(&mut self, versions: &Versions<T>, one: fn(&mut Self, &T)) {
        self.number(versions.len() as u64);
        for (stamp, value) in versions.iter() {
            self.stamp(stamp);
            one(self, value);
        }
    }

    fn slot(&mut self, place: &Place) {
        let (parent, name) = place.slot();
        let index = self.parents.binary_search(&parent).unwrap_or(usize::MAX);
        self.number(index as u64);
        self.bytes(name);
    }

    fn place(&mut self, place: &Place) {
        self.out.push(if place.is_at() { AT } else { GONE });
        self.slot(place);
        if let Place::Gone { covers, .. } = place {
            self.number(covers.len() as u64);
            covers.iter().for_each(|stamp| self.stamp(*stamp));
        }
    }

    fn attr(&mut self, attr: &Attr) {
        self.number(u64::from(attr.mode));
        self.number(u64::from(attr.uid));
        self.number(u64::from(attr.gid));
        self.out.extend_from_slice(&attr.mtime.to_le_bytes());
        // Mostly both are the same moment.
        let older = attr.mtime.wrapping_sub(attr.birth);
        self.number(((older << 1) ^ (older >> 63)) as u64);
        self.number(attr.xattrs.len() as u64);
        for (name, value) in &attr.xattrs {
            self.bytes(name);
            self.bytes(value);
        }
    }

    fn data(&mut self, data: &Data) {
        match data {
            Data::Content(content) => {
                self.out.push(CONTENT);
                content.encode(&mut self.out);
            }
            Data::Target(target) => {
                self.out.push(TARGET);
                self.bytes(target);
            }
            Data::Device { block, rdev } => {
                self.out.push(if *block { BLOCK } else { CHARACTER });
                self.number(*rdev);
            }
            Data::Pipe => self.out.push(PIPE),
            Data::Socket => self.out.push(SOCKET),
        }
    }
}
