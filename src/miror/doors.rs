//! How many connections may be at the door at once before they have proved anything.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::Arc;

use parking_lot::Mutex;

use super::limits::{AT_THE_DOOR, AT_THE_DOOR_FROM_ONE};

/// Counts connections that are not yet admitted.
#[derive(Clone, Debug, Default)]
pub(super) struct Doors(Arc<Mutex<HashMap<IpAddr, usize>>>);

/// A place at the door; free again when dropped.
#[derive(Debug)]
pub(super) struct Place {
    doors: Doors,
    address: IpAddr,
}

impl Doors {
    /// How many there are.
    pub(super) fn count(&self) -> usize {
        self.0.lock().values().sum()
    }

    /// A place for a connection from `address`, if there is one.
    pub(super) fn enter(&self, address: IpAddr) -> Option<Place> {
        let mut counts = self.0.lock();
        if counts.values().sum::<usize>() >= AT_THE_DOOR {
            return None;
        }
        let count = counts.entry(address).or_default();
        if *count >= AT_THE_DOOR_FROM_ONE {
            return None;
        }
        *count += 1;
        Some(Place { doors: self.clone(), address })
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut counts = self.doors.0.lock();
        if let Some(count) = counts.get_mut(&self.address) {
            *count -= 1;
            if *count == 0 {
                counts.remove(&self.address);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn eight_an_address_and_sixty_four_in_all() {
        let doors = Doors::default();
        let mut places = Vec::new();
        for host in 0..8_u8 {
            let address = IpAddr::from([10, 0, 0, host]);
            places.extend((0..AT_THE_DOOR_FROM_ONE).map(|_| doors.enter(address).ok_or(host)));
            assert!(doors.enter(address).is_none());
        }
        assert!(places.iter().all(Result::is_ok));
        assert!(doors.enter(IpAddr::from([10, 0, 1, 1])).is_none());
        places.pop();
        assert!(doors.enter(IpAddr::from([10, 0, 1, 1])).is_some());
        places.clear();
        assert!(doors.0.lock().is_empty());
    }
}
