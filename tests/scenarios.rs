//! The scenarios in `tests/scenarios/`, on the library and on real mounts: the same trees in both.
#![allow(clippy::disallowed_methods, clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod support;

use std::path::{Path, PathBuf};

use support::host::Host;
use support::scenario::{Scenario, model, mounted, read_all};

fn scenarios() -> Vec<Scenario> {
    let folder: PathBuf = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/scenarios");
    read_all(&folder)
}

#[test]
fn every_scenario_on_the_library() {
    let scenarios = scenarios();
    assert!(scenarios.len() >= 40, "{}", scenarios.len());
    let wrong: Vec<String> = scenarios.iter().filter_map(|scenario| model::run(scenario).err()).collect();
    assert!(wrong.is_empty(), "{} of {}:\n{}", wrong.len(), scenarios.len(), wrong.join("\n"));
}

#[test]
fn every_scenario_on_real_mounts() {
    let hosts = [Host::new("laptop"), Host::new("desktop")];
    let [laptop, desktop] = &hosts;
    laptop.init();
    laptop.mount();
    desktop.join(laptop, None);
    desktop.mount();
    let wrong = mounted::run(&scenarios(), [laptop, desktop]);
    assert!(wrong.is_empty(), "{} wrong:\n{}", wrong.len(), wrong.join("\n"));
    for host in &hosts {
        host.unmount();
        host.fsck();
    }
}
