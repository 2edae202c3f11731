//! Addresses as people write them.

use super::super::error::DaemonError;

/// The port, TCP and UDP, unless another is named.
pub const DEFAULT_PORT: u16 = 4747;

/// Where to listen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Listen {
    /// Nowhere.
    Off,
    /// On any address at the default port; another port if that is taken.
    Default,
    /// At `host:port`, which somebody asked for.
    At(String),
}

impl Listen {
    /// What was asked for: by the command line or the environment, else by the configuration.
    pub fn parse(asked: Option<&str>) -> Result<Listen, DaemonError> {
        match asked.map(str::trim) {
            None | Some("") => Ok(Listen::Default),
            Some("off") => Ok(Listen::Off),
            Some(address) => Ok(Listen::At(with_port(address)?)),
        }
    }
}

/// `HOST[:PORT]` with a port. An IPv6 address stands in brackets where a port follows.
pub fn with_port(address: &str) -> Result<String, DaemonError> {
    let bad = || DaemonError::BadAddress { address: address.to_owned() };
    let (host, port) = split(address).ok_or_else(bad)?;
    let sound = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_' | ':' | '%');
    if host.is_empty() || !host.chars().all(sound) || !is_one_host(host) {
        return Err(bad());
    }
    let port: u16 = port.map_or(Ok(DEFAULT_PORT), str::parse).map_err(|_| bad())?;
    Ok(if host.contains(':') { format!("[{host}]:{port}") } else { format!("{host}:{port}") })
}

/// Whether what has colons is an IPv6 address, perhaps with a zone.
fn is_one_host(host: &str) -> bool {
    let address = host.split_once('%').map_or(host, |(address, _)| address);
    !host.contains(':') || address.parse::<std::net::Ipv6Addr>().is_ok()
}

fn split(address: &str) -> Option<(&str, Option<&str>)> {
    if let Some(rest) = address.strip_prefix('[') {
        let (host, after) = rest.split_once(']')?;
        return match after.strip_prefix(':') {
            Some(port) => Some((host, Some(port))),
            None => after.is_empty().then_some((host, None)),
        };
    }
    match address.split_once(':') {
        Some((host, port)) if !port.contains(':') => Some((host, Some(port))),
        // More than one colon: an IPv6 address without a port.
        Some(_) | None => Some((address, None)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_port_is_added_where_there_is_none() {
        for (written, meant) in [
            ("nas", "nas:4747"),
            ("nas.lan:1", "nas.lan:1"),
            ("192.0.2.1", "192.0.2.1:4747"),
            ("[::1]:0", "[::1]:0"),
            ("[::1]", "[::1]:4747"),
            ("2001:db8::7", "[2001:db8::7]:4747"),
        ] {
            assert_eq!(with_port(written).unwrap(), meant);
        }
    }

    #[test]
    fn nonsense_is_refused() {
        for bad in ["", ":1", "a b", "a:", "a:x", "a:70000", "[::1", "[::1]x", "[]:1", "a/b"] {
            assert!(matches!(with_port(bad), Err(DaemonError::BadAddress { .. })), "{bad}");
        }
    }

    #[test]
    fn listening_is_off_default_or_at_an_address() {
        assert_eq!(Listen::parse(None).unwrap(), Listen::Default);
        assert_eq!(Listen::parse(Some("off")).unwrap(), Listen::Off);
        assert_eq!(Listen::parse(Some("[::]:0")).unwrap(), Listen::At("[::]:0".into()));
        assert!(Listen::parse(Some("a:b:")).is_err());
    }
}
