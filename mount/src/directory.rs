//! Answers to readdir: entries are added until there is no more room, then the reply is sent.
//!
//! A cookie is where to go on after an entry: the kernel gives the cookie of the last entry it took as the
//! place where the next answer begins, zero being the beginning. A reply with no entry in it is the end.

use std::ffi::{OsStr, OsString};

use crate::inflight::Ticket;
use crate::reply::To;
use crate::translate;
use crate::{Entry, Error, FileKind, Inode};

/// An entry of a directory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listed {
    /// Its name.
    pub name: OsString,
    /// Where to go on after it.
    pub cookie: u64,
    /// The inode number to show.
    pub inode: Inode,
    /// The kind to show.
    pub kind: FileKind,
}

/// An entry of a directory, looked up.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListedPlus {
    /// Its name.
    pub name: OsString,
    /// Where to go on after it.
    pub cookie: u64,
    /// What a lookup of the name would answer.
    pub entry: Entry,
}

/// Where the entries go, and those that were added for a closure.
struct Listing<K, T> {
    to: Option<To<K, Vec<T>>>,
    added: Vec<T>,
    /// Entries there is room for, where the kernel does not count bytes.
    room: usize,
    ticket: Ticket,
}

impl<K, T> Listing<K, T> {
    fn new(to: To<K, Vec<T>>, room: usize, ticket: Ticket) -> Listing<K, T> {
        Listing { to: Some(to), added: Vec::new(), room, ticket }
    }

    fn add(&mut self, to_kernel: impl FnOnce(&mut K) -> bool, entry: impl FnOnce() -> T) -> bool {
        match &mut self.to {
            Some(To::Kernel(kernel)) => to_kernel(kernel),
            Some(To::Closure(_)) if self.added.len() < self.room => {
                self.added.push(entry());
                true
            }
            Some(To::Closure(_)) | None => false,
        }
    }

    fn finish(&mut self, kernel: impl FnOnce(K, Option<Error>), failed: Option<Error>) {
        match self.to.take() {
            Some(To::Kernel(way)) => kernel(way, failed),
            Some(To::Closure(closure)) => closure(failed.map_or(Ok(std::mem::take(&mut self.added)), Err)),
            None => {}
        }
    }
}

macro_rules! directory_reply {
    ($name:ident, $kernel:ty, $listed:ty, $about:literal) => {
        #[doc = $about]
        ///
        /// Owed like a [`Reply`](crate::Reply): dropped unanswered, it answers [`Error::Io`].
        #[must_use = "dropping a reply answers EIO"]
        pub struct $name(Listing<$kernel, $listed>);

        impl $name {
            /// A reply with room for `room` entries that hands them to `closure`, for callers other than
            /// the kernel.
            pub fn to(
                room: usize,
                closure: impl FnOnce(Result<Vec<$listed>, Error>) + Send + 'static,
            ) -> $name {
                $name(Listing::new(To::Closure(Box::new(closure)), room, Ticket::uncounted()))
            }

            /// A reply to a request of the kernel.
            pub(crate) fn to_kernel(kernel: $kernel, ticket: Ticket) -> $name {
                $name(Listing::new(To::Kernel(kernel), usize::MAX, ticket))
            }

            /// Sends what was added; with nothing added, the directory ends here.
            pub fn done(mut self) {
                self.finish(None);
            }

            /// Fails the request.
            pub fn fail(mut self, error: Error) {
                self.finish(Some(error));
            }

            /// Says that the answer may take long; see [`Reply::park`](crate::Reply::park).
            pub fn park(&mut self) {
                self.0.ticket.park();
            }

            fn finish(&mut self, failed: Option<Error>) {
                let kernel = |way: $kernel, failed: Option<Error>| match failed {
                    None => way.ok(),
                    Some(error) => way.error(translate::errno(error)),
                };
                self.0.finish(kernel, failed);
            }
        }

        impl Drop for $name {
            fn drop(&mut self) {
                if self.0.to.is_some() {
                    tracing::error!(answer = stringify!($name), "a request was dropped unanswered");
                    self.finish(Some(Error::Io));
                }
            }
        }

        impl std::fmt::Debug for $name {
            fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                out.debug_struct(stringify!($name)).field("ticket", &self.0.ticket).finish_non_exhaustive()
            }
        }
    };
}

directory_reply!(DirectoryReply, fuser::ReplyDirectory, Listed, "The answer that is owed to readdir.");
directory_reply!(
    DirectoryPlusReply,
    fuser::ReplyDirectoryPlus,
    ListedPlus,
    "The answer that is owed to readdirplus."
);

impl DirectoryReply {
    /// Adds an entry; false if there is no room for it, and then it is not added.
    #[must_use]
    pub fn add(&mut self, name: &OsStr, cookie: u64, inode: Inode, kind: FileKind) -> bool {
        self.0.add(
            |kernel| !kernel.add(fuser::INodeNo(inode.0), cookie, translate::kind(kind), name),
            || Listed { name: name.to_owned(), cookie, inode, kind },
        )
    }
}

impl DirectoryPlusReply {
    /// Adds an entry; false if there is no room for it, and then it is not added. For each one that is, other
    /// than `.` and `..`, the kernel holds one more lookup of its inode, as after a lookup.
    #[must_use]
    pub fn add(&mut self, name: &OsStr, cookie: u64, entry: &Entry) -> bool {
        self.0.add(
            |kernel| {
                let attributes = translate::attributes(&entry.attributes);
                let full = kernel.add(
                    attributes.ino,
                    cookie,
                    name,
                    &entry.lifetime,
                    &attributes,
                    translate::GENERATION,
                );
                !full
            },
            || ListedPlus { name: name.to_owned(), cookie, entry: *entry },
        )
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use super::*;

    #[test]
    fn entries_are_added_until_there_is_no_room() {
        let (send, receive) = mpsc::channel();
        let mut reply = DirectoryReply::to(2, move |listed| send.send(listed).unwrap());
        assert!(reply.add(OsStr::new("a"), 1, Inode(2), FileKind::File));
        assert!(reply.add(OsStr::new("b"), 2, Inode(3), FileKind::File));
        assert!(!reply.add(OsStr::new("c"), 3, Inode(4), FileKind::File));
        reply.done();
        let names: Vec<_> = receive.recv().unwrap().unwrap().into_iter().map(|listed| listed.name).collect();
        assert_eq!(names, ["a", "b"]);
    }

    #[test]
    fn a_dropped_listing_fails_the_request() {
        let (send, receive) = mpsc::channel();
        drop(DirectoryPlusReply::to(2, move |listed| send.send(listed).unwrap()));
        assert_eq!(receive.recv().unwrap(), Err(Error::Io));
    }
}
