use std::fmt;
use std::str::FromStr;

use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use chrono::{DateTime, Utc};
use uuid::Uuid;

use crate::activity::Activity;

/// The place in a feed after which a page begins: the last activity that was read. Written as base64 of 24 bytes
/// (microseconds since 1970 as i64, then the uuid, both big-endian), opaque to callers, so that it may change.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Cursor {
    pub(crate) created_at: DateTime<Utc>,
    pub(crate) uuid: Uuid,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("before is not a value that an earlier page gave as next")]
pub(crate) struct CursorError;

impl Cursor {
    /// Before the newest: one statement, and one plan, serves the first page and all others.
    pub(crate) const START: Self = Self { created_at: FAR_FUTURE, uuid: Uuid::max() };
}

/// 3000-01-01. Postgres takes nothing after the year 294276, chrono goes only to 262142.
const FAR_FUTURE: DateTime<Utc> = DateTime::from_timestamp(32_503_680_000, 0).expect("within chrono's range");

impl From<&Activity> for Cursor {
    fn from(last: &Activity) -> Self {
        Self { created_at: last.created_at, uuid: last.uuid }
    }
}

impl fmt::Display for Cursor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut bytes = [0; 24];
        bytes[..8].copy_from_slice(&self.created_at.timestamp_micros().to_be_bytes());
        bytes[8..].copy_from_slice(self.uuid.as_bytes());
        f.write_str(&BASE64_URL_SAFE_NO_PAD.encode(bytes))
    }
}

impl FromStr for Cursor {
    type Err = CursorError;

    fn from_str(text: &str) -> Result<Self, CursorError> {
        let bytes: [u8; 24] = BASE64_URL_SAFE_NO_PAD
            .decode(text)
            .ok()
            .and_then(|bytes| bytes.try_into().ok())
            .ok_or(CursorError)?;
        let (micros, uuid) = bytes.split_at(8);
        let micros = i64::from_be_bytes(micros.try_into().expect("8 of 24 bytes"));
        let created_at = DateTime::from_timestamp_micros(micros).ok_or(CursorError)?;
        // What lies outside was forged, and would make Postgres fail instead of us.
        if !(DateTime::UNIX_EPOCH..=FAR_FUTURE).contains(&created_at) {
            return Err(CursorError);
        }
        Ok(Self { created_at, uuid: Uuid::from_slice(uuid).expect("16 of 24 bytes") })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cursor_reads_back_to_the_microsecond() {
        let cursor = Cursor {
            created_at: DateTime::from_timestamp_micros(1_795_247_000_123_456).unwrap(),
            uuid: Uuid::from_u128(0x0011_2233_4455_6677_8899_aabb_ccdd_eeff),
        };
        let text = cursor.to_string();
        assert_eq!(text, "AAZgxIO5-EAAESIzRFVmd4iZqrvM3e7_");
        assert_eq!(text.parse(), Ok(cursor));
        assert_eq!(Cursor::START.to_string().parse(), Ok(Cursor::START));
    }

    #[test]
    fn anything_else_is_refused() {
        let bytes = |byte| BASE64_URL_SAFE_NO_PAD.encode([byte; 24]);
        let cases =
            ["", "x", "AAAA", "'; drop table posts", &bytes(0x7f), &bytes(0xff), &format!("{}A", bytes(0))];
        for text in cases {
            assert_eq!(text.parse::<Cursor>(), Err(CursorError), "{text:?}");
        }
    }
}
