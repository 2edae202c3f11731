//! What was found on the local network: who says it is of this vault, and who has proved it.
//!
//! An announcement proves nothing: whoever has heard a tag can say it. So each is a *candidate*, asked who it is;
//! the handshake's answer makes its address one of the device that answered, and only such an address is dialled
//! for a session. Candidates are few, few of them share an address, and all together are asked no oftener than
//! [`Allowance`] says, whatever is announced.
//!
//! One is forgotten when its service says goodbye or expires, and when its tag is of a day that is no longer
//! recognised.

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use super::allowance::Allowance;
use super::tag::Day;
use crate::crypto::DevicePublic;

/// Candidates that are kept: more than a household has devices of one vault.
const MOST: usize = 64;
/// Candidates that may be on one machine, at different ports: vaults copied, or several users'.
const OF_ONE_ADDRESS: usize = 4;
/// Addresses of a candidate that are kept, the likeliest first.
const ADDRESSES: usize = 4;
/// Tries in quick succession.
const TRIES: u32 = 4;
/// The wait after the first try; four times as long after each further one.
const WAIT: Duration = Duration::from_secs(1);
/// The wait after the last: it may have been listed meanwhile, or the network mended.
const REST: Duration = Duration::from_secs(600);

/// A service of this vault, as it was announced.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Heard {
    /// Its name.
    pub(super) name: String,
    /// Where it says it answers.
    pub(super) addresses: Vec<SocketAddr>,
    /// The day of its tag.
    pub(super) day: Day,
}

/// A candidate to be asked who it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Question {
    /// Its name.
    pub(super) name: String,
    /// Where, in this order.
    pub(super) addresses: Vec<SocketAddr>,
}

#[derive(Debug)]
struct Candidate {
    addresses: Vec<SocketAddr>,
    day: Day,
    answer: Option<(SocketAddr, DevicePublic)>,
    tries: u32,
    /// When to ask next; `None` while it is asked, and once it has answered.
    due: Option<Duration>,
}

/// All that were found.
#[derive(Debug, Default)]
pub(super) struct Neighbours {
    candidates: BTreeMap<String, Candidate>,
    allowance: Allowance,
}

impl Neighbours {
    /// An announcement was heard.
    pub(super) fn hear(&mut self, heard: Heard, now: Duration) {
        let mut addresses = heard.addresses;
        addresses.retain(is_a_host);
        addresses.sort_by_key(|address| (rank(address), *address));
        addresses.dedup();
        if addresses.is_empty() {
            return self.leave(&heard.name);
        }
        let (name, day) = (heard.name, heard.day);
        let known = self.candidates.remove(&name);
        if let Some(known) = &known {
            addresses.sort_by_key(|address| known.addresses.contains(address));
        }
        addresses.truncate(ADDRESSES);
        // The same under a new name was started anew, most likely, and is asked at once, but only once.
        let same = self.take_from(&addresses);
        let mut candidate = match (known, same) {
            (Some(known), _) => known,
            (None, Some(same)) => Candidate { due: Some(now), ..same },
            (None, None) => Candidate { addresses: Vec::new(), day, answer: None, tries: 0, due: Some(now) },
        };
        candidate.day = day;
        candidate.move_to(&addresses, now);
        if self.has_room_for(&addresses) {
            self.candidates.insert(name, candidate);
        }
    }

    /// Takes out a candidate that is at one of these addresses.
    fn take_from(&mut self, addresses: &[SocketAddr]) -> Option<Candidate> {
        let shares = |candidate: &Candidate| addresses.iter().any(|it| candidate.addresses.contains(it));
        let (name, _) = self.candidates.iter().find(|(_, candidate)| shares(candidate))?;
        let name = name.clone();
        self.candidates.remove(&name)
    }

    fn has_room_for(&mut self, addresses: &[SocketAddr]) -> bool {
        let shares = |candidate: &&Candidate| addresses.iter().any(|address| candidate.is_at(address.ip()));
        if self.candidates.values().filter(shares).count() >= OF_ONE_ADDRESS {
            return false;
        }
        if self.candidates.len() >= MOST {
            let hopeless = self.candidates.iter().find(|(_, candidate)| candidate.is_hopeless());
            let Some(name) = hopeless.map(|(name, _)| name.clone()) else { return false };
            self.candidates.remove(&name);
        }
        true
    }

    /// A service has gone.
    pub(super) fn leave(&mut self, name: &str) {
        self.candidates.remove(name);
    }

    /// Forgets those whose tag is not recognised any more on the day `today`.
    pub(super) fn expire(&mut self, today: Day) {
        self.candidates.retain(|_, candidate| candidate.day.abs_diff(today) <= 1);
    }

    /// Forgets all who have not proved who they are.
    pub(super) fn forget_strangers(&mut self) {
        self.candidates.retain(|_, candidate| candidate.answer.is_some());
    }

    /// Forgets all.
    pub(super) fn forget_all(&mut self) {
        self.candidates.clear();
    }

    /// Who is to be asked now, at most `most`. Each is to be [answered](Self::answered).
    pub(super) fn questions(&mut self, now: Duration, most: usize) -> Vec<Question> {
        let (candidates, allowance) = (&mut self.candidates, &mut self.allowance);
        let due = candidates.iter_mut().filter(|(_, candidate)| candidate.due.is_some_and(|due| due <= now));
        let allowed = due.take(most).take_while(|_| allowance.take(now));
        let ask = |(name, candidate): (&String, &mut Candidate)| {
            candidate.due = None;
            Question { name: name.clone(), addresses: candidate.addresses.clone() }
        };
        allowed.map(ask).collect()
    }

    /// Who answered to a question, and where; nobody, or nobody who may come in, if `None`.
    pub(super) fn answered(&mut self, name: &str, who: Option<(SocketAddr, DevicePublic)>, now: Duration) {
        if let Some((_, device)) = who {
            self.forget_before(name, &device);
        }
        let Some(candidate) = self.candidates.get_mut(name) else { return };
        match who {
            Some((address, _)) if !candidate.addresses.contains(&address) => candidate.due = Some(now),
            Some(answer) => (candidate.answer, candidate.tries) = (Some(answer), 0),
            None => {
                let wait = if candidate.tries + 1 < TRIES { WAIT * 4_u32.pow(candidate.tries) } else { REST };
                candidate.tries = (candidate.tries + 1).min(TRIES);
                candidate.answer = None;
                candidate.due = Some(now + wait);
            }
        }
    }

    /// A device is announced under one name: what it answered to before, it said no goodbye for.
    fn forget_before(&mut self, name: &str, device: &DevicePublic) {
        let is_it = |candidate: &Candidate| candidate.answer.is_some_and(|(_, before)| before == *device);
        self.candidates.retain(|other, candidate| other == name || !is_it(candidate));
    }

    /// Where a device has answered.
    pub(super) fn places(&self, device: &DevicePublic) -> Vec<String> {
        let answers = self.candidates.values().filter_map(|candidate| candidate.answer);
        let mut places: Vec<_> =
            answers.filter(|(_, who)| who == device).map(|(address, _)| address.to_string()).collect();
        places.sort();
        places.dedup();
        places
    }
}

impl Candidate {
    /// It names other addresses than before: asked anew if there are new ones, or if it is gone from where it
    /// answered. Said often, that is bounded by the allowance.
    fn move_to(&mut self, addresses: &[SocketAddr], now: Duration) {
        let new = addresses.iter().any(|address| !self.addresses.contains(address));
        let gone = self.answer.is_some_and(|(address, _)| !addresses.contains(&address));
        if gone {
            self.answer = None;
        }
        if new || gone {
            self.tries = 0;
            self.due = Some(now);
        }
        self.addresses = addresses.to_vec();
    }

    fn is_at(&self, ip: IpAddr) -> bool {
        self.addresses.iter().any(|address| address.ip() == ip)
    }

    /// It had its tries and has not answered.
    fn is_hopeless(&self) -> bool {
        self.answer.is_none() && self.tries >= TRIES
    }
}

/// Whether it is the address of one other machine.
fn is_a_host(address: &SocketAddr) -> bool {
    let ip = address.ip().to_canonical();
    let broadcast = matches!(ip, IpAddr::V4(v4) if v4.is_broadcast());
    address.port() != 0 && !(ip.is_loopback() || ip.is_unspecified() || ip.is_multicast() || broadcast)
}

/// How likely an address is to be the one: IPv4, then IPv6, then what holds on one link only.
fn rank(address: &SocketAddr) -> u8 {
    match address.ip() {
        IpAddr::V4(v4) if v4.is_link_local() => 2,
        IpAddr::V4(_) => 0,
        IpAddr::V6(v6) if v6.is_unicast_link_local() => 3,
        IpAddr::V6(_) => 1,
    }
}
