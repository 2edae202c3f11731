//! Mount options as people write them after `-o`.

use bosr_mount::MountOptions;

use crate::fs::{Checks, Ownership};

/// How a vault is mounted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HowMounted {
    /// What the kernel is told.
    pub kernel: MountOptions,
    /// Who files belong to.
    pub ownership: Ownership,
    /// Who checks permissions.
    pub checks: Checks,
}

/// Who mounts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mounter {
    /// The user.
    pub uid: u32,
    /// The user's first group.
    pub gid: u32,
    /// All groups.
    pub groups: Vec<u32>,
}

impl Mounter {
    /// The user of this process.
    pub fn this() -> Mounter {
        let groups = nix::unistd::getgroups().unwrap_or_default();
        Mounter {
            uid: nix::unistd::geteuid().as_raw(),
            gid: nix::unistd::getegid().as_raw(),
            groups: groups.into_iter().map(nix::unistd::Gid::as_raw).collect(),
        }
    }
}

impl HowMounted {
    /// What of another wish cannot be had at a second place of this mount, if there is such a thing.
    pub fn differs_for_all(&self, other: &HowMounted) -> Option<&'static str> {
        if self.ownership != other.ownership {
            return Some("owner");
        }
        if self.kernel.allow_other != other.kernel.allow_other {
            return Some("allow_other");
        }
        (self.kernel.read_only && !other.kernel.read_only).then_some("ro")
    }
}

/// Reads options for a mount by this user; the option that is none, if there is one. Of two that contradict
/// each other the later counts.
pub fn parse(options: &[String], mounter: &Mounter) -> Result<HowMounted, String> {
    let mine = Ownership::Mounter { uid: mounter.uid, gid: mounter.gid };
    let ownership = if mounter.uid == 0 { Ownership::Keep } else { mine };
    let mut how = HowMounted { kernel: MountOptions::default(), ownership, checks: Checks::Kernel };
    for option in options.iter().flat_map(|given| given.split(',')).filter(|option| !option.is_empty()) {
        match option {
            "ro" => how.kernel.read_only = true,
            "rw" => how.kernel.read_only = false,
            "noatime" => how.kernel.no_access_times = true,
            "atime" | "relatime" => how.kernel.no_access_times = false,
            "allow_other" => how.kernel.allow_other = true,
            "suid" => how.kernel.set_id = true,
            "nosuid" => how.kernel.set_id = false,
            "dev" => how.kernel.devices = true,
            "nodev" => how.kernel.devices = false,
            "exec" => how.kernel.execute = true,
            "noexec" => how.kernel.execute = false,
            "nonempty" => how.kernel.over_entries = true,
            "owner=keep" => how.ownership = Ownership::Keep,
            "owner=mounter" => how.ownership = mine,
            // What mount(8) adds by itself for lines of fstab.
            "defaults" | "auto" | "noauto" | "user" | "nouser" | "users" | "nofail" | "_netdev" => {}
            comment if comment.starts_with("x-") || comment.starts_with("user=") => {}
            other => return Err(other.to_owned()),
        }
    }
    // Where only its owner can use a file, or only root, the kernel need not ask for what a check takes.
    let alone = how.ownership == mine || mounter.uid == 0;
    if alone && !how.kernel.allow_other {
        how.kernel.kernel_checks = false;
        how.checks = Checks::Here { groups: mounter.groups.clone() };
    }
    Ok(how)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn options(text: &str) -> Vec<String> {
        vec![text.to_owned()]
    }

    fn mounter(uid: u32, gid: u32) -> Mounter {
        Mounter { uid, gid, groups: vec![gid, 9] }
    }

    #[test]
    fn the_kernel_checks_wherever_someone_else_could_come_in() {
        let checks = |text, uid| {
            let how = parse(&options(text), &mounter(uid, uid)).unwrap();
            assert_eq!(how.kernel.kernel_checks, how.checks == Checks::Kernel);
            how.checks
        };
        assert_eq!(checks("", 7), Checks::Here { groups: vec![7, 9] });
        assert_eq!(checks("", 0), Checks::Here { groups: vec![0, 9] });
        assert_eq!(checks("owner=keep", 7), Checks::Kernel);
        for uid in [0, 7] {
            assert_eq!(checks("allow_other", uid), Checks::Kernel);
        }
    }

    #[test]
    fn options_mean_what_they_mean_to_other_filesystems() {
        let how = parse(&options("ro,noatime,allow_other,defaults"), &mounter(1000, 100)).unwrap();
        assert!(how.kernel.read_only && how.kernel.no_access_times && how.kernel.allow_other);
        assert_eq!(how.ownership, Ownership::Mounter { uid: 1000, gid: 100 });
        assert!(!parse(&options("ro,rw"), &mounter(0, 0)).unwrap().kernel.read_only);
    }

    #[test]
    fn root_keeps_owners_unless_told_otherwise() {
        assert_eq!(parse(&[], &mounter(0, 0)).unwrap().ownership, Ownership::Keep);
        let told = parse(&options("owner=mounter"), &mounter(0, 0)).unwrap();
        assert_eq!(told.ownership, Ownership::Mounter { uid: 0, gid: 0 });
        assert_eq!(parse(&options("owner=keep"), &mounter(7, 7)).unwrap().ownership, Ownership::Keep);
    }

    #[test]
    fn an_unknown_option_is_named() {
        assert_eq!(parse(&options("ro,colour=red"), &mounter(0, 0)), Err("colour=red".to_owned()));
    }
}
