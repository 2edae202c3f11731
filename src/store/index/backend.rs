//! The index file: what redb writes, sealed block by block.
//!
//! | bytes | what |
//! |---|---|
//! | 4096 | the file's head: magic, vault, epoch, wrapped key, CRC-32; the rest zeros |
//! | 4096 | redb's block 0 as it is: page numbers and checksums, which redb rewrites a few bytes at a time |
//! | 4124 each | redb's blocks 1, 2, …: nonce, ciphertext, tag; all zeros for a block never written |
//!
//! A block that does not open makes the read fail with [`io::ErrorKind::InvalidData`], and the owner of the
//! index makes the file anew.
#![deny(clippy::indexing_slicing)]

use std::fmt;
use std::io;
use std::sync::Arc;

use redb::StorageBackend;

use super::super::bytes::{Fields, checked_header, checksum_fits};
use super::super::disk::{Disk, DiskFile, Open, read_exact};
use crate::ambient::Entropy;
use crate::crypto::{BLOCK_LEN, BlockCipher, EpochId, Keyring, STORED_BLOCK_LEN, VaultId};

/// Where the index lies.
pub(super) const INDEX_PATH: &str = "index.redb";

const MAGIC: [u8; 8] = *b"bosridx1";
const HEAD_LEN: usize = 8 + 16 + EpochId::LEN + 40 + 4;
const BLOCK: u64 = BLOCK_LEN as u64;
const STORED: u64 = STORED_BLOCK_LEN as u64;
/// Where redb's block 0 lies, and where block 1.
const PLAIN_AT: u64 = BLOCK;
const SEALED_AT: u64 = 2 * BLOCK;

/// redb's storage over an encrypted file.
pub(super) struct SealedFile {
    file: Arc<dyn DiskFile>,
    cipher: BlockCipher,
    entropy: Arc<dyn Entropy>,
}

impl fmt::Debug for SealedFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SealedFile").field("file", &self.file).finish_non_exhaustive()
    }
}

fn damaged() -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, "a block of the index does not open")
}

impl SealedFile {
    /// Makes an empty file with a key of its own.
    pub(super) fn create(disk: &dyn Disk, keyring: &Keyring, entropy: Arc<dyn Entropy>) -> io::Result<Self> {
        let file = disk.open(INDEX_PATH, Open::Create)?;
        let epoch = keyring.current();
        let (cipher, wrapped) = BlockCipher::generate(epoch, entropy.as_ref()).map_err(io::Error::other)?;
        let head: [u8; HEAD_LEN] =
            checked_header(&[&MAGIC, &keyring.vault_id().0, &epoch.id().to_bytes(), &wrapped]);
        let mut block = head.to_vec();
        block.resize(BLOCK_LEN, 0);
        file.write_at(&block, 0)?;
        disk.sync_dir("")?;
        Ok(SealedFile { file, cipher, entropy })
    }

    /// Opens the file there is.
    pub(super) fn open(disk: &dyn Disk, keyring: &Keyring, entropy: Arc<dyn Entropy>) -> io::Result<Self> {
        let file = disk.open(INDEX_PATH, Open::ReadWrite)?;
        let mut head = [0; HEAD_LEN];
        read_exact(file.as_ref(), &mut head, 0)?;
        let mut fields = Fields(&head);
        if fields.array() != MAGIC || !checksum_fits(&head) || VaultId(fields.array()) != keyring.vault_id() {
            return Err(damaged());
        }
        let epoch = EpochId::from_bytes(&fields.array());
        let cipher = keyring
            .epoch(&epoch)
            .and_then(|epoch| BlockCipher::unwrap(epoch, &fields.array()))
            .map_err(|_| damaged())?;
        Ok(SealedFile { file, cipher, entropy })
    }

    /// The plaintext of blocks `first..` that fill `out`, whose length is a multiple of the block's.
    fn read_blocks(&self, first: u64, out: &mut [u8]) -> io::Result<()> {
        let (plain, sealed) = out.split_at_mut(if first == 0 { BLOCK_LEN.min(out.len()) } else { 0 });
        read_exact(self.file.as_ref(), plain, PLAIN_AT)?;
        let count = sealed.len() / BLOCK_LEN;
        let first = first.max(1);
        let mut stored = vec![0; count * STORED_BLOCK_LEN];
        read_exact(self.file.as_ref(), &mut stored, SEALED_AT + (first - 1) * STORED)?;
        let (stored, _) = stored.as_chunks_mut::<STORED_BLOCK_LEN>();
        let (sealed, _) = sealed.as_chunks_mut::<BLOCK_LEN>();
        for ((number, stored), out) in (first..).zip(stored).zip(sealed) {
            if stored.iter().all(|byte| *byte == 0) {
                out.fill(0);
            } else {
                *out = *self.cipher.open_block(number, stored).map_err(|_| damaged())?;
            }
        }
        Ok(())
    }

    fn write_blocks(&self, first: u64, data: &[u8]) -> io::Result<()> {
        let (plain, data) = data.split_at(if first == 0 { BLOCK_LEN.min(data.len()) } else { 0 });
        if !plain.is_empty() {
            self.file.write_at(plain, PLAIN_AT)?;
        }
        let (blocks, _) = data.as_chunks::<BLOCK_LEN>();
        if blocks.is_empty() {
            return Ok(());
        }
        let first = first.max(1);
        let mut stored = vec![0; blocks.len() * STORED_BLOCK_LEN];
        let (chunks, _) = stored.as_chunks_mut::<STORED_BLOCK_LEN>();
        for ((number, block), stored) in (first..).zip(blocks).zip(chunks) {
            let sealed = self.cipher.seal_block(number, block, stored, self.entropy.as_ref());
            sealed.map_err(|_| damaged())?;
        }
        self.file.write_at(&stored, SEALED_AT + (first - 1) * STORED)
    }
}

/// The blocks that hold some bytes, and where the bytes lie in them.
struct Span {
    first: u64,
    len: usize,
    within: std::ops::Range<usize>,
}

impl Span {
    fn new(offset: u64, len: usize) -> Self {
        let start = (offset % BLOCK) as usize;
        let whole = (start + len).next_multiple_of(BLOCK_LEN);
        Span { first: offset / BLOCK, len: whole, within: start..start + len }
    }

    fn is_whole(&self) -> bool {
        self.within.len() == self.len
    }
}

fn outside() -> io::Error {
    io::ErrorKind::UnexpectedEof.into()
}

impl StorageBackend for SealedFile {
    fn len(&self) -> io::Result<u64> {
        let stored = self.file.len()?;
        Ok(match stored.checked_sub(SEALED_AT) {
            Some(sealed) => BLOCK + sealed / STORED * BLOCK,
            None => stored.saturating_sub(PLAIN_AT),
        })
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        let span = Span::new(offset, out.len());
        if span.is_whole() {
            return self.read_blocks(span.first, out);
        }
        let mut blocks = vec![0; span.len];
        self.read_blocks(span.first, &mut blocks)?;
        out.copy_from_slice(blocks.get(span.within).ok_or_else(outside)?);
        Ok(())
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        if !len.is_multiple_of(BLOCK) {
            return Err(io::ErrorKind::InvalidInput.into());
        }
        match (len / BLOCK).checked_sub(1) {
            Some(sealed) => self.file.set_len(SEALED_AT + sealed * STORED),
            None => self.file.set_len(PLAIN_AT),
        }
    }

    fn sync_data(&self) -> io::Result<()> {
        self.file.sync()
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        let span = Span::new(offset, data.len());
        if span.is_whole() {
            return self.write_blocks(span.first, data);
        }
        if span.first == 0 && span.len == BLOCK_LEN {
            // Not sealed: only what changes, since redb counts on a small write here being whole or not at all.
            return self.file.write_at(data, PLAIN_AT + offset);
        }
        let mut blocks = vec![0; span.len];
        self.read_blocks(span.first, &mut blocks)?;
        blocks.get_mut(span.within).ok_or_else(outside)?.copy_from_slice(data);
        self.write_blocks(span.first, &blocks)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::ambient::Ambient;
    use crate::store::disk::fault::FaultDisk;

    fn sealed_file() -> (FaultDisk, Keyring, SealedFile) {
        let disk = FaultDisk::new();
        let entropy = Ambient::host().entropy;
        let keyring = Keyring::generate(entropy.as_ref());
        let file = SealedFile::create(&disk, &keyring, entropy).unwrap();
        (disk, keyring, file)
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]
        #[test]
        fn it_is_a_plain_file_to_redb(
            writes in prop::collection::vec((0..60_000usize, 1..9000usize, any::<u8>()), 1..12),
        ) {
            let (_, _, file) = sealed_file();
            file.set_len(65_536 + 4096).unwrap();
            let mut model = vec![0; 65_536 + 4096];
            for (at, len, byte) in writes {
                model[at..at + len].fill(byte);
                file.write(at as u64, &vec![byte; len]).unwrap();
            }
            prop_assert_eq!(StorageBackend::len(&file).unwrap(), model.len() as u64);
            let mut all = vec![1; model.len()];
            file.read(0, &mut all).unwrap();
            prop_assert_eq!(&all, &model);
            let mut part = vec![1; 5000];
            file.read(4000, &mut part).unwrap();
            prop_assert_eq!(&part[..], &model[4000..9000]);
        }
    }

    #[test]
    fn nothing_but_block_0_is_in_the_clear() {
        let (disk, keyring, file) = sealed_file();
        file.set_len(5 * BLOCK).unwrap();
        file.write(BLOCK, &b"marker".repeat(2048)).unwrap();
        let bytes = disk.bytes(INDEX_PATH).unwrap();
        assert!(!bytes.windows(6).any(|window| window == b"marker"));
        let again = SealedFile::open(&disk, &keyring, Ambient::host().entropy).unwrap();
        let mut out = [0; 6];
        again.read(2 * BLOCK - 2, &mut out).unwrap();
        assert_eq!(out, b"marker".repeat(2048)[4094..4100]);
    }

    #[test]
    fn a_changed_bit_or_a_moved_block_does_not_open() {
        let (disk, keyring, file) = sealed_file();
        file.set_len(5 * BLOCK).unwrap();
        file.write(BLOCK, &[7; 2 * BLOCK_LEN]).unwrap();
        let mut out = vec![0; BLOCK_LEN];
        for offset in [0, 20, STORED as usize - 1] {
            disk.tamper(INDEX_PATH, |bytes| bytes[SEALED_AT as usize + offset] ^= 1);
            assert_eq!(file.read(BLOCK, &mut out).unwrap_err().kind(), io::ErrorKind::InvalidData);
            disk.tamper(INDEX_PATH, |bytes| bytes[SEALED_AT as usize + offset] ^= 1);
        }
        file.read(BLOCK, &mut out).unwrap();
        disk.tamper(INDEX_PATH, |bytes| {
            let (from, len) = (SEALED_AT as usize, STORED as usize);
            bytes.copy_within(from..from + len, from + len);
        });
        assert_eq!(file.read(2 * BLOCK, &mut out).unwrap_err().kind(), io::ErrorKind::InvalidData);
        disk.tamper(INDEX_PATH, |bytes| bytes[30] ^= 1);
        assert!(SealedFile::open(&disk, &keyring, Ambient::host().entropy).is_err());
    }
}
