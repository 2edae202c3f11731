//! What the two journal files hold after a crash.
//!
//! Each file gives a chain: the entries from its start that open, follow one another by sequence and link.
//! The older chain comes first; the newer counts if it goes on where the older ends. If it does not, it was
//! written behind entries that did not survive. A file without a head was cleared, and the other counts alone.
//! What is not replayed is overwritten before anything else happens.
#![deny(clippy::indexing_slicing)]

use super::super::disk::{DiskFile, read_exact};
use super::super::position::{JournalSeq, LogPosition};
use super::super::{JournalEntry, StoreError};
use super::layout::{ENTRY_HEADER_LEN, EntryHeader, FRAMES_AT, HEAD_LEN, Head, link_of};
use crate::crypto::{FrameCipher, FramePurpose, Keyring};

/// One entry of a chain.
pub(super) struct Link {
    pub(super) header: EntryHeader,
    pub(super) payload: Vec<u8>,
    /// What the next one's `link` must be.
    pub(super) link: [u8; 8],
    /// Where the next one lies in the file.
    pub(super) end: u64,
}

/// What one file holds.
pub(super) struct Chain {
    /// Which of the two files.
    pub(super) file: usize,
    /// `None`: the file was never used, or its head is damaged.
    pub(super) head: Option<Head>,
    pub(super) links: Vec<Link>,
}

impl Chain {
    /// Reads a file up to the first frame that is not the next.
    pub(super) fn read(index: usize, file: &dyn DiskFile, keyring: &Keyring) -> Result<Self, StoreError> {
        let mut chain = Chain { file: index, head: None, links: Vec::new() };
        let len = file.len()?;
        let mut head = [0; HEAD_LEN];
        if len < FRAMES_AT {
            return Ok(chain);
        }
        read_exact(file, &mut head, 0)?;
        chain.head = Head::decode(&head).filter(|head| head.vault == keyring.vault_id());
        let Some(head) = &chain.head else { return Ok(chain) };
        let epoch = keyring.epoch(&head.epoch)?;
        let cipher = FrameCipher::new(epoch, FramePurpose::Journal, &head.salt)?;
        let mut at = FRAMES_AT;
        while let Some(link) = read_link(file, at, len, &cipher)? {
            let follows = match chain.links.last() {
                Some(before) => {
                    link.header.seq == before.header.seq.next() && link.header.link == before.link
                }
                None => true,
            };
            if !follows || link.header.generation != head.generation {
                break;
            }
            at = link.end;
            chain.links.push(link);
        }
        Ok(chain)
    }

    fn generation(&self) -> u64 {
        self.head.as_ref().map_or(0, |head| head.generation)
    }
}

fn read_link(
    file: &dyn DiskFile,
    at: u64,
    file_len: u64,
    cipher: &FrameCipher,
) -> Result<Option<Link>, StoreError> {
    let body_at = at + ENTRY_HEADER_LEN as u64;
    if body_at > file_len {
        return Ok(None);
    }
    let mut bytes = [0; ENTRY_HEADER_LEN];
    read_exact(file, &mut bytes, at)?;
    let Some(header) = EntryHeader::decode(&bytes) else { return Ok(None) };
    let end = body_at + u64::from(header.sealed_len);
    if end > file_len {
        return Ok(None);
    }
    let mut sealed = vec![0; header.sealed_len as usize];
    read_exact(file, &mut sealed, body_at)?;
    let link = link_of(&sealed);
    match cipher.open(&mut sealed, &bytes) {
        Ok(payload) => Ok(Some(Link { header, payload: payload.to_vec(), link, end })),
        Err(_) => Ok(None),
    }
}

/// Where writing goes on.
pub(super) struct Resume {
    /// The file, its generation and cipher's origin. `None`: nothing was replayed.
    pub(super) file: Option<(usize, Head)>,
    /// For each file, the number of the last entry replayed from it and where that ends.
    pub(super) last: [JournalSeq; 2],
    pub(super) ends: [u64; 2],
    /// The greatest generation there is.
    pub(super) generation: u64,
    pub(super) next: JournalSeq,
    pub(super) retired: JournalSeq,
    pub(super) link: [u8; 8],
}

/// The entries to replay, and where to go on: a prefix of what was appended, none of which needs more of the
/// log than `recovered`.
pub(super) fn replay(mut chains: [Chain; 2], recovered: LogPosition) -> (Vec<JournalEntry>, Resume) {
    chains.sort_by_key(Chain::generation);
    let [older, newer] = chains;
    let last =
        [&older, &newer].into_iter().filter_map(|chain| chain.links.last()).map(|link| link.header.seq);
    let greatest = last.max().unwrap_or_default();
    let mut resume = Resume {
        file: None,
        last: [JournalSeq(0); 2],
        ends: [FRAMES_AT; 2],
        generation: older.generation().max(newer.generation()),
        next: greatest.next(),
        retired: greatest,
        link: [0; 8],
    };
    let mut entries = Vec::new();
    'chains: for chain in order(older, newer) {
        let Some(head) = chain.head else { continue };
        for link in chain.links {
            if link.header.needs > recovered {
                break 'chains;
            }
            resume.take(chain.file, &head, &link);
            entries.push(JournalEntry { seq: link.header.seq, payload: link.payload });
        }
    }
    entries.retain(|entry| entry.seq > resume.retired);
    (entries, resume)
}

impl Resume {
    fn take(&mut self, file: usize, head: &Head, link: &Link) {
        self.file = Some((file, head.clone()));
        if let (Some(last), Some(end)) = (self.last.get_mut(file), self.ends.get_mut(file)) {
            *last = link.header.seq;
            *end = link.end;
        }
        self.next = link.header.seq.next();
        self.retired = link.header.retired;
        self.link = link.link;
    }

    /// Makes what was not replayed unreadable, durably. It must never be replayed later: the log will have grown
    /// past what it needs, with something else.
    pub(super) fn discard_rest(&self, files: [&dyn DiskFile; 2]) -> Result<(), StoreError> {
        for (file, (last, end)) in files.into_iter().zip(self.last.iter().zip(self.ends)) {
            if *last == JournalSeq(0) {
                file.write_at(&[0; HEAD_LEN], 0)?;
            } else if end + ENTRY_HEADER_LEN as u64 <= file.len()? {
                file.write_at(&[0; ENTRY_HEADER_LEN], end)?;
            }
            file.sync()?;
        }
        Ok(())
    }
}

/// The chains that count, in order.
fn order(older: Chain, newer: Chain) -> Vec<Chain> {
    if older.head.is_none() {
        return vec![newer];
    }
    let goes_on = match (older.links.last(), newer.links.first()) {
        (Some(last), Some(first)) => {
            last.header.seq.next() == first.header.seq && last.link == first.header.link
        }
        _ => false,
    };
    if goes_on { vec![older, newer] } else { vec![older] }
}
