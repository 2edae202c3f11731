//! What a file is: inode numbers, kinds, permissions, times, and the attributes made of them.

use std::time::Duration;

/// An inode number: how the kernel names a file to us, from the lookup that returned it until it is
/// forgotten. Zero is no inode.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Inode(pub u64);

impl Inode {
    /// The root of the mount, which is never looked up and never forgotten.
    pub const ROOT: Inode = Inode(1);
}

/// The kind of a file: the type bits of its mode.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum FileKind {
    /// A regular file.
    File,
    /// A directory.
    Directory,
    /// A symbolic link.
    Symlink,
    /// A named pipe.
    Fifo,
    /// A Unix domain socket.
    Socket,
    /// A character device.
    CharacterDevice,
    /// A block device.
    BlockDevice,
}

/// The low twelve bits of a mode: read, write and execute for three classes, set-user-id, set-group-id
/// and sticky.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Permissions(u16);

impl Permissions {
    const SET_USER_ID: u16 = 0o4000;
    const SET_GROUP_ID: u16 = 0o2000;
    const GROUP_EXECUTE: u16 = 0o0010;

    /// The permissions in `mode`; its type bits are ignored.
    #[must_use]
    pub const fn from_mode(mode: u32) -> Permissions {
        Permissions((mode & 0o7777) as u16)
    }

    /// The twelve bits.
    #[must_use]
    pub const fn bits(self) -> u16 {
        self.0
    }

    /// Whether the set-group-id bit is there. A file made in such a directory takes the directory's group,
    /// a directory made in it also its bit; the kernel leaves both to the filesystem.
    #[must_use]
    pub const fn sets_group_id(self) -> bool {
        self.0 & Self::SET_GROUP_ID != 0
    }

    /// What remains after someone without privilege changed the content or the owner of a file: no
    /// set-user-id, and no set-group-id where the group may execute (without that it once meant mandatory
    /// locking, and the kernel leaves it alone).
    #[must_use]
    pub const fn without_set_id(self) -> Permissions {
        let mut bits = self.0 & !Self::SET_USER_ID;
        if bits & Self::GROUP_EXECUTE != 0 {
            bits &= !Self::SET_GROUP_ID;
        }
        Permissions(bits)
    }
}

/// A moment as the kernel counts it: seconds since 1970, which may be negative, and nanoseconds into that
/// second.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Timestamp {
    /// Seconds since 1970-01-01 UTC, rounded down.
    pub seconds: i64,
    /// Nanoseconds after that, below 1,000,000,000.
    pub nanoseconds: u32,
}

/// What `stat` shows of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Attributes {
    /// Its inode number.
    pub inode: Inode,
    /// Its kind, which never changes for an inode.
    pub kind: FileKind,
    /// Its permissions.
    pub permissions: Permissions,
    /// How many names it has.
    pub links: u32,
    /// Its owner.
    pub uid: u32,
    /// Its group.
    pub gid: u32,
    /// For devices, the device number as the kernel encodes it; else zero.
    pub device: u32,
    /// Length in bytes.
    pub size: u64,
    /// Space taken, in blocks of 512 bytes.
    pub blocks: u64,
    /// Last read.
    pub accessed: Timestamp,
    /// Last change of the content.
    pub modified: Timestamp,
    /// Last change of the content or of an attribute.
    pub changed: Timestamp,
}

/// A file as the kernel may remember it: its attributes, and for how long they and the name that led to
/// them hold without asking again. Changes that come from elsewhere are to be invalidated, so a long
/// lifetime is safe.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Entry {
    /// The attributes, with the inode number.
    pub attributes: Attributes,
    /// How long the kernel may use name and attributes without asking.
    pub lifetime: Duration,
}

/// A time to be set by `utimensat`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SetTime {
    /// The time at which the request is carried out.
    Now,
    /// The time given.
    At(Timestamp),
}

/// What a setattr request changes; `None` leaves a value as it is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SetAttributes {
    /// New permissions.
    pub permissions: Option<Permissions>,
    /// New owner.
    pub uid: Option<u32>,
    /// New group.
    pub gid: Option<u32>,
    /// New length in bytes.
    pub size: Option<u64>,
    /// New access time.
    pub accessed: Option<SetTime>,
    /// New modification time.
    pub modified: Option<SetTime>,
    /// New change time; Linux sends it only with a writeback cache, which stays off.
    pub changed: Option<Timestamp>,
    /// The request changes the content or the owner in the name of someone who may not keep set-id bits:
    /// unless it is a directory, its permissions become [`Permissions::without_set_id`].
    pub clear_set_id: bool,
}

/// What `statfs` shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Statistics {
    /// Bytes in a block; the unit of the next three.
    pub block_size: u32,
    /// Blocks there are.
    pub blocks: u64,
    /// Blocks that are free.
    pub blocks_free: u64,
    /// Blocks that are free to users without privilege.
    pub blocks_available: u64,
    /// Files there are and could be.
    pub files: u64,
    /// Files that could still be made.
    pub files_free: u64,
    /// The longest name, in bytes.
    pub name_length: u32,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn set_id_bits_go_as_the_kernel_lets_them_go() {
        let left = |mode| Permissions::from_mode(mode).without_set_id().bits();
        assert_eq!(left(0o4755), 0o755);
        assert_eq!(left(0o2755), 0o755);
        assert_eq!(left(0o6775), 0o775);
        assert_eq!(left(0o2745), 0o2745, "set-group-id without group execute stays");
        assert_eq!(left(0o1777), 0o1777, "sticky stays");
    }

    #[test]
    fn type_bits_are_no_permissions() {
        assert_eq!(Permissions::from_mode(0o100_644).bits(), 0o644);
    }
}
