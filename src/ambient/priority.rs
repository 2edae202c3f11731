//! How a thread stands beside whatever else wants the processor.

/// The standing of a thread.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Priority {
    /// As any other.
    Usual,
    /// A tenth of what others get where there is not enough for all: for work that nobody waits for.
    Low,
}

/// Steps down of 40 that make the difference.
const LOW: i32 = 10;

impl Priority {
    /// Gives the calling thread this priority. It stays for good: only root could raise it again.
    pub fn take(self) {
        // Of Linux's threads each has its own. Where it cannot be had, others wait longer, and nothing else changes.
        if self == Priority::Low
            && let Err(error) = rustix::process::nice(LOW)
        {
            tracing::debug!(%error, "a thread that nobody waits for has the priority of any other");
        }
    }
}
