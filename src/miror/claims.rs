//! Which peer brings which content: where several could bring it, it comes from one.
//!
//! Each session claims contents just before it asks its peer for them, by WANT or by accepting an offer, and is
//! refused what another session has claimed. A claim ends when the content is here, when the peer has not got it,
//! or with the session. Who has had nothing else to ask for in a while takes claims over: the other's peer may be
//! slow, or stand still. What then comes from both is kept once.
//!
//! What reads in a mount wait for is asked for without a claim: it must not wait for anybody.
//!
//! Claims are a help and no authority: a lost or doubled one costs traffic, or a few seconds. So a few bytes of an
//! id stand for it, and a million of them take some 25 MB. No clock inside: who asks counts his passes.

use std::collections::HashMap;

use parking_lot::Mutex;

use crate::crypto::{DevicePublic, ObjectId};

/// Passes, a second or more each, in which an asker was refused all that it asked for, after which it is granted all.
const REFUSED: u32 = 5;

/// The claims of all sessions of a replica.
#[derive(Debug, Default)]
pub struct Claims(Mutex<Inner>);

#[derive(Debug, Default)]
struct Inner {
    holders: HashMap<u64, Holder>,
    /// Peers by their number as holders.
    peers: Vec<DevicePublic>,
    /// In which pass each asker was refused something first, and has got nothing but that since.
    refused: HashMap<Holder, u32>,
}

type Holder = u16;

impl Claims {
    /// Claims contents for a session with `peer`, in a pass of its own counting; tells which it may ask for.
    pub fn claim(&self, peer: &DevicePublic, ids: &[ObjectId], pass: u32) -> Vec<bool> {
        let mut inner = self.0.lock();
        let asker = inner.number(peer);
        ids.iter().map(|id| inner.claim(asker, key(id), pass)).collect()
    }

    /// Claims a content that a peer has offered, if no other session has claimed it.
    pub fn accept(&self, peer: &DevicePublic, id: &ObjectId) -> bool {
        let mut inner = self.0.lock();
        let holder = inner.number(peer);
        *inner.holders.entry(key(id)).or_insert(holder) == holder
    }

    /// The contents are here.
    pub fn came(&self, ids: impl IntoIterator<Item = ObjectId>) {
        let mut inner = self.0.lock();
        for id in ids {
            inner.holders.remove(&key(&id));
        }
    }

    /// The peer has not got these.
    pub fn give_up(&self, peer: &DevicePublic, ids: &[ObjectId]) {
        let mut inner = self.0.lock();
        let holder = inner.number(peer);
        for id in ids {
            if inner.holders.get(&key(id)) == Some(&holder) {
                inner.holders.remove(&key(id));
            }
        }
    }

    /// A session with the peer is over.
    pub fn release(&self, peer: &DevicePublic) {
        let mut inner = self.0.lock();
        let number = inner.number(peer);
        inner.holders.retain(|_, holder| *holder != number);
        inner.refused.remove(&number);
    }

    /// Of a process that begins anew.
    pub fn forget(&self) {
        *self.0.lock() = Inner::default();
    }
}

impl Inner {
    fn number(&mut self, peer: &DevicePublic) -> Holder {
        let known = self.peers.iter().position(|one| one == peer).unwrap_or_else(|| {
            self.peers.push(*peer);
            self.peers.len() - 1
        });
        // More devices than that share the last number, and so do not keep out of each other's way.
        Holder::try_from(known).unwrap_or(Holder::MAX)
    }

    fn claim(&mut self, asker: Holder, key: u64, pass: u32) -> bool {
        match self.holders.get(&key) {
            None => drop(self.refused.remove(&asker)),
            Some(holder) if *holder == asker => {}
            Some(_) => {
                let since = *self.refused.entry(asker).or_insert(pass);
                if pass.saturating_sub(since) < REFUSED {
                    return false;
                }
            }
        }
        self.holders.insert(key, asker);
        true
    }
}

fn key(id: &ObjectId) -> u64 {
    let [a, b, c, d, e, f, g, h, ..] = id.0;
    u64::from_le_bytes([a, b, c, d, e, f, g, h])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::miror::testing::Rng;

    fn id(n: u64) -> ObjectId {
        let mut bytes = [0; 32];
        bytes[..8].copy_from_slice(&n.to_le_bytes());
        ObjectId(bytes)
    }

    fn peer(n: u8) -> DevicePublic {
        DevicePublic([n; 32])
    }

    /// Whatever sessions do: nobody is granted what somebody else has and works on; what comes, is given up or
    /// released is free; nothing is refused to all.
    #[test]
    fn each_content_has_one_holder_at_most() {
        let mut rng = Rng::new(7);
        let claims = Claims::default();
        let mut model: HashMap<u64, u8> = HashMap::new();
        for step in 0..50_000 {
            let (who, what) = (rng.below(4) as u8, rng.below(30));
            match rng.below(8) {
                0..5 => {
                    // In one pass nobody is idle.
                    let granted = claims.claim(&peer(who), &[id(what)], 1)[0];
                    let holder = *model.entry(what).or_insert(who);
                    assert_eq!(granted, holder == who, "step {step}");
                }
                5 => {
                    claims.came([id(what)]);
                    model.remove(&what);
                }
                6 => {
                    claims.give_up(&peer(who), &[id(what)]);
                    model.retain(|key, holder| (*key, *holder) != (what, who));
                }
                _ if rng.one_in(50) => {
                    claims.release(&peer(who));
                    model.retain(|_, holder| *holder != who);
                }
                _ => {
                    let granted = claims.accept(&peer(who), &id(what));
                    assert_eq!(granted, *model.entry(what).or_insert(who) == who, "step {step}");
                }
            }
        }
    }

    #[test]
    fn who_is_refused_all_for_a_while_is_granted_all() {
        let claims = Claims::default();
        assert_eq!(claims.claim(&peer(1), &[id(1), id(2), id(3)], 0), [true; 3]);
        for pass in 0..REFUSED {
            assert_eq!(claims.claim(&peer(2), &[id(1), id(2)], pass), [false, false], "{pass}");
        }
        // With something else to do it does not wait.
        assert_eq!(claims.claim(&peer(2), &[id(4)], REFUSED), [true]);
        for pass in REFUSED..2 * REFUSED {
            assert_eq!(claims.claim(&peer(2), &[id(1), id(2)], pass), [false, false], "{pass}");
        }
        assert_eq!(claims.claim(&peer(2), &[id(1), id(2)], 2 * REFUSED), [true, true]);
        assert_eq!(claims.claim(&peer(1), &[id(1), id(3)], 0), [false, true]);
    }
}
