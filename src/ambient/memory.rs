//! How the system gives this process memory.

/// In small pages from now on, and to all programs that this one starts. The allocator asks for huge ones: most of what we
/// allocate lives for one object, on one of many threads, and three times as much memory was held and cleared as was
/// used. Where it cannot be had, nothing but that changes.
pub fn in_small_pages() {
    let _ = nix::sys::prctl::set_thp_disable(true);
}
