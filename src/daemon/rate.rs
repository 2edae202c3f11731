//! A rate as people write it: `500kB/s`, `2 MB`, `1.5MiB/s`.

use std::str::FromStr;

use serde::Deserialize;

use super::size;

/// The slowest rate: below it, peers would take the pause between two pieces for a stall.
const SLOWEST: u64 = 10_000;

/// Bytes each second, 10,000 at least.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub struct Rate(pub u64);

impl FromStr for Rate {
    type Err = String;

    /// # Errors
    /// Says what a rate looks like.
    fn from_str(text: &str) -> Result<Self, String> {
        let amount = text.trim().strip_suffix("/s").unwrap_or(text.trim());
        match size::bytes(amount) {
            Some(..SLOWEST) => Err(format!("`{text}` is too slow to sync at: give 10kB/s or more")),
            Some(bytes) => Ok(Rate(bytes)),
            None => Err(format!("`{text}` is no rate: give one like 500kB/s or 2MB/s")),
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
