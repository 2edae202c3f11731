//! Progress of a transfer on a terminal: a bar for each peer with rate, bytes, objects and time left.

use std::collections::BTreeMap;
use std::io::IsTerminal;

use indicatif::{MultiProgress, ProgressBar, ProgressDrawTarget, ProgressStyle};

use super::output::Output;
use super::text;
use crate::daemon::api::SyncProgress;

const TEMPLATE: &str =
    "{prefix} {wide_bar} {binary_bytes}/{binary_total_bytes} {binary_bytes_per_sec} {msg} {eta}";

/// The bars of one `sync`.
pub(super) struct SyncBars {
    all: MultiProgress,
    bars: BTreeMap<String, ProgressBar>,
    output: Output,
    drawn: bool,
}

impl SyncBars {
    /// Drawn if stderr is a terminal and nobody wants quiet.
    pub(super) fn new(output: Output) -> Self {
        let drawn = !output.quiet && !output.json && std::io::stderr().is_terminal();
        let target = if drawn { ProgressDrawTarget::stderr() } else { ProgressDrawTarget::hidden() };
        SyncBars { all: MultiProgress::with_draw_target(target), bars: BTreeMap::new(), output, drawn }
    }

    /// Shows how far the transfer with one peer is.
    pub(super) fn show(&mut self, progress: &SyncProgress) {
        let bar = self.bars.entry(progress.peer.clone()).or_insert_with(|| {
            let bar = ProgressBar::new(0).with_prefix(text::name(&progress.peer));
            // The template is ours and constant; a bar without it is still a bar.
            let style =
                ProgressStyle::with_template(TEMPLATE).unwrap_or_else(|_| ProgressStyle::default_bar());
            self.all.add(bar.with_style(style))
        });
        bar.set_length(progress.received.total + progress.sent.total);
        bar.set_position(progress.received.done + progress.sent.done);
        bar.set_message(format!("{} objects", progress.objects));
    }

    /// As [`SyncBars::show`], and tells what happened.
    pub(super) fn follow(&mut self, progress: &SyncProgress) {
        if let Some(event) = &progress.event {
            let line = format!("{}: {}", text::name(&progress.peer), text::name(event));
            if self.output.json {
                // One line for each event; a reader that has gone is noticed at the next write of a result.
                let _ = self.output.result(progress, String::new);
            } else if self.drawn {
                let _ = self.all.println(line);
            } else {
                self.output.remark(&line);
            }
        }
        if progress.received.done + progress.sent.done < progress.received.total + progress.sent.total {
            self.show(progress);
        } else if let Some(bar) = self.bars.remove(&progress.peer) {
            bar.finish_and_clear();
        }
    }

    /// Takes the bars away.
    pub(super) fn finish(&self) {
        self.bars.values().for_each(ProgressBar::finish_and_clear);
    }
}
