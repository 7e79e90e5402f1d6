//! The header `X-Amzn-Trace-Id`: `Root=1-<8 hex>-<24 hex>;Parent=<16 hex>;Sampled=1`.
//!
//! Fields come in any order, with blanks around them, and with company: a load balancer adds `Self=`, Lambda adds
//! `Lineage=`, RUM and others add what they like (`_dd.origin=rum`). None of that may cost the trace its id, so a
//! field that cannot be read is left out and the rest counts.

use std::fmt;

use crate::id::{SpanId, TraceId};

/// Its name in lower case, as HTTP libraries keep it.
pub const NAME: &str = "x-amzn-trace-id";

/// More than this is no header of AWS's; Java's propagator truncates at the same 256 when it writes.
/// We refuse to read beyond 1,024, so that nobody makes us carry kilobytes to the next service.
pub const MAX_LENGTH: usize = 1_024;

/// Unknown fields that are carried on, at most.
pub const MAX_EXTRA: usize = 8;

/// What one header says. `Self` is gone: it belongs to the load balancer that wrote it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Header {
    pub root: TraceId,
    /// Absent behind a load balancer or API Gateway, which start a trace without a segment of their own.
    pub parent: Option<SpanId>,
    pub sampled: Sampled,
    /// AWS's own loop detection (Lambda), carried as it came; only a well-formed one.
    pub lineage: Option<String>,
    /// Unknown fields in order of appearance, as X-Ray's SDKs forward them.
    pub extra: Vec<(String, String)>,
}

/// The sampling decision of whoever sent the header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sampled {
    Yes,
    No,
    /// Not said: the receiver decides.
    Absent,
    /// `?`: the receiver decides, and the sender would like to hear it in the response.
    Requested,
}

impl Sampled {
    /// The sender's decision, `None` if it left that to us.
    pub fn decision(self) -> Option<bool> {
        match self {
            Self::Yes => Some(true),
            Self::No => Some(false),
            Self::Absent | Self::Requested => None,
        }
    }
}

impl From<bool> for Sampled {
    fn from(sampled: bool) -> Self {
        if sampled { Self::Yes } else { Self::No }
    }
}

impl Header {
    /// Reads a header; `None` when it holds no usable `Root`, without which the rest means nothing.
    ///
    /// Of a field that is there twice the first counts, as the sender nearest to us appends.
    pub fn parse(text: &str) -> Option<Self> {
        if text.len() > MAX_LENGTH {
            return None;
        }
        let (mut root, mut parent, mut sampled, mut lineage, mut extra) =
            (None, None, None, None, Vec::new());
        for field in text.split(';') {
            let Some((key, value)) = field.split_once('=') else { continue };
            let (key, value) = (trim(key), trim(value));
            match key {
                "Root" if root.is_none() => root = Some(TraceId::parse_xray(value).ok()),
                "Parent" if parent.is_none() => parent = Some(value.parse().ok()),
                "Sampled" if sampled.is_none() => sampled = Some(parse_sampled(value)),
                "Lineage" if lineage.is_none() => {
                    lineage = Some(value).filter(|v| is_lineage(v)).map(str::to_owned);
                }
                "Root" | "Parent" | "Sampled" | "Lineage" | "Self" => {}
                _ if extra.len() < MAX_EXTRA && is_token(key) && is_token(value) => {
                    extra.push((key.to_owned(), value.to_owned()));
                }
                _ => {}
            }
        }
        Some(Self {
            root: root.flatten()?,
            parent: parent.flatten(),
            sampled: sampled.unwrap_or(Sampled::Absent),
            lineage,
            extra,
        })
    }

    /// Lineage and the unknown fields, in the order in which they are written: what an intermediary carries on.
    pub fn carried_fields(&self) -> impl Iterator<Item = (&str, &str)> {
        let lineage = self.lineage.iter().map(|value| ("Lineage", value.as_str()));
        lineage.chain(self.extra.iter().map(|(key, value)| (key.as_str(), value.as_str())))
    }
}

/// The header as it is sent on: Root, Parent, Sampled, Lineage, then what we did not know.
impl fmt::Display for Header {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Root={}", self.root)?;
        if let Some(parent) = self.parent {
            write!(f, ";Parent={parent}")?;
        }
        match self.sampled {
            Sampled::Yes => f.write_str(";Sampled=1")?,
            Sampled::No => f.write_str(";Sampled=0")?,
            Sampled::Requested => f.write_str(";Sampled=?")?,
            Sampled::Absent => {}
        }
        self.carried_fields().try_for_each(|(key, value)| write!(f, ";{key}={value}"))
    }
}

fn trim(text: &str) -> &str {
    text.trim_matches([' ', '\t'])
}

/// Anything but a clear yes or no leaves the decision to us.
fn parse_sampled(value: &str) -> Sampled {
    match value {
        "1" => Sampled::Yes,
        "0" => Sampled::No,
        "?" => Sampled::Requested,
        _ => Sampled::Absent,
    }
}

/// Visible ASCII without the header's own separators; an empty value is allowed nowhere.
fn is_token(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|b| b.is_ascii_graphic() && b != b';' && b != b'=')
}

/// `entry *("|" entry)`: `32767:e65a2c4d:255`, or the documentation's shorter `e65a2c4d:255`.
fn is_lineage(value: &str) -> bool {
    !value.is_empty() && value.split('|').all(is_lineage_entry)
}

fn is_lineage_entry(entry: &str) -> bool {
    let parts: Vec<&str> = entry.split(':').collect();
    let number = |text: &str, max: u32| {
        !text.is_empty()
            && text.bytes().all(|b| b.is_ascii_digit())
            && text.parse::<u32>().is_ok_and(|n| n <= max)
    };
    let hash = |text: &str| text.len() == 8 && text.bytes().all(|b| b.is_ascii_hexdigit());
    match parts[..] {
        [first, middle, last] => {
            entry.len() <= 18 && number(first, 32_767) && hash(middle) && number(last, 255)
        }
        [first, last] => hash(first) && number(last, 255),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ROOT: &str = "1-8a3c60f7-d188f8fa79d48a391a778fa6";

    /// `expect` is the header as we would send it on, or "-" for one that is of no use.
    fn check(input: &str, expect: &str) {
        let got = Header::parse(input).map_or("-".to_owned(), |header| header.to_string());
        assert_eq!(got, expect.replace("ROOT", ROOT), "{input:?}");
    }

    /// Rows of `input` and `expect`, in which ROOT stands for a good trace id.
    const TABLE: &[(&str, &str)] = &[
        ("Root=ROOT;Parent=53995c3f42cd8ad8;Sampled=1", "Root=ROOT;Parent=53995c3f42cd8ad8;Sampled=1"),
        ("Root=ROOT;Parent=53995c3f42cd8ad8;Sampled=0", "Root=ROOT;Parent=53995c3f42cd8ad8;Sampled=0"),
        // Any order, blanks, empty fields, no Parent, no Sampled.
        ("Sampled=1;Parent=53995c3f42cd8ad8;Root=ROOT", "Root=ROOT;Parent=53995c3f42cd8ad8;Sampled=1"),
        (
            " Root=ROOT ; Parent = 53995c3f42cd8ad8 ;\tSampled=1 ",
            "Root=ROOT;Parent=53995c3f42cd8ad8;Sampled=1",
        ),
        (";;Root=ROOT;;", "Root=ROOT"),
        ("Root=ROOT", "Root=ROOT"),
        ("Root=ROOT;Sampled=1", "Root=ROOT;Sampled=1"),
        // Deferred: absent, `?`, or not to be understood.
        ("Root=ROOT;Sampled=?", "Root=ROOT;Sampled=?"),
        ("Root=ROOT;Sampled=", "Root=ROOT"),
        ("Root=ROOT;Sampled=10", "Root=ROOT"),
        ("Root=ROOT;Sampled=true", "Root=ROOT"),
        // A parent that cannot be one is none; the trace id stays.
        ("Root=ROOT;Parent=53995c3f42cd8ad;Sampled=1", "Root=ROOT;Sampled=1"),
        ("Root=ROOT;Parent=53995c3f42cd8ad8a;Sampled=1", "Root=ROOT;Sampled=1"),
        ("Root=ROOT;Parent=0000000000000000;Sampled=1", "Root=ROOT;Sampled=1"),
        ("Root=ROOT;Parent=53995c3f42cd8adé;Sampled=1", "Root=ROOT;Sampled=1"),
        ("Root=ROOT;Parent=53995C3F42CD8AD8", "Root=ROOT;Parent=53995c3f42cd8ad8"),
        // Company: load balancer, Lambda, RUM. `Self` is never passed on.
        ("Self=1-67891234-12456789abcdef012345678;Root=ROOT", "Root=ROOT"),
        ("Root=ROOT;_dd.origin=rum;Sampled=1", "Root=ROOT;Sampled=1;_dd.origin=rum"),
        ("Root=ROOT;Lineage=32767:e65a2c4d:255", "Root=ROOT;Lineage=32767:e65a2c4d:255"),
        (
            "Root=ROOT;Lineage=a87bd80c:1|68fd508a:5|c512fbe3:2",
            "Root=ROOT;Lineage=a87bd80c:1|68fd508a:5|c512fbe3:2",
        ),
        ("Root=ROOT;Lineage=32768:e65a2c4d:255", "Root=ROOT"),
        ("Root=ROOT;Lineage=1:e65a2c4d:256", "Root=ROOT"),
        ("Root=ROOT;Lineage=1:e65a2c4:25", "Root=ROOT"),
        ("Root=ROOT;Lineage=", "Root=ROOT"),
        ("Root=ROOT;a=1;b=2;c=3;d=4;e=5;f=6;g=7;h=8;i=9", "Root=ROOT;a=1;b=2;c=3;d=4;e=5;f=6;g=7;h=8"),
        ("Root=ROOT;bad key=1;k=a b;x=<é>", "Root=ROOT"),
        ("Root=ROOT;nonsense;Sampled=1", "Root=ROOT;Sampled=1"),
        // Twice: the first counts, even a bad first one (a repaired header is a forged one).
        ("Root=ROOT;Root=1-00000001-000000000000000000000001", "Root=ROOT"),
        ("Root=bad;Root=ROOT", "-"),
        ("Root=ROOT;Sampled=0;Sampled=1", "Root=ROOT;Sampled=0"),
        // No Root, or none that is one.
        ("", "-"),
        ("Parent=53995c3f42cd8ad8;Sampled=1", "-"),
        ("Root=", "-"),
        ("Root=9-8a3c60f7-d188f8fa79d48a391a778fa6", "-"),
        ("Root=1-8a3c60f7-d188f8fa79d48a391a778fa", "-"),
        ("Root=1-8a3c60f7-d188f8fa79d48a391a778fa6a", "-"),
        ("Root=1-00000000-000000000000000000000000", "-"),
        ("Root=1-8A3C60F7-D188F8FA79D48A391A778FA6", "Root=ROOT"),
        ("root=ROOT", "-"),
    ];

    #[test]
    fn headers_as_they_come() {
        for (input, expect) in TABLE {
            check(&input.replace("ROOT", ROOT), expect);
        }
    }

    #[test]
    fn an_endless_header_is_not_read() {
        check(&format!("Root={ROOT};x={}", "a".repeat(MAX_LENGTH)), "-");
    }

    #[test]
    fn only_a_clear_word_is_a_decision() {
        let decision = |text: &str| Header::parse(&format!("Root={ROOT};{text}")).unwrap().sampled.decision();
        assert_eq!(decision("Sampled=1"), Some(true));
        assert_eq!(decision("Sampled=0"), Some(false));
        assert_eq!(decision("Sampled=?"), None);
        assert_eq!(decision(""), None);
    }

    proptest::proptest! {
        #[test]
        fn no_text_panics_and_what_is_read_reads_the_same_again(text in "(Root=1-[0-9a-f]{8}-[0-9a-f]{24})?[ -~é;=]{0,60}") {
            if let Some(header) = Header::parse(&text) {
                proptest::prop_assert_eq!(Header::parse(&header.to_string()), Some(header));
            }
        }
    }
}
