//! Session logs as files beside the log of objects: `sessions/<name>.wal`.
//!
//! A file is a head (magic `bosrSES1` (8), salt (16), epoch id (12)) and frames: length (4, little-endian, of what
//! follows), sealed record. The cipher's key comes from the epoch and the salt; a frame's number (8,
//! little-endian) is its associated data. The first record names peer and log. Reading ends at the first frame
//! that does not open; a log that is to go on is cut there. The file's name is a keyed hash and tells nothing.
//! Which of them are kept is for [`retention`](super::retention) to say.

use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::io;
use std::sync::Arc;

use data_encoding::HEXLOWER;
use parking_lot::Mutex;

use super::retention::{self, Standing};
use super::{LogId, Recalled, Record, Role};
use crate::ambient::{self, Ambient, Entropy};
use crate::crypto::{DevicePublic, EpochId, FrameCipher, FramePurpose, Keyring};
use crate::miror::message::Stage;
use crate::store::disk::{Disk, DiskFile, Open};

const FOLDER: &str = "sessions";
const MAGIC: &[u8; 8] = b"bosrSES1";
const HEAD: u64 = 8 + 16 + EpochId::LEN as u64;
/// Bytes of a frame at most: a page of an offer, twice.
const FRAME: u32 = 256 * 1024;
/// Bytes of a file at most.
const FILE: u64 = 256 << 20;

/// The peer, and the log.
pub(super) type Name = (DevicePublic, LogId);

/// The session logs of a store.
#[derive(Debug)]
pub struct SessionLogs {
    disk: Arc<dyn Disk>,
    ambient: Ambient,
    open: Mutex<BTreeMap<Name, OpenLog>>,
}

struct OpenLog {
    path: String,
    file: Arc<dyn DiskFile>,
    cipher: FrameCipher,
    end: u64,
    frames: u64,
    standing: Standing,
}

impl std::fmt::Debug for OpenLog {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("OpenLog").field("path", &self.path).finish_non_exhaustive()
    }
}

impl SessionLogs {
    /// Those on the disk. What cannot be read, or is not kept any longer, is removed: a log is only a help.
    pub fn open(disk: Arc<dyn Disk>, keyring: &Keyring, ambient: Ambient) -> Self {
        let logs = SessionLogs { disk, ambient, open: Mutex::default() };
        for file in logs.disk.list(FOLDER).unwrap_or_default() {
            let path = format!("{FOLDER}/{file}");
            match logs.adopt(&path, keyring) {
                Ok(Some((name, log))) => drop(logs.open.lock().insert(name, log)),
                Ok(None) | Err(_) => drop(logs.disk.remove(&path)),
            }
        }
        logs.tidy(&mut logs.open.lock());
        logs
    }

    fn adopt(&self, path: &str, keyring: &Keyring) -> io::Result<Option<(Name, OpenLog)>> {
        let file = self.disk.open(path, Open::ReadWrite)?;
        let Some(cipher) = cipher_of(&*file, keyring)? else { return Ok(None) };
        // Of one that does not say, nobody knows how long it has been there: its time begins now.
        let standing = Standing { age: 0, used: self.ambient.clock.wall() };
        let mut log = OpenLog { path: path.to_owned(), file, cipher, end: HEAD, frames: 0, standing };
        let Some((peer, id, age)) = log.next::<(DevicePublic, LogId, u64)>()? else { return Ok(None) };
        log.standing.age = age;
        let records = log.records()?;
        let used = records.iter().rev().find_map(|record| match record {
            Record::Used(at) => Some(*at),
            _ => None,
        });
        // What follows was cut off in the middle of a write, or belongs to nobody.
        log.file.set_len(log.end)?;
        match used {
            Some(at) => log.standing.used = at,
            None => log.use_now(&self.ambient)?,
        }
        Ok(Recalled::replay(records).map(|_| ((peer, id), log)))
    }

    /// The transfers this side receives of a peer, the newest first; where it is not known yet who it is, of all:
    /// the newest of each, then the second of each, so that none crowds out another.
    pub fn resumable(&self, peer: Option<&DevicePublic>) -> Vec<[u8; 32]> {
        let mut open = self.open.lock();
        self.tidy(&mut open);
        let received = open
            .iter()
            .filter(|((from, id), _)| id.role == Role::Receives && peer.is_none_or(|peer| peer == from));
        let mut of_each: BTreeMap<DevicePublic, Vec<_>> = BTreeMap::new();
        for ((from, id), log) in received {
            of_each.entry(*from).or_default().push((Reverse(log.standing.age), id.offer));
        }
        let mut list = Vec::new();
        for mut of_one in of_each.into_values() {
            of_one.sort_unstable();
            list.extend(of_one.into_iter().enumerate().map(|(place, (age, offer))| (place, age, offer)));
        }
        list.sort_unstable();
        list.into_iter().map(|(.., offer)| offer).collect()
    }

    /// A transfer as its log has it, for who goes on with it.
    ///
    /// # Errors
    /// Of the disk.
    pub fn recall(&self, peer: &DevicePublic, id: &LogId) -> io::Result<Option<Recalled>> {
        let mut open = self.open.lock();
        let Some(log) = open.get_mut(&(*peer, *id)) else { return Ok(None) };
        (log.end, log.frames) = (HEAD, 0);
        let records = match log.next::<(DevicePublic, LogId, u64)>()? {
            Some(_) => log.records()?,
            None => Vec::new(),
        };
        let recalled = Recalled::replay(records);
        if recalled.is_some() {
            log.use_now(&self.ambient)?;
        }
        Ok(recalled)
    }

    /// Adds an entry. A log begins with [`Record::Hello`] and ends with [`Stage::All`]; anything else for a log
    /// that is not open is dropped.
    ///
    /// # Errors
    /// Of the disk: that log is given up.
    pub fn append(
        &self,
        peer: &DevicePublic,
        id: &LogId,
        record: &Record,
        keyring: &Keyring,
    ) -> io::Result<()> {
        let mut open = self.open.lock();
        let name = (*peer, *id);
        if let Record::Hello { .. } = record {
            let age = 1 + open.values().map(|log| log.standing.age).max().unwrap_or_default();
            let log = self.begin(&name, age, keyring)?;
            open.insert(name, log);
            self.tidy(&mut open);
        }
        let Some(log) = open.get_mut(&name) else { return Ok(()) };
        let written = match record {
            Record::Complete(Stage::All) => Ok(false),
            record => log.write(record, &*self.ambient.entropy).map(|()| log.end < FILE),
        };
        let written = match record {
            Record::Hello { .. } => written.and_then(|fits| log.use_now(&self.ambient).map(|()| fits)),
            _ => written,
        };
        if !matches!(written, Ok(true)) {
            self.forget(&mut open, &name);
        }
        written.map(drop)
    }

    /// Drops what is not kept any longer.
    fn tidy(&self, open: &mut BTreeMap<Name, OpenLog>) {
        let now = self.ambient.clock.wall();
        let old = open.iter().filter(|(_, log)| retention::is_forgotten(log.standing, now));
        for name in old.map(|(name, _)| *name).collect::<Vec<_>>() {
            self.forget(open, &name);
        }
        for name in retention::surplus(open.iter().map(|(name, log)| (*name, log.standing))) {
            self.forget(open, &name);
        }
    }

    fn forget(&self, open: &mut BTreeMap<Name, OpenLog>, name: &Name) {
        if let Some(log) = open.remove(name) {
            // One that stays is read at the next start, and found to be of no use.
            let _ = self.disk.remove(&log.path);
        }
    }

    fn begin(&self, name: &Name, age: u64, keyring: &Keyring) -> io::Result<OpenLog> {
        let Ambient { clock, entropy } = &self.ambient;
        self.disk.make_dir(FOLDER)?;
        let salt: [u8; 16] = ambient::random(&**entropy);
        let epoch = keyring.current();
        let hash =
            blake3::keyed_hash(&epoch.psk(), &[&name.0.0[..], &[name.1.role as u8], &name.1.offer].concat());
        let short = hash.as_bytes().first_chunk::<16>().copied().unwrap_or_default();
        let path = format!("{FOLDER}/{}.wal", HEXLOWER.encode(&short));
        let file = self.disk.open(&path, Open::Create)?;
        file.write_at(&[&MAGIC[..], &salt, &epoch.id().to_bytes()].concat(), 0)?;
        let cipher = FrameCipher::new(epoch, FramePurpose::Session, &salt).map_err(io::Error::other)?;
        let standing = Standing { age, used: clock.wall() };
        let mut log = OpenLog { path, file, cipher, end: HEAD, frames: 0, standing };
        log.write(&(name.0, name.1, age), &**entropy)?;
        Ok(log)
    }
}

fn cipher_of(file: &dyn DiskFile, keyring: &Keyring) -> io::Result<Option<FrameCipher>> {
    let mut head = [0; HEAD as usize];
    if file.read_at(&mut head, 0)? < head.len() {
        return Ok(None);
    }
    let Some((magic, rest)) = head.split_first_chunk::<8>() else { return Ok(None) };
    let Some((salt, rest)) = rest.split_first_chunk::<16>() else { return Ok(None) };
    let Some(epoch) = rest.first_chunk().map(EpochId::from_bytes) else { return Ok(None) };
    if magic != MAGIC {
        return Ok(None);
    }
    let epoch = keyring.epoch(&epoch).ok();
    let cipher = epoch.map(|epoch| FrameCipher::new(epoch, FramePurpose::Session, salt));
    cipher.transpose().map_err(io::Error::other)
}

impl OpenLog {
    fn write<T: serde::Serialize>(&mut self, record: &T, entropy: &dyn Entropy) -> io::Result<()> {
        let plain = postcard::to_stdvec(record).map_err(io::Error::other)?;
        let mut frame = vec![0; 4];
        let number = self.frames.to_le_bytes();
        self.cipher.seal_into(&mut frame, &plain, &number, entropy).map_err(io::Error::other)?;
        let len = u32::try_from(frame.len() - 4).ok().filter(|len| *len <= FRAME);
        let len = len.ok_or(io::ErrorKind::InvalidInput)?;
        if let Some(prefix) = frame.first_chunk_mut::<4>() {
            *prefix = len.to_le_bytes();
        }
        self.file.write_at(&frame, self.end)?;
        self.end += frame.len() as u64;
        self.frames += 1;
        Ok(())
    }

    /// Notes that somebody begins or goes on with it.
    fn use_now(&mut self, ambient: &Ambient) -> io::Result<()> {
        self.standing.used = ambient.clock.wall();
        self.write(&Record::Used(self.standing.used), &*ambient.entropy)
    }

    /// The records from the end of what was read.
    fn records(&mut self) -> io::Result<Vec<Record>> {
        let mut records = Vec::new();
        while let Some(record) = self.next::<Record>()? {
            records.push(record);
        }
        Ok(records)
    }

    /// The record at the end of what was read; none where nothing whole follows.
    fn next<T: serde::de::DeserializeOwned>(&mut self) -> io::Result<Option<T>> {
        let mut prefix = [0; 4];
        if self.file.read_at(&mut prefix, self.end)? < prefix.len() {
            return Ok(None);
        }
        let len = u32::from_le_bytes(prefix);
        if len > FRAME {
            return Ok(None);
        }
        let mut frame = vec![0; len as usize];
        if self.file.read_at(&mut frame, self.end + 4)? < frame.len() {
            return Ok(None);
        }
        let Ok(plain) = self.cipher.open(&mut frame, &self.frames.to_le_bytes()) else {
            return Ok(None);
        };
        let Ok((record, [])) = postcard::take_from_bytes(&*plain) else { return Ok(None) };
        self.end += 4 + u64::from(len);
        self.frames += 1;
        Ok(Some(record))
    }
}
