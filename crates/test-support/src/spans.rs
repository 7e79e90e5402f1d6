//! Spans as indented text.

use std::collections::HashSet;
use std::fmt::Write as _;

/// As much of a span as a tree shows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Span {
    pub span_id: String,
    pub parent: Option<String>,
    pub service: String,
    pub name: String,
    /// Any unit, as long as it is one.
    pub start: u64,
}

/// One line per span, `service: name`, below its parent and in the order of their starts (then of their names).
/// A span whose parent is not among them stands at the left and begins with `orphan `; one that no root leads to
/// comes last and begins with `loop `.
///
/// ```text
/// gateway: GET /api/activities/home
///   gateway: GET
///     activities: GET /activities/home
/// ```
pub fn span_tree(spans: &[Span]) -> String {
    let ids: HashSet<&str> = spans.iter().map(|span| span.span_id.as_str()).collect();
    let mut ordered: Vec<&Span> = spans.iter().collect();
    ordered.sort_by_key(|span| (span.start, &span.name));

    let mut tree = Tree { spans: &ordered, seen: HashSet::new(), text: String::new() };
    for span in &ordered {
        match &span.parent {
            None => tree.add(span, 0, ""),
            Some(parent) if !ids.contains(parent.as_str()) => tree.add(span, 0, "orphan "),
            Some(_) => {}
        }
    }
    for span in &ordered {
        tree.add(span, 0, "loop ");
    }
    tree.text
}

struct Tree<'a> {
    spans: &'a [&'a Span],
    seen: HashSet<&'a str>,
    text: String,
}

impl<'a> Tree<'a> {
    fn add(&mut self, span: &'a Span, depth: usize, mark: &str) {
        if !self.seen.insert(&span.span_id) {
            return;
        }
        let _ =
            writeln!(self.text, "{:indent$}{mark}{}: {}", "", span.service, span.name, indent = depth * 2);
        for child in self.spans.iter().filter(|child| child.parent.as_ref() == Some(&span.span_id)) {
            self.add(child, depth + 1, "");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn span(id: &str, parent: &str, name: &str, start: u64) -> Span {
        let parent = (!parent.is_empty()).then(|| parent.to_owned());
        Span { span_id: id.to_owned(), parent, service: "s".to_owned(), name: name.to_owned(), start }
    }

    fn check(spans: &[Span], expect: &str) {
        assert_eq!(span_tree(spans), expect);
    }

    #[test]
    fn children_stand_below_their_parent_in_order() {
        check(
            &[
                span("3", "1", "late", 5),
                span("1", "", "root", 0),
                span("2", "1", "early", 2),
                span("4", "2", "leaf", 3),
            ],
            "s: root\n  s: early\n    s: leaf\n  s: late\n",
        );
    }

    #[test]
    fn nothing_is_left_out() {
        check(&[span("1", "9", "lost", 0), span("2", "1", "child", 1)], "orphan s: lost\n  s: child\n");
        check(&[span("1", "2", "a", 0), span("2", "1", "b", 1)], "loop s: a\n  s: b\n");
        check(&[], "");
    }
}
