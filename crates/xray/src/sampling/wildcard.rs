/// Whether `text` is what `pattern` means, ignoring case: `*` is any text, `?` any one character.
///
/// Two positions and one step back: at most pattern times text, where a recursive matcher is exponential.
pub fn matches(pattern: &str, text: &str) -> bool {
    let (mut pattern, mut text) = (pattern, text);
    // Where the last `*` was: the pattern after it, and the text that it has not swallowed yet.
    let mut star: Option<(&str, &str)> = None;
    loop {
        let mut wanted = pattern.chars();
        let mut found = text.chars();
        match (wanted.next(), found.next()) {
            (Some('*'), _) => {
                pattern = wanted.as_str();
                if pattern.is_empty() {
                    return true;
                }
                star = Some((pattern, text));
            }
            (None, None) => return true,
            (Some(w), Some(f)) if w == '?' || same(w, f) => {
                (pattern, text) = (wanted.as_str(), found.as_str());
            }
            _ => {
                // Let the last star swallow one character more.
                let Some((after, unswallowed)) = star else { return false };
                let mut rest = unswallowed.chars();
                if rest.next().is_none() {
                    return false;
                }
                (pattern, text) = (after, rest.as_str());
                star = Some((pattern, text));
            }
        }
    }
}

fn same(a: char, b: char) -> bool {
    a == b || a.eq_ignore_ascii_case(&b) || (!a.is_ascii() && a.to_lowercase().eq(b.to_lowercase()))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// aws-xray-sdk-python, `test_wildcard_match.py`; `Foo` and `FOO` differ there when case counts, which it never
    /// does here.
    #[test]
    fn vectors_of_the_python_sdk() {
        let yes = [
            ("foo", "foo"),
            ("fo?", "foo"),
            ("?o?", "foo"),
            ("foo*", "foo"),
            ("*o?", "foo"),
            ("*", "foo"),
            ("?o?se", "horse"),
            ("*/foo", "/bar/foo"),
            ("", ""),
            ("*a", "a"),
            ("*a", "ba"),
            ("a*a", "aa"),
            ("a*a*", "aaaaaaaa"),
            (
                "a*b*a*b*a*b*a*b*a*",
                "akljd9gsdfbkjhaabajkhbbyiaahkjbjhbuykjakjhabkjhbabjhkaabbabbaaakljdfsjklababkjbsdabab",
            ),
            ("**a*", "a"),
            ("a**b", "abb"),
            ("*?", "a"),
            ("*??", "aa"),
            ("?*", "a"),
            ("?*?", "aa"),
            ("*?*", "a"),
            ("*?*a*", "ba"),
            ("Fo*", "FOo0"),
            // Ours.
            ("Foo", "FOO"),
            ("*", ""),
            ("d?m\u{e4}in", "D\u{d6}M\u{c4}IN"),
            ("/api/state/*", "/api/state/1/2"),
        ];
        let no = [
            ("foo", "cat"),
            ("f?o", "boo"),
            ("foo*", "fo0"),
            ("????", "chevy"),
            ("abcd", "abc"),
            ("a*na*ha", "anananahahanahana"),
            ("*???", "aa"),
            ("??", "a"),
            ("?*?", "a"),
            ("*?*a", "a"),
            ("", "a"),
            ("?", ""),
        ];
        for (pattern, text) in yes {
            assert!(matches(pattern, text), "{pattern:?} should match {text:?}");
        }
        for (pattern, text) in no {
            assert!(!matches(pattern, text), "{pattern:?} should not match {text:?}");
        }
    }

    #[test]
    fn no_pattern_is_exponential() {
        let pattern = "a*".repeat(64) + "b";
        assert!(!matches(&pattern, &"a".repeat(10_000)));
    }
}
