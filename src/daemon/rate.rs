//! A rate as people write it: `500kB/s`, `2 MB`, `1.5MiB/s`.

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

/// The slowest rate: below it, peers would take the pause between two pieces for a stall.
const SLOWEST: f64 = 10e3;

/// Bytes each second, 10,000 at least.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub struct Rate(pub u64);

impl FromStr for Rate {
    type Err = String;

    /// # Errors
    /// Says what a rate looks like.
    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || format!("`{text}` is no rate: give one like 500kB/s or 2MB/s");
        let amount = text.trim().strip_suffix("/s").unwrap_or(text.trim()).trim_end();
        let unit_at = amount.find(|c: char| c.is_ascii_alphabetic()).unwrap_or(amount.len());
        let (number, unit) = amount.split_at_checked(unit_at).ok_or_else(wrong)?;
        let number: f64 = number.trim_end().parse().map_err(|_| wrong())?;
        let unit = unit.to_ascii_lowercase();
        let (_, factor) = UNITS.iter().find(|(name, _)| *name == unit).ok_or_else(wrong)?;
        let bytes = number * factor;
        match bytes {
            _ if (0.0..SLOWEST).contains(&bytes) => {
                Err(format!("`{text}` is too slow to sync at: give 10kB/s or more"))
            }
            SLOWEST..1e15 => Ok(Rate(bytes as u64)),
            _ => Err(wrong()),
        }
    }
}

impl TryFrom<String> for Rate {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        text.parse()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rates_are_read_as_they_are_written() {
        for (text, bytes) in [
            ("500kB/s", 500_000),
            ("2 MB", 2_000_000),
            ("1.5MiB/s", 1_572_864),
            ("80000", 80_000),
            ("1 GB/s", 1_000_000_000),
        ] {
            assert_eq!(text.parse(), Ok(Rate(bytes)), "{text}");
        }
        for text in ["", "-1MB", "fast", "1 furlong/s", "1e99", "NaN", "MB/s", "1é"] {
            assert!(text.parse::<Rate>().unwrap_err().contains("like 500kB/s"), "{text}");
        }
        for text in ["0", "9999", "1kB/s"] {
            assert!(text.parse::<Rate>().unwrap_err().contains("too slow"), "{text}");
        }
    }
}
