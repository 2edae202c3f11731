//! How long to wait before dialling again.

use std::time::Duration;

use crate::ambient::{self, Entropy};

/// The first wait, before jitter.
const FIRST: Duration = Duration::from_millis(500);
/// The longest: a peer that came back is found within a minute without a hint.
const LONGEST: Duration = Duration::from_secs(60);
/// A session that lasted this long was a good one: begin anew.
const GOOD: Duration = Duration::from_secs(30);

/// Doubling waits with jitter, so that devices that lost each other do not meet in lockstep.
#[derive(Clone, Copy, Debug)]
pub(super) struct Backoff(Duration);

impl Default for Backoff {
    fn default() -> Self {
        Backoff(FIRST)
    }
}

impl Backoff {
    /// The next wait: between half and all of a time that doubles.
    pub(super) fn next(&mut self, entropy: &dyn Entropy) -> Duration {
        let whole = self.0;
        self.0 = (whole * 2).min(LONGEST);
        let share = f64::from(u32::from_le_bytes(ambient::random(entropy))) / f64::from(u32::MAX);
        whole.mul_f64(0.5 + share / 2.0)
    }

    /// A session ended after `lasted`.
    pub(super) fn ended(&mut self, lasted: Duration) {
        if lasted >= GOOD {
            *self = Backoff::default();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ambient::Ambient;

    #[test]
    fn doubles_up_to_a_minute_and_begins_anew_after_a_good_session() {
        let entropy = Ambient::host().entropy;
        let mut backoff = Backoff::default();
        for whole in [0.5, 1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 60.0, 60.0] {
            let wait = backoff.next(&*entropy).as_secs_f64();
            assert!((whole / 2.0..=whole).contains(&wait), "{wait} of {whole}");
        }
        backoff.ended(GOOD - Duration::from_secs(1));
        assert_eq!(backoff.0, LONGEST);
        backoff.ended(GOOD);
        assert_eq!(backoff.0, FIRST);
    }
}
