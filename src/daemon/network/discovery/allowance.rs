//! How often strangers may make us dial.

use std::time::Duration;

/// Questions that may be asked at once.
const MOST: u32 = 16;
/// How long until one more may be asked.
const EACH: Duration = Duration::from_secs(2);

/// So many at once, and then one now and again.
#[derive(Debug)]
pub(super) struct Allowance {
    left: u32,
    /// When `left` was counted.
    at: Duration,
}

impl Default for Allowance {
    fn default() -> Self {
        Allowance { left: MOST, at: Duration::ZERO }
    }
}

impl Allowance {
    /// Takes one, if one is left at `now` (monotonic).
    pub(super) fn take(&mut self, now: Duration) -> bool {
        let passed = now.saturating_sub(self.at).as_millis() / EACH.as_millis();
        let passed = u32::try_from(passed).unwrap_or(u32::MAX);
        self.at += EACH.saturating_mul(passed);
        self.left = self.left.saturating_add(passed).min(MOST);
        let any = self.left > 0;
        self.left -= u32::from(any);
        any
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_burst_and_then_one_every_other_second() {
        let mut allowance = Allowance::default();
        let mut taken = |millis| (0..1000).filter(|_| allowance.take(Duration::from_millis(millis))).count();
        assert_eq!([taken(0), taken(1999), taken(2000), taken(3999), taken(8000)], [16, 0, 1, 0, 3]);
        assert_eq!(taken(100_000_000), 16, "no more is saved up");
    }
}
