//! What takes longer than a test may: `scripts/soak merge` and `scripts/soak merge-exhaustive`.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use super::exhaustive::{self, Share};
use super::{LONG, run_seed, variable};
use crate::ambient::{Ambient, random};

/// How often progress is told.
const TELL: Duration = Duration::from_secs(10);

struct Counts {
    next: AtomicU64,
    steps: AtomicU64,
    failed: AtomicBool,
}

/// Runs random histories for `BOSR_SOAK_MINUTES`, from `BOSR_SEED` on or from a seed drawn anew. One in
/// twenty is long.
#[test]
#[ignore = "runs as long as it is told: scripts/soak merge"]
fn random_histories() {
    let host = Ambient::host();
    let first = variable("BOSR_SEED").unwrap_or_else(|| u64::from_le_bytes(random(&*host.entropy)) >> 25);
    let until = Duration::from_secs(60 * variable("BOSR_SOAK_MINUTES").unwrap_or(1));
    let counts = Counts { next: AtomicU64::new(0), steps: AtomicU64::new(0), failed: AtomicBool::new(false) };
    let now = || host.clock.monotonic();
    println!("seeds from {first} on, for {} s", until.as_secs());
    std::thread::scope(|scope| {
        for _ in 0..std::thread::available_parallelism().map_or(1, usize::from) {
            scope.spawn(|| {
                while now() < until && !counts.failed.load(Ordering::Relaxed) {
                    let index = counts.next.fetch_add(1, Ordering::Relaxed);
                    // A seed that is told again is that of a long one already.
                    let long = index % 20 == 19 && first < LONG;
                    let seed = first + index + if long { LONG } else { 0 };
                    match std::panic::catch_unwind(|| run_seed(seed)) {
                        Ok(history) => counts.steps.fetch_add(history.steps.len() as u64, Ordering::Relaxed),
                        Err(_) => u64::from(counts.failed.swap(true, Ordering::Relaxed)),
                    };
                }
            });
        }
        let mut told = Duration::ZERO;
        while now() < until && !counts.failed.load(Ordering::Relaxed) {
            std::thread::park_timeout(Duration::from_millis(200));
            if now() >= told + TELL {
                told = now();
                tell(&counts, told);
            }
        }
    });
    tell(&counts, now());
    assert!(!counts.failed.load(Ordering::Relaxed), "a history broke a promise: see above");
}

fn tell(counts: &Counts, after: Duration) {
    let (histories, steps) = (counts.next.load(Ordering::Relaxed), counts.steps.load(Ordering::Relaxed));
    println!("{:>6.0} s: {histories} histories, {steps} steps", after.as_secs_f64());
}

/// The small world, all of it.
#[test]
#[ignore = "takes minutes: scripts/soak merge-exhaustive"]
fn the_whole_small_world() {
    let host = Ambient::host();
    for base in exhaustive::BASES {
        for (what, run) in [
            ("two replicas, two operations each", exhaustive::pairs as fn(&_, _) -> _),
            ("three replicas, one operation each after a common one", exhaustive::triples),
        ] {
            let covered = run(&base, Share { of: 1, at: 0 });
            let after = host.clock.monotonic().as_secs();
            println!("{:>6} s: {}: {what}: {covered}", after, base.name);
        }
    }
}
