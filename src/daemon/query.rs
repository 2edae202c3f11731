//! The query of a request: parameters whose values are bytes, as paths are.

use std::convert::Infallible;

use axum::extract::FromRequestParts;
use axum::http::request::Parts;

/// The parameters, decoded.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Query(Vec<(String, Vec<u8>)>);

impl Query {
    fn parse(text: &str) -> Self {
        let pairs = text.split('&').filter(|pair| !pair.is_empty()).map(|pair| {
            let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
            (key.to_owned(), decoded(value))
        });
        Query(pairs.collect())
    }

    /// The value of a parameter.
    pub fn value(&self, key: &str) -> Option<&[u8]> {
        self.0.iter().find(|(name, _)| name == key).map(|(_, value)| value.as_slice())
    }

    /// The values of a parameter that may be given several times.
    pub fn values(&self, key: &str) -> Vec<Vec<u8>> {
        let own = self.0.iter().filter(|(name, _)| name == key);
        own.map(|(_, value)| value.clone()).collect()
    }

    /// The value of a parameter as text; of bytes that are none, as much as is.
    pub fn text(&self, key: &str) -> Option<String> {
        self.value(key).map(|value| String::from_utf8_lossy(value).into_owned())
    }

    /// The value of a parameter as a number.
    pub fn number<N: std::str::FromStr>(&self, key: &str) -> Option<N> {
        self.text(key)?.parse().ok()
    }
}

impl<S: Send + Sync> FromRequestParts<S> for Query {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Infallible> {
        Ok(Query::parse(parts.uri.query().unwrap_or_default()))
    }
}

/// `%XX` as the byte; a `%` without two hexadecimal digits as itself.
fn decoded(text: &str) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((first, after)) = rest.split_first() {
        let hex = after.first_chunk::<2>().and_then(|digits| std::str::from_utf8(digits).ok());
        match hex.and_then(|digits| u8::from_str_radix(digits, 16).ok()) {
            Some(byte) if *first == b'%' => {
                bytes.push(byte);
                rest = after.get(2..).unwrap_or_default();
            }
            _ => {
                bytes.push(*first);
                rest = after;
            }
        }
    }
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_bytes() {
        let query = Query::parse("path=/a%20b%FF&mode=420&flag");
        assert_eq!(query.value("path"), Some(&b"/a b\xff"[..]));
        assert_eq!(query.number::<u32>("mode"), Some(420));
        assert_eq!(Query::parse("p=a&q=1&p=b").values("p"), [b"a", b"b"]);
        assert_eq!((query.value("flag"), query.value("none")), (Some(&b""[..]), None));
    }

    #[test]
    fn broken_escapes_stay_as_they_are() {
        for text in ["%", "%4", "%zz", "a%"] {
            assert_eq!(decoded(text), text.as_bytes());
        }
    }
}
