//! Answers: owned, typed by what they answer, given once, from any thread.
//!
//! A [`Reply`] leads back to the kernel, or to a closure ([`Reply::to`]): that is how an implementation of
//! [`Filesystem`](crate::Filesystem) is called without a mount.
//!
//! Invariant: every reply is answered exactly once. Answering consumes it; dropping it answers
//! [`Error::Io`].

use std::time::Duration;

use crate::inflight::Ticket;
use crate::{Entry, Error, Handle};

/// What a request is answered with. Implemented by the types of this module and for plain attributes and
/// entries; not to be implemented elsewhere.
pub trait Answer: sealed::Wire {}

impl<T: sealed::Wire> Answer for T {}

pub(crate) mod sealed {
    /// How an answer travels to the kernel.
    pub trait Wire: Sized + Send + 'static {
        /// The way back that FUSE gave with the request.
        type Kernel: Send + std::fmt::Debug + 'static;

        /// Answers the request.
        fn accept(kernel: Self::Kernel, answer: Self);

        /// Fails the request.
        fn refuse(kernel: Self::Kernel, error: crate::Error);
    }
}

/// What a name led to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Found {
    /// A file. The kernel now holds one more lookup of its inode, until it forgets.
    Entry(Entry),
    /// Nothing, and the kernel may remember for this long that nothing is there. To say so without letting
    /// it remember, fail with [`Error::NotFound`].
    Nothing(Duration),
}

/// Bytes that were read. To answer from borrowed bytes, use `Reply::data`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Data(pub Vec<u8>);

/// How many bytes were written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Written(pub u32);

/// Where a seek arrived, in bytes from the beginning.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Offset(pub u64);

/// The value of an extended attribute, or the names of all, each ended by a zero byte. The kernel's question
/// for the length alone and a buffer that is too small are dealt with here.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Xattr(pub Vec<u8>);

/// An opened file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Opened {
    /// Names it in what follows.
    pub handle: Handle,
    /// Pages of the file that the kernel has from earlier opens are still right.
    pub keep_cache: bool,
    /// Reads and writes go past the page cache.
    pub direct: bool,
}

/// An opened directory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OpenedDirectory {
    /// Names it in what follows.
    pub handle: Handle,
    /// The kernel may keep the listing and answer from it until the directory is invalidated or changed
    /// through the mount, and a listing it has is still right.
    pub cache: bool,
}

/// A file that was created and opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Created {
    /// The file; the kernel now holds one more lookup of its inode.
    pub entry: Entry,
    /// How it was opened.
    pub opened: Opened,
}

/// Where an answer goes.
pub(crate) enum To<K, T> {
    Kernel(K),
    Closure(Box<dyn FnOnce(Result<T, Error>) + Send>),
}

/// The answer that is owed to a request. It may be given at any time and from any thread; until then, the
/// program that asked waits, and nobody else.
#[must_use = "dropping a reply answers EIO"]
pub struct Reply<T: Answer> {
    to: Option<To<T::Kernel, T>>,
    /// Dropped after the answer is given: then, and not before, the request counts as answered.
    ticket: Ticket,
}

impl<T: Answer> Reply<T> {
    /// A reply that hands its answer to `closure`, for callers other than the kernel.
    pub fn to(closure: impl FnOnce(Result<T, Error>) + Send + 'static) -> Reply<T> {
        Reply { to: Some(To::Closure(Box::new(closure))), ticket: Ticket::uncounted() }
    }

    /// A reply to a request of the kernel.
    pub(crate) fn to_kernel(kernel: T::Kernel, ticket: Ticket) -> Reply<T> {
        Reply { to: Some(To::Kernel(kernel)), ticket }
    }

    /// Answers the request.
    pub fn ok(mut self, answer: T) {
        match self.to.take() {
            Some(To::Kernel(kernel)) => T::accept(kernel, answer),
            Some(To::Closure(closure)) => closure(Ok(answer)),
            None => {}
        }
    }

    /// Fails the request.
    pub fn fail(mut self, error: Error) {
        self.refuse(error);
    }

    /// Answers or fails the request.
    pub fn answer(self, result: Result<T, Error>) {
        match result {
            Ok(answer) => self.ok(answer),
            Err(error) => self.fail(error),
        }
    }

    /// Says that the answer may take long: [`wait_for_earlier`](crate::Invalidator::wait_for_earlier) no
    /// longer waits for it. A parked answer must not carry state that an invalidation in the meantime made
    /// wrong.
    pub fn park(&mut self) {
        self.ticket.park();
    }

    fn refuse(&mut self, error: Error) {
        match self.to.take() {
            Some(To::Kernel(kernel)) => T::refuse(kernel, error),
            Some(To::Closure(closure)) => closure(Err(error)),
            None => {}
        }
    }
}

impl Reply<Data> {
    /// Answers with bytes that are borrowed. The kernel takes them from where they are.
    pub fn data(mut self, bytes: &[u8]) {
        match self.to.take() {
            Some(To::Kernel(kernel)) => kernel.data(bytes),
            Some(To::Closure(closure)) => closure(Ok(Data(bytes.to_vec()))),
            None => {}
        }
    }
}

impl<T: Answer> Drop for Reply<T> {
    fn drop(&mut self) {
        if self.to.is_some() {
            tracing::error!(answer = std::any::type_name::<T>(), "a request was dropped unanswered");
            self.refuse(Error::Io);
        }
    }
}

impl<T: Answer> std::fmt::Debug for Reply<T> {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.debug_struct("Reply").field("ticket", &self.ticket).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use super::*;

    fn owed<T: Answer>() -> (Reply<T>, mpsc::Receiver<Result<T, Error>>) {
        let (send, receive) = mpsc::channel();
        (Reply::to(move |answer| send.send(answer).unwrap()), receive)
    }

    #[test]
    fn an_answer_arrives_once() {
        let (reply, answers) = owed::<Written>();
        reply.ok(Written(7));
        assert_eq!(answers.iter().collect::<Vec<_>>(), [Ok(Written(7))]);
    }

    #[test]
    fn borrowed_bytes_arrive() {
        let (reply, answers) = owed::<Data>();
        reply.data(b"abc");
        assert_eq!(answers.recv().unwrap(), Ok(Data(b"abc".to_vec())));
    }

    #[test]
    fn a_dropped_reply_fails_the_request() {
        let (reply, answers) = owed::<()>();
        drop(reply);
        assert_eq!(answers.iter().collect::<Vec<_>>(), [Err(Error::Io)]);
    }
}
