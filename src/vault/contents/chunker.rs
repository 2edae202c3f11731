//! Where data is cut: FastCDC under the vault's secret.

use super::limits::{AVERAGE_CHUNK, MAX_CHUNK, MIN_CHUNK};

/// What the gear table is derived for; part of the format.
const GEAR_CONTEXT: &str = "bosr 2026 gear table of the chunker";

/// The bits of the hash that must be zero at a cut before [`AVERAGE_CHUNK`]: those of FastCDC 2020 for that average,
/// normalized to level 1.
const STRICT: u64 = 0x0000_d917_0753_7000;

/// The bits that must be zero from there on.
const LAX: u64 = 0x0000_d907_0353_7000;

/// The gear table of one vault, from its secret seed: without it, chunk lengths cannot simply be compared
/// with those of a known file.
#[derive(Clone)]
pub(super) struct Chunker {
    gear: Box<gearhash::Table>,
}

impl Chunker {
    pub(super) fn new(seed: u64) -> Self {
        let mut hasher = blake3::Hasher::new_derive_key(GEAR_CONTEXT);
        hasher.update(&seed.to_le_bytes());
        let mut stream = hasher.finalize_xof();
        let mut word = [0; 8];
        let mut next = || {
            stream.fill(&mut word);
            u64::from_le_bytes(word)
        };
        Chunker { gear: Box::new(std::array::from_fn(|_| next())) }
    }

    /// How long the first chunk of `data` is. That it ends where it does follows from its own bytes and the
    /// one after; only where `data` goes on for less than two bytes more may a longer `data` give another
    /// answer.
    pub(super) fn first_chunk(&self, data: &[u8]) -> usize {
        let len = data.len().min(MAX_CHUNK);
        // FastCDC 2020 takes bytes two by two: it does not look at an odd one at the end.
        let seen = len & !1;
        let middle = AVERAGE_CHUNK.min(seen);
        let mut hasher = gearhash::Hasher::new(&self.gear);
        for (from, to, mask) in [(MIN_CHUNK, middle, STRICT), (middle, seen, LAX)] {
            let part = data.get(from..to).unwrap_or(&[]);
            if let Some(past) = hasher.next_match(part, mask) {
                return from + past - 1;
            }
        }
        len
    }
}

#[cfg(test)]
mod tests {
    use fastcdc::v2020::{Normalization, cut_gear, select_masks};
    use proptest::prelude::*;

    use super::*;
    use crate::vault::contents::testing::noise;

    /// The same by the FastCDC that others wrote.
    fn by_fastcdc(chunker: &Chunker, data: &[u8]) -> usize {
        let shifted: Vec<u64> = chunker.gear.iter().map(|value| value << 1).collect();
        let (strict, lax) = select_masks(AVERAGE_CHUNK, Normalization::Level1);
        assert_eq!((strict, lax), (STRICT, LAX));
        let (_, len) = cut_gear(
            data,
            MIN_CHUNK,
            AVERAGE_CHUNK,
            MAX_CHUNK,
            strict,
            lax,
            strict << 1,
            lax << 1,
            &chunker.gear[..],
            &shifted,
        );
        len
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(100))]

        #[test]
        fn cuts_where_fastcdc_does(
            seed: u64,
            noisy: u8,
            len in prop_oneof![0..4usize, MIN_CHUNK - 4..MIN_CHUNK + 4, 0..3 * AVERAGE_CHUNK, 0..2 * MAX_CHUNK],
            zeros in prop_oneof![Just(0..0), (0..MAX_CHUNK, 0..MAX_CHUNK).prop_map(|(at, len)| at..at + len)],
        ) {
            let chunker = Chunker::new(seed);
            let mut data = noise(noisy, len);
            if let Some(part) = data.get_mut(zeros.start.min(len)..zeros.end.min(len)) {
                part.fill(0);
            }
            let len = chunker.first_chunk(&data);
            prop_assert_eq!(len, by_fastcdc(&chunker, &data));
            // Where it ends is where most is decided.
            for end in len.saturating_sub(2)..(len + 3).min(data.len()) {
                prop_assert_eq!(chunker.first_chunk(&data[..end]), by_fastcdc(&chunker, &data[..end]));
            }
        }
    }

    #[test]
    fn cuts_as_written_down() {
        let data = noise(1, 4 << 20);
        let chunker = Chunker::new(7);
        let mut lengths = Vec::new();
        let mut rest = &data[..];
        while !rest.is_empty() {
            let len = chunker.first_chunk(rest);
            lengths.push(len);
            rest = &rest[len..];
        }
        assert_eq!(lengths, KNOWN_LENGTHS);
    }

    const KNOWN_LENGTHS: &[usize] = &[
        636799, 285194, 457655, 171022, 104774, 398278, 267493, 117629, 497606, 502550, 142617, 496448,
        116239,
    ];

    #[test]
    fn another_seed_cuts_elsewhere() {
        let data = noise(1, 4 << 20);
        assert_ne!(Chunker::new(7).first_chunk(&data), Chunker::new(8).first_chunk(&data));
    }

    #[test]
    fn an_answer_with_two_bytes_after_it_is_final() {
        let data = noise(3, 2 << 20);
        let chunker = Chunker::new(7);
        let cut = chunker.first_chunk(&data);
        for end in [cut + 2, cut + 3, cut + 1000, MAX_CHUNK + 1] {
            assert_eq!(chunker.first_chunk(&data[..end]), cut, "data of {end} bytes");
        }
    }
}
