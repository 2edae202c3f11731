//! The handshake over real sockets, and what must not get through it.

use std::sync::Arc;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use super::*;
use crate::ambient::{Ambient, Entropy};
use crate::crypto::{DeviceKey, Epoch};
use crate::miror::admission::{Admission, Refusal};
use crate::miror::link::{Link, Stream};
use crate::miror::message::Hello;
use crate::miror::replica::Replica;
use crate::miror::session::{Config, Randomness, Session};
use crate::miror::tcp;
use crate::miror::testing::{MemoryDevices, MemoryReplica};
use crate::miror::ticket::{LIFETIME, Ticket, TicketRefusal, TicketSecret};

fn entropy() -> Arc<dyn Entropy> {
    Ambient::host().entropy
}

fn hello() -> Hello {
    let ours = MemoryReplica::new(1).announce().unwrap();
    let random = Randomness { hello: [1; 32], secret: [2; 32] };
    Session::new(Config::follow("tester"), ours, random, std::time::Duration::ZERO).1
}

/// Both ends of a TCP connection on the loopback.
async fn sockets() -> (TcpStream, Stream) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let (dialled, accepted) = tokio::join!(TcpStream::connect(address), listener.accept());
    let (socket, from) = accepted.unwrap();
    (dialled.unwrap(), tcp::prepare(socket, from).unwrap())
}

async fn meet(
    a: &MemoryDevices,
    b: &MemoryDevices,
) -> (Result<Link, HandshakeError>, Result<Link, HandshakeError>) {
    let (dialled, accepted) = sockets().await;
    let address = dialled.peer_addr().unwrap();
    let entropy = entropy();
    let answering = async {
        match greet(accepted, b, None, &entropy).await? {
            Greeting::Peer(greeted) => greeted.admit(&hello(), b).await,
            Greeting::Joiner(_) => panic!("nobody joins"),
        }
    };
    tokio::join!(dial(tcp::prepare(dialled, address).unwrap(), a, &entropy), answering)
}

fn devices(epochs_a: &[Epoch], epochs_b: &[Epoch]) -> (MemoryDevices, MemoryDevices) {
    let (a, b) = (MemoryDevices::new(&*entropy(), epochs_a), MemoryDevices::new(&*entropy(), epochs_b));
    a.list(b.public());
    b.list(a.public());
    (a, b)
}

fn epoch(counter: u32, entitled: &[&MemoryDevices]) -> Epoch {
    let keys: Vec<_> = entitled.iter().map(|device| device.public()).collect();
    Epoch::generate(counter, &keys, &*entropy())
}

#[tokio::test]
async fn listed_devices_of_one_epoch_meet_and_hello_travels_within() {
    let shared = epoch(1, &[]);
    let (a, b) = devices(std::slice::from_ref(&shared), std::slice::from_ref(&shared));
    let (dialled, answered) = meet(&a, &b).await;
    let (dialled, answered) =
        (dialled.unwrap_or_else(|e| panic!("{e}")), answered.unwrap_or_else(|e| panic!("{e}")));
    assert_eq!((dialled.peer, answered.peer), (b.public(), a.public()));
    assert_eq!(dialled.hash, answered.hash);
    assert_eq!(dialled.early, Some(hello()));
    assert!(answered.introduced && dialled.grant.is_none() && answered.grant.is_none());
}

#[tokio::test]
async fn a_device_that_was_away_proves_its_old_epoch_and_is_given_the_new_one() {
    let old = epoch(1, &[]);
    let (a, b) = devices(std::slice::from_ref(&old), std::slice::from_ref(&old));
    let new = epoch(2, &[&a, &b]);
    b.learn(new.clone()).unwrap();
    let (dialled, answered) = meet(&a, &b).await;
    assert!(dialled.is_ok_and(|link| link.early.is_none() && link.grant.is_none()));
    assert!(answered.is_ok_and(|link| !link.introduced && link.grant.is_some_and(|e| e.id() == new.id())));
    // And the other way: the dialer knows more than the listener.
    let (dialled, answered) = meet(&b, &a).await;
    assert!(dialled.is_ok_and(|link| link.grant.is_some_and(|e| e.id() == new.id())));
    assert!(answered.is_ok_and(|link| link.grant.is_none()));
}

#[tokio::test]
async fn the_unlisted_the_revoked_the_unentitled_and_copies_are_turned_away() {
    let old = epoch(1, &[]);
    let shared = std::slice::from_ref(&old);
    let refused = |result: Result<Link, HandshakeError>| match result {
        Err(HandshakeError::Refused { why, .. }) => Some(why),
        _ => None,
    };
    let (a, b) = devices(shared, shared);
    b.revoke(a.public());
    assert_eq!(refused(meet(&a, &b).await.1), Some(Refusal::Revoked));
    let stranger = MemoryDevices::new(&*entropy(), shared);
    stranger.list(b.public());
    assert_eq!(refused(meet(&stranger, &b).await.1), Some(Refusal::Unlisted));
    let (dialled, _) = meet(&b, &stranger).await;
    assert_eq!(refused(dialled), Some(Refusal::Unlisted), "the dialer does not trust either");
    let (a, b) = devices(shared, shared);
    b.learn(epoch(2, &[&b])).unwrap();
    assert_eq!(refused(meet(&a, &b).await.1), Some(Refusal::OldEpoch));
    let (dialled, _) = meet(&b, &b).await;
    assert_eq!(refused(dialled), Some(Refusal::OwnKey));
}

#[tokio::test]
async fn another_vaults_epoch_is_no_key() {
    let (a, b) = devices(&[epoch(1, &[])], &[epoch(1, &[])]);
    let (dialled, answered) = meet(&a, &b).await;
    assert!(matches!(dialled, Err(HandshakeError::RefusedByPeer(Refusal::NoEpoch))));
    assert!(answered.is_err());
}

#[tokio::test]
async fn garbage_half_frames_and_huge_lengths_end_with_an_error() {
    let shared = epoch(1, &[]);
    let b = MemoryDevices::new(&*entropy(), std::slice::from_ref(&shared));
    let mut rng = crate::miror::testing::Rng::new(5);
    let prologue = b"bosr-mirror/1".to_vec();
    let huge = [prologue.clone(), vec![255, 255, 1]].concat();
    let mut flood = prologue.clone();
    for _ in 0..3 {
        flood.extend([0x7f, 0xff, 1]);
        flood.extend(vec![7; 0x7ffe]);
    }
    let mut cases = vec![
        Vec::new(),
        b"GET / HTTP/1.1\r\n\r\n".to_vec(),
        [prologue.clone(), vec![0, 0]].concat(),
        [prologue.clone(), vec![0, 1, 9]].concat(),
        [prologue.clone(), vec![0, 3, 5, 1, 2]].concat(),
        huge,
        flood,
    ];
    cases.extend((0..20).map(|_| {
        let len = rng.below(200) as usize;
        [prologue.clone(), rng.bytes(len)].concat()
    }));
    for bytes in cases {
        let (mut dialled, accepted) = sockets().await;
        let writing = async {
            // The other side may hang up in the middle.
            let _ = dialled.write_all(&bytes).await;
            let _ = dialled.shutdown().await;
            let _ = dialled.read_to_end(&mut Vec::new()).await;
        };
        let (result, ()) = tokio::join!(async { greet(accepted, &b, None, &entropy()).await.err() }, writing);
        assert!(result.is_some(), "{bytes:?}");
    }
}

async fn try_join(
    ticket: &Ticket,
    device: &DeviceKey,
    inviter: &Arc<MemoryDevices>,
) -> Result<(crate::crypto::DevicePublic, crate::miror::admission::Welcome), HandshakeError> {
    let (dialled, accepted) = sockets().await;
    let address = dialled.peer_addr().unwrap();
    let entropy = entropy();
    let answering = async {
        match greet(accepted, &**inviter, Some(&**inviter), &entropy).await {
            Ok(Greeting::Joiner(joiner)) => joiner.welcome(inviter.clone()).await.map(|_| ()),
            Ok(Greeting::Peer(_)) => panic!("not a peer"),
            Err(error) => Err(error),
        }
    };
    let dialled = tcp::prepare(dialled, address).unwrap();
    tokio::join!(join(dialled, ticket, device, "laptop", &entropy), answering).0
}

#[tokio::test]
async fn a_ticket_lets_one_device_in_as_often_as_it_needs_until_it_is_done() {
    let inviter = Arc::new(MemoryDevices::new(&*entropy(), &[epoch(1, &[])]));
    let ticket = inviter.tickets.lock().issue(vec!["127.0.0.1:1".into()], 0, LIFETIME, &*entropy()).unwrap();
    let (first, second) = (DeviceKey::generate(&*entropy()), DeviceKey::generate(&*entropy()));
    let refusal = |result: Result<_, HandshakeError>| match result {
        Err(HandshakeError::RefusedByPeer(Refusal::Ticket(why))) => Some(why),
        _ => None,
    };
    let mut forged = ticket.clone();
    forged.secret = TicketSecret::generate(&*entropy());
    assert!(try_join(&forged, &first, &inviter).await.is_err());
    for _ in 0..2 {
        let (key, welcome) = try_join(&ticket, &first, &inviter).await.unwrap_or_else(|e| panic!("{e}"));
        assert_eq!(key, inviter.public());
        assert_eq!(welcome.keyring.as_slice(), b"keyring for laptop");
    }
    assert_eq!(refusal(try_join(&ticket, &second, &inviter).await), Some(TicketRefusal::Used));
    forged.id.0[0] ^= 1;
    assert_eq!(refusal(try_join(&forged, &first, &inviter).await), Some(TicketRefusal::Unknown));
}
