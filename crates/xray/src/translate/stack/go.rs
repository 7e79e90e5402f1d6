use super::{Thrown, frame};

/// A line with the call, then one with a tab, the path, the line and an offset; goroutines follow one another.
pub(super) fn parse(trace: &str) -> Vec<Thrown> {
    let mut frames = Vec::new();
    let mut label = "";
    for line in trace.lines() {
        if let Some(place) = line.strip_prefix('\t') {
            let place = place.split_whitespace().next().unwrap_or_default();
            let (path, number) = place.rsplit_once(':').unwrap_or((place, ""));
            if !label.is_empty() {
                frames.push(frame(label, path, number.parse().unwrap_or(0)));
            }
            label = "";
        } else {
            label = line.trim_end();
        }
    }
    vec![Thrown { frames, ..Thrown::default() }]
}
