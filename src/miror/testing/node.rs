//! What the simulated network needs of a replica: to write, to lose power, and to be looked at.

use super::oracle::Oracle;
use super::replica::MemoryReplica;
use super::rng::Rng;
use crate::miror::replica::Replica;
use crate::vault::Rank;

/// A replica under test.
pub trait Node: Sized {
    /// What must be true of it, kept from the writes alone.
    type Oracle: Default;

    /// A new one. Nodes of one network have different numbers.
    fn start(number: u8, rng: &mut Rng) -> Self;

    /// As sessions see it.
    fn replica(&self) -> &dyn Replica;

    /// Does what a user might do, durably, and tells the oracle.
    ///
    /// # Errors
    /// What went wrong.
    fn edit(&self, rng: &mut Rng, oracle: &mut Self::Oracle) -> Result<(), String>;

    /// Power fails and comes back.
    ///
    /// # Errors
    /// It does not open again.
    fn crash(&mut self, rng: &mut Rng) -> Result<(), String>;

    /// Safety: every byte it shows is one that was written there.
    ///
    /// # Errors
    /// One that is not.
    fn check_bytes(&self, oracle: &Self::Oracle) -> Result<(), String>;

    /// Liveness: it has what it should have, whole.
    ///
    /// # Errors
    /// What it lacks.
    fn check_whole(&self, oracle: &Self::Oracle) -> Result<(), String>;
}

impl Node for MemoryReplica {
    type Oracle = Oracle;

    fn start(number: u8, rng: &mut Rng) -> Self {
        let replica = MemoryReplica::new(number);
        if rng.one_in(3) {
            for key in 0..40_u32 {
                let rank = [Rank::First, Rank::Usual, Rank::Last][rng.below(3) as usize];
                replica.set_rank(key.wrapping_mul(0x9E37_79B1), rank);
            }
        }
        replica
    }

    fn replica(&self) -> &dyn Replica {
        self
    }

    fn edit(&self, rng: &mut Rng, oracle: &mut Oracle) -> Result<(), String> {
        let key = (rng.below(40) as u32).wrapping_mul(0x9E37_79B1);
        let count = if rng.one_in(3) { 1 + rng.below(5) } else { 1 };
        let chunks: Vec<_> = (0..count)
            .map(|_| {
                let len = if rng.one_in(20) { 150_000 } else { 1 + rng.below(300) };
                // Some contents are equal, so that replicas have in common what they never sent.
                if rng.one_in(4) { vec![9; len as usize] } else { rng.bytes(len as usize) }
            })
            .collect();
        let (stamp, replaced) = self.write(key, &chunks);
        oracle.wrote(key, stamp, &replaced, chunks.concat());
        self.check_bytes(oracle)
    }

    fn crash(&mut self, _: &mut Rng) -> Result<(), String> {
        MemoryReplica::crash(self);
        Ok(())
    }

    fn check_bytes(&self, oracle: &Oracle) -> Result<(), String> {
        oracle.check_bytes(self)
    }

    fn check_whole(&self, oracle: &Oracle) -> Result<(), String> {
        oracle.check_whole(self)
    }
}
