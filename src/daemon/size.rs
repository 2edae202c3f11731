//! An amount of bytes as people write it: `500kB`, `2 MB`, `1.5GiB`.

use std::str::FromStr;

use serde::Deserialize;

/// The units, decimal and binary.
const UNITS: [(&str, f64); 9] = [
    ("", 1.0),
    ("b", 1.0),
    ("kb", 1e3),
    ("k", 1e3),
    ("mb", 1e6),
    ("gb", 1e9),
    ("kib", 1024.0),
    ("mib", 1_048_576.0),
    ("gib", 1_073_741_824.0),
];

/// What no amount that somebody means exceeds.
const MOST: f64 = 1e15;

/// An amount of bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub struct Size(pub u64);

impl FromStr for Size {
    type Err = String;

    /// # Errors
    /// Says what a size looks like.
    fn from_str(text: &str) -> Result<Self, String> {
        bytes(text).map(Size).ok_or_else(|| format!("`{text}` is no size: give one like 64MiB or 2GB"))
    }
}

impl TryFrom<String> for Size {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        text.parse()
    }
}

/// The bytes that a number with a unit comes to, if `text` is one.
pub(super) fn bytes(text: &str) -> Option<u64> {
    let text = text.trim();
    let unit_at = text.find(|c: char| c.is_ascii_alphabetic()).unwrap_or(text.len());
    let (number, unit) = text.split_at_checked(unit_at)?;
    let number: f64 = number.trim_end().parse().ok()?;
    let unit = unit.to_ascii_lowercase();
    let (_, factor) = UNITS.iter().find(|(name, _)| *name == unit)?;
    let bytes = number * factor;
    (0.0..MOST).contains(&bytes).then_some(bytes as u64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_read_as_they_are_written() {
        for (text, bytes) in
            [("64MiB", 64 << 20), ("2 MB", 2_000_000), ("1.5 gib", 3 << 29), ("80000", 80_000), ("0", 0)]
        {
            assert_eq!(text.parse(), Ok(Size(bytes)), "{text}");
        }
        for text in ["", "-1MB", "much", "1 furlong", "1e99", "NaN", "MB", "1é", "1MB/s"] {
            assert!(text.parse::<Size>().unwrap_err().contains("like 64MiB"), "{text}");
        }
    }
}
