//! Thousands of small histories over a bad network: of the model, and of real vaults.
//!
//! `scripts/soak protocol --minutes N` runs them with fresh seeds for as long as it is told.

use super::testing::{Faults, MemoryReplica, Network, Node, Report, VaultNode};

const ROUGH: Faults = Faults { cut: 300, crash: 500, stall: 900, partition: 700 };
const CALM: Faults = Faults { cut: 0, crash: 0, stall: 0, partition: 0 };

fn run<N: Node>(seed: u64, nodes: u8, faults: Faults) -> Report {
    let network = Network::<N>::new(seed, nodes, 12, faults);
    network.run().unwrap_or_else(|why| panic!("seed {seed}, {nodes} nodes: {why}"))
}

/// The seeds of a test that has `count` of them by default; BOSR_SEED begins elsewhere, and BOSR_SEEDS is
/// how many hundredths of them to run.
fn seeds(count: u64) -> std::ops::Range<u64> {
    let from: u64 = option("BOSR_SEED").unwrap_or(0);
    from..from + (count * option("BOSR_SEEDS").unwrap_or(100)).div_ceil(100)
}

fn option(name: &str) -> Option<u64> {
    std::env::var(name).ok()?.parse().ok()
}

#[test]
fn two_replicas_converge_on_a_calm_network() {
    seeds(200).for_each(|seed| {
        run::<MemoryReplica>(seed, 2, CALM);
    });
}

#[test]
fn two_replicas_lose_nothing_and_converge_after_faults() {
    seeds(1200).for_each(|seed| {
        run::<MemoryReplica>(seed, 2, ROUGH);
    });
}

#[test]
fn three_replicas_lose_nothing_and_converge_after_faults() {
    seeds(900).for_each(|seed| {
        run::<MemoryReplica>(seed, 3, ROUGH);
    });
}

#[test]
fn four_and_five_replicas_lose_nothing_and_converge_after_faults() {
    seeds(80).for_each(|seed| {
        run::<MemoryReplica>(seed, 4 + (seed % 2) as u8, ROUGH);
    });
}

#[test]
fn no_replica_ever_shows_a_wrong_byte_while_faults_go_on() {
    for seed in seeds(60) {
        let network = Network::<MemoryReplica>::new(seed, 3, 0, ROUGH);
        network.endure(3000).unwrap_or_else(|why| panic!("seed {seed}: {why}"));
    }
}

#[test]
fn a_seed_runs_the_same_twice() {
    for seed in seeds(20) {
        assert_eq!(run::<MemoryReplica>(seed, 3, ROUGH), run::<MemoryReplica>(seed, 3, ROUGH));
    }
}

#[test]
fn two_vaults_lose_nothing_and_converge_after_faults() {
    seeds(60).for_each(|seed| {
        run::<VaultNode>(seed, 2, ROUGH);
    });
}

#[test]
fn three_vaults_lose_nothing_and_converge_after_faults() {
    seeds(40).for_each(|seed| {
        run::<VaultNode>(seed, 3, ROUGH);
    });
}

#[test]
fn five_vaults_lose_nothing_and_converge_after_faults() {
    seeds(6).for_each(|seed| {
        run::<VaultNode>(seed, 5, ROUGH);
    });
}

#[test]
fn no_vault_ever_shows_a_wrong_byte_while_faults_go_on() {
    for seed in seeds(4) {
        let network = Network::<VaultNode>::new(seed, 3, 0, ROUGH);
        network.endure(3000).unwrap_or_else(|why| panic!("seed {seed}: {why}"));
    }
}

/// Fresh seeds until the time is over (BOSR_SOAK_MINUTES, from BOSR_SEED): `scripts/soak protocol`.
#[test]
#[ignore = "runs for as long as it is told"]
fn soak() {
    let clock = crate::ambient::Ambient::host().clock;
    let until =
        clock.monotonic() + std::time::Duration::from_secs(60 * option("BOSR_SOAK_MINUTES").unwrap_or(1));
    let from = option("BOSR_SEED").unwrap_or(1_000_000);
    let mut seed = from;
    while clock.monotonic() < until {
        let nodes = 2 + (seed % 4) as u8;
        for _ in 0..20 {
            run::<MemoryReplica>(seed, nodes, ROUGH);
            seed += 1;
        }
        run::<VaultNode>(seed, nodes, ROUGH);
        let network = Network::<MemoryReplica>::new(seed, nodes, 0, ROUGH);
        network.endure(3000).unwrap_or_else(|why| panic!("seed {seed}: {why}"));
        if (seed - from).is_multiple_of(2000) {
            eprintln!("{} seeds, one in twenty with real vaults, all well; next {seed}", seed - from);
        }
    }
    eprintln!("{} seeds, one in twenty with real vaults, all well", seed - from);
}
