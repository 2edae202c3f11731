//! A hostile member: past the real handshake, then bytes and messages that no honest peer sends. Whatever it
//! does, nothing panics, the vault is as before, and honest peers are served.

use rand_like::message;
use tokio::io::AsyncWriteExt;
use tokio::task::JoinHandle;

use super::tests::{Host, ONLY, hosts_by, until};
use super::*;
use crate::miror::codec;
use crate::miror::handshake::Verdict;
use crate::miror::link::Outgoing;
use crate::miror::message::{Message, Tip};
use crate::miror::quic::Bulk;
use crate::miror::testing::{Node, Rng, VaultNode};

/// Connections of each kind.
const ROUNDS: u64 = 25;

/// A host whose replica is a real vault, and a device that it trusts.
struct Siege {
    host: Host,
    vault: VaultNode,
    oracle: <VaultNode as Node>::Oracle,
    member: Host,
}

impl Siege {
    async fn lay(transport: Transports, seed: u64) -> Self {
        let mut rng = Rng::new(seed);
        let vault = VaultNode::start(0, &mut rng);
        let mut oracle = Default::default();
        for _ in 0..12 {
            vault.edit(&mut rng, &mut oracle).unwrap();
        }
        let hosts = hosts_by(&[transport, transport]).await;
        let [mut host, member] = <[Host; 2]>::try_from(hosts).ok().unwrap();
        let parts = Parts { replica: vault.shared(), ..host.replicator.0.parts.clone() };
        host.replicator.close();
        host.replicator = Replicator::new(parts);
        let bound = host.replicator.listen(([127, 0, 0, 1], 0).into()).await.unwrap();
        host.address = PeerAddress { addresses: vec![bound.to_string()], key: None };
        Siege { host, vault, oracle, member }
    }

    async fn link(&self) -> Link {
        self.member.replicator.dial(&self.host.address).await.unwrap()
    }

    fn commits(&self) -> Vec<ObjectId> {
        let ours = self.vault.replica().announce().unwrap();
        [vec![ours.tip.commit], ours.tip.root.into_iter().collect(), ours.recent].concat()
    }

    /// The vault is as it was, its sessions end, and an honest session works.
    async fn lift(self, before: Tip) {
        until("the sessions' end", || self.host.replicator.sessions().is_empty()).await;
        assert_eq!(self.vault.replica().announce().unwrap().tip, before);
        self.vault.check_whole(&self.oracle).unwrap();
        // The door is open to who behaves.
        drop(self.link().await);
        assert_eq!(self.vault.replica().announce().unwrap().tip, before);
    }
}

/// Sends what `next` gives, a frame each, until it is cut off, and hangs up.
async fn send(link: Link, next: impl FnMut() -> Option<Vec<u8>>) {
    let (mut outgoing, reading, bulk) = say(link, next).await;
    let _ = tokio::time::timeout(Duration::from_secs(5), outgoing.shutdown()).await;
    reading.abort();
    drop(bulk);
}

/// Sends what `next` gives, a frame each, until it is cut off. What it gives back keeps the connection: who hangs up
/// while the other side still writes has the kernel throw away what that has not read yet.
async fn say(
    link: Link,
    mut next: impl FnMut() -> Option<Vec<u8>>,
) -> (Outgoing, JoinHandle<std::io::Result<u64>>, Option<Bulk>) {
    let Link { mut outgoing, mut sealer, mut incoming, bulk, .. } = link;
    let mut wire = Vec::new();
    sealer.seal(&Verdict::admit(None).encode(), &mut wire).unwrap();
    // Whatever comes is read, so that nothing waits for us.
    let reading = tokio::spawn(async move { tokio::io::copy(&mut incoming, &mut tokio::io::sink()).await });
    while let Some(frame) = next() {
        sealer.seal(&frame, &mut wire).unwrap();
        if outgoing.write_all(&wire).await.is_err() {
            break;
        }
        wire.clear();
    }
    (outgoing, reading, bulk)
}

fn framed(messages: &[Message]) -> Vec<u8> {
    let mut frame = Vec::new();
    for encoded in messages.iter().filter_map(|message| codec::encode(message).ok()) {
        frame.extend_from_slice(&(encoded.len() as u16).to_be_bytes());
        frame.extend_from_slice(&encoded);
    }
    frame
}

fn hello(siege: &Siege) -> Message {
    let ours = siege.member.replica.announce().unwrap();
    let (_, hello) = siege.member.replicator.session(Config::follow("liar"), ours, None);
    Message::Hello(Box::new(hello))
}

#[tokio::test(flavor = "multi_thread")]
async fn messages_that_no_honest_peer_sends() {
    for (transport, seed) in ONLY.into_iter().zip(0..) {
        let siege = Siege::lay(transport, seed).await;
        let before = siege.vault.replica().announce().unwrap().tip;
        for round in 0..ROUNDS {
            let mut rng = Rng::new(seed * 1000 + round);
            let known = siege.commits();
            let mut left = 40;
            let first = hello(&siege);
            send(siege.link().await, || {
                left -= 1;
                match left {
                    39 => Some(framed(std::slice::from_ref(&first))),
                    0 => None,
                    _ => Some(framed(&[message(&mut rng, &known)])),
                }
            })
            .await;
        }
        siege.lift(before).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn bytes_that_are_no_messages() {
    for (transport, seed) in ONLY.into_iter().zip(10..) {
        let siege = Siege::lay(transport, seed).await;
        let before = siege.vault.replica().announce().unwrap().tip;
        for round in 0..ROUNDS {
            let mut rng = Rng::new(seed * 1000 + round);
            let first = framed(&[hello(&siege)]);
            let mut left = 10;
            send(siege.link().await, || {
                left -= 1;
                let len = rng.below(2000) as usize;
                let mut bytes = if rng.one_in(2) { first.clone() } else { rng.bytes(len) };
                for _ in 0..rng.below(4) {
                    let at = rng.below(bytes.len().max(1) as u64) as usize;
                    bytes.get_mut(at).into_iter().for_each(|byte| *byte = rng.next() as u8);
                }
                (left > 0).then_some(bytes)
            })
            .await;
        }
        siege.lift(before).await;
    }
}

/// Streams of objects on QUIC, beside a control stream that says nothing but HELLO.
#[tokio::test(flavor = "multi_thread")]
async fn streams_that_are_no_objects() {
    let siege = Siege::lay(ONLY[1], 20).await;
    let before = siege.vault.replica().announce().unwrap().tip;
    for round in 0..ROUNDS {
        let mut rng = Rng::new(round);
        let known = siege.commits();
        let mut link = siege.link().await;
        let mut wire = Vec::new();
        link.sealer.seal(&Verdict::admit(None).encode(), &mut wire).unwrap();
        link.sealer.seal(&framed(&[hello(&siege)]), &mut wire).unwrap();
        link.outgoing.write_all(&wire).await.unwrap();
        let bulk = link.bulk.take().unwrap();
        for _ in 0..8 {
            let len = rng.below(3000) as usize;
            let bytes = match rng.below(3) {
                0 => rng.bytes(len),
                1 => [0_u64.to_be_bytes().to_vec(), framed(&[message(&mut rng, &known)])].concat(),
                _ => [rng.next().to_be_bytes().to_vec(), framed(&[message(&mut rng, &known)])].concat(),
            };
            // It may have been cut off already.
            let _ = tokio::time::timeout(Duration::from_millis(500), bulk.send_raw(&bytes)).await;
        }
    }
    siege.lift(before).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn epochs_that_are_not_for_us() {
    let siege = Siege::lay(ONLY[0], 30).await;
    let before = siege.vault.replica().announce().unwrap().tip;
    let entropy = Ambient::host().entropy;
    let (own, other) = (siege.host.devices.public(), siege.member.devices.public());
    let epoch = |counter, of| Epoch::generate(counter, &[of], &*entropy);
    let (early, foreign, fit) = (epoch(2, own), epoch(3, other), epoch(4, own));
    let gives = |epoch: &Epoch| Message::Epoch(epoch.encode().into());
    let has = |epoch: &Epoch| siege.host.devices.epochs().iter().any(|known| known.id() == epoch.id());
    let mut frames = vec![framed(&[gives(&early)])].into_iter();
    send(siege.link().await, || frames.next()).await;
    let mut frames = vec![framed(&[hello(&siege), gives(&foreign), gives(&fit)])].into_iter();
    let connection = say(siege.link().await, || frames.next()).await;
    until("the epoch", || has(&fit)).await;
    drop(connection);
    assert!(!has(&early), "it came before HELLO");
    assert!(!has(&foreign), "it is for somebody else");
    siege.lift(before).await;
}

/// Messages of every kind, with fields that fit now and then.
mod rand_like {
    use crate::crypto::{EpochId, ObjectHeader, ObjectId, ObjectKind};
    use crate::miror::message::*;
    use crate::miror::testing::Rng;

    pub(super) fn message(rng: &mut Rng, known: &[ObjectId]) -> Message {
        match rng.below(15) {
            0 | 1 => Message::Offer(offer(rng, known)),
            2 => Message::Accept(Accept {
                number: small(rng),
                first: small(rng).wrapping_mul(1024),
                wanted: ranges(rng),
            }),
            3 | 4 => Message::Data(data(rng, known)),
            5 => Message::Ack(Ack { number: small(rng), durable: ranges(rng), window: rng.below(1 << 41) }),
            6 => {
                let number = rng.one_in(2).then(|| small(rng));
                let stage = if rng.one_in(2) { Stage::All } else { Stage::Structure };
                Message::Complete(Complete { number, tip: tip(rng, known), stage })
            }
            7 | 8 => {
                let urgency = [Urgency::Read, Urgency::Structure, Urgency::Content][rng.below(3) as usize];
                let ids = (0..rng.below(40)).map(|_| id(rng, known)).collect();
                Message::Want(Want { first: rng.next() as u32 >> rng.below(32), urgency, ids })
            }
            9 => Message::Gone(Gone { slots: (0..rng.below(20)).map(|_| slot(rng)).collect() }),
            10 => Message::Ping(Beat { nonce: 1, tip: tip(rng, known) }),
            11 => Message::Pong(Beat { nonce: 1, tip: tip(rng, known) }),
            12 => Message::Have(Have { filter: rng.bytes(64) }),
            13 => Message::Resume(vec![[rng.below(3) as u8; 32]]),
            _ => Message::Epoch(zeroize::Zeroizing::new(rng.bytes(60)).into()),
        }
    }

    fn small(rng: &mut Rng) -> u32 {
        if rng.one_in(10) { rng.next() as u32 } else { rng.below(3) as u32 }
    }

    fn id(rng: &mut Rng, known: &[ObjectId]) -> ObjectId {
        match known.get(rng.below(2 * known.len() as u64) as usize) {
            Some(id) => *id,
            None => ObjectId([rng.below(9) as u8; 32]),
        }
    }

    fn kind(rng: &mut Rng) -> ObjectKind {
        [ObjectKind::Chunk, ObjectKind::List, ObjectKind::Trie, ObjectKind::Commit][rng.below(4) as usize]
    }

    fn tip(rng: &mut Rng, known: &[ObjectId]) -> Tip {
        let root = rng.one_in(2).then(|| id(rng, known));
        Tip { commit: id(rng, known), root, count: rng.below(9) }
    }

    fn ranges(rng: &mut Rng) -> Vec<Range> {
        let first = small(rng);
        vec![Range { first, count: 1 + small(rng) % 7 }]
    }

    fn slot(rng: &mut Rng) -> Slot {
        match rng.one_in(2) {
            true => Slot::Want(small(rng)),
            false => Slot::Offer { number: small(rng), index: small(rng) },
        }
    }

    fn offer(rng: &mut Rng, known: &[ObjectId]) -> Offer {
        let page: Vec<_> = (0..rng.below(6))
            .map(|_| Offered { id: id(rng, known), kind: kind(rng), len: 1 + rng.below(2000) as u32 })
            .collect();
        let objects = page.len() as u32 + small(rng) % 4;
        let first = if rng.one_in(4) { small(rng) } else { 0 };
        let base = rng.one_in(2).then(|| id(rng, known));
        Offer {
            number: small(rng),
            id: [1; 32],
            base,
            tip: tip(rng, known),
            objects,
            bytes: 20_000,
            first,
            page,
        }
    }

    fn data(rng: &mut Rng, known: &[ObjectId]) -> Data {
        let header = ObjectHeader {
            kind: kind(rng),
            flags: 0,
            epoch: EpochId { counter: 1, id: [0; 8] },
            plain_len: rng.below(3000) as u32,
            id: id(rng, known),
            wrapped: [0; 40],
        };
        let len = rng.below(900) as usize;
        let offset = if rng.one_in(2) { 0 } else { len as u32 };
        let start = (offset == 0).then(|| (header, (len as u32).wrapping_add(small(rng))));
        Data { slot: slot(rng), offset, start, slice: rng.bytes(len) }
    }
}
