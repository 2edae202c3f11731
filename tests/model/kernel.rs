//! Steps as programs make them, on a real mount.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File};
use std::io;
use std::os::unix::fs::{DirBuilderExt, FileExt, MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::PathBuf;
use std::sync::Arc;

use bosr::fs::MountedVault;
use bosr_mount::{Mount, MountOptions};
use nix::errno::Errno;
use nix::fcntl::{AtFlags, FallocateFlags, RenameFlags};
use nix::sys::stat::UtimensatFlags;
use nix::sys::time::TimeSpec;
use nix::unistd::Whence;

use super::World;
use super::posix::{Answer, Seen, What, nowhere};
use super::replica::Replica;
use super::step::{How, NAMES, Path, SLOTS, Space, Step, bytes};
use super::support::sys::{self, Mapping};
use super::support::{needs_root_and_fuse, until};

type Result<T> = std::result::Result<T, Errno>;

/// A vault that is mounted.
pub(crate) struct Kernel {
    open: [Option<File>; SLOTS],
    mounted: Option<(Arc<MountedVault>, Mount)>,
    replica: Replica,
    folder: tempfile::TempDir,
}

fn errno(error: io::Error) -> Errno {
    Errno::from_raw(error.raw_os_error().expect("an error of the system"))
}

impl World for Kernel {
    fn new() -> Kernel {
        needs_root_and_fuse();
        let folder = tempfile::Builder::new().prefix("bosr-model-").tempdir().unwrap();
        let mut kernel = Kernel { open: Default::default(), mounted: None, replica: Replica::new(), folder };
        kernel.mount();
        kernel
    }

    fn step(&mut self, step: &Step) -> Result<Answer> {
        let done = |result: Result<()>| result.map(|()| Answer::Done);
        match step {
            Step::Read { slot, at, length } => {
                let mut data = vec![0; *length];
                let mut filled = 0;
                while filled < data.len() {
                    let read =
                        self.file(*slot)?.read_at(&mut data[filled..], at + filled as u64).map_err(errno)?;
                    if read == 0 {
                        break;
                    }
                    filled += read;
                }
                data.truncate(filled);
                Ok(Answer::Bytes(data))
            }
            Step::Copy { from, to, from_at, to_at, length } => {
                let (from, to) = (self.file(*from)?, self.file(*to)?);
                sys::copy_range(from, *from_at, to, *to_at, *length).map(Answer::Copied)
            }
            Step::Seek { slot, at, hole } => {
                let whence = if *hole { Whence::SeekHole } else { Whence::SeekData };
                Ok(Answer::Found(nix::unistd::lseek(self.file(*slot)?, *at as i64, whence)? as u64))
            }
            Step::Write { .. }
            | Step::Map { .. }
            | Step::Resize { .. }
            | Step::Cut { .. }
            | Step::Allocate { .. }
            | Step::Sync { .. } => done(self.write(step)),
            Step::Create { .. } | Step::Open { .. } | Step::Close { .. } => done(self.opening(step)),
            Step::Commit => {
                self.replica.commit();
                Ok(Answer::Done)
            }
            Step::Remount => {
                self.open = Default::default();
                self.unmount();
                self.mount();
                Ok(Answer::Done)
            }
            Step::Peer(elsewhere) => {
                self.replica.elsewhere(elsewhere);
                Ok(Answer::Done)
            }
            Step::Mode { .. } | Step::Time { .. } | Step::SetXattr { .. } | Step::RemoveXattr { .. } => {
                done(self.attribute(step))
            }
            _ => done(self.name(step)),
        }
    }

    /// What is listed and what is found by its name: a name that is found counts though it is listed no more.
    fn seen(&mut self) -> BTreeMap<String, Seen> {
        let root = self.root();
        let mut seen = BTreeMap::new();
        let mut todo = vec![(root, String::new())];
        while let Some((dir, above)) = todo.pop() {
            // What a peer removed may still be found for a moment.
            let Ok(listed) = fs::read_dir(&dir) else { continue };
            let listed = listed.map(|entry| entry.unwrap().file_name().into_string().unwrap());
            let names: BTreeSet<String> = listed.chain(NAMES.map(String::from)).collect();
            for name in names {
                let file = dir.join(&name);
                let path = if above.is_empty() { name } else { format!("{above}/{name}") };
                let Ok(metadata) = fs::symlink_metadata(&file) else { continue };
                seen.insert(path.clone(), describe(&file, &metadata));
                if metadata.is_dir() {
                    todo.push((file, path));
                }
            }
        }
        seen
    }

    fn content(&mut self, path: &str) -> Vec<u8> {
        fs::read(self.root().join(path)).unwrap_or_default()
    }

    fn opened_content(&mut self, slot: usize) -> Vec<u8> {
        let file = self.file(slot).unwrap();
        let mut content = vec![0; file.metadata().unwrap().len() as usize];
        file.read_exact_at(&mut content, 0).unwrap();
        content
    }

    /// Peers' changes reach the kernel a moment after they are merged.
    fn settle(&mut self, same: &mut dyn FnMut(&mut Self) -> bool) {
        until("the kernel sees what a peer did", std::time::Duration::from_secs(20), || same(self));
    }
}

fn describe(file: &std::path::Path, metadata: &fs::Metadata) -> Seen {
    let what = if metadata.is_dir() {
        What::Directory
    } else if metadata.is_symlink() {
        What::Symlink(fs::read_link(file).unwrap().into_os_string().into_string().unwrap())
    } else {
        What::File(metadata.len())
    };
    let names = sys::xattrs(file).unwrap_or_default();
    let xattrs = names.into_iter().map(|name| {
        let length = sys::xattr(file, &name).map_or(0, |value| value.len());
        (name, length)
    });
    let mode = metadata.permissions().mode() & 0o7777;
    Seen { what, mode, links: metadata.nlink(), modified: Some(metadata.mtime()), xattrs: xattrs.collect() }
}

impl Kernel {
    fn root(&self) -> PathBuf {
        self.folder.path().join("mnt")
    }

    fn path(&self, path: &Path) -> PathBuf {
        path.iter().fold(self.root(), |above, name| above.join(name))
    }

    fn mount(&mut self) {
        fs::create_dir_all(self.root()).unwrap();
        let filesystem = self.replica.filesystem();
        let mount = Mount::start(Arc::clone(&filesystem), &self.root(), &MountOptions::default()).unwrap();
        filesystem.tell(mount.invalidator()).unwrap();
        self.mounted = Some((filesystem, mount));
    }

    fn unmount(&mut self) {
        let Some((filesystem, mount)) = self.mounted.take() else { return };
        mount.unmount().unwrap();
        filesystem.close().unwrap();
    }

    fn file(&self, slot: usize) -> Result<&File> {
        self.open[slot].as_ref().ok_or(Errno::EBADF)
    }

    fn opening(&mut self, step: &Step) -> Result<()> {
        let mut options = File::options();
        // As the kernel has it for who does not follow links.
        options.read(true).write(true).custom_flags(libc::O_NOFOLLOW).mode(0o644);
        match step {
            Step::Create { slot, path, exclusive } => {
                let flags = if *exclusive { libc::O_EXCL } else { 0 };
                options.custom_flags(libc::O_NOFOLLOW | libc::O_CREAT | flags);
                self.open[*slot] = Some(options.open(self.path(path)).map_err(errno)?);
            }
            Step::Open { slot, path, truncate } => {
                options.truncate(*truncate);
                self.open[*slot] = Some(options.open(self.path(path)).map_err(errno)?);
            }
            Step::Close { slot } => self.open[*slot] = None,
            _ => return Err(Errno::EINVAL),
        }
        Ok(())
    }

    fn write(&self, step: &Step) -> Result<()> {
        match step {
            Step::Write { slot, at, length, seed } => {
                self.file(*slot)?.write_all_at(&bytes(*seed, *at, *length), *at).map_err(errno)
            }
            Step::Map { slot, at, length, seed } => {
                let file = self.file(*slot)?;
                let size = file.metadata().map_err(errno)?.len();
                let length = (*length).min(size.saturating_sub(*at) as usize);
                Mapping::new(file, size as usize, true).write(*at as usize, &bytes(*seed, *at, length));
                Ok(())
            }
            Step::Resize { slot, size } => self.file(*slot)?.set_len(*size).map_err(errno),
            Step::Cut { path, size } => nix::unistd::truncate(&self.path(path), *size as i64),
            Step::Allocate { slot, at, length, space } => {
                let flags = match space {
                    Space::Reserve => FallocateFlags::empty(),
                    Space::ReserveWithin => FallocateFlags::FALLOC_FL_KEEP_SIZE,
                    Space::Punch => {
                        FallocateFlags::FALLOC_FL_PUNCH_HOLE | FallocateFlags::FALLOC_FL_KEEP_SIZE
                    }
                    Space::Zero => FallocateFlags::FALLOC_FL_ZERO_RANGE,
                };
                nix::fcntl::fallocate(self.file(*slot)?, flags, *at as i64, *length as i64)
            }
            Step::Sync { slot } => self.file(*slot)?.sync_all().map_err(errno),
            _ => Err(Errno::EINVAL),
        }
    }

    fn name(&self, step: &Step) -> Result<()> {
        match step {
            Step::Directory { path } => {
                fs::DirBuilder::new().mode(0o755).create(self.path(path)).map_err(errno)
            }
            Step::Symlink { path, target } => {
                std::os::unix::fs::symlink(nowhere(target), self.path(path)).map_err(errno)
            }
            Step::Remove { path } => nix::unistd::unlink(&self.path(path)),
            Step::RemoveDirectory { path } => fs::remove_dir(self.path(path)).map_err(errno),
            Step::Rename { from, to, how } => {
                let flags = match how {
                    How::Replace => RenameFlags::empty(),
                    How::NoReplace => RenameFlags::RENAME_NOREPLACE,
                    How::Exchange => RenameFlags::RENAME_EXCHANGE,
                };
                let here = nix::fcntl::AT_FDCWD;
                nix::fcntl::renameat2(here, &self.path(from), here, &self.path(to), flags)
            }
            Step::Link { from, to } => {
                let here = nix::fcntl::AT_FDCWD;
                nix::unistd::linkat(here, &self.path(from), here, &self.path(to), AtFlags::empty())
            }
            _ => Err(Errno::EINVAL),
        }
    }

    fn attribute(&self, step: &Step) -> Result<()> {
        match step {
            Step::Mode { path, mode } => {
                fs::set_permissions(self.path(path), fs::Permissions::from_mode(*mode)).map_err(errno)
            }
            Step::Time { path, seconds } => {
                let (accessed, modified) = (TimeSpec::UTIME_OMIT, TimeSpec::new(*seconds, 0));
                let here = nix::fcntl::AT_FDCWD;
                let how = UtimensatFlags::NoFollowSymlink;
                nix::sys::stat::utimensat(here, &self.path(path), &accessed, &modified, how)
            }
            Step::SetXattr { path, name, length } => {
                sys::set_xattr(&self.path(path), &format!("user.{name}"), &bytes(*name, 0, *length))
            }
            Step::RemoveXattr { path, name } => sys::remove_xattr(&self.path(path), &format!("user.{name}")),
            _ => Err(Errno::EINVAL),
        }
    }
}

impl Drop for Kernel {
    fn drop(&mut self) {
        self.open = Default::default();
        if let Some((filesystem, mount)) = self.mounted.take() {
            let _ = mount.unmount().or_else(|_| mount.detach().map(|()| mount.wait()));
            let _ = filesystem.close();
        }
    }
}
