//! What a person can do about an error.

use crate::daemon::error::{DaemonError, MountTrouble};

/// One clause, to stand behind the error on its line.
pub(super) fn for_error(error: &DaemonError) -> Option<String> {
    let advice = match error {
        DaemonError::NotInitialised { .. } => "make one with `bosr init`, or `bosr join` with a ticket",
        DaemonError::AlreadyInitialised { .. } => "use it, or give another name with --vault",
        DaemonError::InUse { .. } => "wait for it, or end that process",
        DaemonError::OwnerGone { .. } | DaemonError::Broken { .. } => "run the command again",
        DaemonError::WrongKey { .. } => "check the passphrase or the key file",
        DaemonError::NoKey { .. } => "give --passphrase-file, --passphrase-command or --key-file",
        DaemonError::Key { .. } => "check what unlocks the vault",
        DaemonError::Damaged { .. } => "run `bosr fsck`, or restore a copy",
        DaemonError::NoSuchPath { .. } => "see what is there with `bosr ls`",
        DaemonError::IsDirectory { .. } | DaemonError::NotFile { .. } => "name a file",
        DaemonError::NotDirectory { .. } => "name a directory",
        DaemonError::NotThen { .. } | DaemonError::UnknownCommit { .. } | DaemonError::BeforeHistory => {
            "see `bosr log`"
        }
        DaemonError::NoMerge { .. } => "see the merges in `bosr log`",
        DaemonError::AmbiguousCommit { .. } => "give more of its digits",
        DaemonError::InTheWay { .. } => "move it, or restore to another place with --to",
        DaemonError::NoConflict { .. } => "see `bosr conflicts`",
        DaemonError::SeveralTombstones { .. } => "name the tombstone to keep, or keep both",
        DaemonError::HeldByDirectory { .. } => "keep both, or name the tombstone away first",
        DaemonError::ContentMissing { .. } => "connect a device that has it and run `bosr sync`",
        DaemonError::Full => "make room on the disk",
        DaemonError::UnknownPeer { .. } => "see `bosr peer list`",
        DaemonError::PeerExists { .. } => "remove it first, or take another alias",
        DaemonError::BadAlias { .. } => "use up to 64 letters, digits and signs without spaces",
        DaemonError::BadAddress { .. } => "write HOST:PORT",
        DaemonError::Unreachable { .. } => {
            "check that it runs and listens, and its address in `bosr peer list`"
        }
        DaemonError::Partial { .. } => "run it again: what has arrived is kept",
        DaemonError::UnknownDevice { .. } => "see `bosr device list`",
        DaemonError::AmbiguousDevice { .. } => "give the first letters of its key, see `bosr device list`",
        DaemonError::OwnDevice { .. } => "revoke it from another device",
        DaemonError::NotMember { revoked: true } => "take what you need out of the vault and remove it",
        DaemonError::NotMember { revoked: false } => "run `bosr sync` first",
        DaemonError::IsOpen { .. } => "unmount it, run `bosr close`, then try again",
        DaemonError::NobodyTold { .. } => {
            "make a ticket on another device with `bosr invite` and run `bosr device renew TICKET`"
        }
        DaemonError::UnknownSlot { .. } => "see `bosr key list`",
        DaemonError::LastSlot { .. } => "add another first with `bosr key add`",
        DaemonError::Ticket { .. } => "make a new one with `bosr invite`",
        DaemonError::Listen { .. } => "choose another address with --listen",
        DaemonError::Mount { trouble, .. } => return for_mount(*trouble).map(str::to_owned),
        DaemonError::MountBusy { .. } => "close what uses it (`fuser -vm` tells), then try again",
        DaemonError::NotMounted { .. } => "see `bosr status`",
        DaemonError::Setup { .. }
        | DaemonError::Refused { .. }
        | DaemonError::Refusal { .. }
        | DaemonError::TurnedAway { .. }
        | DaemonError::Unmount { .. }
        | DaemonError::Internal { .. } => return None,
    };
    Some(advice.to_owned())
}

fn for_mount(trouble: MountTrouble) -> Option<&'static str> {
    Some(match trouble {
        MountTrouble::NotFound => "make it with mkdir",
        MountTrouble::NotDirectory => "name a directory",
        MountTrouble::NotEmpty => "choose an empty directory, or mount over it with -o nonempty",
        MountTrouble::AlreadyMounted => "use it, or `bosr unmount` it first",
        MountTrouble::UnknownOption => "see `bosr mount --help`",
        MountTrouble::NoDevice => {
            "load the module with `modprobe fuse`; in a container, pass --device /dev/fuse"
        }
        MountTrouble::DeviceNotPermitted => "make /dev/fuse readable and writable for this user",
        MountTrouble::NoFusermount => "install fuse3",
        MountTrouble::OthersNotAllowed => "add user_allow_other there, or leave allow_other out",
        MountTrouble::OnlyByRoot => "unmount it where it is, or make a symbolic link to there",
        MountTrouble::NotPermitted => "choose a directory of your own",
        MountTrouble::Dead => "unmount it with `fusermount3 -u`, or as root with `umount -l`",
        MountTrouble::Other => return None,
    })
}
