//! The congestion controller of QUIC connections: quinn's cubic, for which a queue that stands on the path is what
//! a loss is.

use std::any::Any;
use std::sync::Arc;
use std::time::Instant;

use quinn::congestion::{Controller, ControllerFactory, ControllerMetrics, CubicConfig};
use quinn_proto::RttEstimator;

use super::standing::{Acked, StandingQueue, Told};

/// Makes a controller for each path.
#[derive(Debug, Default)]
pub(super) struct GentleConfig(Arc<CubicConfig>);

impl ControllerFactory for GentleConfig {
    fn build(self: Arc<Self>, now: Instant, mtu: u16) -> Box<dyn Controller> {
        let cubic = Arc::clone(&self.0).build(now, mtu);
        Box::new(Gentle { cubic, before: None, settled: false, watch: StandingQueue::default(), began: now })
    }
}

/// See the module.
struct Gentle {
    cubic: Box<dyn Controller>,
    /// As it was before it was told of the queue that is there.
    before: Option<Box<dyn Controller>>,
    /// It no longer doubles its window each round.
    settled: bool,
    watch: StandingQueue,
    began: Instant,
}

impl Gentle {
    fn tell(&mut self, told: Told, now: Instant) {
        match told {
            Told::Clear => self.before = None,
            Told::Queue => {
                // What doubles is not to be taken up again: it has found its end.
                if self.settled && self.before.is_none() {
                    self.before = Some(self.cubic.clone_box());
                }
                self.settled = true;
                self.cubic.on_congestion_event(now, now, false, 0);
            }
            Told::NotOurs => {
                if let Some(before) = self.before.take() {
                    self.cubic = before;
                }
            }
        }
    }
}

impl Controller for Gentle {
    fn on_sent(&mut self, now: Instant, bytes: u64, last_packet_number: u64) {
        self.cubic.on_sent(now, bytes, last_packet_number);
    }

    fn on_ack(&mut self, now: Instant, sent: Instant, bytes: u64, app_limited: bool, rtt: &RttEstimator) {
        self.cubic.on_ack(now, sent, bytes, app_limited, rtt);
        let since = |moment: Instant| moment.saturating_duration_since(self.began);
        let (idle, doubling) = (app_limited, !self.settled);
        let acked = Acked { sent: since(sent), at: since(now), idle, doubling };
        if let Some(told) = self.watch.acked(acked) {
            self.tell(told, now);
        }
    }

    fn on_end_acks(&mut self, now: Instant, in_flight: u64, app_limited: bool, largest: Option<u64>) {
        self.cubic.on_end_acks(now, in_flight, app_limited, largest);
    }

    fn on_congestion_event(&mut self, now: Instant, sent: Instant, persistent: bool, lost_bytes: u64) {
        // A loss holds, whatever the queue was.
        self.before = None;
        self.settled = true;
        self.cubic.on_congestion_event(now, sent, persistent, lost_bytes);
    }

    fn on_mtu_update(&mut self, mtu: u16) {
        self.cubic.on_mtu_update(mtu);
    }

    fn window(&self) -> u64 {
        self.cubic.window()
    }

    fn metrics(&self) -> ControllerMetrics {
        self.cubic.metrics()
    }

    fn clone_box(&self) -> Box<dyn Controller> {
        Box::new(Gentle {
            cubic: self.cubic.clone_box(),
            before: self.before.as_ref().map(|before| before.clone_box()),
            settled: self.settled,
            watch: self.watch.clone(),
            began: self.began,
        })
    }

    fn initial_window(&self) -> u64 {
        self.cubic.initial_window()
    }

    fn into_any(self: Box<Self>) -> Box<dyn Any> {
        self
    }
}
