//! What can go wrong with a lab.

use std::io;

/// Why a lab does not do what was asked for.
#[derive(Debug, thiserror::Error)]
pub enum LabError {
    /// The request makes no sense: says what does not.
    #[error("{0}")]
    Asked(String),
    /// A program (`ip`, `tc`) that the lab is made with failed.
    #[error("{command}: {said}")]
    Program {
        /// The command line.
        command: String,
        /// What it said.
        said: String,
    },
    /// A call of the system failed.
    #[error("{what}: {error}")]
    System {
        /// What was tried.
        what: String,
        /// Why it failed.
        error: io::Error,
    },
}

impl LabError {
    pub(crate) fn asked(message: impl Into<String>) -> LabError {
        LabError::Asked(message.into())
    }

    /// For `map_err`: names what was tried.
    pub(crate) fn system<E: Into<io::Error>>(what: impl Into<String>) -> impl FnOnce(E) -> LabError {
        let what = what.into();
        move |error| LabError::System { what, error: error.into() }
    }
}
