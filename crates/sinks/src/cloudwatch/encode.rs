//! Lines as PutLogEvents takes them; pure.
//!
//! On its way through the queue and the disk an event is `<milliseconds: i64> <length: u32> <message>`, little endian, and a
//! payload holds the events of one call.

use bytes::Bytes;

/// "The maximum number of log events in a batch is 10,000" (this and the next three: API reference, PutLogEvents).
pub const MAX_BATCH_EVENTS: usize = 10_000;
/// "The maximum batch size is 1,048,576 bytes, calculated as the sum of all event messages in UTF-8, plus 26 bytes for each."
pub const MAX_BATCH_BYTES: usize = 1_048_576;
pub const EVENT_OVERHEAD_BYTES: usize = 26;
/// "A batch of log events in a single request cannot span more than 24 hours."
pub const MAX_BATCH_SPAN_MS: i64 = 24 * 60 * 60 * 1_000;
/// An event may have 1 MB (1 MiB since April 2025, 256 KiB before), and has to fit a batch with its overhead.
const MAX_MESSAGE_BYTES: usize = MAX_BATCH_BYTES - EVENT_OVERHEAD_BYTES;
const HEADER_BYTES: usize = 12;

/// Appends one event; a message that is too long is cut and says so. Gives its bytes as CloudWatch counts them.
pub(crate) fn write(out: &mut Vec<u8>, milliseconds: i64, message: &str) -> usize {
    let (kept, marker) = cut(message);
    let length = kept.len() + marker.len();
    out.extend_from_slice(&milliseconds.to_le_bytes());
    out.extend_from_slice(&(length as u32).to_le_bytes());
    out.extend_from_slice(kept.as_bytes());
    out.extend_from_slice(marker.as_bytes());
    length + EVENT_OVERHEAD_BYTES
}

/// The events of a payload, as `(milliseconds, message)`. Ends where they do not make sense.
pub fn events(payload: &[u8]) -> impl Iterator<Item = (i64, &str)> {
    let mut rest = payload;
    std::iter::from_fn(move || {
        let (header, after) = rest.split_first_chunk::<HEADER_BYTES>()?;
        let milliseconds = i64::from_le_bytes(header[..8].try_into().ok()?);
        let length = u32::from_le_bytes(header[8..].try_into().ok()?) as usize;
        let (message, after) = after.split_at_checked(length)?;
        rest = after;
        Some((milliseconds, std::str::from_utf8(message).ok()?))
    })
}

/// Events as they were written, as payloads of one call each: in the order of time, and within every limit.
pub fn batches(written: Vec<u8>) -> Vec<(Bytes, u64)> {
    if let Some(count) = as_it_is(&written) {
        return if count == 0 { Vec::new() } else { vec![(written.into(), count)] };
    }
    let mut sorted: Vec<(i64, &str)> = events(&written).collect();
    // Stable: lines of one millisecond stay as they were written.
    sorted.sort_by_key(|(milliseconds, _)| *milliseconds);
    let mut batches = Vec::new();
    let mut batch = Batch::default();
    for (milliseconds, message) in sorted {
        if !batch.takes(milliseconds, message) {
            batches.push(std::mem::take(&mut batch).end());
        }
        batch.push(milliseconds, message);
    }
    if batch.count > 0 {
        batches.push(batch.end());
    }
    batches
}

#[derive(Default)]
struct Batch {
    bytes: Vec<u8>,
    count: usize,
    size: usize,
    first: i64,
}

impl Batch {
    fn takes(&self, milliseconds: i64, message: &str) -> bool {
        self.count == 0
            || self.count < MAX_BATCH_EVENTS
                && self.size + message.len() + EVENT_OVERHEAD_BYTES <= MAX_BATCH_BYTES
                && milliseconds - self.first <= MAX_BATCH_SPAN_MS
    }

    fn push(&mut self, milliseconds: i64, message: &str) {
        if self.count == 0 {
            self.first = milliseconds;
        }
        self.count += 1;
        self.size += write(&mut self.bytes, milliseconds, message);
    }

    fn end(self) -> (Bytes, u64) {
        (self.bytes.into(), self.count as u64)
    }
}

/// How many events there are, when they are one batch as they stand: the usual case, which copies nothing.
fn as_it_is(written: &[u8]) -> Option<u64> {
    let (mut count, mut size, mut first, mut last) = (0_usize, 0_usize, None, i64::MIN);
    for (milliseconds, message) in events(written) {
        count += 1;
        size += message.len() + EVENT_OVERHEAD_BYTES;
        let first = *first.get_or_insert(milliseconds);
        if milliseconds < last
            || count > MAX_BATCH_EVENTS
            || size > MAX_BATCH_BYTES
            || milliseconds - first > MAX_BATCH_SPAN_MS
        {
            return None;
        }
        last = milliseconds;
    }
    Some(count as u64)
}

/// What is kept of a message, and what tells that it is not all of it.
fn cut(message: &str) -> (&str, String) {
    if message.len() <= MAX_MESSAGE_BYTES {
        return (message, String::new());
    }
    let marker = format!("… [cut: {} bytes]", message.len());
    let mut end = MAX_MESSAGE_BYTES - marker.len();
    while !message.is_char_boundary(end) {
        end -= 1;
    }
    (&message[..end], marker)
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR: i64 = 60 * 60 * 1_000;

    /// The batches of events `(milliseconds, length)`, as `count x first..last`.
    fn check(written: &[(i64, usize)], expect: &str) {
        let mut bytes = Vec::new();
        for (milliseconds, length) in written {
            write(&mut bytes, *milliseconds, &"m".repeat(*length));
        }
        let mut told = Vec::new();
        let mut total = 0;
        for (payload, count) in batches(bytes) {
            let found: Vec<_> = events(&payload).collect();
            assert_eq!(found.len() as u64, count);
            assert!(found.is_sorted_by_key(|(milliseconds, _)| *milliseconds), "in order");
            let size: usize = found.iter().map(|(_, message)| message.len() + EVENT_OVERHEAD_BYTES).sum();
            assert!(size <= MAX_BATCH_BYTES && found.len() <= MAX_BATCH_EVENTS);
            total += found.len();
            told.push(format!("{count} x {}..{}", found[0].0, found[found.len() - 1].0));
        }
        assert_eq!(total, written.len());
        assert_eq!(told.join(", "), expect);
    }

    #[test]
    fn within_every_limit() {
        check(&[], "");
        check(&[(7, 5)], "1 x 7..7");
        // Order.
        check(&[(3, 1), (1, 1), (2, 1)], "3 x 1..3");
        // Count.
        let many: Vec<_> = (0..25_000).map(|n| (n, 1)).collect();
        check(&many, "10000 x 0..9999, 10000 x 10000..19999, 5000 x 20000..24999");
        // Bytes: two of half a batch, each with its 26.
        let half = MAX_BATCH_BYTES / 2 - EVENT_OVERHEAD_BYTES;
        check(&[(1, half), (2, half), (3, 1)], "2 x 1..2, 1 x 3..3");
        check(&[(1, half), (2, half + 1)], "1 x 1..1, 1 x 2..2");
        // A day: a clock that was set.
        check(&[(0, 1), (24 * HOUR, 1), (24 * HOUR + 1, 1)], "2 x 0..86400000, 1 x 86400001..86400001");
        check(&[(48 * HOUR, 1), (0, 1)], "1 x 0..0, 1 x 172800000..172800000");
    }

    #[test]
    fn too_long_a_message_is_cut_and_says_so() {
        let check = |start: &str, length: usize, expect: usize, end: &str| {
            let mut bytes = Vec::new();
            write(&mut bytes, 1, &format!("{start}{}", "é".repeat(length)));
            let message = events(&bytes).next().unwrap().1;
            assert_eq!(message.len(), expect);
            assert!(message.ends_with(end), "{}", &message[message.len() - 40..]);
        };
        check("", 524_275, 1_048_550, "é");
        check("", 524_276, 1_048_550, "é… [cut: 1048552 bytes]");
        // Not in the middle of a letter.
        check("x", 2_000_000, 1_048_549, "é… [cut: 4000001 bytes]");
    }

    #[test]
    fn what_is_damaged_ends_the_events() {
        let mut bytes = Vec::new();
        write(&mut bytes, 1, "one");
        write(&mut bytes, 2, "two");
        for end in 0..bytes.len() {
            let found = events(&bytes[..end]).count();
            assert_eq!(found, usize::from(end >= 15), "{end}");
        }
    }
}
