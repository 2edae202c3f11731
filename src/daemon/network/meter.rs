//! How much goes over the network, and how fast.

use std::collections::HashMap;
use std::time::Duration;

use parking_lot::Mutex;

use super::super::api::Transfer;
use crate::crypto::DevicePublic;
use crate::miror::replicator::Status;

/// Rates are means over about this long.
const WINDOW: Duration = Duration::from_secs(1);

/// Sums over all sessions since it was made.
#[derive(Default)]
pub struct Meter(Mutex<Readings>);

#[derive(Default)]
struct Readings {
    sums: Transfer,
    /// What each running session has moved so far: received, sent.
    sessions: HashMap<DevicePublic, (u64, u64)>,
    /// The sums when the current window began, and when that was.
    window: Option<(Duration, u64, u64)>,
}

impl Meter {
    /// What it shows.
    pub fn read(&self) -> Transfer {
        self.0.lock().sums
    }

    /// Takes a reading of the sessions at `now` (monotonic).
    pub fn note(&self, now: Duration, sessions: &[Status]) {
        let mut readings = self.0.lock();
        let Readings { sums, sessions: last, window } = &mut *readings;
        let mut current = HashMap::new();
        for session in sessions {
            let (received, sent) = (session.progress.received_bytes, session.progress.sent_bytes);
            let before = last.get(&session.peer).copied().unwrap_or_default();
            // A session that began anew counts from nothing.
            let since = |now: u64, before: u64| now.checked_sub(before).unwrap_or(now);
            sums.received += since(received, before.0);
            sums.sent += since(sent, before.1);
            current.insert(session.peer, (received, sent));
        }
        *last = current;
        if sessions.is_empty() {
            // Nobody takes readings until the next session.
            (sums.received_rate, sums.sent_rate, *window) = (0.0, 0.0, None);
            return;
        }
        let (begun, received, sent) = *window.get_or_insert((now, sums.received, sums.sent));
        let passed = now.saturating_sub(begun);
        if passed >= WINDOW {
            sums.received_rate = (sums.received - received) as f64 / passed.as_secs_f64();
            sums.sent_rate = (sums.sent - sent) as f64 / passed.as_secs_f64();
            *window = Some((now, sums.received, sums.sent));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::miror::link::Transport;
    use crate::miror::session::Progress;

    fn session(received_bytes: u64) -> Status {
        Status {
            peer: DevicePublic([1; 32]),
            name: String::new(),
            address: String::new(),
            dialled: true,
            port: 0,
            transport: Transport::Tcp,
            tip: None,
            in_sync: false,
            settled: false,
            generation: 0,
            progress: Progress { received_bytes, ..Progress::default() },
        }
    }

    #[test]
    fn sums_go_on_over_sessions_and_rates_are_of_the_last_second_or_nothing() {
        let meter = Meter::default();
        let at = Duration::from_millis;
        meter.note(at(0), &[session(0)]);
        meter.note(at(1000), &[session(5000)]);
        assert_eq!((meter.read().received, meter.read().received_rate), (5000, 5000.0));
        meter.note(at(1500), &[]);
        assert_eq!((meter.read().received, meter.read().received_rate), (5000, 0.0));
        meter.note(at(9000), &[session(100)]);
        meter.note(at(10_000), &[session(300)]);
        assert_eq!((meter.read().received, meter.read().received_rate), (5300, 200.0));
    }
}
