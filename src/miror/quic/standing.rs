//! Sees a queue that stands on the path, from round trips alone. No clock inside.
//!
//! Cubic goes on until packets are lost: it fills whatever queue the slowest link has, and a message of a few
//! bytes then waits as long as that queue is deep. A queue that stands is told of here before it is full, and
//! is then taken for what a loss is. The idea is that of delay-based control (Brakmo and Peterson, TCP Vegas,
//! 1994); that delays which do not answer to less in flight are no longer minded is from Hayes and Armitage
//! (CAIA delay-gradient, 2011).
//!
//! A round is the time until a packet sent in it is acknowledged. Its least round trip tells of a standing
//! queue: what is slow for a moment is not in the least. While the window doubles in each round trip, shorter rounds
//! must do: by the end of a whole one several times too much would be on its way (RFC 9406, HyStart++, looks at eight
//! packets for the same reason).
#![deny(clippy::indexing_slicing)]

use std::time::Duration;

/// Time that packets may wait on the path at least before that counts as a queue.
const SLACK: Duration = Duration::from_millis(8);
/// What a round lasts at least: in less, a few packets decide.
const ROUND: Duration = Duration::from_millis(4);
/// Packets that tell enough in a round that is not a whole one.
const FEW: u32 = 8;
/// Rounds in a row with a queue that less in flight does not shorten, after which it is not ours: the path has
/// become longer, or others fill it. Then its delay is the path's.
const IN_VAIN: u8 = 8;

/// An acknowledged packet. Times are since any one moment.
#[derive(Clone, Copy, Debug)]
pub(super) struct Acked {
    /// When it was sent.
    pub(super) sent: Duration,
    /// Now.
    pub(super) at: Duration,
    /// There was nothing more to send: if there is a queue, it is not ours.
    pub(super) idle: bool,
    /// The window doubles in each round trip.
    pub(super) doubling: bool,
}

/// What a round told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Told {
    /// There is no queue.
    Clear,
    /// There is one: less is to be in flight.
    Queue,
    /// There still is one, and it was not for what we had in flight: take back what was done about it.
    NotOurs,
}

/// The watch over one path.
#[derive(Clone, Debug, Default)]
pub(super) struct StandingQueue {
    /// The least round trip that was ever seen, or what is taken for it.
    path: Option<Duration>,
    began: Duration,
    /// Packets acknowledged in this round, and the least round trip of them.
    packets: u32,
    least: Option<Duration>,
    idle: bool,
    /// Rounds in a row that had a queue.
    queued: u8,
}

impl StandingQueue {
    /// Takes an acknowledgement; says something at the end of a round.
    pub(super) fn acked(&mut self, acked: Acked) -> Option<Told> {
        let trip = acked.at.saturating_sub(acked.sent);
        let path = self.path.map_or(trip, |path| path.min(trip));
        let least = self.least.map_or(trip, |least| least.min(trip));
        (self.path, self.least) = (Some(path), Some(least));
        self.packets = self.packets.saturating_add(1);
        self.idle |= acked.idle;
        // Half of the path's length, so that what stands still for a moment at either end does not pass for a queue.
        let enough = acked.doubling && self.packets >= FEW && acked.at >= self.began + path / 2;
        if acked.at < self.began + ROUND || !(enough || acked.sent >= self.began) {
            return None;
        }
        (self.began, self.packets, self.least) = (acked.at, 0, None);
        if std::mem::take(&mut self.idle) {
            return None;
        }
        Some(self.judge(path, least))
    }

    fn judge(&mut self, path: Duration, least: Duration) -> Told {
        if least <= path + SLACK.max(path / 3) {
            self.queued = 0;
            return Told::Clear;
        }
        self.queued += 1;
        if self.queued <= IN_VAIN {
            return Told::Queue;
        }
        self.queued = 0;
        self.path = Some(least);
        Told::NotOurs
    }
}

#[cfg(test)]
mod tests {
    use std::collections::VecDeque;

    use proptest::prelude::*;

    use super::*;

    /// A link with a queue in front that drops nothing.
    struct Path {
        /// Bytes a second.
        rate: f64,
        /// Of the empty path, there and back.
        trip: Duration,
        busy_until: Duration,
    }

    impl Path {
        fn new(rate: f64, trip: Duration) -> Self {
            Path { rate, trip, busy_until: Duration::ZERO }
        }

        fn queue(&self, now: Duration) -> Duration {
            self.busy_until.saturating_sub(now)
        }

        /// When a packet that is sent now is acknowledged.
        fn carry(&mut self, bytes: f64, now: Duration) -> Duration {
            self.busy_until = self.busy_until.max(now) + Duration::from_secs_f64(bytes / self.rate);
            self.busy_until + self.trip
        }
    }

    /// Sends all that it may, always, by cubic (RFC 9438), counted in packets and without its fast convergence.
    struct Sender {
        watch: Option<StandingQueue>,
        cubic: Cubic,
        before: Option<Cubic>,
        flying: VecDeque<(Duration, Duration)>,
        delivered: u64,
    }

    #[derive(Clone, Copy)]
    struct Cubic {
        window: f64,
        /// The window at the last event, and when that was; none: at the beginning, which doubles each round.
        event: Option<(f64, Duration)>,
    }

    impl Cubic {
        fn acked(&mut self, now: Duration) {
            let Some((most, since)) = self.event else {
                self.window += 1.0;
                return;
            };
            let away = now.saturating_sub(since).as_secs_f64() - (most * 0.3 / 0.4).cbrt();
            let target = 0.4 * away.powi(3) + most;
            self.window += ((target - self.window) / self.window).clamp(0.3 / self.window, 1.0);
        }

        fn narrow(&mut self, now: Duration) {
            self.event = Some((self.window, now));
            self.window = (self.window * 0.7).max(2.0);
        }
    }

    impl Sender {
        fn new() -> Self {
            let cubic = Cubic { window: 10.0, event: None };
            let watch = Some(StandingQueue::default());
            Sender { watch, cubic, before: None, flying: VecDeque::new(), delivered: 0 }
        }

        /// Keeps so many packets in flight, whatever happens.
        fn stubborn(window: f64) -> Self {
            Sender { watch: None, cubic: Cubic { window, event: None }, ..Sender::new() }
        }

        fn send(&mut self, path: &mut Path, packet: f64, now: Duration) {
            while ((self.flying.len() + 1) as f64) <= self.cubic.window {
                self.flying.push_back((path.carry(packet, now), now));
            }
        }

        fn acked(&mut self) {
            let Some((at, sent)) = self.flying.pop_front() else { return };
            self.delivered += 1;
            let Some(watch) = &mut self.watch else { return };
            self.cubic.acked(at);
            match watch.acked(Acked { sent, at, idle: false, doubling: self.cubic.event.is_none() }) {
                Some(Told::Clear) => self.before = None,
                Some(Told::Queue) => {
                    self.before = self.before.or(self.cubic.event.is_some().then_some(self.cubic));
                    self.cubic.narrow(at);
                }
                Some(Told::NotOurs) => self.cubic = self.before.take().unwrap_or(self.cubic),
                None => {}
            }
        }
    }

    /// Lets all send for some seconds; gives how much of the path each had, and the longest queue.
    fn run(path: &mut Path, senders: &mut [Sender], from: u64, until: u64) -> (Vec<f64>, Duration) {
        // What is sent at once on a fast path: a tenth of a millisecond of it.
        let packet = (path.rate / 10_000.0).max(1_200.0);
        let before: Vec<u64> = senders.iter().map(|sender| sender.delivered).collect();
        let mut longest = Duration::ZERO;
        let mut now = Duration::from_secs(from);
        for sender in senders.iter_mut() {
            sender.send(path, packet, now);
        }
        while now < Duration::from_secs(until) {
            let first = |sender: &&mut Sender| sender.flying.front().map(|(at, _)| *at);
            let Some(sender) = senders.iter_mut().min_by_key(first) else { break };
            now = first(&sender).unwrap_or(now);
            sender.acked();
            sender.send(path, packet, now);
            longest = longest.max(path.queue(now));
        }
        let all = path.rate * (until - from) as f64;
        let share = |(sender, before): (&Sender, u64)| (sender.delivered - before) as f64 * packet / all;
        (senders.iter().zip(before).map(share).collect(), longest)
    }

    fn millis(millis: f64) -> Duration {
        Duration::from_secs_f64(millis / 1_000.0)
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        /// Whatever a path is like: it is full, and its queue is short.
        #[test]
        fn a_path_is_full_and_its_queue_short(rate in 6.0f64..8.5, trip in 0.2f64..200.0) {
            let (mut path, mut senders) = (Path::new(10f64.powf(rate), millis(trip)), [Sender::new()]);
            let (_, longest) = run(&mut path, &mut senders, 0, 10);
            prop_assert!(longest < path.trip * 3 + SLACK * 4, "{longest:?} while it looked for the rate");
            let (shares, longest) = run(&mut path, &mut senders, 10, 20);
            prop_assert!(shares[0] > 0.85, "{shares:?}");
            prop_assert!(longest < SLACK.max(path.trip / 3) + path.trip / 10 + millis(4.0), "{longest:?}");
        }

        /// A path that becomes longer or shorter, slower or faster, is used again.
        #[test]
        fn a_path_that_changes_is_full_again(
            rates in (5.5f64..7.0, 5.5f64..7.0),
            trips in (0.2f64..150.0, 0.2f64..150.0),
        ) {
            let (mut path, mut senders) = (Path::new(10f64.powf(rates.0), millis(trips.0)), [Sender::new()]);
            run(&mut path, &mut senders, 0, 10);
            (path.rate, path.trip) = (10f64.powf(rates.1), millis(trips.1));
            run(&mut path, &mut senders, 10, 60);
            let (shares, _) = run(&mut path, &mut senders, 60, 70);
            prop_assert!(shares[0] > 0.8, "{shares:?}");
        }
    }

    /// Where three packets last longer than a queue is to be.
    #[test]
    fn a_slow_path_is_full_and_its_queue_a_few_packets() {
        let (mut path, mut senders) = (Path::new(1e5, millis(5.0)), [Sender::new()]);
        run(&mut path, &mut senders, 0, 10);
        let (shares, longest) = run(&mut path, &mut senders, 10, 20);
        assert!(shares[0] > 0.95 && longest < millis(8.0 * 12.0), "{shares:?} {longest:?}");
    }

    #[test]
    fn who_comes_later_gets_his_share() {
        let mut path = Path::new(12e6, millis(20.0));
        let mut senders = [Sender::new(), Sender::new(), Sender::new()];
        run(&mut path, &mut senders[..1], 0, 5);
        run(&mut path, &mut senders[..2], 5, 15);
        run(&mut path, &mut senders, 15, 35);
        let (shares, longest) = run(&mut path, &mut senders, 35, 45);
        assert!(shares.iter().all(|share| (0.1..0.6).contains(share)), "{shares:?}");
        assert!(longest < SLACK * 2, "{longest:?}");
    }

    #[test]
    fn a_queue_of_others_does_not_stop_us() {
        let mut path = Path::new(12e6, millis(20.0));
        // What the path carries in 60 milliseconds.
        let mut senders = [Sender::new(), Sender::stubborn(600.0)];
        run(&mut path, &mut senders, 0, 10);
        let (shares, _) = run(&mut path, &mut senders, 10, 40);
        assert!(shares[0] > 0.15, "{shares:?}");
    }

    #[test]
    fn who_has_little_to_send_makes_no_queue() {
        let mut watch = StandingQueue::default();
        for now in 0..10_000 {
            let (sent, at) = (Duration::from_millis(now), Duration::from_millis(now + 1 + now / 100));
            assert_eq!(watch.acked(Acked { sent, at, idle: true, doubling: true }), None);
        }
    }
}
