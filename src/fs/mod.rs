//! POSIX operations on a vault: inodes, handles, dirty data.
