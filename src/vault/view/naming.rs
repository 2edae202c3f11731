//! Rule 6: the names of tombstone files, `<stem>.tombstone-<device>-<lamport>.<ext>`.
#![deny(clippy::indexing_slicing)]

use super::super::Name;
use super::super::name::MAX_NAME;

/// What every tombstone name has in it.
pub const MARK: &[u8] = b".tombstone-";

/// The longest ending that counts as an extension, in bytes without its dot.
const MAX_EXTENSION: usize = 32;

/// The longest part of a device's name that a tombstone name holds, in bytes.
const MAX_DEVICE: usize = 64;

/// Whether a name could be that of a tombstone.
pub fn may_be_tombstone(name: &[u8]) -> bool {
    name.windows(MARK.len()).any(|window| window == MARK)
}

/// The name of the tombstone beside `name`, for a version written by `device` at `lamport`. `count` is 1 for
/// the first choice, more if that is taken.
pub fn tombstone_name(name: &Name, device: &str, lamport: u64, count: u32) -> Name {
    let mut tail = MARK.to_vec();
    tail.extend(device_part(device).bytes());
    tail.extend(format!("-{lamport}").bytes());
    with_tail(name, tail, count)
}

/// The name of an ordinary file that a tombstone beside `name` is to become: `<stem>-<device>.<ext>`. `count`
/// as for [`tombstone_name`].
pub fn kept_name(name: &Name, device: &str, count: u32) -> Name {
    with_tail(name, format!("-{}", device_part(device)).into_bytes(), count)
}

/// A name with `tail` between its stem, which is cut if need be, and its extension.
fn with_tail(name: &Name, mut tail: Vec<u8>, count: u32) -> Name {
    let (stem, extension) = split(name);
    if count > 1 {
        tail.extend(format!("-{count}").bytes());
    }
    tail.extend(extension);
    let mut whole = cut(stem, MAX_NAME.saturating_sub(tail.len())).to_vec();
    whole.extend(tail);
    // Never refused: the parts come from a name, and stem and tail are within the bound.
    Name::new(whole).unwrap_or_else(|_| name.clone())
}

/// Stem and extension (with its dot) of a name, after a tombstone suffix was taken off.
pub fn split(name: &[u8]) -> (&[u8], &[u8]) {
    if let Some(parts) = split_suffix(name) {
        return parts;
    }
    split_extension(name)
}

fn split_extension(name: &[u8]) -> (&[u8], &[u8]) {
    match name.iter().rposition(|byte| *byte == b'.') {
        Some(dot) if dot > 0 && (2..=MAX_EXTENSION + 1).contains(&(name.len() - dot)) => name.split_at(dot),
        _ => (name, &[]),
    }
}

/// Takes `.tombstone-<device>-<lamport>` out of a name that has it before its extension.
fn split_suffix(name: &[u8]) -> Option<(&[u8], &[u8])> {
    let mark = name.windows(MARK.len()).position(|window| window == MARK).filter(|at| *at > 0)?;
    let (stem, rest) = name.split_at(mark);
    let tag = rest.get(MARK.len()..)?;
    let end = tag.iter().position(|byte| *byte == b'.').unwrap_or(tag.len());
    let (tag, extension) = tag.split_at(end);
    let digits = tag.iter().rev().take_while(|byte| byte.is_ascii_digit()).count();
    let dash = tag.len().checked_sub(digits + 1).and_then(|at| tag.get(at));
    let whole = digits > 0 && dash == Some(&b'-') && !extension.iter().skip(1).any(|byte| *byte == b'.');
    whole.then_some((stem, extension))
}

/// A device's name as a part of a file name: no dots (they end the tag), nothing a shell trips over.
fn device_part(device: &str) -> String {
    let clean: String =
        device.chars().map(|c| if c.is_alphanumeric() || c == '-' { c } else { '_' }).collect();
    String::from_utf8_lossy(cut(clean.as_bytes(), MAX_DEVICE)).into_owned()
}

/// At most `limit` bytes of `text`, cut between characters where it is UTF-8.
fn cut(text: &[u8], limit: usize) -> &[u8] {
    if text.len() <= limit {
        return text;
    }
    let continues = |at: usize| text.get(at).is_some_and(|byte| byte & 0xC0 == 0x80);
    let back = (0..4).find(|back| !continues(limit.saturating_sub(*back))).unwrap_or(0);
    text.get(..limit.saturating_sub(back)).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn named(name: &str, device: &str, lamport: u64, count: u32) -> String {
        let name = tombstone_name(&Name::new(name).unwrap(), device, lamport, count);
        String::from_utf8(name.as_bytes().to_vec()).unwrap()
    }

    #[test]
    fn the_extension_stays_last() {
        assert_eq!(named("report.odt", "laptop", 17, 1), "report.tombstone-laptop-17.odt");
        assert_eq!(named("a.tar.gz", "laptop", 17, 1), "a.tar.tombstone-laptop-17.gz");
        assert_eq!(named(".bashrc", "laptop", 17, 1), ".bashrc.tombstone-laptop-17");
        assert_eq!(named("Makefile", "my.box x", 17, 1), "Makefile.tombstone-my_box_x-17");
        assert_eq!(named("x.", "b", 1, 1), "x..tombstone-b-1");
    }

    #[test]
    fn suffixes_do_not_nest_and_count_up() {
        assert_eq!(named("report.tombstone-laptop-17.odt", "desk", 9, 1), "report.tombstone-desk-9.odt");
        assert_eq!(named("report.tombstone-laptop-17-2.odt", "desk", 9, 3), "report.tombstone-desk-9-3.odt");
        assert_eq!(named("x.tombstone-a-1", "desk", 9, 1), "x.tombstone-desk-9");
        // Only looks like one.
        assert_eq!(named("x.tombstone-a.odt", "desk", 9, 1), "x.tombstone-a.tombstone-desk-9.odt");
    }

    #[test]
    fn a_version_that_is_kept_is_called_after_its_device() {
        let kept = |name: &str, device: &str, count| kept_name(&Name::new(name).unwrap(), device, count);
        assert_eq!(kept("report.odt", "laptop", 1).as_bytes(), b"report-laptop.odt");
        assert_eq!(kept("report.odt", "my.box", 2).as_bytes(), b"report-my_box-2.odt");
        assert_eq!(kept("Makefile", "laptop", 1).as_bytes(), b"Makefile-laptop");
        assert_eq!(kept(&"x".repeat(255), "laptop", 1).len(), 255);
    }

    #[test]
    fn long_names_are_cut_between_characters() {
        for length in 70..84 {
            let long = format!("{}{}.txt", "x".repeat(length % 3), "文".repeat(length));
            let cut = named(&long, "laptop", 12345, 1);
            assert!(cut.len() <= 255 && cut.ends_with(".tombstone-laptop-12345.txt"), "{cut}");
        }
        let long = vec![0xBF; 255];
        assert_eq!(tombstone_name(&Name::new(long).unwrap(), "d", 1, 1).len(), 255);
    }
}
