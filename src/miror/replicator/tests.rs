//! Whole replicators over real sockets on the loopback.

use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::*;
use crate::crypto::Epoch;
use crate::miror::admission::Refusal;
use crate::miror::limits;
use crate::miror::link::Transport;
use crate::miror::testing::{MemoryDevices, MemoryReplica, Rng};

pub(super) struct Host {
    pub(super) replica: Arc<MemoryReplica>,
    pub(super) devices: Arc<MemoryDevices>,
    pub(super) replicator: Replicator,
    pub(super) address: PeerAddress,
}

async fn hosts(count: u8) -> Vec<Host> {
    hosts_by(&vec![Transports::Both; usize::from(count)]).await
}

/// Hosts with these transports each.
pub(super) async fn hosts_by(transports: &[Transports]) -> Vec<Host> {
    let count = transports.len() as u8;
    let ambient = Ambient::host();
    let epoch = Epoch::generate(1, &[], &*ambient.entropy);
    let devices: Vec<_> = (0..count)
        .map(|_| Arc::new(MemoryDevices::new(&*ambient.entropy, std::slice::from_ref(&epoch))))
        .collect();
    let mut hosts = Vec::new();
    for ((number, own), transports) in (0..count).zip(&devices).zip(transports) {
        devices.iter().for_each(|other| own.list(other.public()));
        let replica = Arc::new(MemoryReplica::new(number));
        let replicator = Replicator::new(Parts {
            replica: replica.clone(),
            admission: own.clone(),
            inviter: None,
            ambient: ambient.clone(),
            name: format!("host {number}"),
            transports: *transports,
            rates: Arc::default(),
            quic: Quic::new().unwrap(),
        });
        let bound = replicator.listen(([127, 0, 0, 1], 0).into()).await.unwrap();
        let address = PeerAddress { addresses: vec![bound.to_string()], key: None };
        hosts.push(Host { replica, devices: own.clone(), replicator, address });
    }
    hosts
}

/// Polls until `done`, with a deadline.
pub(super) async fn until(what: &str, done: impl Fn() -> bool) {
    let wait = async {
        while !done() {
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(20), wait).await.unwrap_or_else(|_| panic!("{what}"));
}

fn fill(host: &Host, seed: u64, count: u32, len: u64) {
    let mut rng = Rng::new(seed);
    for key in 0..count {
        let len = 1 + rng.below(len) as usize;
        host.replica.write(key ^ seed as u32, &[rng.bytes(len), rng.bytes(len)]);
    }
}

fn root(host: &Host) -> Option<crate::crypto::ObjectId> {
    host.replica.announce().unwrap().tip.root
}

#[tokio::test(flavor = "multi_thread")]
async fn sync_once_makes_both_equal_and_a_second_time_moves_nothing() {
    let hosts = hosts(2).await;
    let [a, b] = hosts.as_slice() else { panic!("two hosts") };
    fill(a, 1, 60, 100_000);
    fill(b, 1000, 30, 1000);
    let summary = a.replicator.once(&b.address, Direction::Both).await.unwrap();
    assert!(summary.done && summary.progress.sent_objects > 60 && summary.progress.received_objects > 30);
    assert_eq!(root(a), root(b));
    assert_eq!(a.replica.contents(), b.replica.contents());
    assert!(b.replica.contents().values().all(Option::is_some));
    let again = a.replicator.once(&b.address, Direction::Both).await.unwrap();
    assert_eq!((again.progress.sent_bytes, again.progress.received_bytes), (0, 0));
}

pub(super) const ONLY: [Transports; 2] =
    [Transports::Only(Transport::Tcp), Transports::Only(Transport::Quic)];

/// Forced on both sides; and only on the side that answers, as where the other is blocked on the way.
#[tokio::test(flavor = "multi_thread")]
async fn each_transport_works_when_the_other_is_blocked() {
    for only in ONLY {
        for dialler in [only, Transports::Both] {
            let hosts = hosts_by(&[dialler, only]).await;
            let [a, b] = hosts.as_slice() else { panic!("two hosts") };
            fill(a, 1, 40, 300_000);
            fill(b, 1000, 30, 70_000);
            let following = a.replicator.follow(b.address.clone());
            until("in step", || root(a) == root(b) && whole(a) && whole(b)).await;
            let sessions = [a.replicator.sessions(), b.replicator.sessions()].concat();
            assert!(sessions.len() == 2);
            assert!(sessions.iter().all(|session| only.has(session.transport)), "{sessions:?}");
            assert_eq!(a.replica.contents(), b.replica.contents());
            drop(following);
        }
    }
}

/// Whoever sends or takes at a limit sees no more than that; what is slower on a slow machine proves nothing else.
#[tokio::test(flavor = "multi_thread")]
async fn a_limit_holds_for_either_side() {
    const LIMIT: u64 = 4_000_000;
    for only in ONLY {
        for limits_upload in [true, false] {
            let hosts = hosts_by(&[only, only]).await;
            let [a, b] = hosts.as_slice() else { panic!("two hosts") };
            fill(a, 1, 8, 700_000);
            match limits_upload {
                true => a.replicator.0.parts.rates.upload.limit(Some(LIMIT)),
                false => b.replicator.0.parts.rates.download.limit(Some(LIMIT)),
            }
            let clock = a.replicator.0.parts.ambient.clock.clone();
            let begun = clock.monotonic();
            let sent = a.replicator.push(&b.address).await.unwrap().progress.sent_bytes;
            let took = clock.monotonic() - begun;
            assert!(sent > LIMIT / 2 && a.replica.contents() == b.replica.contents());
            assert!(
                took.as_secs_f64() > (sent - LIMIT / 3) as f64 / LIMIT as f64,
                "{sent} bytes in {took:?}"
            );
        }
    }
}

/// With both to choose from, TCP is what a local network gets; both are listened to on one port.
#[tokio::test(flavor = "multi_thread")]
async fn both_transports_have_one_port() {
    let [both] = <[Host; 1]>::try_from(hosts(1).await).ok().unwrap();
    for only in ONLY {
        let other = hosts_by(&[only]).await;
        other[0].devices.list(both.devices.public());
        both.devices.list(other[0].devices.public());
        let refused = other[0].replicator.once(&both.address, Direction::Both).await;
        // Another vault's epoch: refused by name, so the port answers.
        assert!(
            matches!(refused, Err(PeerError::Handshake(HandshakeError::RefusedByPeer(_)))),
            "{refused:?}"
        );
    }
}

fn whole(host: &Host) -> bool {
    host.replica.contents().values().all(Option::is_some)
}

/// Somebody with a certificate of his own between two devices: TLS cannot tell, Noise does.
#[tokio::test(flavor = "multi_thread")]
async fn a_man_in_the_middle_is_refused_on_quic() {
    let hosts = hosts_by(&[ONLY[1], ONLY[1]]).await;
    let [a, b] = hosts.as_slice() else { panic!("two hosts") };
    let middle = Quic::new().unwrap();
    let endpoint = middle.listen(([127, 0, 0, 1], 0).into()).unwrap();
    let address = PeerAddress { addresses: vec![endpoint.local_addr().unwrap().to_string()], key: None };
    let honest = b.address.addresses[0].clone();
    let (seen, relayed) = oneshot::channel();
    let relay = tokio::spawn(async move {
        let left = crate::miror::quic::accept(endpoint.accept().await.unwrap()).await.unwrap();
        let mut right = middle.connect(&honest).await.unwrap();
        assert_ne!(left.binding, right.binding);
        let (mut from, mut to) = (left.incoming, left.outgoing);
        let forth = async { tokio::io::copy(&mut from, &mut right.outgoing).await.unwrap_or_default() };
        let back = async { tokio::io::copy(&mut right.incoming, &mut to).await.unwrap_or_default() };
        let bytes = tokio::select! { bytes = forth => bytes, bytes = back => bytes };
        let _ = seen.send(bytes);
    });
    let refused = a.replicator.once(&address, Direction::Both).await;
    let refusal = Err(PeerError::Handshake(HandshakeError::RefusedByPeer(Refusal::NoEpoch)));
    assert_eq!(format!("{refused:?}"), format!("{:?}", refusal as Result<Summary, PeerError>));
    assert!(a.replicator.sessions().is_empty() && b.replicator.sessions().is_empty());
    assert!(relayed.await.is_ok(), "it was in the middle");
    relay.await.unwrap();
    // Without him all is well.
    assert!(a.replicator.once(&b.address, Direction::Both).await.unwrap().done);
}

/// Connections that say nothing take no more than their share of the door, and are shown out.
#[tokio::test(flavor = "multi_thread")]
async fn silent_quic_connections_are_limited() {
    let hosts = hosts_by(&[ONLY[1], ONLY[1]]).await;
    let [a, b] = hosts.as_slice() else { panic!("two hosts") };
    let idle = Quic::new().unwrap();
    let mut streams = Vec::new();
    for _ in 0..limits::AT_THE_DOOR_FROM_ONE {
        let mut stream = idle.connect(&b.address.addresses[0]).await.unwrap();
        stream.outgoing.write_all(b"bosr-").await.unwrap();
        streams.push(stream);
    }
    until("all at the door", || b.replicator.0.doors.count() == limits::AT_THE_DOOR_FROM_ONE).await;
    assert!(a.replicator.once(&b.address, Direction::Both).await.is_err());
    until("shown out", || b.replicator.0.doors.count() == 0).await;
    assert!(a.replicator.once(&b.address, Direction::Both).await.unwrap().done);
}

#[tokio::test(flavor = "multi_thread")]
async fn push_only_and_pull_only_move_one_way() {
    let hosts = hosts(2).await;
    let [a, b] = hosts.as_slice() else { panic!("two hosts") };
    fill(a, 1, 20, 2000);
    fill(b, 1000, 20, 2000);
    let before = root(a);
    a.replicator.push(&b.address).await.unwrap();
    assert_eq!(root(a), before);
    assert_eq!(b.replica.contents().len(), 40);
    a.replicator.pull(&b.address).await.unwrap();
    assert_eq!(root(a), root(b));
}

#[tokio::test(flavor = "multi_thread")]
async fn following_carries_each_new_head_and_comes_back_after_a_cut() {
    let hosts = hosts(2).await;
    let [a, b] = hosts.as_slice() else { panic!("two hosts") };
    let following = a.replicator.follow(b.address.clone());
    until("connected", || a.replicator.sessions().iter().any(|s| s.settled)).await;
    for round in 0..10 {
        let (from, to) = if round % 2 == 0 { (a, b) } else { (b, a) };
        from.replica.write(round, &[vec![round as u8; 1000]]);
        from.replicator.publish().unwrap();
        until("the edit arrives", || root(from) == root(to)).await;
    }
    b.replicator.end(&a.devices.public()).await;
    until("the session ends", || b.replicator.sessions().is_empty()).await;
    b.replica.write(99, &[vec![9; 500_000], vec![8; 500_000]]);
    following.nudge();
    until("it comes back", || root(a) == root(b) && a.replica.contents().values().all(Option::is_some)).await;
    drop(following);
    until("both let go", || a.replicator.sessions().is_empty() && b.replicator.sessions().is_empty()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn of_two_sessions_the_one_dialled_by_the_smaller_key_stays() {
    let hosts = hosts(2).await;
    let [a, b] = hosts.as_slice() else { panic!("two hosts") };
    let _both = (a.replicator.follow(b.address.clone()), b.replicator.follow(a.address.clone()));
    fill(a, 1, 10, 1000);
    fill(b, 77, 10, 1000);
    until("one settled session", || {
        let settled = |host: &Host| matches!(host.replicator.sessions().as_slice(), [one] if one.settled);
        settled(a) && settled(b) && root(a) == root(b)
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn three_hosts_in_a_row_agree() {
    let hosts = hosts(3).await;
    let [a, b, c] = hosts.as_slice() else { panic!("three hosts") };
    let _kept = (a.replicator.follow(b.address.clone()), b.replicator.follow(c.address.clone()));
    fill(a, 1, 10, 1000);
    a.replicator.publish().unwrap();
    until("the third has it", || c.replica.contents().len() == 10 && root(a) == root(c)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_unreachable_peer_is_named() {
    let hosts = hosts(1).await;
    let address = PeerAddress { addresses: vec!["127.0.0.1:1".into()], key: None };
    let error = hosts[0].replicator.push(&address).await.unwrap_err();
    assert!(error.to_string().contains("127.0.0.1:1"), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn nonsense_from_an_admitted_looking_socket_leaves_the_vault_as_it_was() {
    let hosts = hosts(1).await;
    fill(&hosts[0], 1, 5, 500);
    let before = hosts[0].replica.contents();
    let mut rng = Rng::new(3);
    for len in [0, 1, 13, 14, 16, 100, 5000] {
        let mut socket = tokio::net::TcpStream::connect(&hosts[0].address.addresses[0]).await.unwrap();
        let _ = socket.write_all(&[b"bosr-mirror/1".to_vec(), rng.bytes(len)].concat()).await;
        let _ = socket.shutdown().await;
        let _ = socket.read_to_end(&mut Vec::new()).await;
    }
    assert_eq!(hosts[0].replica.contents(), before);
    assert!(hosts[0].replicator.sessions().is_empty());
}

/// How often one side has met the other since the events were subscribed to.
fn met(events: &mut broadcast::Receiver<(DevicePublic, Event)>) -> usize {
    std::iter::from_fn(|| events.try_recv().ok())
        .filter(|(_, event)| matches!(event, Event::Met { .. }))
        .count()
}

/// Asked who it is, a listener does not learn who asks: no session comes of it, and one that runs goes on.
#[tokio::test(flavor = "multi_thread")]
async fn who_answers_can_be_asked_beside_a_session() {
    for only in ONLY {
        let hosts = hosts_by(&[only, only]).await;
        let [a, b] = hosts.as_slice() else { panic!("two hosts") };
        let address = b.address.addresses[0].clone();
        let who = || a.replicator.identify(&address);
        let mut events = [a.replicator.events(), b.replicator.events()];
        assert_eq!(who().await.unwrap(), b.devices.public());
        let following = a.replicator.follow(b.address.clone());
        until("in step", || [a, b].iter().all(|host| host.replicator.sessions().iter().any(|it| it.in_sync)))
            .await;
        assert_eq!(who().await.unwrap(), b.devices.public());
        fill(a, 1, 5, 1000);
        a.replicator.publish().unwrap();
        until("in step", || root(a) == root(b)).await;
        assert_eq!(events.each_mut().map(met), [1, 1], "one session, and it went on");
        drop(following);
        a.devices.revoke(b.devices.public());
        let refused = who().await.unwrap_err();
        assert!(
            matches!(refused, PeerError::Handshake(HandshakeError::Refused { why: Refusal::Revoked, .. })),
            "{refused}"
        );
    }
}

/// What is being dialled is let go for an address that is new; a session is left alone.
#[tokio::test(flavor = "multi_thread")]
async fn a_new_address_is_dialled_at_once_and_breaks_no_session_off() {
    let hosts = hosts(2).await;
    let [a, b] = hosts.as_slice() else { panic!("two hosts") };
    let silent = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let nowhere = silent.local_addr().unwrap().to_string();
    let mut events = a.replicator.events();
    let peer = PeerAddress { addresses: vec![nowhere.clone()], key: Some(b.devices.public()) };
    let following = a.replicator.follow(peer);
    silent.accept().await.unwrap();
    let both = vec![b.address.addresses[0].clone(), nowhere.clone()];
    following.look_at(both);
    until("a session", || a.replicator.sessions().iter().any(|it| it.in_sync)).await;
    following.look_at(vec![nowhere]);
    following.look_at(b.address.addresses.clone());
    fill(a, 1, 5, 1000);
    a.replicator.publish().unwrap();
    until("in step", || root(a) == root(b)).await;
    assert_eq!(met(&mut events), 1);
}
