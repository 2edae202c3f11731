//! Dials anew when this machine has come to another network: what could not be reached there may be reached here.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::task::JoinHandle;

use super::Followings;
use super::listening::interface_addresses;

/// How often to look at the machine's addresses.
const INTERVAL: Duration = Duration::from_secs(2);

/// Runs until it is dropped.
pub(super) struct Roaming(JoinHandle<()>);

impl Roaming {
    /// Begins.
    pub(super) fn start(followings: Arc<Followings>) -> Self {
        Roaming(tokio::spawn(async move {
            let mut known = Vec::new();
            loop {
                if followings.are_wanted() && has_more(&mut known, interface_addresses()) {
                    followings.nudge_all();
                }
                tokio::time::sleep(INTERVAL).await;
            }
        }))
    }
}

impl Drop for Roaming {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// Whether there is one that was not known. All are known then, and no others.
fn has_more(known: &mut Vec<IpAddr>, now: Vec<IpAddr>) -> bool {
    let more = now.iter().any(|address| !known.contains(address));
    *known = now;
    more
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_new_address_counts_and_one_that_went_does_not() {
        let list = |hosts: &[u8]| hosts.iter().map(|host| [10, 0, 0, *host].into()).collect::<Vec<_>>();
        let mut known = list(&[1, 2]);
        assert!(!has_more(&mut known, list(&[2, 1])) && !has_more(&mut known, list(&[1])));
        assert!(has_more(&mut known, list(&[1, 2])) && has_more(&mut known, list(&[3])));
    }
}
