//! Thousands of small histories over a bad network.

use super::testing::{Faults, Network, Report};

const ROUGH: Faults = Faults { cut: 300, crash: 500, stall: 900, partition: 700 };
const CALM: Faults = Faults { cut: 0, crash: 0, stall: 0, partition: 0 };

fn run(seed: u64, nodes: u8, faults: Faults) -> Report {
    Network::new(seed, nodes, 12, faults)
        .run()
        .unwrap_or_else(|why| panic!("seed {seed}, {nodes} nodes: {why}"))
}

/// How many seeds: a thousand here, as many as BOSR_SEEDS says in the soak.
fn seeds() -> std::ops::Range<u64> {
    let from: u64 = option("BOSR_SEED").unwrap_or(0);
    from..from + option("BOSR_SEEDS").unwrap_or(400)
}

fn option(name: &str) -> Option<u64> {
    std::env::var(name).ok()?.parse().ok()
}

#[test]
fn two_replicas_converge_on_a_calm_network() {
    for seed in seeds().take(100) {
        run(seed, 2, CALM);
    }
}

#[test]
fn two_replicas_lose_nothing_and_converge_after_faults() {
    for seed in seeds() {
        run(seed, 2, ROUGH);
    }
}

#[test]
fn three_replicas_lose_nothing_and_converge_after_faults() {
    for seed in seeds() {
        run(seed, 3, ROUGH);
    }
}

#[test]
fn five_replicas_lose_nothing_and_converge_after_faults() {
    for seed in seeds().take(60) {
        run(seed, 5, ROUGH);
    }
}

#[test]
fn a_seed_runs_the_same_twice() {
    for seed in seeds().take(20) {
        assert_eq!(run(seed, 3, ROUGH), run(seed, 3, ROUGH));
    }
}
