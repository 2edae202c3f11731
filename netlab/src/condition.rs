//! What the network does to the packets of one direction.

use std::fmt;
use std::time::Duration;

use crate::LabError;

/// A protocol that can be shut out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Protocol {
    /// TCP.
    Tcp,
    /// UDP.
    Udp,
}

/// The network from one host to another. The default does nothing to it.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Condition {
    /// How long each packet takes, one way.
    pub delay: Duration,
    /// Up to this much longer, evenly spread; keeps the order.
    pub jitter: Duration,
    /// The share of packets that get lost, 0 to 1.
    pub loss: f64,
    /// The share of packets that come later than those sent up to 2 ms (and the jitter) after them, 0 to 1.
    pub reorder: f64,
    /// Nothing gets through.
    pub silent: bool,
    /// Nothing of this protocol gets through.
    pub drop: Option<Protocol>,
}

impl Condition {
    /// Whether nothing happens to packets.
    pub fn is_clear(&self) -> bool {
        *self == Condition::default()
    }

    /// Takes up one word: `delay=50ms`, `rtt=100ms` (half of it as delay), `jitter=5ms`, `loss=1%`, `reorder=1%`,
    /// `silent=yes|no`, `drop=tcp|udp|none`.
    ///
    /// # Errors
    /// [`LabError::Asked`] names the word that is not understood; nothing changed then.
    pub fn set(&mut self, key: &str, value: &str) -> Result<(), LabError> {
        match key {
            "delay" => self.delay = duration(value)?,
            "rtt" => self.delay = duration(value)? / 2,
            "jitter" => self.jitter = duration(value)?,
            "loss" => self.loss = share(value)?,
            "reorder" => self.reorder = share(value)?,
            "silent" => self.silent = yes(value)?,
            "drop" => self.drop = protocol(value)?,
            _ => {
                let known = "delay, rtt, jitter, loss, reorder, silent, drop or rate";
                return Err(LabError::asked(format!("{key}: not one of {known}")));
            }
        }
        Ok(())
    }
}

impl fmt::Display for Condition {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.is_clear() {
            return out.write_str("clear");
        }
        let mut words = Vec::new();
        let times = [("delay", self.delay), ("jitter", self.jitter)];
        words.extend(
            times.iter().filter(|(_, time)| !time.is_zero()).map(|(key, time)| format!("{key}={time:?}")),
        );
        let shares = [("loss", self.loss), ("reorder", self.reorder)];
        let shares = shares.iter().filter(|(_, share)| *share > 0.0);
        words.extend(shares.map(|(key, share)| format!("{key}={}%", share * 100.0)));
        words.extend(self.silent.then(|| "silent=yes".to_owned()));
        words.extend(self.drop.map(|protocol| match protocol {
            Protocol::Tcp => "drop=tcp".to_owned(),
            Protocol::Udp => "drop=udp".to_owned(),
        }));
        out.write_str(&words.join(" "))
    }
}

fn duration(value: &str) -> Result<Duration, LabError> {
    let odd = || LabError::asked(format!("{value}: no time like 50ms, 1.5s or 200us"));
    let digits = value.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    let seconds = match value.get(digits.len()..) {
        Some("us") => 1e-6,
        Some("ms") => 1e-3,
        Some("s") => 1.0,
        _ if value == "0" => 0.0,
        _ => return Err(odd()),
    };
    let number: f64 = digits.parse().map_err(|_| odd())?;
    Duration::try_from_secs_f64(number * seconds).ok().filter(|time| time.as_secs() <= 60).ok_or_else(odd)
}

fn share(value: &str) -> Result<f64, LabError> {
    let odd = || LabError::asked(format!("{value}: no share like 1% or 0.5%"));
    let percent: f64 = match value.strip_suffix('%') {
        Some(number) => number.parse().map_err(|_| odd())?,
        None if value == "0" => 0.0,
        None => return Err(odd()),
    };
    if (0.0..=100.0).contains(&percent) { Ok(percent / 100.0) } else { Err(odd()) }
}

fn yes(value: &str) -> Result<bool, LabError> {
    match value {
        "yes" => Ok(true),
        "no" => Ok(false),
        _ => Err(LabError::asked(format!("{value}: neither yes nor no"))),
    }
}

fn protocol(value: &str) -> Result<Option<Protocol>, LabError> {
    match value {
        "tcp" => Ok(Some(Protocol::Tcp)),
        "udp" => Ok(Some(Protocol::Udp)),
        "none" => Ok(None),
        _ => Err(LabError::asked(format!("{value}: not one of tcp, udp, none"))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_taken_up_and_shown_again() {
        let mut condition = Condition::default();
        assert_eq!(condition.to_string(), "clear");
        for word in ["rtt=100ms", "jitter=200us", "loss=0.5%", "silent=yes", "drop=udp"] {
            let (key, value) = word.split_once('=').unwrap();
            condition.set(key, value).unwrap();
        }
        assert_eq!(condition.delay, Duration::from_millis(50));
        assert_eq!(condition.to_string(), "delay=50ms jitter=200µs loss=0.5% silent=yes drop=udp");
    }

    #[test]
    fn what_makes_no_sense_is_refused_and_changes_nothing() {
        let mut condition = Condition::default();
        let odd = [
            ("delay", "50"),
            ("delay", "-1ms"),
            ("delay", "NaNs"),
            ("delay", "2000s"),
            ("loss", "2"),
            ("loss", "101%"),
            ("loss", "NaN%"),
            ("drop", "icmp"),
            ("silent", "1"),
            ("speed", "1"),
        ];
        for (key, value) in odd {
            assert!(condition.set(key, value).is_err(), "{key}={value}");
            assert!(condition.is_clear());
        }
    }
}
