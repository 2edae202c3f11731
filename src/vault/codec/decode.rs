//! From bytes to nodes.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::{AT, BLOCK, CHARACTER, CONTENT, GONE, KIND, PIPE, SAME, SINGLE, SOCKET, TARGET, VERSION};
use crate::trie::wire::Reader;
use crate::trie::{Key, Malformed};
use crate::vault::{Attr, Content, Data, Kind, Name, Node, NodeId, Place, ReplicaId, Stamp, Versions};

type Decoded<T> = Result<T, Malformed>;

pub(super) fn leaf(bytes: &[u8]) -> Decoded<Vec<(Key, Arc<Node>)>> {
    let mut wire = Reader::new(bytes);
    if wire.u8()? != VERSION {
        return Err(Malformed("unknown version of a leaf"));
    }
    let replicas = table(&mut wire, |wire| wire.array().map(ReplicaId))?;
    let parents = table(&mut wire, |wire| wire.array().map(NodeId))?;
    let count = wire.varint()?;
    let mut leaf = Leaf { wire, replicas, parents };
    let mut entries = Vec::new();
    for _ in 0..count {
        entries.push((leaf.wire.array()?, Arc::new(leaf.node()?)));
    }
    leaf.wire.end()?;
    Ok(entries)
}

/// An ascending table. Each turn takes bytes, so a huge count ends with them.
fn table<T: Ord>(wire: &mut Reader<'_>, one: impl Fn(&mut Reader<'_>) -> Decoded<T>) -> Decoded<Vec<T>> {
    let count = wire.varint()?;
    let mut table: Vec<T> = Vec::new();
    for _ in 0..count {
        let next = one(wire)?;
        if table.last().is_some_and(|last| *last >= next) {
            return Err(Malformed("table of a leaf out of order"));
        }
        table.push(next);
    }
    Ok(table)
}

struct Leaf<'a> {
    wire: Reader<'a>,
    replicas: Vec<ReplicaId>,
    parents: Vec<NodeId>,
}

impl Leaf<'_> {
    fn bytes(&mut self) -> Decoded<Vec<u8>> {
        let len = usize::try_from(self.wire.varint()?).map_err(|_| Malformed("cut short"))?;
        self.wire.take(len).map(<[u8]>::to_vec)
    }

    fn small(&mut self) -> Decoded<u32> {
        u32::try_from(self.wire.varint()?).map_err(|_| Malformed("attribute too large"))
    }

    fn stamp(&mut self) -> Decoded<Stamp> {
        let index = usize::try_from(self.wire.varint()?).unwrap_or(usize::MAX);
        let replica = *self.replicas.get(index).ok_or(Malformed("replica outside the table"))?;
        let lamport = self.wire.varint()?;
        if lamport == 0 {
            return Err(Malformed("a stamp of no operation"));
        }
        Ok(Stamp { lamport, replica })
    }

    fn node(&mut self) -> Decoded<Node> {
        let head = self.wire.u8()?;
        let kind = Kind::from_code(head & KIND).ok_or(Malformed("unknown kind of node"))?;
        let node = match head & !KIND {
            0 => Node {
                kind,
                places: self.versions(Self::place)?,
                attr: self.versions(Self::attr)?,
                data: self.versions(|leaf| leaf.data(kind))?,
            },
            SINGLE => self.single(kind, false)?,
            flags if flags == SINGLE | SAME => self.single(kind, true)?,
            _ => return Err(Malformed("unknown mark on a node")),
        };
        if node.is_empty() {
            return Err(Malformed("a node of nothing"));
        }
        Ok(node)
    }

    fn single(&mut self, kind: Kind, same: bool) -> Decoded<Node> {
        let place = self.stamp()?;
        let attr = if same { place } else { self.stamp()? };
        let directory = kind == Kind::Directory;
        let data = if same || directory { place } else { self.stamp()? };
        let (parent, name) = self.slot()?;
        Ok(Node {
            kind,
            places: Versions::one(place, Place::At { parent, name }),
            attr: Versions::one(attr, self.attr()?),
            data: if directory { Versions::default() } else { Versions::one(data, self.data(kind)?) },
        })
    }

    fn versions<T>(&mut self, one: impl Fn(&mut Self) -> Decoded<T>) -> Decoded<Versions<T>> {
        let count = self.wire.varint()?;
        let mut versions = Vec::new();
        let mut last = None;
        for _ in 0..count {
            let stamp = self.stamp()?;
            if last.is_some_and(|last| last >= stamp) {
                return Err(Malformed("versions out of order"));
            }
            last = Some(stamp);
            versions.push((stamp, one(self)?));
        }
        Ok(versions.into_iter().collect())
    }

    fn slot(&mut self) -> Decoded<(NodeId, Name)> {
        let index = usize::try_from(self.wire.varint()?).unwrap_or(usize::MAX);
        let parent = *self.parents.get(index).ok_or(Malformed("parent outside the table"))?;
        let name = Name::new(self.bytes()?).map_err(|_| Malformed("not a name"))?;
        Ok((parent, name))
    }

    fn place(&mut self) -> Decoded<Place> {
        let tag = self.wire.u8()?;
        let (parent, name) = self.slot()?;
        match tag {
            AT => Ok(Place::At { parent, name }),
            GONE => {
                let count = self.wire.varint()?;
                let mut covers: Vec<Stamp> = Vec::new();
                for _ in 0..count {
                    let stamp = self.stamp()?;
                    if covers.last().is_some_and(|last| *last >= stamp) {
                        return Err(Malformed("covers out of order"));
                    }
                    covers.push(stamp);
                }
                Ok(Place::Gone { parent, name, covers })
            }
            _ => Err(Malformed("unknown place")),
        }
    }

    fn attr(&mut self) -> Decoded<Attr> {
        let (mode, uid, gid) = (self.small()?, self.small()?, self.small()?);
        let mtime = i64::from_le_bytes(self.wire.array()?);
        let older = self.wire.varint()?;
        let older = (older >> 1) as i64 ^ -((older & 1) as i64);
        let count = self.wire.varint()?;
        let mut xattrs: BTreeMap<Vec<u8>, Vec<u8>> = BTreeMap::new();
        for _ in 0..count {
            let name = self.bytes()?;
            if xattrs.last_key_value().is_some_and(|(last, _)| *last >= name) {
                return Err(Malformed("extended attributes out of order"));
            }
            let value = self.bytes()?;
            xattrs.insert(name, value);
        }
        Ok(Attr { mode, uid, gid, mtime, birth: mtime.wrapping_sub(older), xattrs })
    }

    fn data(&mut self, kind: Kind) -> Decoded<Data> {
        let data = match self.wire.u8()? {
            CONTENT => {
                let rest = std::mem::replace(&mut self.wire, Reader::new(&[])).rest();
                let (content, rest) = Content::decode(rest)?;
                self.wire = Reader::new(rest);
                Data::Content(content)
            }
            TARGET => Data::Target(self.bytes()?),
            BLOCK => Data::Device { block: true, rdev: self.wire.varint()? },
            CHARACTER => Data::Device { block: false, rdev: self.wire.varint()? },
            PIPE => Data::Pipe,
            SOCKET => Data::Socket,
            _ => return Err(Malformed("unknown data")),
        };
        if data.kind() != kind {
            return Err(Malformed("data of another kind of node"));
        }
        Ok(data)
    }
}
