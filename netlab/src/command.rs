//! The words with which a lab is told what to do: one line, as on the control socket.
//!
//! ```text
//! set   [WHERE] delay=50ms loss=1% …    changes what is named and leaves the rest
//! clear [WHERE]                          nothing happens to packets any more
//! cut   [WHERE]   mend [WHERE]           nothing gets through, and through again; nobody is told
//! unplug HOST     plug HOST              the cable out and in again: the host sees that
//! rate=100mbit                           as a word of `set`: what the hosts (or those of from=) may send
//! show · traffic HOST                    conditions and counts · bytes sent and received
//! ```
//! WHERE is `from=A` and `to=B` (either may be missing) or `between=A,B`; without it, everywhere.

use crate::{Condition, Lab, LabError};

/// Does what a line says, and gives the answer.
///
/// # Errors
/// [`LabError::Asked`] says what is not understood.
pub fn obey(lab: &Lab, line: &str) -> Result<String, LabError> {
    let mut words = line.split_whitespace();
    let verb = words.next().unwrap_or_default();
    let words: Vec<&str> = words.collect();
    match (verb, words.as_slice()) {
        ("set", _) => set(lab, &words),
        ("clear", _) => bare(lab, &words, |condition| {
            *condition = Condition::default();
            Ok(())
        }),
        ("cut", _) => bare(lab, &words, |condition| condition.set("silent", "yes")),
        ("mend", _) => bare(lab, &words, |condition| condition.set("silent", "no")),
        ("unplug", [host]) => lab.plug(lab.host(host)?, false).map(|()| String::new()),
        ("plug", [host]) => lab.plug(lab.host(host)?, true).map(|()| String::new()),
        ("show", []) => Ok(lab.show()),
        ("traffic", [host]) => {
            let (sent, received) = lab.traffic(lab.host(host)?)?;
            Ok(format!("sent={sent} received={received}\n"))
        }
        _ => Err(LabError::asked(format!("{line}: not understood"))),
    }
}

/// KEY=VALUE.
type Setting<'a> = (&'a str, &'a str);

/// The directions that words name, and the words that name none.
struct Where {
    from: Vec<usize>,
    to: Vec<usize>,
}

impl Where {
    fn take<'a>(lab: &Lab, words: &[&'a str]) -> Result<(Where, Vec<Setting<'a>>), LabError> {
        let all: Vec<usize> = (0..lab.hosts().len()).collect();
        let mut found = Where { from: all.clone(), to: all };
        let mut rest = Vec::new();
        for word in words {
            let (key, value) =
                word.split_once('=').ok_or_else(|| LabError::asked(format!("{word}: no KEY=VALUE")))?;
            let hosts = || value.split(',').map(|host| lab.host(host)).collect::<Result<Vec<_>, _>>();
            match key {
                "from" => found.from = hosts()?,
                "to" => found.to = hosts()?,
                "between" => (found.from, found.to) = (hosts()?, hosts()?),
                _ => rest.push((key, value)),
            }
        }
        Ok((found, rest))
    }
}

fn set(lab: &Lab, words: &[&str]) -> Result<String, LabError> {
    let (place, words) = Where::take(lab, words)?;
    let (rates, conditions): (Vec<_>, Vec<_>) = words.into_iter().partition(|(key, _)| *key == "rate");
    let change =
        |condition: &mut Condition| conditions.iter().try_for_each(|(key, value)| condition.set(key, value));
    lab.change(&place.from, &place.to, change)?;
    for (_, rate) in rates {
        place.from.iter().try_for_each(|host| lab.set_rate(*host, rate))?;
    }
    Ok(String::new())
}

fn bare(
    lab: &Lab,
    words: &[&str],
    change: impl Fn(&mut Condition) -> Result<(), LabError>,
) -> Result<String, LabError> {
    let (place, rest) = Where::take(lab, words)?;
    if let Some((key, value)) = rest.first() {
        return Err(LabError::asked(format!("{key}={value}: only from=, to= or between= here")));
    }
    lab.change(&place.from, &place.to, change).map(|()| String::new())
}
