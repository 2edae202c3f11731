//! Transfers that are killed at every record of their logs, and go on.

use super::*;
use crate::miror::limits;
use crate::miror::message::Offer;

/// What becomes of the logs of the side that is killed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Logs {
    Whole,
    Torn,
    Lost,
}

const LEN: usize = 20_000;
const FILES: u32 = 24;

fn config(replica: &MemoryReplica) -> Config {
    Config { logged_from: 1, early: 0, window: 0, resume: replica.resumable(None), ..Config::follow("x") }
}

fn meet(a: Arc<MemoryReplica>, b: Arc<MemoryReplica>) -> (Side, Side) {
    let (ours, theirs) = (config(&a), config(&b));
    let (mut a, mut b) = (Side::new(a, ours), Side::new(b, theirs));
    a.feed(Input::Room(usize::MAX));
    b.feed(Input::Room(usize::MAX));
    a.hear(&Message::Hello(Box::new(b.hello.clone())));
    b.hear(&Message::Hello(Box::new(a.hello.clone())));
    (a, b)
}

/// Two with a base in common, the first of which has since got much that is new.
fn apart() -> (Side, Side) {
    let (mut a, mut b) = meet(filled(1, 0..3, 100).into(), MemoryReplica::new(2).into());
    carry(&mut a, &mut b, usize::MAX);
    for key in 0..FILES {
        let byte = |n: usize| (key as usize * 131 + n * 7 + (n >> 8)) as u8;
        a.replica.write(key, &[(0..LEN).map(byte).collect(), (0..LEN).map(|n| byte(n) ^ 0xa5).collect()]);
    }
    a.feed(Input::Tip(Box::new(a.replica.announce().unwrap())));
    (a, b)
}

/// Carries one message; false if there is none.
fn step(a: &mut Side, b: &mut Side) -> bool {
    let (from, to) = if b.said.is_empty() { (a, b) } else { (b, a) };
    if from.said.is_empty() {
        return false;
    }
    let message = from.said.remove(0);
    to.hear(&message);
    true
}

fn logged(a: &Side, b: &Side) -> u64 {
    a.replica.logged() + b.replica.logged()
}

/// Bytes of bodies sent until the logs have so many records, in all until it is over, and the pages that were
/// sent after the break.
fn broken_at(records: u64, kill_sender: bool, logs: Logs) -> Option<(u64, u64)> {
    let (mut a, mut b) = apart();
    let before = (logged(&a, &b), a.session.progress().sent_bytes);
    while logged(&a, &b) < before.0 + records {
        if !step(&mut a, &mut b) {
            return None;
        }
    }
    let sent = a.session.progress().sent_bytes - before.1;
    let (Side { replica: a, .. }, Side { replica: b, .. }) = (a, b);
    let victim = if kill_sender { &a } else { &b };
    victim.crash();
    match logs {
        Logs::Whole => {}
        Logs::Torn => victim.tear_logs(),
        Logs::Lost => victim.lose_logs(),
    }
    let (mut a, mut b) = meet(a, b);
    let mut pages = 0;
    loop {
        let from_a = a.take();
        let from_b = b.take();
        if from_a.is_empty() && from_b.is_empty() {
            break;
        }
        let page =
            |message: &&Message| matches!(message, Message::Offer(Offer { page, .. }) if !page.is_empty());
        pages += from_a.iter().filter(page).count() as u64;
        from_a.iter().for_each(|message| b.hear(message));
        from_b.iter().for_each(|message| a.hear(message));
    }
    assert_eq!((&a.end, &b.end), (&None, &None), "{records} {kill_sender} {logs:?}");
    assert_eq!(a.replica.contents(), b.replica.contents());
    assert!(b.replica.contents().values().all(Option::is_some));
    assert_eq!(b.replica.resent(), 0, "nothing durable comes again");
    assert!(a.session.is_settled() && b.session.is_settled());
    Some((sent + a.session.progress().sent_bytes, pages))
}

#[test]
fn killed_at_every_record_the_transfer_goes_on_and_resends_a_window_at_most() {
    let whole = u64::from(FILES) * 2 * LEN as u64;
    let (mut kills, mut resumed) = (0, 0);
    for logs in [Logs::Whole, Logs::Torn, Logs::Lost] {
        for kill_sender in [false, true] {
            for records in 1.. {
                let Some((sent, pages)) = broken_at(records, kill_sender, logs) else { break };
                kills += 1;
                resumed += u64::from(logs == Logs::Whole && pages == 0);
                let most = whole + limits::WINDOW_MIN + 64 * 1024;
                assert!(sent <= most, "{sent} bytes for {whole}, {records} {kill_sender} {logs:?}");
            }
        }
    }
    assert!(kills > 60, "{kills} kills");
    assert!(resumed > 10, "only {resumed} went on without their pages");
}
