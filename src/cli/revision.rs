//! States of the history as people name them on a command line.

use jiff::Timestamp;
use jiff::tz::TimeZone;

use super::context::Context;
use super::exit::Exit;
use super::problem::Problem;
use crate::vault::Revision;

/// What `text` names: a commit, or a time on this machine's clock.
pub(super) fn parse(context: &Context, text: &str) -> Result<Revision, Problem> {
    let now = i128::from(context.ambient.clock.wall());
    let now = Timestamp::from_nanosecond(now).unwrap_or(Timestamp::UNIX_EPOCH).to_zoned(TimeZone::system());
    Revision::parse(text, &now).map_err(|_| {
        let advice = "give `head`, six or more digits of a commit, a time such as 2026-11-20 or \
                      2026-11-20T08:00, or how long ago: 2h, '3 days ago'";
        Problem::new(Exit::Usage, format!("{text:?} is neither a commit nor a time")).advise(advice)
    })
}
