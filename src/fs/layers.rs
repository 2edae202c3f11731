//! A file's bytes while it is being written: a content, and the edits over it that are not in a content yet.
//!
//! Four layers of edits. `top` takes new writes. `packing` is what a worker puts away into objects at this moment, and
//! `packed` what was put away, until there is time to make a content of it. `frozen` is what a worker makes a content
//! of, with all below. Reading looks at top, packing, packed, frozen and the content, in this order. Pure: no vault,
//! no clock.
//!
//! Making a content of a large file with edits all over takes seconds: what is written meanwhile can be packed, above
//! what is frozen.
//!
//! Invariant: whatever lies at or past `size` is not read, and reads as zeros once the file grows over it.

use std::borrow::Cow;
use std::ops::Range;
use std::sync::Arc;

use bytes::Bytes;

use crate::vault::contents::{Content, Extent, Extents, MIN_CHUNK, Stored};

/// The bytes of an open file.
#[derive(Debug, Default)]
pub(super) struct Layers {
    under: Content,
    frozen: Option<(Arc<Extents>, u64)>,
    packed: Extents,
    packing: Option<Arc<Extents>>,
    top: Extents,
    size: u64,
}

/// What a worker makes a content of: `under` with the edits made on it, `size` bytes long.
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

    /// The layers, lowest first.
    fn edits(&self) -> impl Iterator<Item = &Extents> {
        let frozen = self.frozen.as_ref().map(|(frozen, _)| &**frozen);
        [frozen, Some(&self.packed), self.packing.as_deref(), Some(&self.top)].into_iter().flatten()
    }

    /// Bytes of memory that the edits take.
    pub(super) fn bytes(&self) -> u64 {
        self.edits().map(Extents::weight).sum()
    }

    /// Bytes of new edits, which no worker has in hand and which were not packed.
    pub(super) fn new_bytes(&self) -> u64 {
        self.top.bytes()
    }

    /// How many new edits there are.
    pub(super) fn new_pieces(&self) -> usize {
        self.top.pieces()
    }

    /// Bytes that the edits can have put where there was a hole, at most; `None` if that takes long to tell.
    pub(super) fn filled_at_most(&self) -> Option<u64> {
        let plain = self.packed.is_empty() && self.packing.is_none();
        plain.then(|| self.edits().map(Extents::bytes).sum())
    }

    /// Whether the new edits are many small ones.
    pub(super) fn is_scattered(&self) -> bool {
        self.top.bytes() < self.top.pieces() as u64 * MIN_CHUNK as u64
    }

    /// How many edits there are above those that a content is being made of.
    pub(super) fn pieces(&self) -> usize {
        let packing = self.packing.as_ref().map_or(0, |packing| packing.pieces());
        self.top.pieces() + packing + self.packed.pieces()
    }

    /// The edits that were packed and are not frozen.
    pub(super) fn packed(&self) -> &Extents {
        &self.packed
    }

    /// Whether there is nothing but the content.
    pub(super) fn is_clean(&self) -> bool {
        self.edits().all(Extents::is_empty) && self.frozen.is_none() && self.size == self.under.len()
    }

    /// Whether a worker is making a content of the lower edits.
    pub(super) fn is_frozen(&self) -> bool {
        self.frozen.is_some()
    }

    /// Whether a worker is packing edits.
    pub(super) fn is_packing(&self) -> bool {
        self.packing.is_some()
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
            let below = self.edits().map(Extents::end).max().unwrap_or(0).max(self.under.len());
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
        let hidden = self.edits().any(|edits| edits.covers(range.clone()));
        let under = (!hidden && range.start < self.under.len()).then(|| self.under.clone());
        let mut over = Vec::new();
        for layer in self.edits() {
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

    /// Hands all edits to a worker that makes a content of them, or again what it could not finish; `None` if there are
    /// none. One worker at a time, and none that packs; it ends with [`thaw`](Self::thaw) or
    /// [`unfreeze`](Self::unfreeze).
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

    /// As [`freeze`](Self::freeze), but of what is packed only, with which the file was `size` bytes long: what came
    /// since stays above.
    pub(super) fn freeze_packed(&mut self, size: u64) {
        if self.frozen.is_none() {
            self.frozen = Some((Arc::new(std::mem::take(&mut self.packed)), size));
        }
    }

    /// Hands the new edits to a worker that packs them, with the length of the file; `None` if there are none. It ends
    /// with [`thaw_packed`](Self::thaw_packed) or [`unfreeze_new`](Self::unfreeze_new).
    pub(super) fn freeze_new(&mut self) -> Option<(Arc<Extents>, u64)> {
        if self.packing.is_some() || self.top.is_empty() {
            return None;
        }
        let edits = Arc::new(std::mem::take(&mut self.top));
        self.packing = Some(Arc::clone(&edits));
        Some((edits, self.size))
    }

    /// Everything as it is now, whatever workers have in hand; bytes are shared, not copied.
    pub(super) fn whole(&self) -> Frozen {
        let mut edits = Extents::new();
        for layer in self.edits() {
            edits.absorb(layer.clone());
        }
        Frozen { under: self.under.clone(), edits: Arc::new(edits), size: self.size }
    }

    /// What a worker makes a content of.
    pub(super) fn frozen(&self) -> Option<Frozen> {
        let (edits, size) = self.frozen.clone()?;
        Some(Frozen { under: self.under.clone(), edits, size })
    }

    /// The bytes of `range` that are new: in one piece where they lie next to each other, as they were written.
    pub(super) fn written(&self, range: Range<u64>) -> Vec<(u64, Cow<'_, [u8]>)> {
        let mut written: Vec<(u64, Cow<'_, [u8]>)> = Vec::new();
        for (at, extent) in self.top.within(range) {
            let Extent::Bytes(bytes) = extent else { continue };
            match written.last_mut() {
                Some((before, joined)) if *before + joined.len() as u64 == at => {
                    joined.to_mut().extend_from_slice(bytes);
                }
                _ => written.push((at, Cow::Borrowed(bytes))),
            }
        }
        written
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

    /// What was to be packed is `packed` now.
    pub(super) fn thaw_packed(&mut self, packed: Extents) {
        self.packing = None;
        self.packed.absorb(packed);
    }

    /// The worker could make no content, and none packed meanwhile: what was frozen goes back under what came since.
    pub(super) fn unfreeze(&mut self) {
        if let Some((frozen, _)) = self.frozen.take() {
            self.put_under(frozen);
        }
    }

    /// The worker could not pack: what it had in hand goes back under what came since.
    pub(super) fn unfreeze_new(&mut self) {
        if let Some(packing) = self.packing.take() {
            self.put_under(packing);
        }
    }

    fn put_under(&mut self, edits: Arc<Extents>) {
        let mut edits = Arc::unwrap_or_clone(edits);
        edits.absorb(std::mem::take(&mut self.top));
        self.top = edits;
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
        GiveUpPack,
        FreezePacked,
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
            1 => Just(Step::GiveUpPack),
            1 => Just(Step::FreezePacked),
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
            // The length of the file when all of what is packed was taken.
            let mut packed_at = None;
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
                    Step::Freeze if frozen.is_none() && packing.is_none() => {
                        frozen = layers.freeze();
                        packed_at = None;
                    }
                    Step::FreezePacked if frozen.is_none() && packing.is_none() => {
                        if let Some(size) = packed_at.take() {
                            layers.freeze_packed(size);
                            frozen = layers.frozen();
                        }
                    }
                    Step::Thaw => if let Some(frozen) = frozen.take() { layers.thaw(made(&packs, &frozen)) },
                    Step::Unfreeze if packing.is_none() && layers.packed().is_empty() => {
                        if frozen.take().is_some() {
                            layers.unfreeze();
                        }
                    }
                    Step::Pack if packing.is_none() => packing = layers.freeze_new(),
                    Step::FinishPack => {
                        if let Some((edits, size)) = packing.take() {
                            layers.thaw_packed(pack(&mut packs, &edits));
                            packed_at = Some(size);
                        }
                    }
                    Step::GiveUpPack => {
                        if packing.take().is_some() {
                            layers.unfreeze_new();
                        }
                    }
                    Step::Freeze | Step::FreezePacked | Step::Unfreeze | Step::Pack => {}
                }
                prop_assert_eq!(bytes_of(&made(&packs, &layers.whole())), &plain[..]);
                prop_assert_eq!(layers.size(), plain.len() as u64);
                prop_assert_eq!(&read(&packs, &layers, 0, 1000), &plain);
                let some = &plain[plain.len().min(50)..plain.len().min(80)];
                prop_assert_eq!(&read(&packs, &layers, 50, 30)[..], some);
            }
        }
    }
}
