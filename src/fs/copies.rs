//! copy_file_range: the copy names the chunks of its source, as far as cuts coincide.

use std::sync::Arc;

use bosr_mount::{Caller, Error, Reply, Span, Written};

use super::core::Core;
use super::errors::{Failure, posix};
use super::file::File;
use crate::vault::VaultError;
use crate::vault::contents::MAX_LEN;

/// Bytes copied by one request at most: what the kernel itself copies at a time.
const MOST: u64 = 0x7fff_f000;

impl Core {
    /// Copies a stretch of one open file into another, or into the same where they do not overlap.
    pub(super) fn copy(
        self: &Arc<Self>,
        caller: &Caller,
        from: Span,
        to: Span,
        length: u64,
        mut reply: Reply<Written>,
    ) {
        let files = self.handled(from.handle, false).and_then(|source| {
            let target = self.handled(to.handle, true)?;
            to.offset.checked_add(length).filter(|end| *end <= MAX_LEN).ok_or(Error::TooLarge)?;
            Ok((source, target))
        });
        let (source, target) = match files {
            Ok(files) => files,
            Err(error) => return reply.fail(error),
        };
        if !caller.keeps_set_id()
            && let Err(failure) = self.clear_set_id(to.inode)
        {
            return reply.fail(posix(failure));
        }
        reply.park();
        let core = Arc::clone(self);
        self.workers.run(move || {
            let copy = || core.copy_now(&source, from.offset, &target, to.offset, length.min(MOST));
            reply.answer(core.until_room(copy).map_err(posix));
        });
    }

    fn copy_now(
        &self,
        source: &File,
        from: u64,
        target: &File,
        to: u64,
        length: u64,
    ) -> Result<Written, Failure> {
        let content = source.content(self)?;
        let length = length.min(content.len().saturating_sub(from));
        if length > 0 {
            target.take_in(self, &content, from, length, to).map_err(|failure| match failure {
                // Not all of it is here: the kernel reads and writes instead, and that waits for it.
                Failure::Vault(VaultError::Missing(_)) => Failure::Posix(Error::Unsupported),
                other => other,
            })?;
        }
        Ok(Written(u32::try_from(length).unwrap_or(u32::MAX)))
    }
}
