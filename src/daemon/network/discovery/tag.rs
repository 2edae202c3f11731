//! What a device says of its vault on the local network: a tag that changes each day (UTC), and that only
//! holders of the epoch it comes from can tell from a random one.

use std::collections::HashMap;

use data_encoding::HEXLOWER;

use crate::ambient::WallNanos;
use crate::crypto::{Epoch, EpochId};

/// Nanoseconds of a day.
const DAY: i64 = 24 * 60 * 60 * 1_000_000_000;

/// A day: days since the Unix epoch, UTC.
pub(super) type Day = u32;

/// The day of a moment; what lies before the Unix epoch counts as its first day.
pub(super) fn day_of(moment: WallNanos) -> Day {
    Day::try_from(moment.div_euclid(DAY)).unwrap_or(0)
}

/// A tag.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Tag(pub(super) [u8; 16]);

impl Tag {
    /// As it is announced: 32 hexadecimal digits.
    pub(super) fn text(self) -> String {
        HEXLOWER.encode(&self.0)
    }

    /// The reverse of [`Tag::text`]; `None` for anything else.
    pub(super) fn parse(text: &[u8]) -> Option<Tag> {
        let mut tag = [0; 16];
        let fits = HEXLOWER.decode_len(text.len()) == Ok(tag.len());
        (fits && HEXLOWER.decode_mut(text, &mut tag).is_ok()).then_some(Tag(tag))
    }
}

/// The tags of a vault on a day.
pub(super) struct Tags {
    today: Day,
    newest: Option<EpochId>,
    epochs: usize,
    own: Option<Tag>,
    known: HashMap<Tag, Day>,
}

impl Tags {
    /// Those of these epochs, of which the first is the newest.
    pub(super) fn new(epochs: &[Epoch], today: Day) -> Self {
        let days = [today.checked_sub(1), Some(today), today.checked_add(1)];
        let tag = |epoch: &Epoch, day| Tag(epoch.discovery_tag(day));
        let of_all = |day| epochs.iter().map(move |epoch| (tag(epoch, day), day));
        Tags {
            today,
            newest: epochs.first().map(Epoch::id),
            epochs: epochs.len(),
            own: epochs.first().map(|epoch| tag(epoch, today)),
            known: days.into_iter().flatten().flat_map(of_all).collect(),
        }
    }

    /// Whether they are still those of these epochs on this day. (Epochs are only ever added.)
    pub(super) fn hold(&self, epochs: &[Epoch], today: Day) -> bool {
        (self.today, self.newest, self.epochs) == (today, epochs.first().map(Epoch::id), epochs.len())
    }

    /// What to announce: the newest epoch's tag of today.
    pub(super) fn own(&self) -> Option<Tag> {
        self.own
    }

    /// The day that a tag of this vault is of: clocks may be a day apart, and a device that was away has only an
    /// older epoch. `None` for the tag of anybody else.
    pub(super) fn recognise(&self, tag: &Tag) -> Option<Day> {
        self.known.get(tag).copied()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// An epoch of bytes that do not change: id, key, and nobody entitled.
    fn epoch(counter: u32, key: u8) -> Epoch {
        let id = EpochId { counter, id: [9; 8] }.to_bytes();
        Epoch::decode(&[&id[..], &[key; 32], &[0; 4]].concat()).unwrap()
    }

    #[test]
    fn known_answer() {
        let tags = Tags::new(&[epoch(2, 7), epoch(1, 8)], 20_000);
        assert_eq!(tags.own().unwrap().text(), "719ba724d78eb455c4709e3c9cbbe218");
    }

    #[test]
    fn the_day_changes_at_midnight_utc() {
        assert_eq!([-1, 0, DAY - 1, DAY, 20_000 * DAY].map(day_of), [0, 0, 0, 1, 20_000]);
    }

    #[test]
    fn a_tag_of_any_epoch_held_is_known_a_day_either_way() {
        let (old, new, foreign) = (epoch(1, 1), epoch(2, 2), epoch(2, 3));
        let tags = Tags::new(&[new.clone(), old.clone()], 100);
        for (epoch, held) in [(&old, true), (&new, true), (&foreign, false)] {
            for day in 97..=103 {
                let known = tags.recognise(&Tag(epoch.discovery_tag(day)));
                assert_eq!(known, (held && (99..=101).contains(&day)).then_some(day));
            }
        }
        assert_eq!(tags.own(), Some(Tag(new.discovery_tag(100))), "the newest epoch's");
        assert!(tags.hold(&[new.clone(), old.clone()], 100));
        assert!(!tags.hold(&[new.clone(), old], 101) && !tags.hold(&[new], 100));
    }

    #[test]
    fn the_first_day_of_all_has_none_before_it() {
        assert_eq!(Tags::new(&[epoch(1, 1)], 0).recognise(&Tag(epoch(1, 1).discovery_tag(0))), Some(0));
        assert!(Tags::new(&[], 5).own().is_none());
    }

    proptest! {
        #[test]
        fn tags_survive_their_text_and_nothing_else_is_one(tag: [u8; 16], bytes: Vec<u8>) {
            let text = Tag(tag).text();
            prop_assert_eq!(Tag::parse(text.as_bytes()), Some(Tag(tag)));
            prop_assert_eq!(Tag::parse(&text.as_bytes()[1..]), None);
            prop_assert_eq!(Tag::parse(text.to_uppercase().as_bytes()).is_some(), text == text.to_uppercase());
            prop_assert_eq!(Tag::parse(&bytes).map(|tag| tag.text().into_bytes()).unwrap_or(bytes.clone()), bytes);
        }
    }
}
