//! The header `tracestate`: W3C trace-context level 2, section 3.3.
//!
//! We write no member of our own, so what is kept is the text: validated, joined in the order of its lines, and
//! passed on as it came. `opentelemetry`'s `TraceState` cannot hold every valid header (it refuses a system id of 14
//! characters and a second `@`), so spans get its version of it and calls get the text.

use opentelemetry::trace::TraceState;

pub(crate) const NAME: &str = "tracestate";

/// Section 3.3.1.1: there can be a maximum of 32 list-members.
const MAX_MEMBERS: usize = 32;

/// Sections 3.3.1.3.1 and 3.3.1.3.2: 256 characters each.
const MAX_KEY: usize = 256;
const MAX_VALUE: usize = 256;

/// Joins the lines of a header, or gives `None` if nothing is left or anything in it is wrong: too many members, a
/// bad key or a bad value drop the whole of it. A key that is there twice does not (the receiver may not care).
pub(crate) fn parse<'a>(lines: impl IntoIterator<Item = &'a [u8]>) -> Option<String> {
    let mut joined = String::new();
    let mut members = 0;
    for line in lines {
        let line = std::str::from_utf8(line).ok()?;
        for member in line.split(',').map(|member| member.trim_matches([' ', '\t'])) {
            // Section 3.3.1.1: empty list-members are allowed, to help those that concatenate.
            if member.is_empty() {
                continue;
            }
            members += 1;
            let (key, value) = member.split_once('=')?;
            if members > MAX_MEMBERS || !is_key(key) || !is_value(value) {
                return None;
            }
            if !joined.is_empty() {
                joined.push(',');
            }
            joined.push_str(member);
        }
    }
    (!joined.is_empty()).then_some(joined)
}

/// The same as `opentelemetry` holds it, for the span's record; empty where it cannot.
pub(crate) fn to_trace_state(header: &str) -> TraceState {
    TraceState::from_key_value(header.split(',').filter_map(|member| member.split_once('=')))
        .unwrap_or_default()
}

/// `key = ( lcalpha / DIGIT ) 0*255 ( keychar )`
fn is_key(key: &str) -> bool {
    let first = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit();
    key.len() <= MAX_KEY
        && key.bytes().next().is_some_and(first)
        && key.bytes().all(|b| first(b) || b"_-*/@".contains(&b))
}

/// `value = 0*255(chr) nblk-chr`: printable ASCII without comma and equals sign, no blank at the end.
fn is_value(value: &str) -> bool {
    let allowed = |b: u8| (0x20..=0x7e).contains(&b) && b != b',' && b != b'=';
    (1..=MAX_VALUE).contains(&value.len()) && value.bytes().all(allowed) && !value.ends_with(' ')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(lines: &[&str], expect: Option<&str>) {
        assert_eq!(parse(lines.iter().map(|line| line.as_bytes())).as_deref(), expect, "{lines:?}");
    }

    #[test]
    fn headers_as_they_come() {
        check(&["foo=1"], Some("foo=1"));
        check(&["foo=1,bar=2"], Some("foo=1,bar=2"));
        check(&["foo=1", "bar=2"], Some("foo=1,bar=2"));
        check(&["foo=1,bar=2", "rojo=1,congo=2", "baz=3"], Some("foo=1,bar=2,rojo=1,congo=2,baz=3"));
        // Blanks around members go, blanks inside values stay.
        check(&["foo=1 \t , \t bar=2"], Some("foo=1,bar=2"));
        check(&["foo= a b,bar=2"], Some("foo= a b,bar=2"));
        // Empty lines and members are nobody's fault.
        check(&["foo=1", ""], Some("foo=1"));
        check(&["", "foo=1"], Some("foo=1"));
        check(&["foo=1,", ",,bar=2"], Some("foo=1,bar=2"));
        check(&[], None);
        check(&[""], None);
        check(&[" , ,"], None);
        // A key twice, in one line or two, is kept.
        check(&["foo=1,foo=1"], Some("foo=1,foo=1"));
        check(&["foo=1", "foo=2"], Some("foo=1,foo=2"));
        // Keys.
        check(&["t@v=1"], Some("t@v=1"));
        check(&["0key=1"], Some("0key=1"));
        check(&["0a-*/_@b=1"], Some("0a-*/_@b=1"));
        check(&["t@v@w=1"], Some("t@v@w=1"));
        for key in ["foo@", "foo@@bar", "foo@bar@baz"] {
            // Level 2 lets `@` stand anywhere but first.
            check(&[&format!("{key}=1")], Some(&format!("{key}=1")));
        }
        for key in
            ["", "@foo", "_foo", "Foo", "foO", "foo ", "fo o", "foo.bar", "foo\tbar", "föö", "-a", "*a", "/a"]
        {
            check(&[&format!("ok=1,{key}=1")], None);
        }
        // Values.
        check(&["foo=!\"#$%&'()*+-./0:;<>?@[\\]^_`a{|}~"], Some("foo=!\"#$%&'()*+-./0:;<>?@[\\]^_`a{|}~"));
        for value in ["", "bar=baz", "é", "a\u{1}", "a\u{7f}"] {
            check(&[&format!("ok=1,foo={value}")], None);
        }
        check(&["foo"], None);
        check(&["foo=1,bar"], None);
    }

    #[test]
    fn lengths_and_numbers() {
        let key = "k".repeat(256);
        let tenant = format!("{}@{}", "t".repeat(241), "v".repeat(14));
        let value = "v".repeat(256);
        check(&[&format!("{key}=1")], Some(&format!("{key}=1")));
        check(&[&format!("{tenant}=1")], Some(&format!("{tenant}=1")));
        check(&[&format!("k={value}")], Some(&format!("k={value}")));
        check(&[&format!("{key}k=1")], None);
        check(&[&format!("k={value}v")], None);
        let members = |n: usize| (0..n).map(|i| format!("k{i}=1")).collect::<Vec<_>>().join(",");
        check(&[&members(32)], Some(&members(32)));
        check(&[&members(33)], None);
        check(&[&members(32), "one=more"], None);
        assert_eq!(to_trace_state(&members(32)).header(), members(32));
        assert_eq!(to_trace_state(&format!("{tenant}=1")).header(), "");
    }

    proptest::proptest! {
        #[test]
        fn no_bytes_panic_and_what_is_kept_is_kept_again(
            lines in proptest::collection::vec("[a-c@=, \t1é]{0,20}", 0..4)
        ) {
            if let Some(kept) = parse(lines.iter().map(String::as_bytes)) {
                let again = parse([kept.as_bytes()]);
                proptest::prop_assert_eq!(again, Some(kept));
            }
        }
    }
}
