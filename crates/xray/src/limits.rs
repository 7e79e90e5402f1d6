//! What X-Ray accepts, once. Each number names its source.

/// One document, segment or independent subsegment, as JSON text ("AWS X-Ray endpoints and quotas").
pub const MAX_DOCUMENT_BYTES: usize = 64 * 1024;

/// What precedes the document in a datagram (X-Ray daemon, `tracesegment.go`).
pub const DATAGRAM_HEADER: &str = "{\"format\":\"json\",\"version\":1}\n";

/// One document by UDP: 65,507 bytes are the largest payload of IPv4, less the header.
/// On macOS `net.inet.udp.maxdgram` is 9,216 unless raised, and `send` says EMSGSIZE above it.
pub const MAX_DATAGRAM_DOCUMENT_BYTES: usize = 65_507 - DATAGRAM_HEADER.len();

/// Documents per `PutTraceSegments`; the daemon and the OpenTelemetry Collector both send 50.
pub const MAX_DOCUMENTS_PER_CALL: usize = 50;

/// Characters of a segment's name (`xray-segmentdocument-schema-v1.0.0.json`). We keep subsegments to the same.
pub const MAX_NAME_CHARS: usize = 200;

/// Characters of `user`, `sql.user`, `http.request.{method,url,user_agent,client_ip}` (the same schema).
pub const MAX_STRING_CHARS: usize = 250;

/// Annotations that X-Ray indexes, per trace ("AWS X-Ray endpoints and quotas").
pub const MAX_ANNOTATIONS: usize = 50;

/// Characters of an annotation's key (the schema).
pub const MAX_ANNOTATION_KEY_CHARS: usize = 500;

/// Characters of an annotation's string value ("X-Ray segment documents").
pub const MAX_ANNOTATION_VALUE_CHARS: usize = 1_000;

/// Links of one segment or subsegment (schema of trace links).
pub const MAX_LINKS: usize = 20;

/// Frames kept of one exception; the rest is counted in `truncated`. Deep Rust futures pass 100 easily, and the frames
/// that tell something are the first.
pub const MAX_STACK_FRAMES: usize = 64;

/// Exceptions kept of one span, its chains of causes included. Ours: X-Ray names no number.
pub const MAX_EXCEPTIONS: usize = 32;

/// Statistics documents in one `GetSamplingTargets` (model of the API).
pub const MAX_STATISTICS_PER_CALL: usize = 25;

/// Custom sampling rules of one region; adjustable at AWS ("AWS X-Ray endpoints and quotas").
pub const MAX_SAMPLING_RULES: usize = 25;

/// The longest beginning of `text` with at most `max` characters, never half a character.
pub fn cut(text: &str, max: usize) -> &str {
    if text.len() <= max {
        return text;
    }
    text.char_indices().nth(max).map_or(text, |(end, _)| &text[..end])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cut_counts_characters() {
        let check = |text, max, expect| assert_eq!(cut(text, max), expect);
        check("", 0, "");
        check("abc", 3, "abc");
        check("abc", 2, "ab");
        check("dömäin", 3, "döm");
        check("dömäin", 6, "dömäin");
        check("日本語", 2, "日本");
        check("x", 0, "");
    }

    #[test]
    fn a_document_fits_a_datagram() {
        assert_eq!(MAX_DATAGRAM_DOCUMENT_BYTES, 65_477);
    }
}
