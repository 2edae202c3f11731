//! Objects asked for by id: which wait to be asked, which are under way.
//!
//! Of content no more is under way than fills the window, so that what comes to be more urgent is not behind much.

use std::collections::{HashMap, HashSet, VecDeque};

use super::super::limits;
use super::super::message::{Urgency, Want};
use super::super::replica::Claim;
use super::error::SessionError;
use crate::crypto::{ObjectId, ObjectKind};

/// An object asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Asked {
    pub(super) id: ObjectId,
    /// What it must be, if known.
    pub(super) kind: Option<ObjectKind>,
    pub(super) urgency: Urgency,
    /// Bytes it is likely to have; 0 for what is no content.
    pub(super) len: u64,
}

#[derive(Debug, Default)]
pub(super) struct Wants {
    next_tag: u32,
    open: HashMap<u32, Asked>,
    /// The lengths of `open`.
    open_bytes: u64,
    waiting: [VecDeque<Asked>; 3],
    /// Contents for which the replica is asked whether it is for this session to ask for them.
    claiming: Vec<Asked>,
    /// Other sessions ask for some that were to be asked for.
    elsewhere: bool,
    /// What waits or is open, with the most urgent asking.
    asked: HashMap<ObjectId, Urgency>,
    /// Contents the peer has not got. Asked for again at the next comparison.
    gone: HashSet<ObjectId>,
    /// What reads in a mount wait for.
    readers: HashSet<ObjectId>,
}

impl Wants {
    /// Asks for an object unless that was done as urgently. True if it is asked for now.
    pub(super) fn ask(&mut self, asked: Asked) -> bool {
        let before = self.asked.get(&asked.id).copied();
        if before.is_some_and(|before| before <= asked.urgency) {
            return false;
        }
        if asked.urgency == Urgency::Content && self.gone.contains(&asked.id) {
            return false;
        }
        self.asked.insert(asked.id, asked.urgency);
        self.queue(asked.urgency).push_back(asked);
        true
    }

    /// A read waits for the object.
    pub(super) fn read(&mut self, id: ObjectId) {
        self.readers.insert(id);
        self.ask(Asked { id, kind: None, urgency: Urgency::Read, len: 0 });
    }

    /// The next WANT to send of what needs no claim.
    pub(super) fn next(&mut self) -> Result<Option<Want>, SessionError> {
        for urgency in [Urgency::Read, Urgency::Structure] {
            let room = self.room(urgency);
            let queue = self.queue(urgency);
            let asked: Vec<_> = queue.drain(..queue.len().min(room)).collect();
            if !asked.is_empty() {
                return self.want(urgency, asked).map(Some);
            }
        }
        Ok(None)
    }

    /// How many more may be asked for at once.
    fn room(&self, urgency: Urgency) -> usize {
        let limit = match urgency {
            Urgency::Read => limits::WANTS_OPEN,
            _ => limits::WANTS_OPEN - limits::WANTS_RESERVED,
        };
        limit.saturating_sub(self.open.len() + self.claiming.len()).min(limits::IDS)
    }

    fn queue(&mut self, urgency: Urgency) -> &mut VecDeque<Asked> {
        let [read, structure, content] = &mut self.waiting;
        match urgency {
            Urgency::Read => read,
            Urgency::Structure => structure,
            Urgency::Content => content,
        }
    }

    fn want(&mut self, urgency: Urgency, asked: Vec<Asked>) -> Result<Want, SessionError> {
        let (first, mut ids) = (self.next_tag, Vec::with_capacity(asked.len()));
        for one in asked {
            ids.push(one.id);
            self.open.insert(self.next_tag, one);
            self.next_tag = self.next_tag.checked_add(1).ok_or(SessionError::Exhausted)?;
        }
        Ok(Want { first, urgency, ids })
    }

    /// The contents to be asked for next, if that is for this session to do.
    pub(super) fn next_claim(&mut self) -> Option<Vec<ObjectId>> {
        let room = self.room(Urgency::Content);
        // Few large messages rather than many small: wait until a good part is answered.
        let full = room < limits::IDS / 2 || self.open_bytes > limits::WANTED / 4 * 3;
        if full || !self.claiming.is_empty() {
            return None;
        }
        let [_, _, content] = &mut self.waiting;
        while self.claiming.len() < room && self.open_bytes < limits::WANTED {
            let Some(asked) = content.pop_front() else { break };
            self.open_bytes += asked.len;
            self.claiming.push(asked);
        }
        (!self.claiming.is_empty()).then(|| self.claiming.iter().map(|asked| asked.id).collect())
    }

    /// The answer to a claim: what to ask for now. `here` says what was stored while the replica looked.
    pub(super) fn claimed(
        &mut self,
        claims: &[Claim],
        here: impl Fn(&ObjectId) -> bool,
    ) -> Result<Option<Want>, SessionError> {
        let mut granted = Vec::new();
        for (asked, claim) in std::mem::take(&mut self.claiming).into_iter().zip(claims) {
            // A read may have come to wait for it, or it may have come.
            let due = self.asked.get(&asked.id) == Some(&Urgency::Content) && !here(&asked.id);
            if due && *claim == Claim::Granted {
                granted.push(asked);
                continue;
            }
            self.open_bytes = self.open_bytes.saturating_sub(asked.len);
            if due {
                self.asked.remove(&asked.id);
                self.elsewhere |= *claim == Claim::Elsewhere;
            }
        }
        if granted.is_empty() { Ok(None) } else { self.want(Urgency::Content, granted).map(Some) }
    }

    /// Whether other sessions ask for some that were to be asked for; once.
    pub(super) fn take_elsewhere(&mut self) -> bool {
        std::mem::take(&mut self.elsewhere)
    }

    /// What a tag asked for, if it is open.
    pub(super) fn open(&self, tag: u32) -> Option<&Asked> {
        self.open.get(&tag)
    }

    /// The tag was given out once.
    pub(super) fn was_asked(&self, tag: u32) -> bool {
        tag < self.next_tag
    }

    /// The object is here: closes the tag. True if a read waited.
    pub(super) fn arrived(&mut self, id: &ObjectId, tags: impl IntoIterator<Item = u32>) -> bool {
        for tag in tags {
            self.close(tag);
        }
        self.asked.remove(id);
        self.gone.remove(id);
        self.readers.remove(id)
    }

    /// The peer has not got it: what was asked, and whether a read waited.
    pub(super) fn refused(&mut self, tag: u32) -> Option<(Asked, bool)> {
        let asked = self.close(tag)?;
        if self.asked.get(&asked.id) == Some(&asked.urgency) {
            self.asked.remove(&asked.id);
        }
        self.gone.insert(asked.id);
        Some((asked, self.readers.remove(&asked.id)))
    }

    fn close(&mut self, tag: u32) -> Option<Asked> {
        let asked = self.open.remove(&tag)?;
        self.open_bytes = self.open_bytes.saturating_sub(asked.len);
        Some(asked)
    }

    /// Drops the contents that wait to be asked for: they are found again, in the order of now.
    pub(super) fn forget_waiting(&mut self) {
        let [_, _, content] = &mut self.waiting;
        for asked in content.drain(..) {
            if self.asked.get(&asked.id) == Some(&Urgency::Content) {
                self.asked.remove(&asked.id);
            }
        }
    }

    /// Ask again for what the peer had not got.
    pub(super) fn forget_gone(&mut self) {
        self.gone.clear();
    }

    pub(super) fn take_readers(&mut self) -> Vec<ObjectId> {
        let mut ids: Vec<_> = self.readers.drain().collect();
        ids.sort_unstable();
        ids
    }

    /// Nothing waits, nothing is claimed and nothing is open.
    pub(super) fn is_empty(&self) -> bool {
        self.open.is_empty() && self.claiming.is_empty() && self.waiting.iter().all(VecDeque::is_empty)
    }

    /// Contents that wait to be asked for.
    pub(super) fn backlog(&self) -> usize {
        self.waiting.iter().map(VecDeque::len).sum()
    }
}
