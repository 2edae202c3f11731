//! Where data is cut: FastCDC under the vault's secret.

use fastcdc::v2020::{Normalization, cut_gear, select_masks};

use super::limits::{AVERAGE_CHUNK, MAX_CHUNK, MIN_CHUNK};

/// What the gear table is derived for; part of the format.
const GEAR_CONTEXT: &str = "bosr 2026 gear table of the chunker";

/// The gear table of one vault, from its secret seed: without it, chunk lengths cannot simply be compared
/// with those of a known file.
///
/// Not the crate's own seeding, which xors one number into a public table and so leaves the differences of
/// its entries as they are.
pub(super) struct Chunker {
    gear: Vec<u64>,
    /// The same, one bit to the left, as the algorithm takes two bytes at a step.
    gear_shifted: Vec<u64>,
    strict: u64,
    lax: u64,
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
        let gear: Vec<u64> = (0..256).map(|_| next()).collect();
        let gear_shifted = gear.iter().map(|value| value << 1).collect();
        let (strict, lax) = select_masks(AVERAGE_CHUNK, Normalization::Level1);
        Chunker { gear, gear_shifted, strict, lax }
    }

    /// How long the first chunk of `data` is. That it ends where it does follows from its own bytes and the
    /// one after; only where `data` goes on for less than two bytes more may a longer `data` give another
    /// answer.
    pub(super) fn first_chunk(&self, data: &[u8]) -> usize {
        let (strict, lax) = (self.strict, self.lax);
        let (_, len) = cut_gear(
            data,
            MIN_CHUNK,
            AVERAGE_CHUNK,
            MAX_CHUNK,
            strict,
            lax,
            strict << 1,
            lax << 1,
            &self.gear,
            &self.gear_shifted,
        );
        len
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::vault::contents::testing::noise;

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
