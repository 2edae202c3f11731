//! Requests to the replica that are under way, and what each is for.

use std::collections::HashMap;

use super::super::message::Tip;
use super::super::replica::{Reference, Request};
use super::super::session_log::LogId;
use super::Session;
use super::inbox::Storing;
use super::io::{Output, RequestId};
use super::queue::{Class, Item};
use crate::crypto::ObjectId;

/// Why a request was made.
#[derive(Debug)]
pub(super) enum Why {
    /// First meeting.
    Meet,
    /// To offer this head.
    Offer { tip: Tip, base: ObjectId },
    /// To send these.
    Send(Class, Vec<Item>),
    /// To answer a page.
    Page { number: u32, first: u32 },
    /// To walk an offer's state.
    Walk { number: u32, references: Vec<Reference> },
    /// These arrived.
    Store(Vec<Storing>),
    /// To make durable what was stored up to the mark.
    Sync { mark: u64 },
    /// To merge an offer's head; makes durable what was stored up to the mark.
    Merge { number: u32, mark: u64 },
    /// To ask for contents we lack.
    Scan,
    /// To be the one that asks.
    Claim,
    /// To know which transfers this side can go on sending.
    Resend(Vec<LogId>),
    /// To go on with an offer of an earlier session.
    Recall { number: u32 },
    /// To log how far transfers are.
    Log,
    /// Nothing to do with the answer.
    Note,
}

#[derive(Debug, Default)]
pub(super) struct Requests {
    next: RequestId,
    open: HashMap<RequestId, Why>,
    /// Loads under way.
    pub(super) loads: usize,
}

/// Load requests under way: enough to keep the pool busy.
pub(super) const LOADS: usize = 4;

impl Requests {
    pub(super) fn close(&mut self, id: RequestId) -> Option<Why> {
        self.open.remove(&id)
    }

    /// Some answer is outstanding that may speak of objects as absent.
    pub(super) fn looks_open(&self) -> bool {
        self.open
            .values()
            .any(|why| matches!(why, Why::Page { .. } | Why::Walk { .. } | Why::Scan | Why::Claim))
    }
}

impl Session {
    pub(super) fn ask(&mut self, request: Request, why: Why) {
        let id = self.requests.next;
        self.requests.next += 1;
        self.requests.open.insert(id, why);
        self.out.push(Output::Request(id, request));
    }
}
