//! What becomes of a frame: pure, from a condition, a seeded chance and the time.

use std::ops::Range;
use std::time::Duration;

use crate::chance::Chance;
use crate::condition::{Condition, Protocol};
use crate::segment::{Carried, Frame};

/// How long a packet that changes its place is held back, besides the jitter.
const HELD_BACK: Duration = Duration::from_millis(2);
/// How long packets are late by the same jitter. Drawn for each packet, it would settle at its upper end: what
/// keeps the order waits for the latest.
const STEADY: Duration = Duration::from_millis(20);

/// Where a run of neighbouring segments goes.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Fate {
    /// Nowhere.
    Lost(Range<usize>),
    /// On, at that time.
    At(Duration, Range<usize>),
}

/// One direction: remembers when the last packet in order leaves, and its share of the jitter until when.
#[derive(Clone, Debug)]
pub(crate) struct Way {
    chance: Chance,
    leaves: Duration,
    jitter: (f64, Duration),
}

impl Way {
    pub(crate) fn new(seed: u64) -> Way {
        Way { chance: Chance::new(seed), leaves: Duration::ZERO, jitter: (0.0, Duration::ZERO) }
    }

    /// What becomes of a frame that came at `now`.
    pub(crate) fn fates(&mut self, condition: &Condition, frame: &Frame<'_>, now: Duration) -> Vec<Fate> {
        let segments = frame.segments();
        let shut = match condition.drop {
            Some(Protocol::Tcp) => frame.carried() == Carried::Tcp,
            Some(Protocol::Udp) => frame.carried() == Carried::Udp,
            None => false,
        };
        if shut || condition.silent {
            return vec![Fate::Lost(0..segments)];
        }
        if !condition.jitter.is_zero() && now >= self.jitter.1 {
            self.jitter = (self.chance.share(), now + STEADY);
        }
        let jitter = condition.jitter.mul_f64(self.jitter.0);
        self.leaves = self.leaves.max(now + condition.delay + jitter);
        let late = now + condition.delay + condition.jitter + HELD_BACK;
        let mut fates: Vec<Fate> = Vec::with_capacity(1);
        for segment in 0..segments {
            let next = if self.chance.hits(condition.loss) {
                Fate::Lost(segment..segment + 1)
            } else if self.chance.hits(condition.reorder) {
                Fate::At(late, segment..segment + 1)
            } else {
                Fate::At(self.leaves, segment..segment + 1)
            };
            match (fates.last_mut(), &next) {
                (Some(Fate::Lost(run)), Fate::Lost(one)) => run.end = one.end,
                (Some(Fate::At(then, run)), Fate::At(time, one)) if then == time => run.end = one.end,
                _ => fates.push(next),
            }
        }
        fates
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Duration = Duration::from_secs(10);

    fn with(words: &[(&str, &str)]) -> Condition {
        let mut condition = Condition::default();
        words.iter().for_each(|(key, value)| condition.set(key, value).unwrap());
        condition
    }

    /// The times at which small frames sent a millisecond apart leave; `None` for lost ones.
    fn times(condition: &Condition, seed: u64, count: u32) -> Vec<Option<Duration>> {
        let mut way = Way::new(seed);
        let fate =
            |number| match way.fates(condition, &Frame(&[0; 60]), NOW + Duration::from_millis(1) * number) {
                fates if fates.len() == 1 => fates.into_iter().next(),
                _ => None,
            };
        (0..count)
            .map(fate)
            .map(|fate| match fate.unwrap() {
                Fate::At(time, _) => Some(time - NOW),
                Fate::Lost(_) => None,
            })
            .collect()
    }

    #[test]
    fn a_delay_is_the_same_for_all() {
        let sent: Vec<_> = (50..60).map(|ms| Some(Duration::from_millis(ms))).collect();
        assert_eq!(times(&with(&[("delay", "50ms")]), 1, 10), sent);
    }

    #[test]
    fn jitter_stays_within_bounds_and_keeps_the_order() {
        let times = times(&with(&[("delay", "50ms"), ("jitter", "20ms")]), 2, 10_000);
        let times: Vec<_> = times.into_iter().map(Option::unwrap).collect();
        assert!(times.is_sorted());
        let over = |(number, time): (u32, &Duration)| *time - Duration::from_millis(1) * number;
        let over: Vec<_> = (0..).zip(&times).map(over).collect();
        assert!(over.iter().all(|time| (50..=70).contains(&time.as_millis())));
        assert!(
            over.iter().any(|time| time.as_millis() < 55) && over.iter().any(|time| time.as_millis() > 65)
        );
    }

    #[test]
    fn loss_is_as_asked_and_repeats_with_the_seed() {
        let lossy = with(&[("loss", "1%")]);
        let first = times(&lossy, 3, 100_000);
        let lost = first.iter().filter(|time| time.is_none()).count();
        assert!((900..1100).contains(&lost), "{lost} of 100,000");
        assert_eq!(first, times(&lossy, 3, 100_000));
        assert_ne!(first, times(&lossy, 4, 100_000));
        assert!(times(&with(&[("loss", "100%")]), 5, 1000).iter().all(Option::is_none));
    }

    #[test]
    fn reordering_lets_later_ones_overtake() {
        let times = times(&with(&[("delay", "10ms"), ("reorder", "10%")]), 6, 1000);
        let times: Vec<_> = times.into_iter().map(Option::unwrap).collect();
        let overtaken = times.windows(2).filter(|pair| pair[0] > pair[1]).count();
        assert!((50..150).contains(&overtaken), "{overtaken} of 1000");
    }

    #[test]
    fn silence_and_a_protocol_shut_out_lose_all_of_it() {
        let mut udp = vec![0; 60];
        udp[22] = 8;
        udp[33] = 17;
        let mut way = Way::new(7);
        let mut fates = |word| way.fates(&with(&[word]), &Frame(&udp), NOW);
        assert_eq!(fates(("drop", "udp")), [Fate::Lost(0..1)]);
        assert_eq!(fates(("silent", "yes")), [Fate::Lost(0..1)]);
        assert_eq!(fates(("drop", "tcp")), [Fate::At(NOW, 0..1)]);
    }
}
