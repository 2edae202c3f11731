//! What a program takes from the machine around it: time, randomness, the user's own files, memory.
//!
//! Everything above gets these passed in, so that tests and simulations can drive them. This is the only
//! place that asks the operating system for them (`clippy.toml` bans the calls elsewhere); the disk under a
//! store has an adapter of its own in [`crate::store::disk`].
#![allow(clippy::disallowed_methods)]

pub mod files;
pub mod memory;
pub mod priority;

use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// Nanoseconds since the Unix epoch; negative before it.
pub type WallNanos = i64;

/// A source of time.
pub trait Clock: Send + Sync + std::fmt::Debug {
    /// The time of day. May jump.
    fn wall(&self) -> WallNanos;
    /// Time since some fixed moment. Never goes back.
    fn monotonic(&self) -> Duration;
}

/// A source of randomness fit for keys.
pub trait Entropy: Send + Sync + std::fmt::Debug {
    /// Fills `buf` with random bytes.
    fn fill(&self, buf: &mut [u8]);
}

/// `N` random bytes from `entropy`.
pub fn random<const N: usize>(entropy: &dyn Entropy) -> [u8; N] {
    let mut bytes = [0; N];
    entropy.fill(&mut bytes);
    bytes
}

/// The surroundings handed down through the layers.
#[derive(Clone, Debug)]
pub struct Ambient {
    /// Where time comes from.
    pub clock: Arc<dyn Clock>,
    /// Where randomness comes from.
    pub entropy: Arc<dyn Entropy>,
}

impl Ambient {
    /// The real machine.
    pub fn host() -> Self {
        Ambient { clock: Arc::new(HostClock(Instant::now())), entropy: Arc::new(HostEntropy) }
    }
}

#[derive(Debug)]
struct HostClock(Instant);

impl Clock for HostClock {
    fn wall(&self) -> WallNanos {
        match SystemTime::now().duration_since(UNIX_EPOCH) {
            Ok(after) => i64::try_from(after.as_nanos()).unwrap_or(i64::MAX),
            Err(before) => i64::try_from(before.duration().as_nanos()).map_or(i64::MIN, |n| -n),
        }
    }

    fn monotonic(&self) -> Duration {
        self.0.elapsed()
    }
}

#[derive(Debug)]
struct HostEntropy;

impl Entropy for HostEntropy {
    fn fill(&self, buf: &mut [u8]) {
        // A kernel that cannot give randomness leaves no safe way on: every key would be a guess.
        if getrandom::fill(buf).is_err() {
            std::process::abort();
        }
    }
}
