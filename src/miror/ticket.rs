//! Tickets: what a new device needs to join, as one line of text, and the book of those given out.
//!
//! Text: `bosr1` and the base-32 letters (RFC 4648, lower case, no padding) of the postcard encoding and its
//! CRC-32. A CRC finds every error within 32 bits in a row, so any one changed letter.
#![deny(clippy::indexing_slicing)]

use std::collections::BTreeMap;
use std::fmt;

use data_encoding::BASE32_NOPAD;
use serde::{Deserialize, Serialize};
use zeroize::{Zeroize, ZeroizeOnDrop, Zeroizing};

use crate::ambient::{self, Entropy, WallNanos};
use crate::crypto::{DevicePublic, derive};

/// What every ticket begins with.
const PREFIX: &str = "bosr1";
/// Letters of a ticket at most.
pub const MAX_TEXT: usize = 1024;
/// Addresses in a ticket at most, and letters in each.
const ADDRESSES: usize = 8;
const ADDRESS: usize = 64;
/// Tickets open at once.
const OPEN: usize = 64;
/// How long a ticket is good for, in nanoseconds: ten minutes.
pub const LIFETIME: WallNanos = 600 * 1_000_000_000;

/// The public name of a ticket: the first thing a joiner says, in the clear.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct TicketId(pub [u8; 16]);

/// A ticket's secret, from which the pre-shared key of the joiner's handshake comes.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize, Zeroize, ZeroizeOnDrop)]
pub struct TicketSecret([u8; 16]);

impl TicketSecret {
    /// A new one.
    pub fn generate(entropy: &dyn Entropy) -> Self {
        TicketSecret(ambient::random(entropy))
    }

    /// The pre-shared key of the handshake.
    pub fn psk(&self) -> Zeroizing<[u8; 32]> {
        derive(&self.0, b"", b"bosr/1 ticket psk")
    }
}

/// An invitation to join a vault. Holds a secret: no `Debug`.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ticket {
    /// Where the inviter listens, `host:port`, the likeliest first.
    pub addresses: Vec<String>,
    /// Its name.
    pub id: TicketId,
    /// Its secret.
    pub secret: TicketSecret,
    /// When it ends, in nanoseconds since the Unix epoch, by the inviter's clock.
    pub expires: WallNanos,
}

/// Why a text is no ticket.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum TicketError {
    /// Does not begin as one.
    #[error("is not a ticket")]
    NotATicket,
    /// Letters are wrong or missing.
    #[error("was changed or cut off on the way")]
    Damaged,
    /// The ten minutes are over.
    #[error("has expired")]
    Expired,
}

impl fmt::Display for Ticket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut bytes = Zeroizing::new(postcard::to_stdvec(self).map_err(|_| fmt::Error)?);
        let sum = crc32fast::hash(&bytes);
        bytes.extend_from_slice(&sum.to_be_bytes());
        let text = Zeroizing::new(BASE32_NOPAD.encode(&bytes).to_ascii_lowercase());
        write!(f, "{PREFIX}{}", *text)
    }
}

impl Ticket {
    /// Reads a ticket. White space around it is no part of it.
    ///
    /// # Errors
    /// [`TicketError::NotATicket`], [`TicketError::Damaged`].
    pub fn parse(text: &str) -> Result<Self, TicketError> {
        let letters = text.trim().strip_prefix(PREFIX).ok_or(TicketError::NotATicket)?;
        if letters.len() > MAX_TEXT || letters.bytes().any(|letter| letter.is_ascii_uppercase()) {
            return Err(TicketError::Damaged);
        }
        let upper = Zeroizing::new(letters.to_ascii_uppercase());
        let bytes = BASE32_NOPAD.decode(upper.as_bytes()).map_err(|_| TicketError::Damaged)?;
        let bytes = Zeroizing::new(bytes);
        let (body, sum) = bytes.split_last_chunk::<4>().ok_or(TicketError::Damaged)?;
        if crc32fast::hash(body).to_be_bytes() != *sum {
            return Err(TicketError::Damaged);
        }
        let (ticket, rest) = postcard::take_from_bytes::<Ticket>(body).map_err(|_| TicketError::Damaged)?;
        let fits = ticket.addresses.len() <= ADDRESSES
            && ticket.addresses.iter().all(|address| address.len() <= ADDRESS);
        if rest.is_empty() && fits { Ok(ticket) } else { Err(TicketError::Damaged) }
    }

    /// Whether its time is over by this device's clock.
    ///
    /// # Errors
    /// [`TicketError::Expired`].
    pub fn check_time(&self, now: WallNanos) -> Result<(), TicketError> {
        if now < self.expires { Ok(()) } else { Err(TicketError::Expired) }
    }
}

/// Why a joiner is turned away. The number is part of the protocol.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error, Serialize, Deserialize)]
pub enum TicketRefusal {
    /// No such ticket: mistyped, of another vault, or the inviter has ended since.
    #[error("is not known there (any more)")]
    Unknown,
    /// Its time is over.
    #[error("has expired")]
    Expired,
    /// Another device came first.
    #[error("was used already; if that was not you, see `bosr device list` there and revoke")]
    Used,
}

#[derive(Clone)]
struct Issued {
    secret: TicketSecret,
    expires: WallNanos,
    spent_by: Option<DevicePublic>,
}

/// The tickets given out and not yet expired. Kept in memory: they end with the process that gave them out.
#[derive(Default)]
pub struct TicketBook(BTreeMap<TicketId, Issued>);

impl TicketBook {
    /// Gives out a ticket, good for `lifetime`. None if too many are open.
    pub fn issue(
        &mut self,
        mut addresses: Vec<String>,
        now: WallNanos,
        lifetime: WallNanos,
        entropy: &dyn Entropy,
    ) -> Option<Ticket> {
        self.0.retain(|_, issued| issued.expires > now);
        if self.0.len() >= OPEN {
            return None;
        }
        addresses.retain(|address| address.len() <= ADDRESS);
        addresses.truncate(ADDRESSES);
        let id = TicketId(ambient::random(entropy));
        let secret = TicketSecret::generate(entropy);
        let expires = now.saturating_add(lifetime);
        self.0.insert(id, Issued { secret: secret.clone(), expires, spent_by: None });
        Some(Ticket { addresses, id, secret, expires })
    }

    /// The secret of a ticket that may still be used, if only by who spent it.
    ///
    /// # Errors
    /// [`TicketRefusal::Unknown`], [`TicketRefusal::Expired`].
    pub fn secret(&self, id: &TicketId, now: WallNanos) -> Result<TicketSecret, TicketRefusal> {
        let issued = self.0.get(id).ok_or(TicketRefusal::Unknown)?;
        if issued.expires <= now { Err(TicketRefusal::Expired) } else { Ok(issued.secret.clone()) }
    }

    /// Spends a ticket for the device that completed the handshake. The same device may try again until it
    /// expires.
    ///
    /// # Errors
    /// As [`TicketRefusal`] says.
    pub fn spend(
        &mut self,
        id: &TicketId,
        device: &DevicePublic,
        now: WallNanos,
    ) -> Result<(), TicketRefusal> {
        let issued = self.0.get_mut(id).ok_or(TicketRefusal::Unknown)?;
        if issued.expires <= now {
            return Err(TicketRefusal::Expired);
        }
        if *issued.spent_by.get_or_insert(*device) == *device { Ok(()) } else { Err(TicketRefusal::Used) }
    }

    /// A ticket may still be used: the owner goes on listening for it.
    pub fn is_open(&self, now: WallNanos) -> bool {
        self.0.values().any(|issued| issued.expires > now && issued.spent_by.is_none())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug)]
    struct Counting;
    impl Entropy for Counting {
        fn fill(&self, buf: &mut [u8]) {
            for (n, byte) in buf.iter_mut().enumerate() {
                *byte = n as u8 + 1;
            }
        }
    }

    fn ticket() -> Ticket {
        let addresses = vec!["192.0.2.7:4747".into(), "[2001:db8::7]:4747".into()];
        match TicketBook::default().issue(addresses, 5, LIFETIME, &Counting) {
            Some(ticket) => ticket,
            None => panic!("no ticket"),
        }
    }

    #[test]
    fn text_and_back() {
        let text = ticket().to_string();
        assert!(Ticket::parse(&format!("  {text}\n")).is_ok_and(|back| back == ticket()));
        assert!(text.starts_with("bosr1") && text.bytes().all(|b| b.is_ascii_alphanumeric()));
    }

    #[test]
    fn one_changed_or_missing_letter_is_noticed() {
        let text = ticket().to_string();
        for at in 0..text.len() {
            for letter in "abcdefghijklmnopqrstuvwxyz0123456789AZ-".chars() {
                let mut changed: Vec<char> = text.chars().collect();
                if changed.get(at) == Some(&letter) {
                    continue;
                }
                if let Some(place) = changed.get_mut(at) {
                    *place = letter;
                }
                let changed: String = changed.into_iter().collect();
                assert!(Ticket::parse(&changed).is_err(), "{changed}");
            }
            assert!(Ticket::parse(text.get(..at).unwrap_or_default()).is_err());
        }
        assert!(Ticket::parse(&format!("{text}a")).is_err());
        assert!(Ticket::parse(&"bosr1".repeat(1000)).is_err());
    }

    #[test]
    fn spent_once_but_the_same_device_may_retry_until_expiry() {
        let mut book = TicketBook::default();
        let Some(ticket) = book.issue(Vec::new(), 0, LIFETIME, &Counting) else { panic!("no ticket") };
        let (a, b) = (DevicePublic([1; 32]), DevicePublic([2; 32]));
        assert!(book.is_open(1));
        assert_eq!(book.spend(&ticket.id, &a, 1), Ok(()));
        assert!(!book.is_open(1));
        assert_eq!(book.spend(&ticket.id, &b, 1), Err(TicketRefusal::Used));
        assert_eq!(book.spend(&ticket.id, &a, 2), Ok(()));
        assert_eq!(book.spend(&ticket.id, &a, LIFETIME), Err(TicketRefusal::Expired));
        assert_eq!(book.spend(&TicketId([0; 16]), &a, 1), Err(TicketRefusal::Unknown));
        assert!(book.secret(&ticket.id, LIFETIME).is_err());
        assert_eq!(ticket.check_time(LIFETIME), Err(TicketError::Expired));
    }
}
