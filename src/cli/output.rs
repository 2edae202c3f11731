//! Results on stdout. A reader that has gone (`bosr ls | head`) ends the command without a word.

use std::io::{self, Write};

use serde::Serialize;

use super::exit::Exit;
use super::problem::Problem;

/// Where results go, and in what form.
#[derive(Clone, Copy, Debug)]
pub(super) struct Output {
    /// JSON instead of text.
    pub(super) json: bool,
    /// No remarks.
    pub(super) quiet: bool,
}

impl Output {
    /// A result: `text` for people, `value` as one line of JSON for programs.
    pub(super) fn result<T: Serialize>(
        &self,
        value: &T,
        text: impl FnOnce() -> String,
    ) -> Result<(), Problem> {
        if self.json {
            let line =
                serde_json::to_string(value).map_err(|e| Problem::failed("cannot print the result", &e))?;
            return self.bytes(format!("{line}\n").as_bytes());
        }
        self.bytes(text().as_bytes())
    }

    /// Something a person may like to know, and a program does not need: to stderr.
    pub(super) fn remark(&self, text: &str) {
        if !self.quiet {
            eprintln!("{text}");
        }
    }

    /// Bytes as they are.
    pub(super) fn bytes(&self, bytes: &[u8]) -> Result<(), Problem> {
        let mut stdout = io::stdout().lock();
        stdout.write_all(bytes).and_then(|()| stdout.flush()).map_err(|error| match error.kind() {
            io::ErrorKind::BrokenPipe => Problem::silent(Exit::Failed),
            _ => Problem::failed("cannot write to standard output", &error),
        })
    }
}
