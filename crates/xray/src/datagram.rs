//! One document by UDP to the daemon: a line of header, a line feed, the document. No answer ever comes.

use std::borrow::Cow;

use serde_json::Value;

use crate::limits::DATAGRAM_HEADER;

/// What the daemon drops, with the words of its warning (X-Ray daemon, `processor.go`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    #[error("Missing header or segment")]
    MissingHeaderOrSegment,
    #[error("Invalid header")]
    InvalidHeader,
}

/// The datagram of a document.
pub fn write(document: &str) -> Vec<u8> {
    [DATAGRAM_HEADER.as_bytes(), document.as_bytes()].concat()
}

/// The document of a datagram, unread: the daemon looks at the header alone and passes on whatever follows. Bytes that
/// are no UTF-8 become U+FFFD, as Go's JSON has them.
pub fn read(datagram: &[u8]) -> Result<Cow<'_, str>, Refused> {
    let newline = datagram.iter().position(|byte| *byte == b'\n').ok_or(Refused::MissingHeaderOrSegment)?;
    let (header, document) = (&datagram[..newline], datagram[newline..].trim_ascii());
    if document.is_empty() {
        return Err(Refused::MissingHeaderOrSegment);
    }
    if is_header(header) { Ok(String::from_utf8_lossy(document)) } else { Err(Refused::InvalidHeader) }
}

/// `format` in any case, `version` the number 1, in any order and with anything beside them.
fn is_header(text: &[u8]) -> bool {
    let Ok(Value::Object(header)) = serde_json::from_slice(text) else { return false };
    let format = header.get("format").and_then(Value::as_str);
    format.is_some_and(|format| format.eq_ignore_ascii_case("json"))
        && header.get("version").and_then(Value::as_i64) == Some(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_daemons_rules() {
        use Refused::{InvalidHeader, MissingHeaderOrSegment};
        let check = |datagram: &[u8], expect: Result<&str, Refused>| {
            assert_eq!(
                read(datagram).as_deref().map_err(|error| *error),
                expect,
                "{}",
                datagram.escape_ascii()
            );
        };
        check(b"{\"format\":\"json\",\"version\":1}\n{\"a\":1}", Ok("{\"a\":1}"));
        check(b"{\"format\": \"json\", \"version\": 1}\n{}\n", Ok("{}"));
        check(b"{\"version\":1,\"format\":\"JSON\",\"x\":2}\r\n{}", Ok("{}"));
        check(b"{\"format\":\"json\",\"version\":1}\n\n{}", Ok("{}"));
        check(b"{\"format\":\"json\",\"version\":1}\ngarbage", Ok("garbage"));
        check(b"{\"format\":\"json\",\"version\":1}\n\xff", Ok("\u{fffd}"));
        check(b"{\"format\":\"json\",\"version\":1}\n{\n}", Ok("{\n}"));
        check(b"", Err(MissingHeaderOrSegment));
        check(b"{}", Err(MissingHeaderOrSegment));
        check(b"{\"format\":\"json\",\"version\":1}", Err(MissingHeaderOrSegment));
        check(b"{\"format\":\"json\",\"version\":1}\n", Err(MissingHeaderOrSegment));
        check(b"{\"format\":\"json\",\"version\":1}\n \n", Err(MissingHeaderOrSegment));
        check(b"\n{}", Err(InvalidHeader));
        check(b"{\"format\":\"xml\",\"version\":1}\n{}", Err(InvalidHeader));
        check(b"{\"format\":\"json\",\"version\":2}\n{}", Err(InvalidHeader));
        check(b"{\"format\":\"json\",\"version\":\"1\"}\n{}", Err(InvalidHeader));
        check(b"{\"format\":\"json\"}\n{}", Err(InvalidHeader));
        check(b"[]\n{}", Err(InvalidHeader));
        check(b"{\n\"format\":\"json\",\"version\":1}\n{}", Err(InvalidHeader));
        check(&vec![0xff; 70_000], Err(MissingHeaderOrSegment));
    }

    proptest::proptest! {
        #[test]
        fn what_is_written_is_read(document in "[ -~é]*[!-~]") {
            let datagram = write(&document);
            let read = read(&datagram);
            proptest::prop_assert_eq!(read.as_deref(), Ok(document.trim_ascii()));
        }

        #[test]
        fn no_datagram_panics(datagram: Vec<u8>) {
            let _ = read(&datagram);
        }
    }
}
