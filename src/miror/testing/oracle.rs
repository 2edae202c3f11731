//! What must be true in the end, kept from the writes alone.

use std::collections::BTreeMap;

use super::replica::MemoryReplica;

/// The versions that nobody replaced who had seen them, with their bytes.
#[derive(Debug, Default)]
pub struct Oracle {
    alive: BTreeMap<(u32, (u64, u8)), Vec<u8>>,
    written: BTreeMap<(u32, (u64, u8)), Vec<u8>>,
}

impl Oracle {
    pub(super) fn wrote(&mut self, key: u32, stamp: (u64, u8), replaced: &[(u64, u8)], bytes: Vec<u8>) {
        for old in replaced {
            self.alive.remove(&(key, *old));
        }
        self.alive.insert((key, stamp), bytes.clone());
        self.written.insert((key, stamp), bytes);
    }

    /// Safety: every byte a replica shows is one that was written there.
    pub(super) fn check_bytes(&self, replica: &MemoryReplica) -> Result<(), String> {
        for (version, bytes) in replica.contents() {
            if let Some(bytes) = bytes
                && self.written.get(&version) != Some(&bytes)
            {
                return Err(format!("wrong bytes for {version:?}"));
            }
        }
        Ok(())
    }

    /// Liveness: the replica has exactly the surviving versions, whole.
    pub(super) fn check_whole(&self, replica: &MemoryReplica) -> Result<(), String> {
        let shown = replica.contents();
        if shown.len() != self.alive.len() {
            return Err(format!("{} versions instead of {}", shown.len(), self.alive.len()));
        }
        for (version, bytes) in shown {
            if bytes.is_none() || bytes.as_ref() != self.alive.get(&version) {
                return Err(format!("version {version:?} lost or incomplete"));
            }
        }
        Ok(())
    }
}
