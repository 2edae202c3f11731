//! How a directory is mounted, and what is agreed with the kernel at the start.

use std::num::NonZeroUsize;

use nix::mount::MsFlags;

use fuser::{Config, InitFlags, KernelConfig, MountOption, SessionACL};

/// The name under which the kernel lists our mounts: `fuse.bosr` from `bosr`.
pub(crate) const NAME: &str = "bosr";

/// Bytes in the largest write request: what the kernel sends without its page limit being raised.
const MAX_WRITE: u32 = 1024 * 1024;

/// Requests of the kernel's own (reading ahead, releases) that may be under way. Its default of 12 would let
/// a dozen parked reads hold back the reading ahead of every other file.
const MAX_BACKGROUND: u16 = 1024;

/// What is asked of the kernel, each if it can.
///
/// - Async read, async direct I/O, parallel directory operations: nothing waits that need not.
/// - Readdirplus where the kernel thinks that attributes will be needed; symbolic links cached.
/// - Explicit invalidation: pages go when they are invalidated, not whenever a size or time differs.
/// - `HANDLE_KILLPRIV_V2`: the filesystem clears set-id bits. Else the kernel asks for an extended
///   attribute (`security.capability`) before every write, and not once a file.
///
/// Not asked for: the writeback cache, with which the kernel owns size and times and writes stale pages over
/// what a peer changed; locks, which the kernel keeps by itself if not asked; automatic invalidation; `O_TRUNC`
/// as part of open, since the kernel would ask for the cut before it finds that the file is being executed.
const WANTED: [InitFlags; 7] = [
    InitFlags::FUSE_ASYNC_READ,
    InitFlags::FUSE_ASYNC_DIO,
    InitFlags::FUSE_PARALLEL_DIROPS,
    InitFlags::FUSE_DO_READDIRPLUS.union(InitFlags::FUSE_READDIRPLUS_AUTO),
    InitFlags::FUSE_CACHE_SYMLINKS,
    InitFlags::FUSE_EXPLICIT_INVAL_DATA,
    InitFlags::FUSE_HANDLE_KILLPRIV_V2,
];

/// How a directory is mounted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MountOptions {
    /// Nothing can be changed through the mount.
    pub read_only: bool,
    /// Other users may use it, as permissions allow; for a mount by a user, `/etc/fuse.conf` must allow it.
    pub allow_other: bool,
    /// The kernel does not keep access times.
    pub no_access_times: bool,
    /// Set-id bits are obeyed; only root can ask for it.
    pub set_id: bool,
    /// Device files are devices; only root can ask for it.
    pub devices: bool,
    /// Programs in it can be run.
    pub execute: bool,
    /// A directory that has entries is mounted over; they are hidden until the mount ends.
    pub over_entries: bool,
    /// The kernel checks permissions; without, the filesystem does
    /// ([`Filesystem`](crate::Filesystem) says what). A check needs the attributes of directories, which the kernel
    /// forgets with each change of a name in them: one more request for whatever is made, renamed or removed. Always so
    /// with `allow_other`, as no request says to which groups its user belongs.
    pub kernel_checks: bool,
    /// Threads that read requests.
    pub threads: NonZeroUsize,
}

impl Default for MountOptions {
    /// For the mounting user alone, no set-id, no devices, an empty directory, checks by the kernel, one thread.
    fn default() -> MountOptions {
        MountOptions {
            read_only: false,
            allow_other: false,
            no_access_times: false,
            set_id: false,
            devices: false,
            execute: true,
            over_entries: false,
            kernel_checks: true,
            threads: NonZeroUsize::MIN,
        }
    }
}

impl MountOptions {
    /// What can be said of each place where a mount is shown.
    pub(crate) fn flags(&self) -> MsFlags {
        let mut flags = MsFlags::empty();
        flags.set(MsFlags::MS_RDONLY, self.read_only);
        flags.set(MsFlags::MS_NOSUID, !self.set_id);
        flags.set(MsFlags::MS_NODEV, !self.devices);
        flags.set(MsFlags::MS_NOEXEC, !self.execute);
        flags.set(MsFlags::MS_NOATIME, self.no_access_times);
        flags
    }

    pub(crate) fn config(&self) -> Config {
        let mut options = vec![
            MountOption::FSName(NAME.to_owned()),
            // As an option of its own: fuser gives its `Subtype` to fusermount3 alone.
            MountOption::CUSTOM(format!("subtype={NAME}")),
            pick(self.read_only, MountOption::RO, MountOption::RW),
            pick(self.set_id, MountOption::Suid, MountOption::NoSuid),
            pick(self.devices, MountOption::Dev, MountOption::NoDev),
            pick(self.execute, MountOption::Exec, MountOption::NoExec),
        ];
        if self.no_access_times {
            options.push(MountOption::NoAtime);
        }
        if self.kernel_checks || self.allow_other {
            options.push(MountOption::DefaultPermissions);
        }
        let mut config = Config::default();
        config.mount_options = options;
        config.acl = pick(self.allow_other, SessionACL::All, SessionACL::Owner);
        config.n_threads = Some(self.threads.get());
        config
    }
}

fn pick<T>(wanted: bool, yes: T, no: T) -> T {
    if wanted { yes } else { no }
}

/// Agrees with the kernel on what both can do.
pub(crate) fn negotiate(kernel: &mut KernelConfig) {
    for flags in WANTED {
        if let Err(missing) = kernel.add_capabilities(flags) {
            tracing::debug!(?missing, "the kernel cannot do this");
        }
    }
    // fuser refuses zero, and writes above 16 MiB; the rest is between it and the kernel.
    let _previous = kernel.set_max_write(MAX_WRITE);
    let _previous = kernel.set_max_background(MAX_BACKGROUND);
    let _previous = kernel.set_congestion_threshold(MAX_BACKGROUND / 4 * 3);
}
