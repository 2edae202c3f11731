//! When to commit and when to flush: the timing rules of the write path as plain arithmetic.
//!
//! Owns no thread and no clock; times are those of [`crate::ambient::Clock::monotonic`]. The rules:
//!
//! - a commit 20 ms after the last operation, 250 ms after the first at most, while a peer follows; else 1 s
//!   after the last and 2 s after the first;
//! - a file's dirty data asks for folding 1 s after its last write, 5 s after its first;
//! - dead nodes are pruned 10 s after a peer's state was merged or found to be ours, which may have told that
//!   everybody knows their end;
//! - whatever was journalled is durable within 1 s or 8 MiB, whichever is first;
//! - dirty data that is not journalled is asked for within 1 s, to become durable then.

use std::time::Duration;

/// Quiet time before a commit that peers wait for.
const FOLLOWED_QUIET: Duration = Duration::from_millis(20);
/// Longest time from the first operation to a commit that peers wait for.
const FOLLOWED_LONGEST: Duration = Duration::from_millis(250);
/// Quiet time before a commit nobody waits for.
const ALONE_QUIET: Duration = Duration::from_secs(1);
/// Longest time from the first operation to its commit.
const ALONE_LONGEST: Duration = Duration::from_secs(2);
/// Quiet time before a file that stays open is folded.
const FOLD_QUIET: Duration = Duration::from_secs(1);
/// Longest time a file that is written without a pause stays unfolded.
const FOLD_LONGEST: Duration = Duration::from_secs(5);
/// Time from news of what peers know to a look for nodes to prune.
const PRUNE_AFTER: Duration = Duration::from_secs(10);
/// Longest time that something journalled may be lost by a power cut.
const FLUSH_LONGEST: Duration = Duration::from_secs(1);
/// Bytes that may be lost by a power cut.
const FLUSH_BYTES: u64 = 8 << 20;

/// What is due now.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub struct Due {
    /// Ask the fold source for the files that are ready, then commit if there is something to commit.
    pub commit: bool,
    /// Make the journal durable.
    pub flush: bool,
}

/// First and last moment of a run of events.
#[derive(Debug, Default, Clone, Copy)]
struct Run(Option<(Duration, Duration)>);

impl Run {
    fn note(&mut self, now: Duration) {
        let first = self.0.map_or(now, |(first, _)| first);
        self.0 = Some((first, now));
    }

    fn due(&self, quiet: Duration, longest: Duration) -> Option<Duration> {
        self.0.map(|(first, last)| (last + quiet).min(first + longest))
    }
}

/// The timing state of one vault.
#[derive(Debug, Default)]
pub struct Schedule {
    operations: Run,
    dirty: Run,
    unsynced: Run,
    unsynced_bytes: u64,
    unsaid: Run,
    followed: bool,
    unfinished: bool,
    urgent: bool,
    alarm: Option<Duration>,
    prune: Option<Duration>,
}

/// When the two loops have something to do next.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub struct Deadlines {
    commit: Option<Duration>,
    flush: Option<Duration>,
    prune: Option<Duration>,
}

impl Deadlines {
    /// Whether one of the loops, asleep until its deadline `before`, would sleep past the one it has now.
    pub fn need_wake(&self, before: &Deadlines) -> bool {
        let sooner = |now: Option<Duration>, before: Option<Duration>| {
            now.is_some_and(|now| before.is_none_or(|before| now < before))
        };
        sooner(self.commit, before.commit)
            || sooner(self.flush, before.flush)
            || sooner(self.prune, before.prune)
    }
}

impl Schedule {
    /// An operation was journalled, or a file became ready to be folded.
    pub fn operation(&mut self, now: Duration) {
        self.operations.note(now);
        self.unsynced.note(now);
    }

    /// `bytes` of dirty data were journalled.
    pub fn dirtied(&mut self, now: Duration, bytes: u64) {
        self.dirty.note(now);
        self.unsynced.note(now);
        self.unsynced_bytes = self.unsynced_bytes.saturating_add(bytes);
    }

    /// There is dirty data that is not journalled.
    pub fn unsaid(&mut self, now: Duration) {
        self.unsaid.note(now);
    }

    /// Dirty data is being journalled.
    pub fn saying(&mut self) {
        self.unsaid = Run::default();
    }

    /// Whether a peer waits for commits.
    pub fn set_followed(&mut self, followed: bool) {
        self.followed = followed;
    }

    /// Whether a peer waits for commits.
    pub fn is_followed(&self) -> bool {
        self.followed
    }

    /// Whether a file made since the last offer is still open for writing: an editor in mid-save, whose
    /// half-way state peers had better not see.
    pub fn set_unfinished(&mut self, unfinished: bool) {
        self.unfinished = unfinished;
    }

    /// Whether the last commit left such a file.
    pub fn is_unfinished(&self) -> bool {
        self.unfinished
    }

    /// Commit as soon as possible: the journal is half full.
    pub fn hurry(&mut self) {
        self.urgent = true;
    }

    /// Something else wants the flusher to look at that moment.
    pub fn set_alarm(&mut self, at: Option<Duration>) {
        self.alarm = at;
    }

    /// There is news of what peers know: some nodes may be dead for everybody.
    pub fn peers_heard(&mut self, now: Duration) {
        self.prune.get_or_insert(now + PRUNE_AFTER);
    }

    /// Whether it is time to look for nodes to prune; then it is being done.
    pub fn take_prune(&mut self, now: Duration) -> bool {
        self.prune.take_if(|at| *at <= now).is_some()
    }

    /// When to look for nodes to prune.
    pub fn next_prune(&self) -> Option<Duration> {
        self.prune
    }

    /// A commit began: what came before it is being taken care of.
    pub fn committing(&mut self) {
        self.operations = Run::default();
        self.dirty = Run::default();
        self.urgent = false;
    }

    /// Files that were not ready keep asking.
    pub fn still_dirty(&mut self, now: Duration) {
        self.dirty.note(now);
    }

    /// Everything journalled so far is durable.
    pub fn flushed(&mut self) {
        self.unsynced = Run::default();
        self.unsynced_bytes = 0;
    }

    /// When either loop has something to do.
    pub fn deadlines(&self) -> Deadlines {
        Deadlines { commit: self.next_commit(), flush: self.next_flush(), prune: self.prune }
    }

    /// When to commit; zero means at once.
    pub fn next_commit(&self) -> Option<Duration> {
        if self.urgent {
            return Some(Duration::ZERO);
        }
        let (quiet, longest) = match (self.followed, self.unfinished) {
            (true, false) => (FOLLOWED_QUIET, FOLLOWED_LONGEST),
            (true, true) => (ALONE_QUIET, ALONE_QUIET),
            (false, _) => (ALONE_QUIET, ALONE_LONGEST),
        };
        let operations = self.operations.due(quiet, longest);
        let dirty = self.dirty.due(FOLD_QUIET, FOLD_LONGEST);
        [operations, dirty].into_iter().flatten().min()
    }

    /// When the flusher has something to do; zero means at once.
    pub fn next_flush(&self) -> Option<Duration> {
        if self.unsynced_bytes >= FLUSH_BYTES {
            return Some(Duration::ZERO);
        }
        let flush = |run: &Run| run.0.map(|(first, _)| first + FLUSH_LONGEST);
        [flush(&self.unsynced), flush(&self.unsaid), self.alarm].into_iter().flatten().min()
    }

    /// What is due at `now`.
    pub fn due(&self, now: Duration) -> Due {
        let reached = |at: Option<Duration>| at.is_some_and(|at| at <= now);
        Due { commit: reached(self.next_commit()), flush: reached(self.next_flush()) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ms(n: u64) -> Duration {
        Duration::from_millis(n)
    }

    #[test]
    fn nothing_is_due_while_nothing_happens() {
        let schedule = Schedule::default();
        assert_eq!(schedule.deadlines(), Deadlines::default());
        assert_eq!(schedule.due(ms(1 << 30)), Due::default());
    }

    #[test]
    fn a_commit_that_falls_due_after_a_flush_still_wakes_its_loop() {
        let mut schedule = Schedule::default();
        schedule.operation(ms(0));
        schedule.committing();
        let before = schedule.deadlines();
        schedule.operation(ms(500));
        assert!(schedule.next_flush() < schedule.next_commit());
        assert!(schedule.deadlines().need_wake(&before), "the committer sleeps without a deadline");
        let before = schedule.deadlines();
        schedule.operation(ms(600));
        assert!(!schedule.deadlines().need_wake(&before), "it wakes for the old deadline and looks again");
    }

    #[test]
    fn a_followed_commit_waits_for_quiet_but_not_for_long() {
        let mut schedule = Schedule::default();
        schedule.set_followed(true);
        schedule.operation(ms(0));
        assert_eq!(schedule.next_commit(), Some(ms(20)));
        for at in (10..=300).step_by(10) {
            schedule.operation(ms(at));
        }
        assert_eq!(schedule.next_commit(), Some(ms(250)));
        assert!(schedule.due(ms(250)).commit);
        schedule.committing();
        assert_eq!(schedule.due(ms(900)), Due::default());
        assert!(schedule.due(ms(1000)).flush, "the journal is flushed although the commit was not finished");
    }

    #[test]
    fn an_unfinished_save_holds_the_commit_for_a_second() {
        let mut schedule = Schedule::default();
        schedule.set_followed(true);
        schedule.set_unfinished(true);
        schedule.operation(ms(0));
        assert!(!schedule.due(ms(999)).commit);
        assert!(schedule.due(ms(1000)).commit);
    }

    #[test]
    fn alone_a_commit_comes_within_two_seconds() {
        let mut schedule = Schedule::default();
        for at in (0..3000).step_by(500) {
            schedule.operation(ms(at));
        }
        assert!(!schedule.due(ms(1999)).commit);
        assert!(schedule.due(ms(2000)).commit);
    }

    #[test]
    fn bytes_and_time_both_flush() {
        let mut schedule = Schedule::default();
        schedule.dirtied(ms(0), FLUSH_BYTES - 1);
        assert!(!schedule.due(ms(1)).flush);
        schedule.dirtied(ms(1), 1);
        assert!(schedule.due(ms(1)).flush);
        schedule.flushed();
        assert!(!schedule.due(ms(900)).flush);
        schedule.dirtied(ms(900), 1);
        assert!(schedule.due(ms(1900)).flush);
    }

    #[test]
    fn what_is_not_journalled_is_asked_for_though_all_else_is_durable() {
        let mut schedule = Schedule::default();
        schedule.unsaid(ms(0));
        schedule.unsaid(ms(900));
        schedule.flushed();
        assert!(!schedule.due(ms(999)).flush && schedule.due(ms(1000)).flush);
        schedule.saying();
        assert!(!schedule.due(ms(1000)).flush);
    }

    #[test]
    fn a_file_written_without_pause_is_asked_for_after_five_seconds() {
        let mut schedule = Schedule::default();
        for at in (0..6000).step_by(100) {
            schedule.dirtied(ms(at), 1);
        }
        assert!(!schedule.due(ms(4999)).commit);
        assert!(schedule.due(ms(5000)).commit);
    }
}
