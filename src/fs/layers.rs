//! A file's bytes while it is being written: a content, and the edits over it that are not in a content yet.
//!
//! Three layers of edits: `top` takes new writes; `frozen` is what a worker has in hand at this moment; `packed`
//! is what was put away into objects until there is time to make a content of it. Reading looks at top, frozen,
//! packed and the content, in this order. Pure: no vault, no clock.
//!
//! A worker either makes a content of everything ([`freeze`](Layers::freeze)), or packs what is new
//! ([`freeze_new`](Layers::freeze_new)).
//!
//! Invariant: whatever lies at or past `size` is not read, and reads as zeros once the file grows over it.

use std::ops::Range;
use std::sync::Arc;

use bytes::Bytes;

use crate::vault::contents::{Content, Extent, Extents, MIN_CHUNK, Stored};

/// The bytes of an open file.
#[derive(Debug, Default)]
pub(super) struct Layers {
    under: Content,
    packed: Extents,
    frozen: Option<(Arc<Extents>, u64)>,
    top: Extents,
    size: u64,
}

/// What a worker has in hand: `under` with the edits made on it, `size` bytes long.
#[derive(Debug, Clone)]
pub(super) struct Frozen {
    /// The content below.
    pub(super) under: Content,
    /// The edits.
    pub(super) edits: Arc<Extents>,
    /// The length of the result.
    pub(super) size: u64,
}

/// How to read a range: bytes of a content, and what lies over them.
#[derive(Debug)]
pub(super) struct ReadPlan {
    /// The range, cut to the file's size.
    pub(super) range: Range<u64>,
    /// The content below, if any of the range shows it.
    pub(super) under: Option<Content>,
    over: Vec<(usize, Patch)>,
}

#[derive(Debug)]
enum Patch {
    Bytes(Vec<u8>),
    Zeros(usize),
    Stored(Stored),
}

impl Layers {
    /// The bytes of `content`.
    pub(super) fn over(content: Content) -> Self {
        let size = content.len();
        Layers { under: content, size, ..Layers::default() }
    }

    /// The file's length in bytes.
    pub(super) fn size(&self) -> u64 {
        self.size
    }

    /// Bytes of memory that the edits take.
    pub(super) fn bytes(&self) -> u64 {
        let frozen = self.frozen.as_ref().map_or(0, |(frozen, _)| frozen.weight());
        self.top.weight() + frozen + self.packed.weight()
    }

    /// Of those, the bytes that no worker has in hand and that were not packed.
    pub(super) fn new_bytes(&self) -> u64 {
        self.top.bytes()
    }

    /// Bytes that the edits can have put where there was a hole, at most; `None` if that takes long to tell.
    pub(super) fn filled_at_most(&self) -> Option<u64> {
        let frozen = self.frozen.as_ref().map_or(0, |(frozen, _)| frozen.bytes());
        self.packed.is_empty().then(|| self.top.bytes() + frozen)
    }

    /// Whether the new edits are many small ones.
    pub(super) fn is_scattered(&self) -> bool {
        self.top.bytes() < self.top.pieces() as u64 * MIN_CHUNK as u64
    }

    /// How many edits there are that no worker has in hand.
    pub(super) fn pieces(&self) -> usize {
        self.top.pieces() + self.packed.pieces()
    }

    /// Whether there is nothing but the content.
    pub(super) fn is_clean(&self) -> bool {
        let edited = !self.top.is_empty() || !self.packed.is_empty() || self.frozen.is_some();
        !edited && self.size == self.under.len()
    }

    /// Whether a worker is making a content of the lower edits.
    pub(super) fn is_frozen(&self) -> bool {
        self.frozen.is_some()
    }

    /// The content below all edits.
    pub(super) fn under(&self) -> &Content {
        &self.under
    }

    /// Writes `data` at `offset`.
    pub(super) fn write(&mut self, offset: u64, data: &[u8]) {
        self.top.insert(offset, data);
        self.size = self.size.max(offset.saturating_add(data.len() as u64));
    }

    /// Sets the length; what a shorter length cuts off is gone, what a longer one adds is zeros.
    pub(super) fn resize(&mut self, size: u64) {
        if size < self.size {
            self.top.truncate(size);
            let frozen = self.frozen.as_ref().map_or(0, |(frozen, _)| frozen.end());
            let below = frozen.max(self.packed.end()).max(self.under.len());
            self.top.insert_hole(size, below.saturating_sub(size));
        }
        self.size = size;
    }

    /// Makes a range a hole; nothing past the end changes.
    pub(super) fn punch(&mut self, offset: u64, length: u64) {
        let end = offset.saturating_add(length).min(self.size);
        if offset < end {
            self.top.insert_hole(offset, end - offset);
        }
    }

    /// How to read up to `length` bytes at `offset`.
    pub(super) fn plan(&self, offset: u64, length: u64) -> ReadPlan {
        let range = offset.min(self.size)..offset.saturating_add(length).min(self.size);
        let frozen = self.frozen.as_ref().map(|(frozen, _)| &**frozen);
        let layers = || [Some(&self.packed), frozen, Some(&self.top)].into_iter().flatten();
        let hidden = layers().any(|edits| edits.covers(range.clone()));
        let under = (!hidden && range.start < self.under.len()).then(|| self.under.clone());
        let mut over = Vec::new();
        for layer in layers() {
            over.extend(layer.within(range.clone()).map(|(at, extent)| {
                let patch = match extent {
                    Extent::Bytes(bytes) => Patch::Bytes(bytes.to_vec()),
                    Extent::Hole(len) => Patch::Zeros(len as usize),
                    Extent::Stored(stored) => Patch::Stored(stored),
                };
                ((at - range.start) as usize, patch)
            }));
        }
        ReadPlan { range, under, over }
    }

    /// Hands all edits to a worker, or again what it could not finish; `None` if there are none. One worker
    /// at a time; it ends with [`thaw`](Self::thaw) or [`unfreeze`](Self::unfreeze).
    pub(super) fn freeze(&mut self) -> Option<Frozen> {
        if self.is_clean() {
            return None;
        }
        if self.frozen.is_none() {
            let mut edits = std::mem::take(&mut self.packed);
            edits.absorb(std::mem::take(&mut self.top));
            self.frozen = Some((Arc::new(edits), self.size));
        }
        self.frozen()
    }

    /// Hands the edits that were not packed to a worker; `None` if there are none, or if a worker has edits in
    /// hand already. It ends with [`thaw_packed`](Self::thaw_packed) or [`unfreeze`](Self::unfreeze).
    pub(super) fn freeze_new(&mut self) -> Option<Frozen> {
        if self.frozen.is_some() || self.top.is_empty() {
            return None;
        }
        self.frozen = Some((Arc::new(std::mem::take(&mut self.top)), self.size));
        self.frozen()
    }

    /// What a worker has in hand.
    pub(super) fn frozen(&self) -> Option<Frozen> {
        let (edits, size) = self.frozen.clone()?;
        Some(Frozen { under: self.under.clone(), edits, size })
    }

    /// The bytes of `range` that were written since the last freeze.
    pub(super) fn written(&self, range: Range<u64>) -> impl Iterator<Item = (u64, &[u8])> {
        self.top.within(range).filter_map(|(at, extent)| match extent {
            Extent::Bytes(bytes) => Some((at, bytes)),
            Extent::Hole(_) | Extent::Stored(_) => None,
        })
    }

    /// What was frozen is in `content` now.
    pub(super) fn thaw(&mut self, content: Content) {
        self.frozen = None;
        // The content may be longer than the file has become, with zeros over the rest in `top`.
        self.under = content;
    }

    /// The content below reaches to `size` at least, and so does the file.
    pub(super) fn grow(&mut self, size: u64) {
        self.size = self.size.max(size);
    }

    /// What was frozen is `packed` now.
    pub(super) fn thaw_packed(&mut self, packed: Extents) {
        self.frozen = None;
        self.packed.absorb(packed);
    }

    /// The worker could not do it: what was frozen goes back under what came since.
    pub(super) fn unfreeze(&mut self) {
        if let Some((frozen, _)) = self.frozen.take() {
            let mut edits = Arc::unwrap_or_clone(frozen);
            edits.absorb(std::mem::take(&mut self.top));
            self.top = edits;
        }
    }
}

impl ReadPlan {
    /// How many bytes it gives.
    pub(super) fn length(&self) -> usize {
        (self.range.end - self.range.start) as usize
    }

    /// Whether all of it is in memory, if the content below is.
    pub(super) fn is_in_memory(&self) -> bool {
        !self.over.iter().any(|(_, patch)| matches!(patch, Patch::Stored(_)))
    }

    /// The bytes, from those of the content below (fewer than the range where the content ends before).
    /// `fetch` gives what was packed.
    pub(super) fn finish<E>(
        self,
        mut below: Vec<u8>,
        fetch: impl Fn(&Stored) -> Result<Bytes, E>,
    ) -> Result<Vec<u8>, E> {
        below.resize(self.length(), 0);
        for (at, patch) in self.over {
            match patch {
                Patch::Bytes(bytes) => put(&mut below, at, &bytes),
                Patch::Stored(stored) => put(&mut below, at, &fetch(&stored)?),
                Patch::Zeros(len) => {
                    if let Some(target) = below.get_mut(at..at + len) {
                        target.fill(0);
                    }
                }
            }
        }
        Ok(below)
    }
}

fn put(target: &mut [u8], at: usize, bytes: &[u8]) {
    if let Some(target) = target.get_mut(at..at + bytes.len()) {
        target.copy_from_slice(bytes);
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::crypto::ObjectId;

    #[derive(Debug, Clone)]
    enum Step {
        Write(u64, Vec<u8>),
        Resize(u64),
        Punch(u64, u64),
        Freeze,
        Thaw,
        Unfreeze,
        Pack,
        FinishPack,
    }

    fn steps() -> impl Strategy<Value = Vec<Step>> {
        let step = prop_oneof![
            4 => (0..200u64, proptest::collection::vec(any::<u8>(), 1..40)).prop_map(|(at, data)| Step::Write(at, data)),
            2 => (0..250u64).prop_map(Step::Resize),
            1 => (0..200u64, 1..60u64).prop_map(|(at, len)| Step::Punch(at, len)),
            1 => Just(Step::Freeze),
            1 => Just(Step::Thaw),
            1 => Just(Step::Unfreeze),
            1 => Just(Step::Pack),
            1 => Just(Step::FinishPack),
        ];
        proptest::collection::vec(step, 0..40)
    }

    /// Stands for the vault's contents: bytes that fit a node.
    fn bytes_of(content: &Content) -> Vec<u8> {
        match content {
            Content::Inline(bytes) => bytes.clone(),
            _ => Vec::new(),
        }
    }

    fn content(bytes: Vec<u8>) -> Content {
        if bytes.is_empty() { Content::Empty } else { Content::Inline(bytes) }
    }

    /// Stands for the store: packs by number.
    type Packs = Vec<Vec<u8>>;

    fn fetch(packs: &Packs, stored: &Stored) -> Vec<u8> {
        let pack = &packs[usize::from(stored.chunk.0[0])];
        assert_eq!(pack.len(), stored.chunk_len as usize);
        pack[stored.at as usize..][..stored.len as usize].to_vec()
    }

    /// Packs edits: all bytes of one time into one pack.
    fn pack(packs: &mut Packs, edits: &Extents) -> Extents {
        let chunk = ObjectId([packs.len() as u8; 32]);
        let bytes =
            |extent: &Extent<'_>| if let Extent::Bytes(bytes) = extent { bytes.to_vec() } else { vec![] };
        let all: Vec<u8> = edits.iter().flat_map(|(_, extent)| bytes(&extent)).collect();
        let chunk_len = all.len() as u32;
        let (mut packed, mut at) = (Extents::new(), 0);
        for (offset, extent) in edits.iter() {
            match extent {
                Extent::Bytes(bytes) => {
                    let len = bytes.len() as u32;
                    packed.insert_stored(offset, Stored { chunk, chunk_len, at, len });
                    at += len;
                }
                Extent::Hole(len) => packed.insert_hole(offset, len),
                Extent::Stored(stored) => packed.insert_stored(offset, stored),
            }
        }
        packs.push(all);
        packed
    }

    fn made(packs: &Packs, frozen: &Frozen) -> Content {
        let mut bytes = bytes_of(&frozen.under);
        bytes.resize((frozen.size as usize).max(bytes.len()).max(frozen.edits.end() as usize), 0);
        frozen.edits.overlay(0, &mut bytes);
        for (at, extent) in frozen.edits.iter() {
            if let Extent::Stored(stored) = extent {
                put(&mut bytes, at as usize, &fetch(packs, &stored));
            }
        }
        bytes.resize(frozen.size as usize, 0);
        content(bytes)
    }

    fn read(packs: &Packs, layers: &Layers, offset: u64, length: u64) -> Vec<u8> {
        let plan = layers.plan(offset, length);
        let from = plan.range.start as usize;
        let below = plan.under.as_ref().map(bytes_of).unwrap_or_default();
        let upto = below.len().min(plan.range.end as usize);
        let below = below.get(from..upto).unwrap_or_default().to_vec();
        plan.finish(below, |stored| Ok::<_, ()>(fetch(packs, stored).into())).unwrap()
    }

    proptest! {
        #[test]
        fn a_file_being_written_reads_like_plain_bytes(start in proptest::collection::vec(any::<u8>(), 0..150), steps in steps()) {
            let mut plain = start.clone();
            let mut layers = Layers::over(content(start));
            let mut frozen = None;
            let mut packing = None;
            let mut packs = Packs::new();
            for step in steps {
                match step {
                    Step::Write(at, data) => {
                        let end = at as usize + data.len();
                        plain.resize(plain.len().max(end), 0);
                        plain[at as usize..end].copy_from_slice(&data);
                        layers.write(at, &data);
                    }
                    Step::Resize(size) => {
                        plain.resize(size as usize, 0);
                        layers.resize(size);
                    }
                    Step::Punch(at, len) => {
                        let end = (at + len).min(plain.len() as u64);
                        if at < end {
                            plain[at as usize..end as usize].fill(0);
                        }
                        layers.punch(at, len);
                    }
                    Step::Freeze if frozen.is_none() && packing.is_none() => frozen = layers.freeze(),
                    Step::Thaw => if let Some(frozen) = frozen.take() { layers.thaw(made(&packs, &frozen)) },
                    Step::Unfreeze => {
                        if frozen.take().is_some() || packing.take().is_some() {
                            layers.unfreeze();
                        }
                    }
                    Step::Pack if frozen.is_none() && packing.is_none() => packing = layers.freeze_new(),
                    Step::FinishPack => {
                        if let Some(frozen) = packing.take() {
                            layers.thaw_packed(pack(&mut packs, &frozen.edits));
                        }
                    }
                    Step::Freeze | Step::Pack => {}
                }
                prop_assert_eq!(layers.size(), plain.len() as u64);
                prop_assert_eq!(&read(&packs, &layers, 0, 1000), &plain);
                let some = &plain[plain.len().min(50)..plain.len().min(80)];
                prop_assert_eq!(&read(&packs, &layers, 50, 30)[..], some);
            }
        }
    }
}
