//! Tables of text for people; machines take `--json`.

use std::fmt::Write as _;

/// Letters of a cell; a statement of SQL is longer.
const MAX_WIDTH: usize = 60;

/// `is_number` says of a column whether it stands on the right.
pub(crate) fn table(lines: &[Vec<String>], is_number: impl Fn(usize) -> bool) -> String {
    let Some(head) = lines.first() else { return String::new() };
    let width = |place: usize| lines.iter().map(|line| line[place].chars().count()).max().unwrap_or(0);
    let widths: Vec<usize> = (0..head.len()).map(width).collect();
    let mut text = String::new();
    for line in lines {
        for (place, (cell, width)) in line.iter().zip(&widths).enumerate() {
            let gap = if place == 0 { "" } else { "  " };
            let _ = if is_number(place) {
                write!(text, "{gap}{cell:>width$}")
            } else {
                write!(text, "{gap}{cell:<width$}")
            };
        }
        text.truncate(text.trim_end().len());
        text.push('\n');
    }
    text
}

/// One line, without what moves a terminal's cursor, and no longer than a column may be.
pub(crate) fn cell(text: &str) -> String {
    cut(&one_line(text), MAX_WIDTH)
}

pub(crate) fn one_line(text: &str) -> String {
    let visible: String = text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
    visible.split_whitespace().collect::<Vec<_>>().join(" ")
}

pub(crate) fn cut(text: &str, letters: usize) -> String {
    if text.chars().count() <= letters {
        return text.to_owned();
    }
    text.chars().take(letters.saturating_sub(1)).chain(['…']).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hostile_text_stays_in_its_cell() {
        assert_eq!(cell("a\n  b\u{1b}[2Jc"), "a b [2Jc");
        assert_eq!(cell(&"é".repeat(70)), format!("{}…", "é".repeat(59)));
        assert_eq!(cell(""), "");
    }
}
