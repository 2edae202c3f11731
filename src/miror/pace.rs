//! How fast data may go: one direction of all sessions of a vault together.
//!
//! Bytes are counted when they go, and make the way busy until the moment by which they would have gone at the
//! rate. A way that was idle has a burst's worth of the past to itself. No clock inside: the caller says what
//! time it is.

use std::time::Duration;

use parking_lot::Mutex;

/// Bytes each second.
pub type BytesPerSecond = u64;

/// What may go at once after a pause, as time at the rate.
const BURST: Duration = Duration::from_millis(250);
/// What may go at once at the least: a slice and its overhead, so that the slowest rate is no standstill.
const BURST_MIN: u64 = 64 << 10;

/// How fast data may go both ways. Cheap to ask while there is no limit.
#[derive(Debug, Default)]
pub struct Rates {
    /// From here to all peers.
    pub upload: Pace,
    /// From all peers to here.
    pub download: Pace,
}

/// The pace of one direction.
#[derive(Debug, Default)]
pub struct Pace(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    limit: Option<BytesPerSecond>,
    /// Until when the bytes that went keep the way busy.
    busy_until: Duration,
}

impl State {
    fn time_of(&self, bytes: u64) -> Duration {
        self.limit.map_or(Duration::ZERO, |limit| {
            let nanos = (u128::from(bytes) * 1_000_000_000).div_ceil(u128::from(limit.max(1)));
            Duration::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX))
        })
    }

    /// How long the way may be busy ahead before nothing more goes.
    fn burst(&self) -> Duration {
        BURST.max(self.time_of(BURST_MIN))
    }
}

impl Pace {
    /// Lets another limit hold from now on; `None`: none.
    pub fn limit(&self, limit: Option<BytesPerSecond>) {
        *self.0.lock() = State { limit, busy_until: Duration::ZERO };
    }

    /// Whether there is a limit.
    pub fn is_limited(&self) -> bool {
        self.0.lock().limit.is_some()
    }

    /// Counts bytes that go now, and tells how long after `now` the limit would have them gone.
    pub fn take(&self, bytes: u64, now: Duration) -> Duration {
        let mut state = self.0.lock();
        if state.limit.is_none() {
            return Duration::ZERO;
        }
        state.busy_until = state.busy_until.max(now) + state.time_of(bytes);
        state.busy_until.saturating_sub(now + state.burst())
    }

    /// How many bytes may go now; if none, how long until some may.
    pub fn room(&self, now: Duration) -> Result<usize, Duration> {
        let state = self.0.lock();
        let Some(limit) = state.limit else { return Ok(usize::MAX) };
        let free = (now + state.burst()).saturating_sub(state.busy_until.max(now));
        let bytes = free.as_nanos() * u128::from(limit) / 1_000_000_000;
        // In portions of which a slice is one, not byte by byte.
        let least = u128::from(BURST_MIN / 2);
        if bytes >= least {
            return Ok(usize::try_from(bytes).unwrap_or(usize::MAX));
        }
        Err(state.time_of(least as u64).saturating_sub(free).max(Duration::from_millis(1)))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        /// Whoever asks for room, sends what there is, and waits as told, sends at the rate, and not above it.
        #[test]
        fn what_goes_is_what_the_limit_says(limit in 1_000u64..1_000_000_000, wants in 1usize..4_000_000) {
            let pace = Pace::default();
            pace.limit(Some(limit));
            let (mut now, mut sent) = (Duration::from_secs(7), 0u64);
            let begun = now;
            for _ in 0..2_000 {
                match pace.room(now) {
                    Ok(room) => {
                        let bytes = room.min(wants) as u64;
                        pace.take(bytes, now);
                        sent += bytes;
                    }
                    Err(wait) => now += wait,
                }
            }
            let took = (now - begun).as_secs_f64();
            let burst = (limit as f64 * BURST.as_secs_f64()).max(BURST_MIN as f64);
            prop_assert!(sent as f64 <= took * limit as f64 + burst + 1.0);
            prop_assert!(sent as f64 >= took * limit as f64 * 0.99 - burst);
        }

        /// Whoever takes and waits as told, takes at the rate.
        #[test]
        fn what_is_taken_waits_as_the_limit_says(limit in 1_000u64..1_000_000_000, piece in 1u64..4_000_000) {
            let pace = Pace::default();
            pace.limit(Some(limit));
            let (mut now, begun) = (Duration::from_secs(7), Duration::from_secs(7));
            for _ in 0..500 {
                now += pace.take(piece, now);
            }
            let (took, due) = ((now - begun).as_secs_f64(), 500.0 * piece as f64 / limit as f64);
            let burst = BURST.as_secs_f64().max(BURST_MIN as f64 / limit as f64);
            prop_assert!(took <= due + 0.001 && took >= due - burst - 0.001, "{took} {due}");
        }
    }

    #[test]
    fn without_a_limit_nothing_waits() {
        let pace = Pace::default();
        assert_eq!(pace.take(u64::MAX, Duration::ZERO), Duration::ZERO);
        assert_eq!(pace.room(Duration::ZERO), Ok(usize::MAX));
    }
}
