//! Staying awake for the next request a moment longer.
//!
//! A program that works through many files sends its next request some microseconds after it has the answer to
//! the last. A thread that has gone to sleep by then must be woken, which costs several times what the request
//! itself does, above all on virtual machines. So after each request that it has answered itself a thread looks
//! a few times whether there is another, giving way to whatever else wants to run, before it goes back to the
//! read that waits. It looks only while that pays: each time in vain quarters how often the next will look, down
//! to now and then.

use std::cell::Cell;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering::Relaxed};

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};

/// How often one looks at most: some fifty microseconds.
const MOST: u32 = 128;
/// Of requests after which looking did not pay, one in so many looks again.
const NOW_AND_THEN: u32 = 16;

thread_local! {
    /// Whether this thread has answered a request since it was asked.
    static ANSWERED: Cell<bool> = const { Cell::new(false) };
}

/// A request was answered on this thread.
pub(crate) fn answered() {
    ANSWERED.set(true);
}

/// The channel of one mount, and whether it pays to stay awake for it.
#[derive(Debug, Default)]
pub(crate) struct Watch {
    device: OnceLock<OwnedFd>,
    patience: AtomicU32,
}

/// Looks for the next request when it is dropped.
#[must_use]
pub(crate) struct After<'a>(&'a Watch);

impl Watch {
    /// Begins to watch the channel.
    pub(crate) fn over(&self, device: &impl AsFd) -> io::Result<()> {
        let device = device.as_fd().try_clone_to_owned()?;
        drop(self.device.set(device));
        Ok(())
    }

    /// To be held while a request is dealt with.
    pub(crate) fn after(&self) -> After<'_> {
        After(self)
    }

    /// Whether the kernel has another request.
    pub(crate) fn is_next_there(&self) -> bool {
        self.device.get().is_some_and(|device| {
            let mut channel = [PollFd::new(device.as_fd(), PollFlags::POLLIN)];
            poll(&mut channel, PollTimeout::ZERO).is_ok_and(|ready| ready > 0)
        })
    }

    fn stay_awake(&self) {
        if self.device.get().is_none() {
            return;
        }
        let patience = self.patience.load(Relaxed);
        // Below one whole look it counts the requests until the next.
        let looks =
            if patience > NOW_AND_THEN { patience - NOW_AND_THEN } else { u32::from(patience == 0) * MOST };
        if looks == 0 {
            return self.patience.store(patience - 1, Relaxed);
        }
        let came = (0..looks).any(|_| {
            std::thread::yield_now();
            self.is_next_there()
        });
        self.patience.store(if came { NOW_AND_THEN + MOST } else { NOW_AND_THEN + looks / 4 }, Relaxed);
    }
}

impl Drop for After<'_> {
    fn drop(&mut self) {
        // Whoever waits for another thread sends nothing soon; and that thread needs the processor.
        if ANSWERED.take() {
            self.0.stay_awake();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    fn looks_again(watch: &Watch) -> u32 {
        watch.patience.load(Relaxed).saturating_sub(NOW_AND_THEN)
    }

    #[test]
    fn looks_while_requests_come_and_hardly_when_none_do() {
        let (channel, mut kernel) = io::pipe().unwrap();
        let watch = Watch::default();
        watch.over(&channel).unwrap();
        kernel.write_all(b"request").unwrap();
        drop(watch.after());
        assert_eq!(looks_again(&watch), 0, "nothing was answered here");
        answered();
        drop(watch.after());
        assert_eq!(looks_again(&watch), MOST);

        let quiet = Watch::default();
        let (channel, _kernel) = io::pipe().unwrap();
        quiet.over(&channel).unwrap();
        let looked: Vec<u32> = (0..100)
            .map(|_| {
                answered();
                drop(quiet.after());
                looks_again(&quiet)
            })
            .collect();
        assert_eq!(looked[..4], [MOST / 4, MOST / 16, MOST / 64, 0]);
        let rounds = looked.iter().filter(|looks| **looks == MOST / 4).count();
        assert!((4..8).contains(&rounds), "one look in so many requests: {looked:?}");
    }
}
