//! How a command says that it failed: one line of what failed, on what, and what to do.

use std::fmt;

use super::exit::Exit;
use crate::daemon::config::ConfigError;
use crate::daemon::error::{DaemonError, chain};
use crate::daemon::key_source::KeySourceError;
use crate::daemon::paths::PathsError;

/// A failure, ready for a person.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Problem {
    /// What the shell is told.
    pub(super) exit: Exit,
    what: String,
    advice: Option<String>,
    causes: Vec<String>,
}

impl Problem {
    /// A failure of which nothing more is known than `what`.
    pub(super) fn new(exit: Exit, what: impl Into<String>) -> Self {
        Problem { exit, what: what.into(), advice: None, causes: Vec::new() }
    }

    /// A failure of something the system was asked to do.
    pub(super) fn failed(what: impl Into<String>, error: &dyn std::error::Error) -> Self {
        Problem { causes: chain(error), ..Problem::new(Exit::Failed, what) }
    }

    /// A failure that needs no words.
    pub(super) fn silent(exit: Exit) -> Self {
        Problem::new(exit, "")
    }

    /// Tells stderr, unless there is nothing to say.
    pub(super) fn tell(&self, verbose: bool) {
        if !self.what.is_empty() {
            eprintln!("{}", self.render(verbose));
        }
    }

    /// Says what to do about it.
    pub(super) fn advise(mut self, advice: impl Into<String>) -> Self {
        self.advice = Some(advice.into());
        self
    }

    /// The whole text for stderr: one line, and with `verbose` one more for each cause below the nearest.
    fn render(&self, verbose: bool) -> String {
        let mut text = self.to_string();
        if verbose {
            for cause in self.causes.iter().skip(1) {
                text.push_str("\n  because ");
                text.push_str(&single_line(cause));
            }
        }
        text
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "bosr: {}", single_line(&self.what))?;
        if let Some(nearest) = self.causes.first() {
            write!(f, ": {}", single_line(nearest))?;
        }
        match &self.advice {
            Some(advice) => write!(f, "; {advice}"),
            None => Ok(()),
        }
    }
}

/// Names and messages from elsewhere may hold line ends; ours do not.
fn single_line(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect()
}

impl From<PathsError> for Problem {
    fn from(error: PathsError) -> Self {
        let advice = match &error {
            PathsError::NoHome => "set HOME",
            PathsError::BadName(_) => "use letters, digits, - and _, or a folder with a slash in it",
            PathsError::UnsafeFolder(_) => "remove it, or set XDG_RUNTIME_DIR to a folder of yours",
            PathsError::Io(..) => "check that it is yours and may be written",
        };
        let exit = if matches!(error, PathsError::BadName(_)) { Exit::Usage } else { Exit::Failed };
        from_chain(exit, &error).advise(advice)
    }
}

impl From<ConfigError> for Problem {
    fn from(error: ConfigError) -> Self {
        match &error {
            ConfigError::Invalid { .. } => from_chain(Exit::Usage, &error).advise("correct it"),
            ConfigError::Io(..) => {
                from_chain(Exit::Failed, &error).advise("check that you may read and write it")
            }
        }
    }
}

impl From<KeySourceError> for Problem {
    fn from(error: KeySourceError) -> Self {
        match &error {
            KeySourceError::Ambiguous(..) => from_chain(Exit::Usage, &error).advise("unset one of them"),
            KeySourceError::Unreadable { .. } => {
                from_chain(Exit::Failed, &error).advise("name one that is there and that you may read")
            }
            KeySourceError::Empty(_) => from_chain(Exit::Failed, &error).advise("put one there"),
            KeySourceError::Command { .. } => from_chain(Exit::Failed, &error).advise("try it in a shell"),
        }
    }
}

impl From<DaemonError> for Problem {
    fn from(error: DaemonError) -> Self {
        Problem {
            exit: exit_of(&error),
            what: error.to_string(),
            advice: super::advice::for_error(&error),
            causes: error.causes().to_vec(),
        }
    }
}

fn exit_of(error: &DaemonError) -> Exit {
    match error {
        DaemonError::NotInitialised { .. } | DaemonError::InUse { .. } => Exit::Unavailable,
        DaemonError::WrongKey { .. } => Exit::WrongKey,
        DaemonError::BadAddress { .. } | DaemonError::BadAlias { .. } => Exit::Usage,
        DaemonError::Unreachable { .. } | DaemonError::Partial { .. } => Exit::Unreachable,
        _ => Exit::Failed,
    }
}

/// The outermost message is what failed, the ones below are the causes.
fn from_chain(exit: Exit, error: &dyn std::error::Error) -> Problem {
    let mut messages = chain(error).into_iter();
    let what = messages.next().unwrap_or_default();
    Problem { exit, what, advice: None, causes: messages.collect() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_line_with_cause_and_advice_and_the_rest_only_when_asked() {
        let causes = vec!["the pipe broke".to_owned(), "os error 32".to_owned()];
        let problem =
            Problem { causes, ..Problem::new(Exit::Failed, "cannot save a\nb") }.advise("try again");
        assert_eq!(problem.render(false), "bosr: cannot save a b: the pipe broke; try again");
        assert_eq!(
            problem.render(true),
            "bosr: cannot save a b: the pipe broke; try again\n  because os error 32"
        );
    }

    #[test]
    fn exit_codes_say_whose_fault_it_is() {
        let store = || "/s".to_owned();
        let exit = |error: DaemonError| Problem::from(error).exit;
        assert_eq!(exit(DaemonError::NotInitialised { store: store() }), Exit::Unavailable);
        assert_eq!(exit(DaemonError::InUse { store: store(), pid: None }), Exit::Unavailable);
        assert_eq!(exit(DaemonError::WrongKey { store: store() }), Exit::WrongKey);
        assert_eq!(exit(DaemonError::OwnerGone { store: store() }), Exit::Failed);
        let unreachable = DaemonError::Unreachable { peer: "nas".into(), causes: vec![] };
        assert_eq!(exit(unreachable), Exit::Unreachable);
    }

    #[test]
    fn a_bad_vault_name_is_a_usage_error() {
        let problem = Problem::from(PathsError::BadName("a b".into()));
        assert_eq!(problem.exit, Exit::Usage);
    }
}
