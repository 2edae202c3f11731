//! `bosr restore`: brings something of the past back.

use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;

use clap::Args;

use super::context::Context;
use super::exit::Exit;
use super::global::Listening;
use super::problem::Problem;
use super::{revision, text};
use crate::daemon::api::Restored;
use crate::daemon::reach::Need;

/// Bring a file, link or directory back as it was; what it replaces stays in the history
#[derive(Args, Clone, Debug)]
pub(super) struct Restore {
    /// Its path in the vault, as it was then
    pub(super) path: PathBuf,
    /// The state: a commit (six or more digits), a time (`2026-11-20`, `2026-11-20T08:00`), or how long ago (`2h`)
    #[arg(long, value_name = "COMMIT|TIME")]
    pub(super) at: String,
    /// Where to put it in the vault, if not where it was
    #[arg(long, value_name = "PATH")]
    pub(super) to: Option<PathBuf>,
}

impl Restore {
    pub(super) async fn run(&self, context: &Context) -> Result<Exit, Problem> {
        let at = revision::parse(context, &self.at)?;
        let reached = context.reach(Need::Anybody, &Listening::default()).await?;
        let to = self.to.as_ref().map(|to| to.as_os_str().as_bytes());
        let restored = reached.client.restore(self.path.as_os_str().as_bytes(), &at, to).await;
        reached.close().await?;
        let restored = restored?;
        context.output.result(&restored, || line(&restored))?;
        if restored.replaced > 0 && !context.output.json {
            let before = short(&restored.before);
            let to = text::name(&restored.to);
            context.output.remark(&format!("As it was before: bosr restore '{to}' --at {before}"));
        }
        Ok(Exit::Done)
    }
}

fn line(restored: &Restored) -> String {
    let counts = [
        (restored.created, "made"),
        (restored.replaced, "replaced"),
        (restored.unchanged, "as before already"),
        (restored.left, "left alone"),
    ];
    let done: Vec<_> = counts
        .iter()
        .filter(|(count, _)| *count > 0)
        .map(|(count, what)| format!("{count} {what}"))
        .collect();
    let done = if done.is_empty() { "nothing to do".to_owned() } else { done.join(", ") };
    format!("{}: as in {}: {done}\n", text::name(&restored.to), short(&restored.commit))
}

/// The first digits of a commit: enough to name it.
fn short(commit: &str) -> &str {
    commit.get(..16).unwrap_or(commit)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_done_is_said_in_numbers() {
        let restored = Restored {
            version: 1,
            commit: "0123456789abcdef0123".into(),
            path: "/d".into(),
            to: "/d".into(),
            created: 2,
            replaced: 0,
            unchanged: 1,
            left: 0,
            before: "ff".into(),
        };
        assert_eq!(line(&restored), "/d: as in 0123456789abcdef: 2 made, 1 as before already\n");
        let nothing = Restored { created: 0, unchanged: 0, ..restored };
        assert_eq!(line(&nothing), "/d: as in 0123456789abcdef: nothing to do\n");
    }
}
