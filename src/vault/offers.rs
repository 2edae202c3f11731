//! What peers may be told, and what is remembered of them.
//!
//! A state is offered only when it is durable, with the highest own lamport in it durably recorded as
//! offered: whoever knows more of this replica than that has met another life of it (`lives`).

use super::commit::CommitId;
use super::error::Result;
use super::records;
use super::vault::{Head, Vault};
use crate::crypto::DevicePublic;

impl Vault {
    /// The state that may be told to peers now: the head, after everything that must be durable is. What was
    /// made here up to it is no longer private.
    ///
    /// # Errors
    /// Of the disk: nothing may be told then.
    pub fn offer(&self) -> Result<Head> {
        let head = self.head();
        let own = head.context.lamport(&self.replica());
        {
            let mut offered = self.offered.lock();
            if own > *offered {
                let position = self.store.set_local(vec![records::offered(own)])?;
                self.store.sync_log(position)?;
                *offered = own;
            }
        }
        self.state.write().tree.mark_offered(&head.context);
        Ok(head)
    }

    /// The last state of `device` that was merged here, by its commit: what both certainly have.
    ///
    /// # Errors
    /// A damaged record.
    pub fn merged_from(&self, device: &DevicePublic) -> Result<Option<CommitId>> {
        let record = self.store.local(&records::merged_key(device));
        record.map(|bytes| records::commit_id(&bytes)).transpose()
    }

    /// Every device with the last state of it that was merged here.
    ///
    /// # Errors
    /// A damaged record.
    pub fn merged_states(&self) -> Result<Vec<(DevicePublic, CommitId)>> {
        let records = self.store.locals(records::merged_prefix());
        let known = records.iter().filter_map(|(key, value)| Some((records::merged_device(key)?, value)));
        known.map(|(device, value)| Ok((device, records::commit_id(value)?))).collect()
    }
}
