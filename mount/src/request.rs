//! Who asks, and with what.

/// The process in whose name a request is made. Requests that the kernel makes by itself (pages written
/// back from a mapping, handles released) carry zeros.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Caller {
    /// Its filesystem user id: the owner of what it creates.
    pub uid: u32,
    /// Its filesystem group id: the group of what it creates, unless the directory sets its own.
    pub gid: u32,
    /// The thread that asks; zero if it lives in another process namespace.
    pub pid: u32,
}

impl Caller {
    /// Whether what this caller writes leaves set-id bits in place. The kernel asks for `CAP_FSETID`, which
    /// a request does not carry; root stands for it.
    #[must_use]
    pub const fn keeps_set_id(&self) -> bool {
        self.uid == 0
    }
}

/// An open file or directory, named by the filesystem when it was opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Handle(pub u64);

/// What mknod makes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NewNode {
    /// Its kind; never a directory or a symbolic link.
    pub kind: crate::FileKind,
    /// Its permissions, the umask already taken off.
    pub permissions: crate::Permissions,
    /// For devices, their number as the kernel encodes it; else zero.
    pub device: u32,
}

/// A stretch of a file to read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Range {
    /// Where it begins, in bytes.
    pub offset: u64,
    /// How long it is, in bytes; at most 1 MiB.
    pub length: u32,
    /// No other request was under way or waiting when this one came: whoever answers it at once, on the thread that
    /// brings it, keeps nobody waiting.
    pub alone: bool,
}

/// A stretch of an open file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Span {
    /// The file.
    pub inode: crate::Inode,
    /// The handle it was opened as.
    pub handle: Handle,
    /// Where the stretch begins, in bytes.
    pub offset: u64,
}

/// What a write request writes. The data is borrowed from the buffer the request was read into: what
/// outlives the call copies it.
#[derive(Clone, Copy, Debug)]
pub struct Write<'a> {
    /// Where to, in bytes. For a file opened to append, its end as the kernel knew it.
    pub offset: u64,
    /// The bytes; at most 1 MiB.
    pub data: &'a [u8],
    /// The file was opened to append.
    pub append: bool,
    /// The kernel wrote back a page of a shared mapping: the handle is some handle of the file that may
    /// write, and the caller is nobody.
    pub from_mapping: bool,
    /// The permissions become [`Permissions::without_set_id`](crate::Permissions::without_set_id).
    pub clear_set_id: bool,
}
