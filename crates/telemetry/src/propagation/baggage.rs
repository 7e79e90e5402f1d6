//! The header `baggage` (W3C Baggage, section 3): read with caps, written by an allow-list.
//!
//! Baggage was the incident class of 2026 (CVE-2026-29181, -41178, -45292, -54285): the caps hold for the sum of
//! all its lines, and what came in does not go out unless the operator named the key.

use opentelemetry::baggage::Baggage;
use percent_encoding::{AsciiSet, CONTROLS, percent_decode_str, utf8_percent_encode};

pub(crate) const NAME: &str = "baggage";

/// W3C Baggage, section 3.3.2: the least that a platform must carry is the most that we do.
const MAX_BYTES: usize = 8_192;
const MAX_MEMBERS: usize = 64;

/// Section 3.3.1: not allowed in a value, hence written as `%XX`.
const ENCODED: &AsciiSet = &CONTROLS.add(b' ').add(b'"').add(b',').add(b';').add(b'\\').add(b'%');

/// Reads the lines of one request until a cap is reached; a member that cannot be read is left out.
pub(crate) fn parse<'a>(lines: impl IntoIterator<Item = &'a [u8]>) -> Option<Baggage> {
    let mut baggage = Baggage::new();
    let (mut bytes, mut members) = (0, 0);
    'lines: for line in lines {
        bytes += line.len();
        if bytes > MAX_BYTES {
            break;
        }
        let Ok(line) = std::str::from_utf8(line) else { continue };
        for member in line.split(',') {
            members += 1;
            if members > MAX_MEMBERS {
                break 'lines;
            }
            // Properties (behind ';') describe the value to tools that we do not have.
            let Some((key, value)) = member.split(';').next().and_then(|pair| pair.split_once('=')) else {
                continue;
            };
            let (key, value) = (key.trim_matches([' ', '\t']), value.trim_matches([' ', '\t']));
            if is_token(key)
                && value.bytes().all(is_value_byte)
                && let Ok(value) = percent_decode_str(value).decode_utf8()
            {
                baggage.insert(key.to_owned(), value.into_owned());
            }
        }
    }
    (!baggage.is_empty()).then_some(baggage)
}

/// The allowed keys of `baggage`, in the order of the allow-list.
pub(crate) fn format(baggage: &Baggage, allowed: &[String]) -> Option<String> {
    if baggage.is_empty() {
        return None;
    }
    let members = allowed.iter().filter_map(|key| {
        let value = baggage.get(key)?;
        Some(format!("{key}={}", utf8_percent_encode(value.as_str(), ENCODED)))
    });
    let header = members.collect::<Vec<_>>().join(",");
    (!header.is_empty() && header.len() <= MAX_BYTES).then_some(header)
}

/// `token` of RFC 9110, section 5.6.2.
fn is_token(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|b| b.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&b))
}

/// `baggage-octet`.
fn is_value_byte(b: u8) -> bool {
    matches!(b, 0x21 | 0x23..=0x2b | 0x2d..=0x3a | 0x3c..=0x5b | 0x5d..=0x7e)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What is read, written out again under an allow-list of its own keys.
    fn check(lines: &[&str], expect: &str) {
        let baggage = parse(lines.iter().map(|line| line.as_bytes())).unwrap_or_default();
        let mut keys: Vec<String> = baggage.iter().map(|(key, _)| key.to_string()).collect();
        keys.sort();
        assert_eq!(format(&baggage, &keys).unwrap_or_default(), expect, "{lines:?}");
    }

    #[test]
    fn headers_as_they_come() {
        check(&["key1=value1,key2=value2"], "key1=value1,key2=value2");
        check(&["key1=value1", "key2=value2"], "key1=value1,key2=value2");
        check(&["key1 =  value1 ;property;p=1\t,\tkey2=value2"], "key1=value1,key2=value2");
        check(&["name=Am%C3%A9lie%20P"], "name=Am%C3%A9lie%20P");
        check(&["k=a=b"], "k=a=b");
        check(&["k="], "k=");
        // One bad member does not cost the others.
        check(&["bad key=1,=2,novalue,k(=1,ok=1"], "ok=1");
        check(&["k=a b,ok=1"], "ok=1");
        check(&["k=\"q\",ok=1"], "ok=1");
        check(&["k=é,ok=1"], "ok=1");
        check(&["k=%ff,ok=1"], "ok=1");
        check(&["", ",", "ok=1"], "ok=1");
        // Twice: the last counts.
        check(&["k=1,k=2"], "k=2");
    }

    #[test]
    fn the_caps_hold_over_all_lines() {
        let line = format!("k={}", "v".repeat(4_000));
        let lines: Vec<String> = (0..1_000).map(|i| format!("{i}{line}")).collect();
        let baggage = parse(lines.iter().map(String::as_bytes)).unwrap();
        assert_eq!(baggage.len(), 2);
        let many: Vec<String> = (0..1_000).map(|i| format!("k{i}=1")).collect();
        assert_eq!(parse(many.iter().map(String::as_bytes)).unwrap().len(), MAX_MEMBERS);
        assert_eq!(parse([many.join(",").as_bytes()]).unwrap().len(), MAX_MEMBERS);
        assert!(parse([format!("k={}", "v".repeat(MAX_BYTES)).as_bytes()]).is_none());
    }

    #[test]
    fn only_what_is_allowed_leaves() {
        let baggage = parse([&b"session.id=1,user.email=a@b"[..]]).unwrap();
        assert_eq!(format(&baggage, &[]), None);
        assert_eq!(format(&baggage, &["session.id".to_owned()]).as_deref(), Some("session.id=1"));
        assert_eq!(format(&baggage, &["other".to_owned()]), None);
    }

    proptest::proptest! {
        #[test]
        fn no_bytes_panic(lines in proptest::collection::vec(proptest::collection::vec(0u8.., 0..60), 0..4)) {
            let _ = parse(lines.iter().map(Vec::as_slice));
        }

        #[test]
        fn any_value_survives(value in "\\PC{0,40}") {
            let mut baggage = Baggage::new();
            baggage.insert("k", value.clone());
            let header = format(&baggage, &["k".to_owned()]).unwrap();
            let again = parse([header.as_bytes()]).unwrap_or_default();
            proptest::prop_assert_eq!(again.get("k").map(|v| v.as_str().to_owned()), Some(value));
        }
    }
}
