//! The kernel side of a mount: FUSE behind a filesystem trait in POSIX terms.
