//! Frames as the kernel hands them to a TAP device with `virtio_net_hdr`: large ones stand for a row of segments
//! that share their headers. Parts of that row are frames again.

use std::ops::Range;

/// Length of the header before each frame.
pub(crate) const HEADER: usize = 10;
const ETHERNET: usize = 14;
const NEEDS_CHECKSUM: u8 = 1;
const GSO_TCP4: u8 = 1;
const GSO_TCP6: u8 = 4;
const GSO_UDP: u8 = 5;
/// Set beside the kind when the first segment carries a congestion signal.
const GSO_ECN: u8 = 0x80;
const TCP: u8 = 6;
const UDP: u8 = 17;
const FIN_AND_PUSH: u8 = 0x09;
const CWR: u8 = 0x80;

/// What a frame carries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Carried {
    Tcp,
    Udp,
    Other,
}

/// One frame with its header.
#[derive(Clone, Copy)]
pub(crate) struct Frame<'a>(pub(crate) &'a [u8]);

impl Frame<'_> {
    fn byte(&self, at: usize) -> u8 {
        self.0.get(at).copied().unwrap_or(0)
    }

    /// A number of `virtio_net_hdr`, in the machine's own order.
    fn native(&self, at: usize) -> usize {
        usize::from(u16::from_ne_bytes([self.byte(at), self.byte(at + 1)]))
    }

    fn network(&self, at: usize) -> u16 {
        u16::from_be_bytes([self.byte(at), self.byte(at + 1)])
    }

    /// The machine address that the frame goes to.
    pub(crate) fn destination(&self) -> [u8; 6] {
        std::array::from_fn(|place| self.byte(HEADER + place))
    }

    fn is_ip4(&self) -> bool {
        self.network(HEADER + 12) == 0x0800
    }

    /// The protocol, where it stands right behind the IP header.
    pub(crate) fn carried(&self) -> Carried {
        let ip = HEADER + ETHERNET;
        let protocol = match self.network(HEADER + 12) {
            0x0800 => self.byte(ip + 9),
            0x86dd => self.byte(ip + 6),
            _ => 0,
        };
        match protocol {
            TCP => Carried::Tcp,
            UDP => Carried::Udp,
            _ => Carried::Other,
        }
    }

    /// Bytes of payload in each segment but the last; `None` for a frame that is one segment.
    fn step(&self) -> Option<usize> {
        let step = self.native(4);
        (matches!(self.byte(1) & !GSO_ECN, GSO_TCP4 | GSO_TCP6 | GSO_UDP) && step > 0).then_some(step)
    }

    /// Where the TCP or UDP header begins, in a frame of many segments.
    fn transport(&self) -> usize {
        HEADER + self.native(6)
    }

    /// Where the payload begins, in a frame of many segments.
    fn payload(&self) -> usize {
        let transport = self.transport();
        let length =
            if self.carried() == Carried::Tcp { usize::from(self.byte(transport + 12) >> 4) * 4 } else { 8 };
        transport + length
    }

    /// How many segments the frame stands for.
    pub(crate) fn segments(&self) -> usize {
        match self.step() {
            Some(step) => self.0.len().saturating_sub(self.payload()).div_ceil(step).max(1),
            None => 1,
        }
    }

    /// Some of the segments as a frame of its own; `None` where there are none.
    pub(crate) fn part(&self, segments: Range<usize>) -> Option<Vec<u8>> {
        let all = self.segments();
        let Some(step) = self.step().filter(|_| segments != (0..all)) else { return Some(self.0.to_vec()) };
        let payload = self.payload();
        let end = (payload + segments.end * step).min(self.0.len());
        let mut frame = self.0.get(..payload)?.to_vec();
        frame.extend_from_slice(self.0.get(payload + segments.start * step..end)?);
        let mut part = Part { frame, transport: self.transport(), ip4: self.is_ip4() };
        if segments.len() == 1 {
            part.put(1, &[0]);
            part.put(4, &[0, 0]);
        }
        part.renumber(&segments, step, segments.end == all, self.carried());
        part.check(self.carried());
        Some(part.frame)
    }
}

/// A frame cut out of another: its headers are put right.
struct Part {
    frame: Vec<u8>,
    transport: usize,
    ip4: bool,
}

impl Part {
    fn put(&mut self, at: usize, bytes: &[u8]) {
        if let Some(place) = self.frame.get_mut(at..at + bytes.len()) {
            place.copy_from_slice(bytes);
        }
    }

    fn length_after(&self, at: usize) -> u16 {
        u16::try_from(self.frame.len() - at).unwrap_or(u16::MAX)
    }

    /// Lengths, the number of the IP packet, and the place in the stream.
    fn renumber(&mut self, segments: &Range<usize>, step: usize, last: bool, carried: Carried) {
        let ip = HEADER + ETHERNET;
        let first = u16::try_from(segments.start).unwrap_or(u16::MAX);
        if self.ip4 {
            self.put(ip + 2, &self.length_after(ip).to_be_bytes());
            let number = Frame(&self.frame).network(ip + 4).wrapping_add(first);
            self.put(ip + 4, &number.to_be_bytes());
        } else {
            self.put(ip + 4, &self.length_after(ip + 40).to_be_bytes());
        }
        let transport = self.transport;
        if carried == Carried::Udp {
            return self.put(transport + 4, &self.length_after(transport).to_be_bytes());
        }
        let frame = Frame(&self.frame);
        let sequence =
            u32::from(frame.network(transport + 4)) << 16 | u32::from(frame.network(transport + 6));
        let moved = u32::try_from(segments.start * step).unwrap_or(0);
        let mut flags = frame.byte(transport + 13);
        if !last {
            flags &= !FIN_AND_PUSH;
        }
        if first > 0 {
            flags &= !CWR;
        }
        self.put(transport + 4, &sequence.wrapping_add(moved).to_be_bytes());
        self.put(transport + 13, &[flags]);
    }

    /// The checksum of the IP header; of the pseudo header, which the kernel completes.
    fn check(&mut self, carried: Carried) {
        let (ip, transport) = (HEADER + ETHERNET, self.transport);
        let length = u32::from(self.length_after(transport));
        let (addresses, protocol) = if self.ip4 { (ip + 12..ip + 20, 6) } else { (ip + 8..ip + 40, 6) };
        let (protocol, place) = if carried == Carried::Udp { (u32::from(UDP), 6) } else { (protocol, 16) };
        let pseudo = fold(sum(self.frame.get(addresses).unwrap_or_default()) + protocol + length);
        if Frame(&self.frame).byte(0) & NEEDS_CHECKSUM != 0 {
            self.put(transport + place, &pseudo.to_be_bytes());
        }
        if self.ip4 {
            self.put(ip + 10, &[0, 0]);
            let header = !fold(sum(self.frame.get(ip..transport).unwrap_or_default()));
            self.put(ip + 10, &header.to_be_bytes());
        }
    }
}

fn sum(bytes: &[u8]) -> u32 {
    bytes
        .chunks(2)
        .map(|pair| u32::from(u16::from_be_bytes([pair[0], pair.get(1).copied().unwrap_or(0)])))
        .sum()
}

fn fold(mut sum: u32) -> u16 {
    while sum > 0xffff {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    u16::try_from(sum).unwrap_or(u16::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A TCP packet over IPv4 of `payload` bytes that stands for segments of 1000 bytes.
    fn large(payload: usize) -> Vec<u8> {
        let mut frame = vec![NEEDS_CHECKSUM, GSO_TCP4];
        for number in [54u16, 1000, 34, 16] {
            frame.extend_from_slice(&number.to_ne_bytes());
        }
        frame.extend_from_slice(&[2, 0, 0, 0, 0, 2, 2, 0, 0, 0, 0, 1, 8, 0]);
        frame.extend_from_slice(&[0x45, 0, 0, 0, 0, 7, 0x40, 0, 64, TCP, 0, 0, 10, 77, 0, 1, 10, 77, 0, 2]);
        let mut tcp = [0u8; 20];
        tcp[4..8].copy_from_slice(&u32::MAX.to_be_bytes());
        tcp[12] = 0x50;
        tcp[13] = 0x10 | FIN_AND_PUSH | CWR;
        frame.extend_from_slice(&tcp);
        frame.extend((0..payload).map(|place| u8::try_from(place / 1000).unwrap()));
        frame
    }

    #[test]
    fn a_row_of_segments_is_cut_where_asked() {
        let bytes = large(4500);
        let frame = Frame(&bytes);
        assert_eq!((frame.segments(), frame.carried()), (5, Carried::Tcp));
        let middle = frame.part(1..3).unwrap();
        let part = Frame(&middle);
        assert_eq!(part.segments(), 2);
        assert_eq!(&middle[64..], &bytes[1064..3064]);
        assert_eq!(part.network(HEADER + ETHERNET + 2), 2040, "length of the packet");
        assert_eq!(part.network(HEADER + ETHERNET + 4), 8, "number of the packet");
        assert_eq!(
            middle[HEADER + 34 + 4..HEADER + 34 + 8],
            999u32.to_be_bytes(),
            "place in the stream, past its end"
        );
        assert_eq!(middle[HEADER + 34 + 13], 0x10, "the first carries CWR, the last FIN and PSH");
        assert_eq!(fold(sum(&middle[HEADER + ETHERNET..HEADER + 34])), 0xffff, "checksum of the IP header");
    }

    #[test]
    fn a_single_segment_is_an_ordinary_frame() {
        let bytes = large(4500);
        let last = Frame(&bytes).part(4..5).unwrap();
        assert_eq!((Frame(&last).segments(), last.len()), (1, 64 + 500));
        assert_eq!((last[1], &last[4..6]), (0, &[0u8, 0][..]));
        assert_eq!(last[HEADER + 34 + 13], 0x10 | FIN_AND_PUSH);
    }

    #[test]
    fn the_parts_hold_what_the_whole_held() {
        let bytes = large(64_999);
        let frame = Frame(&bytes);
        for cut in 1..frame.segments() {
            let (head, tail) = (frame.part(0..cut).unwrap(), frame.part(cut..frame.segments()).unwrap());
            assert_eq!([&head[64..], &tail[64..]].concat(), &bytes[64..]);
        }
        assert_eq!(frame.part(0..frame.segments()).unwrap(), bytes);
    }

    #[test]
    fn odd_frames_do_no_harm() {
        let whole = large(3000);
        for end in 0..80 {
            let frame = Frame(&whole[..end]);
            let _ =
                (frame.destination(), frame.carried(), frame.segments(), frame.part(0..1), frame.part(1..2));
        }
    }
}
