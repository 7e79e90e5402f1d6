//! Trace and segment ids.
//!
//! X-Ray writes a trace id as `1-<8 hex>-<24 hex>`, where the first 8 digits are seconds since 1970 if X-Ray made
//! it. It is the same 16 bytes as W3C's 32 hex digits, so one id serves both worlds. Since October 2023 X-Ray takes
//! random W3C ids as well; ids that begin with the epoch still are what its default time-range queries find.

use std::fmt;
use std::str::FromStr;

/// 16 bytes, never all zero.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct TraceId([u8; 16]);

/// 8 bytes, never all zero: a segment's or subsegment's id, W3C's span id.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct SpanId([u8; 8]);

/// Why a text is not an id. It holds no part of the text, which came from a stranger.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum IdError {
    #[error("has the wrong length")]
    Length,
    #[error("must be 1-<8 hex digits>-<24 hex digits> or 32 hex digits")]
    Form,
    #[error("must not be all zero")]
    Zero,
}

impl TraceId {
    /// An id as X-Ray makes them: the epoch first, 96 random bits after it.
    pub fn new(epoch_seconds: u32, random: [u8; 12]) -> Self {
        let mut bytes = [0; 16];
        bytes[..4].copy_from_slice(&epoch_seconds.to_be_bytes());
        bytes[4..].copy_from_slice(&random);
        Self(bytes)
    }

    pub fn from_bytes(bytes: [u8; 16]) -> Option<Self> {
        (bytes != [0; 16]).then_some(Self(bytes))
    }

    pub fn to_bytes(self) -> [u8; 16] {
        self.0
    }

    /// The first four bytes: when the trace began, if X-Ray or we made the id.
    pub fn epoch_seconds(self) -> u32 {
        u32::from_be_bytes([self.0[0], self.0[1], self.0[2], self.0[3]])
    }

    /// `1-<8 hex>-<24 hex>`, always 35 bytes.
    pub fn parse_xray(text: &str) -> Result<Self, IdError> {
        let text = text.as_bytes();
        if text.len() != 35 {
            return Err(IdError::Length);
        }
        if &text[..2] != b"1-" || text[10] != b'-' {
            return Err(IdError::Form);
        }
        let mut bytes = [0; 16];
        decode_hex(&text[2..10], &mut bytes[..4]).ok_or(IdError::Form)?;
        decode_hex(&text[11..], &mut bytes[4..]).ok_or(IdError::Form)?;
        Self::from_bytes(bytes).ok_or(IdError::Zero)
    }

    /// 32 hex digits.
    pub fn parse_w3c(text: &str) -> Result<Self, IdError> {
        if text.len() != 32 {
            return Err(IdError::Length);
        }
        let mut bytes = [0; 16];
        decode_hex(text.as_bytes(), &mut bytes).ok_or(IdError::Form)?;
        Self::from_bytes(bytes).ok_or(IdError::Zero)
    }

    /// 32 lower-case hex digits.
    pub fn to_w3c(self) -> String {
        format!("{:032x}", u128::from_be_bytes(self.0))
    }
}

/// Either spelling, as a person types or pastes it.
impl FromStr for TraceId {
    type Err = IdError;

    fn from_str(text: &str) -> Result<Self, IdError> {
        match text.len() {
            35 => Self::parse_xray(text),
            32 => Self::parse_w3c(text),
            _ => Err(IdError::Length),
        }
    }
}

/// X-Ray's spelling.
impl fmt::Display for TraceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let id = u128::from_be_bytes(self.0);
        write!(f, "1-{:08x}-{:024x}", self.epoch_seconds(), id & ((1 << 96) - 1))
    }
}

impl SpanId {
    pub fn from_bytes(bytes: [u8; 8]) -> Option<Self> {
        (bytes != [0; 8]).then_some(Self(bytes))
    }

    pub fn to_bytes(self) -> [u8; 8] {
        self.0
    }
}

impl FromStr for SpanId {
    type Err = IdError;

    fn from_str(text: &str) -> Result<Self, IdError> {
        if text.len() != 16 {
            return Err(IdError::Length);
        }
        let mut bytes = [0; 8];
        decode_hex(text.as_bytes(), &mut bytes).ok_or(IdError::Form)?;
        Self::from_bytes(bytes).ok_or(IdError::Zero)
    }
}

impl fmt::Display for SpanId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", u64::from_be_bytes(self.0))
    }
}

/// Fills `bytes` from twice as many hex digits of either case, or gives `None`.
fn decode_hex(digits: &[u8], bytes: &mut [u8]) -> Option<()> {
    for (pair, byte) in digits.chunks_exact(2).zip(bytes) {
        let high = (pair[0] as char).to_digit(16)?;
        let low = (pair[1] as char).to_digit(16)?;
        *byte = (high * 16 + low) as u8;
    }
    Some(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_spellings_are_one_id() {
        let xray: TraceId = "1-8a3c60f7-d188f8fa79d48a391a778fa6".parse().unwrap();
        let w3c: TraceId = "8a3c60f7d188f8fa79d48a391a778fa6".parse().unwrap();
        assert_eq!(xray, w3c);
        assert_eq!(xray.to_string(), "1-8a3c60f7-d188f8fa79d48a391a778fa6");
        assert_eq!(xray.to_w3c(), "8a3c60f7d188f8fa79d48a391a778fa6");
        assert_eq!(xray.epoch_seconds(), 0x8a3c_60f7);
    }

    #[test]
    fn hostile_ids() {
        let check = |text: &str, expect| assert_eq!(text.parse::<TraceId>(), Err(expect), "{text:?}");
        check("", IdError::Length);
        check("1-8a3c60f7-d188f8fa79d48a391a778fa", IdError::Length);
        check("1-8a3c60f7-d188f8fa79d48a391a778fa60", IdError::Length);
        check("9-8a3c60f7-d188f8fa79d48a391a778fa6", IdError::Form);
        check("1-8a3c60f7_d188f8fa79d48a391a778fa6", IdError::Form);
        check("1_8a3c60f7-d188f8fa79d48a391a778fa6", IdError::Form);
        check("1-8a3c60f-7d188f8fa79d48a391a778fa6", IdError::Form);
        check("1-8a3c60g7-d188f8fa79d48a391a778fa6", IdError::Form);
        check("1-8a3c60f7-d188f8fa79d48a391a778f+6", IdError::Form);
        check("1-00000000-000000000000000000000000", IdError::Zero);
        check("00000000000000000000000000000000", IdError::Zero);
        check("8a3c60f7d188f8fa79d48a391a778fé", IdError::Form);
        assert_eq!("000000000000000".parse::<SpanId>(), Err(IdError::Length));
        assert_eq!("0000000000000000".parse::<SpanId>(), Err(IdError::Zero));
        assert_eq!("53995c3f42cd8ad é".parse::<SpanId>(), Err(IdError::Length));
        assert_eq!("53995c3f42cd8adx".parse::<SpanId>(), Err(IdError::Form));
    }

    proptest::proptest! {
        #[test]
        fn any_id_survives_both_spellings(bytes: [u8; 16]) {
            if let Some(id) = TraceId::from_bytes(bytes) {
                proptest::prop_assert_eq!(id.to_string().parse(), Ok(id));
                proptest::prop_assert_eq!(id.to_w3c().parse(), Ok(id));
            }
        }

        #[test]
        fn no_text_panics(text: String) {
            let _ = text.parse::<TraceId>();
            let _ = text.parse::<SpanId>();
            let _ = TraceId::parse_xray(&text);
        }
    }
}
