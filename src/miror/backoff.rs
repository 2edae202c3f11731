//! How long to wait before dialling again.

use std::time::Duration;

use crate::ambient::{self, Entropy};

/// The first wait, before jitter.
const FIRST: Duration = Duration::from_millis(500);
/// The longest while the peer has not been away for [`LATELY`]: most come back soon, and a dial costs a few packets.
const SOON: Duration = Duration::from_secs(8);
/// The longest of all: a peer that came back is found within a minute without a hint.
const LONGEST: Duration = Duration::from_secs(60);
/// The waits that a peer which was here, or is looked for, may have come to before it counts as gone for long.
const LATELY: Duration = Duration::from_secs(600);
/// A session that lasted this long was a good one: begin anew.
const GOOD: Duration = Duration::from_secs(30);

/// Doubling waits with jitter, so that devices that lost each other do not meet in lockstep.
#[derive(Clone, Copy, Debug)]
pub(super) struct Backoff {
    /// The next wait, before jitter.
    next: Duration,
    /// All waits since the last good session.
    waited: Duration,
}

impl Default for Backoff {
    fn default() -> Self {
        Backoff { next: FIRST, waited: Duration::ZERO }
    }
}

impl Backoff {
    /// The next wait: between half and all of a time that doubles.
    pub(super) fn next(&mut self, entropy: &dyn Entropy) -> Duration {
        let longest = if self.waited < LATELY { SOON } else { LONGEST };
        let whole = self.next.min(longest);
        self.next = (whole * 2).min(LONGEST);
        let share = f64::from(u32::from_le_bytes(ambient::random(entropy))) / f64::from(u32::MAX);
        let wait = whole.mul_f64(0.5 + share / 2.0);
        self.waited += wait;
        wait
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
    fn waits_double_in_steps_and_begin_anew_after_a_good_session() {
        let entropy = Ambient::host().entropy;
        let mut backoff = Backoff::default();
        let mut wait_of = |whole: f64| {
            let wait = backoff.next(&*entropy);
            assert!((whole / 2.0..=whole).contains(&wait.as_secs_f64()), "{wait:?} of {whole}");
            wait
        };
        let mut waited: Duration = [0.5, 1.0, 2.0, 4.0].map(&mut wait_of).iter().sum();
        while waited < LATELY {
            waited += wait_of(8.0);
        }
        for whole in [16.0, 32.0, 60.0, 60.0] {
            wait_of(whole);
        }
        backoff.ended(GOOD - Duration::from_secs(1));
        assert_eq!(backoff.next, LONGEST);
        backoff.ended(GOOD);
        assert_eq!((backoff.next, backoff.waited), (FIRST, Duration::ZERO));
    }
}
