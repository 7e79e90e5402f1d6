//! The header `traceparent`: W3C trace-context level 2, section 3.2.

use std::fmt;

use opentelemetry::trace::{SpanContext, SpanId, TraceFlags, TraceId};

pub(crate) const NAME: &str = "traceparent";

/// The trace id's rightmost 7 bytes are random (level 2, section 3.2.2.5.2).
pub(crate) const RANDOM: TraceFlags = TraceFlags::new(0x02);

const DIGITS: &[u8; 16] = b"0123456789abcdef";

/// Length of version 00: `00-<32>-<16>-<2>`.
pub(crate) const LENGTH: usize = 55;

/// One parsed header. Both ids are valid, that is not all zero.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Traceparent {
    pub(crate) trace_id: TraceId,
    pub(crate) span_id: SpanId,
    /// Only the bits that level 2 defines: sampled and random.
    pub(crate) flags: TraceFlags,
}

impl Traceparent {
    /// `None` restarts the trace.
    ///
    /// Hex digits must be lower case. Version `ff` is forbidden; a version above 00 is read as 00, and may go on
    /// after the flags only behind another dash (section 4.1, "Versioning of traceparent").
    pub(crate) fn parse(header: &[u8]) -> Option<Self> {
        let (head, rest) = header.split_at_checked(LENGTH)?;
        let [version] = read_hex(&head[..2])?;
        let ends_well = if version == 0 { rest.is_empty() } else { rest.is_empty() || rest[0] == b'-' };
        if version == 0xff || !ends_well || head[2] != b'-' || head[35] != b'-' || head[52] != b'-' {
            return None;
        }
        let trace_id = TraceId::from_bytes(read_hex(&head[3..35])?);
        let span_id = SpanId::from_bytes(read_hex(&head[36..52])?);
        let [flags] = read_hex(&head[53..])?;
        if trace_id == TraceId::INVALID || span_id == SpanId::INVALID {
            return None;
        }
        Some(Self { trace_id, span_id, flags: TraceFlags::new(flags) & (TraceFlags::SAMPLED | RANDOM) })
    }

    /// The header's 55 bytes, without an allocation.
    pub(crate) fn to_bytes(self) -> [u8; LENGTH] {
        let mut header = *b"00-00000000000000000000000000000000-0000000000000000-00";
        write_hex(&self.trace_id.to_bytes(), &mut header[3..35]);
        write_hex(&self.span_id.to_bytes(), &mut header[36..52]);
        write_hex(&[self.flags.to_u8()], &mut header[53..]);
        header
    }
}

impl From<&SpanContext> for Traceparent {
    fn from(span: &SpanContext) -> Self {
        Self { trace_id: span.trace_id(), span_id: span.span_id(), flags: span.trace_flags() }
    }
}

impl fmt::Display for Traceparent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let header = self.to_bytes();
        f.write_str(std::str::from_utf8(&header).map_err(|_| fmt::Error)?)
    }
}

/// The N bytes that 2 N lower-case hex digits spell. Upper case is an error in W3C's headers.
fn read_hex<const N: usize>(digits: &[u8]) -> Option<[u8; N]> {
    const NONE: u8 = 0xff;
    const VALUES: [u8; 256] = {
        let mut values = [NONE; 256];
        let mut value = 0;
        while value < 16 {
            values[DIGITS[value] as usize] = value as u8;
            value += 1;
        }
        values
    };
    let (mut bytes, mut seen) = ([0; N], 0);
    for (byte, [high, low]) in bytes.iter_mut().zip(digits.as_chunks().0) {
        let (high, low) = (VALUES[usize::from(*high)], VALUES[usize::from(*low)]);
        seen |= high | low;
        *byte = high << 4 | low;
    }
    (digits.len() == 2 * N && seen != NONE).then_some(bytes)
}

/// Two digits a byte.
pub(crate) fn write_hex(bytes: &[u8], into: &mut [u8]) {
    for (byte, pair) in bytes.iter().zip(into.as_chunks_mut().0) {
        *pair = [DIGITS[usize::from(byte >> 4)], DIGITS[usize::from(byte & 15)]];
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const IDS: &str = "0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331";

    /// Rows of a header and what we would write for it; IDS stands for good ids, "-" for a restart.
    const TABLE: &[(&str, &str)] = &[
        ("00-IDS-01", "00-IDS-01"),
        ("00-IDS-00", "00-IDS-00"),
        ("00-IDS-03", "00-IDS-03"),
        ("00-IDS-02", "00-IDS-02"),
        // Undefined flags are not passed on (section 3.2.2.5.3).
        ("00-IDS-ff", "00-IDS-03"),
        ("00-IDS-fc", "00-IDS-00"),
        // Future versions: the same fields, more only behind a dash.
        ("cc-IDS-01", "00-IDS-01"),
        ("cc-IDS-01-what-the-future-will-be-like", "00-IDS-01"),
        ("cc-IDS-01-", "00-IDS-01"),
        ("cc-IDS-01.what-the-future-will-be-like", "-"),
        ("cc-IDS-010", "-"),
        ("01-IDS-01", "00-IDS-01"),
        ("fe-IDS-01", "00-IDS-01"),
        ("ff-IDS-01", "-"),
        ("ff-IDS-01-x", "-"),
        // Version 00 ends after the flags.
        ("00-IDS-01-", "-"),
        ("00-IDS-01-x", "-"),
        ("00-IDS-01.", "-"),
        ("00-IDS-010", "-"),
        // Truncated.
        ("", "-"),
        ("00", "-"),
        ("00-IDS", "-"),
        ("00-IDS-", "-"),
        ("00-IDS-0", "-"),
        ("0-IDS-01", "-"),
        ("000-IDS-01", "-"),
        ("00-0af7651916cd43dd8448eb211c80319-b7ad6b7169203331-01", "-"),
        ("00-0af7651916cd43dd8448eb211c80319c-b7ad6b716920333-01", "-"),
        ("00-0af7651916cd43dd8448eb211c80319c-b7ad6b71692033311-01", "-"),
        ("00-0af7651916cd43dd8448eb211c80319c1-b7ad6b7169203331-01", "-"),
        // Zero, wrong case, wrong digits, wrong dashes.
        ("00-00000000000000000000000000000000-b7ad6b7169203331-01", "-"),
        ("00-0af7651916cd43dd8448eb211c80319c-0000000000000000-01", "-"),
        ("00-0AF7651916CD43DD8448EB211C80319C-b7ad6b7169203331-01", "-"),
        ("00-0af7651916cd43dd8448eb211c80319c-B7AD6B7169203331-01", "-"),
        ("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-0A", "-"),
        (".0-IDS-01", "-"),
        ("0.-IDS-01", "-"),
        ("00-.af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01", "-"),
        ("00-0af7651916cd43dd8448eb211c80319c-.7ad6b7169203331-01", "-"),
        ("00-IDS-.0", "-"),
        ("00-IDS-0.", "-"),
        ("00_IDS-01", "-"),
        ("00-0af7651916cd43dd8448eb211c80319c_b7ad6b7169203331-01", "-"),
        ("00-IDS_01", "-"),
        (" 00-IDS-01", "-"),
        ("00-IDS-01 ", "-"),
        ("00-0af7651916cd43dd8448eb211c8031é-b7ad6b7169203331-01", "-"),
        ("00-+af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01", "-"),
        ("<script>alert(1)</script>", "-"),
    ];

    #[test]
    fn headers_as_they_come() {
        for (input, expect) in TABLE {
            let got = Traceparent::parse(input.replace("IDS", IDS).as_bytes()).map(|t| t.to_string());
            assert_eq!(got.unwrap_or_else(|| "-".to_owned()), expect.replace("IDS", IDS), "{input:?}");
        }
    }

    proptest::proptest! {
        #[test]
        fn what_is_written_is_read_again(trace_id in 1u128.., span_id in 1u64.., flags in 0u8..4) {
            let header = Traceparent {
                trace_id: trace_id.into(), span_id: span_id.into(), flags: TraceFlags::new(flags),
            };
            proptest::prop_assert_eq!(Traceparent::parse(&header.to_bytes()), Some(header));
        }

        #[test]
        fn no_bytes_panic(bytes in proptest::collection::vec(0u8.., 0..80)) {
            let _ = Traceparent::parse(&bytes);
        }
    }
}
