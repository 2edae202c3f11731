//! Device records: added when a device joins, changed when it is renamed, lives again, or is revoked.

use super::super::contents::Content;
use super::super::error::{Result, VaultError};
use super::super::view::Group;
use super::super::{Data, DeviceRecord, Kind, Name, NodeChange, NodeId, Tree};
use super::write::plain_attr;
use super::{Draw, Outcome};

impl Tree {
    /// Adds the record of a new device.
    ///
    /// # Errors
    /// Of the committed state and the index.
    pub fn add_device(&mut self, record: &DeviceRecord, draw: Draw<'_>) -> Result<Outcome<NodeId>> {
        let hex: String = record.public.iter().map(|byte| format!("{byte:02x}")).collect();
        let name = Name::new(hex).map_err(|_| VaultError::Inconsistent("a key in hex is a name"))?;
        self.operate(draw, |edit| {
            let devices = Group::alone(NodeId::DEVICES);
            edit.make(&devices, &name, Kind::File, plain_attr(), Some(record.to_data()))
        })
    }

    /// Replaces what is said of a device.
    ///
    /// # Errors
    /// `NotFound` if `id` is no device.
    pub fn change_device(
        &mut self,
        id: &NodeId,
        record: &DeviceRecord,
        draw: Draw<'_>,
    ) -> Result<Outcome<()>> {
        self.operate(draw, |edit| {
            let node = edit.node(id)?;
            DeviceRecord::of_node(&node).ok_or(VaultError::NotFound)?;
            let mut step = NodeChange::none(node.kind);
            node.data.stamps().for_each(|stamp| step.data.remove(stamp));
            let stamp = edit.stamp();
            step.data.add(stamp, record.to_data());
            edit.change(*id, node.kind, step)
        })
    }

    /// The device records, by node.
    pub fn devices(&self) -> impl Iterator<Item = (&NodeId, &DeviceRecord)> {
        self.view.marks().devices.iter()
    }
}

impl Data {
    /// Data of a file that is held in its node.
    pub fn inline(bytes: impl Into<Vec<u8>>) -> Data {
        let bytes: Vec<u8> = bytes.into();
        Data::Content(if bytes.is_empty() { Content::Empty } else { Content::Inline(bytes) })
    }
}
