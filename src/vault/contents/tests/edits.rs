//! Any path of edits equals chunking from scratch.

use proptest::prelude::*;

use super::super::limits::{MAX_CHUNK, MIN_HOLE};
use super::super::{Content, Contents, Extents};
use super::{contents, noise, stripes, write};

const MIB: usize = MAX_CHUNK;

#[derive(Clone, Debug)]
enum Edit {
    /// Noise of a length somewhere.
    Bytes { near: Near, len: usize, seed: u8 },
    /// Zeros, written out.
    Zeros { near: Near, len: usize },
    /// A hole.
    Hole { near: Near, len: usize },
    /// Cut or extended.
    Resize { near: Near, more: usize },
}

/// A place: anywhere, or a few bytes beside some cut.
#[derive(Clone, Debug)]
struct Near {
    part: f64,
    cut: bool,
    beside: i64,
}

impl Near {
    fn offset(&self, contents: &Contents, content: &Content) -> u64 {
        let anywhere = (content.len() as f64 * self.part) as u64;
        if !self.cut {
            return anywhere;
        }
        let span = contents.span_at(content, anywhere).unwrap();
        span.map_or(anywhere, |span| span.start).saturating_add_signed(self.beside)
    }
}

fn near() -> impl Strategy<Value = Near> {
    (0.0..1.0, any::<bool>(), -4i64..5).prop_map(|(part, cut, beside)| Near { part, cut, beside })
}

fn length() -> impl Strategy<Value = usize> {
    prop_oneof![3 => 1..10usize, 2 => 1..100_000usize, 2 => MIB - 3..MIB + 4, 1 => 1..3 * MIB]
}

fn edit() -> impl Strategy<Value = Edit> {
    prop_oneof![
        4 => (near(), length(), any::<u8>()).prop_map(|(near, len, seed)| Edit::Bytes { near, len, seed }),
        2 => (near(), length()).prop_map(|(near, len)| Edit::Zeros { near, len }),
        1 => (near(), length()).prop_map(|(near, len)| Edit::Hole { near, len }),
        2 => (near(), prop_oneof![Just(0), length()]).prop_map(|(near, more)| Edit::Resize { near, more }),
    ]
}

/// The lengths of noise and zeros in turn: what a failure prints instead of megabytes.
fn base() -> impl Strategy<Value = (u8, Vec<usize>)> {
    (any::<u8>(), prop::collection::vec(length(), 0..6))
}

/// Makes the edit on the model, and adds it to the edits not yet spliced.
fn make(edit: &Edit, contents: &Contents, content: &Content, model: &mut Vec<u8>, edits: &mut Extents) {
    let put = |at: u64, bytes: &[u8], model: &mut Vec<u8>| {
        let at = at as usize;
        if model.len() < at + bytes.len() {
            model.resize(at + bytes.len(), 0);
        }
        model[at..at + bytes.len()].copy_from_slice(bytes);
    };
    match edit {
        Edit::Bytes { near, len, seed } => {
            let at = near.offset(contents, content);
            let bytes = noise(*seed, *len);
            put(at, &bytes, model);
            edits.insert(at, &bytes);
        }
        Edit::Zeros { near, len } => {
            let at = near.offset(contents, content);
            put(at, &vec![0; *len], model);
            edits.insert(at, &vec![0; *len]);
        }
        Edit::Hole { near, len } => {
            let at = near.offset(contents, content);
            put(at, &vec![0; *len], model);
            edits.insert_hole(at, *len as u64);
        }
        Edit::Resize { near, more } => {
            let len = near.offset(contents, content) as usize + more;
            if len < model.len() {
                // What is cut off and then written past reads as zeros.
                let end = content.len().max(model.len() as u64);
                edits.truncate(len as u64);
                edits.insert_hole(len as u64, end - len as u64);
            }
            model.resize(len, 0);
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn any_path_of_edits_equals_chunking_from_scratch(
        (seed, lengths) in base(),
        batches in prop::collection::vec(prop::collection::vec(edit(), 1..4), 1..5),
    ) {
        let (_, contents) = contents();
        let mut model = stripes(seed, &lengths);
        let mut content = write(&contents, &model);
        for batch in &batches {
            let mut edits = Extents::new();
            for edit in batch {
                make(edit, &contents, &content, &mut model, &mut edits);
            }
            content = contents.splice(&content, &edits, model.len() as u64).unwrap();
            content.check().unwrap();
            prop_assert_eq!(&content, &write(&contents, &model), "after {:?}", batch);
        }
        prop_assert!(contents.read(&content, 0, model.len()).unwrap() == model);
    }

    #[test]
    fn a_copied_range_equals_chunking_from_scratch(
        source in base(),
        target in base(),
        (from, len, at) in (0.0..1.0, length(), 0.0..1.2),
    ) {
        let (_, contents) = contents();
        let (source, target) = (stripes(source.0, &source.1), stripes(target.0, &target.1));
        let (a, b) = (write(&contents, &source), write(&contents, &target));
        let from = (source.len() as f64 * from) as usize;
        let at = (target.len() as f64 * at) as usize;
        let copied = contents.copy_range(&a, from as u64, len as u64, &b, at as u64).unwrap();
        let part = &source[from..(from + len).min(source.len())];
        let mut model = target.clone();
        if !part.is_empty() {
            model.resize(model.len().max(at + part.len()), 0);
            model[at..at + part.len()].copy_from_slice(part);
        }
        prop_assert_eq!(copied, write(&contents, &model));
    }

    #[test]
    fn ranges_and_holes_read_as_the_bytes_say(
        (seed, lengths) in base(),
        (from, len) in (0.0..1.1, length()),
    ) {
        let (_, contents) = contents();
        let base = stripes(seed, &lengths);
        let content = write(&contents, &base);
        let from = (base.len() as f64 * from) as usize;
        let expected = &base[from.min(base.len())..(from + len).min(base.len())];
        prop_assert!(contents.read(&content, from as u64, len).unwrap() == expected);

        let is_hole = holes(&base);
        let first = |wanted: bool| (from..base.len()).find(|at| is_hole[*at] == wanted).map(|at| at as u64);
        prop_assert_eq!(contents.seek_data(&content, from as u64).unwrap(), first(false));
        let end = (from < base.len()).then_some(base.len() as u64);
        prop_assert_eq!(contents.seek_hole(&content, from as u64).unwrap(), first(true).or(end));
    }
}

/// For each byte, whether it lies in a run of zeros long enough for a hole.
fn holes(bytes: &[u8]) -> Vec<bool> {
    let mut is_hole = vec![false; bytes.len()];
    let mut at = 0;
    while at < bytes.len() {
        let run = bytes[at..].iter().take_while(|byte| **byte == 0).count();
        if run as u64 >= MIN_HOLE {
            is_hole[at..at + run].fill(true);
        }
        at += run.max(1);
    }
    is_hole
}

/// A reader that gives a few bytes at a time.
struct Dribble<'a>(&'a [u8], usize);

impl std::io::Read for Dribble<'_> {
    fn read(&mut self, buf: &mut [u8]) -> std::io::Result<usize> {
        let len = self.1.min(buf.len()).min(self.0.len());
        buf[..len].copy_from_slice(&self.0[..len]);
        self.0 = &self.0[len..];
        self.1 = self.1 % 70_001 + 13;
        Ok(len)
    }
}

#[test]
fn neither_the_reader_nor_the_number_of_workers_matters() {
    let bytes = stripes(9, &[700_000, MIB, 3 * MIB + 1, MIB - 1, 600, 5 * MIB, 1]);
    let (objects, contents) = contents();
    let content = write(&contents, &bytes);
    assert_eq!(contents.write(Dribble(&bytes, 1)).unwrap(), content);
    let threaded = Contents::new(objects, super::SEED, 3, 1 << 20);
    assert_eq!(write(&threaded, &bytes), content);
    assert!(threaded.read(&content, 0, bytes.len()).unwrap() == bytes);
}

#[test]
fn a_run_of_zeros_is_a_hole_from_its_first_to_its_last_byte() {
    let (_, contents) = contents();
    for (len, hole) in [(MIB - 1, false), (MIB, true), (MIB + 1, true), (9 * MIB, true)] {
        let bytes = stripes(2, &[100_001, len, 100]);
        let content = write(&contents, &bytes);
        let span = contents.span_at(&content, 100_001).unwrap().unwrap();
        assert_eq!(span.chunk.is_none(), hole, "{len} zeros");
        if hole {
            assert_eq!((span.start, span.len), (100_001, len as u64));
        }
    }
    assert_eq!(write(&contents, &vec![0; MIB]), Content::Hole { len: MIB as u64 });
    assert_eq!(write(&contents, &[]), Content::Empty);
    assert_eq!(write(&contents, &[0; 512]), Content::Inline(vec![0; 512]));
    assert!(matches!(write(&contents, &[0; 513]), Content::Chunk { len: 513, .. }));
}

/// Splices `edits` onto what is written of `base`, and compares with writing the result.
fn spliced_equals_written(base: &[u8], edits: &Extents) {
    let (_, contents) = contents();
    let mut model = base.to_vec();
    model.resize(model.len().max(edits.end() as usize), 0);
    edits.overlay(0, &mut model);
    let content = contents.splice(&write(&contents, base), edits, model.len() as u64).unwrap();
    assert_eq!(content, write(&contents, &model), "{} pieces", edits.pieces());
}

#[test]
fn zeros_that_an_edit_lengthens_become_a_hole_from_where_they_began() {
    // Chunks end at their greatest length, within the zeros: those before the edit span several chunks.
    for noise_len in [100_000, 300_000, 700_000] {
        for zeros in [MIB - 2, MIB - 100_000, MIB / 2] {
            let base = stripes(3, &[noise_len, zeros, 500_000]);
            let mut edits = Extents::new();
            edits.insert_hole((noise_len + zeros) as u64, (MIB - zeros) as u64);
            spliced_equals_written(&base, &edits);
            let mut fewer = Extents::new();
            fewer.insert_hole((noise_len + zeros) as u64, (MIB - zeros - 1) as u64);
            spliced_equals_written(&base, &fewer);
        }
    }
}

#[test]
fn edits_right_beside_a_cut_are_seen_by_the_chunk_before_it() {
    let (_, contents) = contents();
    let base = noise(8, 3 * MIB);
    let content = write(&contents, &base);
    let mut cut = 0;
    while let Some(span) = contents.span_at(&content, cut).unwrap() {
        cut = span.start + span.len;
        for beside in -3..=3 {
            let at = cut.saturating_add_signed(beside);
            let mut hole = Extents::new();
            hole.insert_hole(at, MIN_HOLE + 1);
            spliced_equals_written(&base, &hole);
            let mut byte = Extents::new();
            byte.insert(at, b"x");
            spliced_equals_written(&base, &byte);
            let shorter = contents.splice(&content, &Extents::new(), at).unwrap();
            let mut model = base.clone();
            model.resize(at as usize, 0);
            assert_eq!(shorter, write(&contents, &model), "cut to {beside} beside {cut}");
        }
    }
}
