//! From strings shown at places on a page to lines, paragraphs and headings.
//!
//! A PDF says where each string stands and nothing of what belongs together. Lines are strings on one baseline;
//! paragraphs end where the gap to the next line is wider than usual on the page; a heading is a short line clearly
//! larger than the text of the document.

use crate::draft::{Document, Section};
use crate::text::speakable;

/// A string as shown.
pub(crate) struct Shown {
    /// Where it begins, in points from the left.
    pub(crate) x: f32,
    /// Its baseline, in points from the bottom.
    pub(crate) y: f32,
    /// Where it ends.
    pub(crate) end: f32,
    /// Size of the type in points.
    pub(crate) size: f32,
    /// Whether `end` is known from the font and not guessed.
    pub(crate) known: bool,
    /// The characters.
    pub(crate) text: String,
}

/// A page's strings, in the order in which they were shown.
pub(crate) struct Page {
    /// From 1.
    pub(crate) number: u32,
    /// The strings.
    pub(crate) shown: Vec<Shown>,
}

struct Line {
    y: f32,
    size: f32,
    end: f32,
    known: bool,
    text: String,
}

/// A heading is at least this much larger than the text.
const HEADING_RATIO: f32 = 1.15;
/// A heading has at most this many characters.
const HEADING_CHARS_MAX: usize = 120;

/// Sections of the whole document, each with the page it begins on.
pub(crate) fn sections(pages: Vec<Page>) -> Document {
    let pages: Vec<(u32, Vec<Line>)> = pages.into_iter().map(|p| (p.number, lines(p.shown))).collect();
    let body = body_size(pages.iter().flat_map(|(_, l)| l));
    let mut doc = Document::default();
    let mut section = Section {
        page: 1,
        ..Section::default()
    };
    for (number, lines) in pages {
        // Text that runs on from the page before is cited with the page it stands on.
        if !section.paragraphs.is_empty() {
            let heading = section.heading.clone();
            let next = Section {
                page: number,
                heading,
                ..Section::default()
            };
            doc.sections.push(std::mem::replace(&mut section, next));
        } else if section.heading.is_empty() {
            section.page = number;
        }
        let usual = usual_gap(&lines);
        let mut before: Option<(f32, f32, bool)> = None;
        for line in lines {
            let heading = line.size >= body * HEADING_RATIO && line.text.chars().count() <= HEADING_CHARS_MAX;
            let gap = before.map_or(0.0, |(y, _, _)| (y - line.y).abs());
            let same_size = before.is_some_and(|(_, s, _)| (s - line.size).abs() < 0.1 * line.size);
            if heading {
                let goes_on = before.is_some_and(|(_, _, h)| h)
                    && same_size
                    && gap <= line.size * 1.6
                    && section.paragraphs.is_empty();
                if goes_on {
                    section.heading = format!("{} {}", section.heading, line.text);
                } else {
                    let next = Section {
                        page: number,
                        heading: line.text.clone(),
                        ..Section::default()
                    };
                    doc.sections.push(std::mem::replace(&mut section, next));
                }
            } else {
                let new_paragraph = !same_size || gap > usual * 1.3 || before.is_none_or(|(_, _, h)| h);
                match section.paragraphs.last_mut().filter(|_| !new_paragraph) {
                    Some(p) => join(p, &line.text),
                    None => section.paragraphs.push(line.text.clone()),
                }
            }
            before = Some((line.y, line.size, heading));
        }
    }
    doc.sections.push(section);
    doc
}

/// Adds a line to a paragraph; a word parted by a hyphen at the line's end is put together again. `Q:` lines stay
/// lines of their own.
fn join(paragraph: &mut String, line: &str) {
    let starts_small = line.starts_with(char::is_lowercase);
    let parted = paragraph
        .strip_suffix('-')
        .is_some_and(|p| p.ends_with(char::is_lowercase));
    if parted && starts_small {
        paragraph.pop();
    } else {
        let own_line = ["Q:", "A:", "Question:", "Answer:"]
            .iter()
            .any(|m| line.starts_with(m));
        paragraph.push(if own_line { '\n' } else { ' ' });
    }
    paragraph.push_str(line);
}

fn lines(shown: Vec<Shown>) -> Vec<Line> {
    let mut out: Vec<Line> = Vec::new();
    for s in shown {
        let size = s.size.max(1.0);
        match out
            .last_mut()
            .filter(|l| (l.y - s.y).abs() < 0.4 * size.max(l.size))
        {
            Some(line) => {
                let gap = s.x - line.end;
                let least = if line.known { 0.15 } else { 0.9 };
                // A string that begins left of the last one's end is another column or an overprint: keep them apart.
                if gap > least * size || gap < -4.0 * size {
                    line.text.push(' ');
                }
                line.text.push_str(&s.text);
                line.end = s.end;
                line.known = s.known;
                line.size = line.size.max(size);
            }
            None => out.push(Line {
                y: s.y,
                size,
                end: s.end,
                known: s.known,
                text: s.text,
            }),
        }
    }
    for line in &mut out {
        line.text = speakable(&line.text);
    }
    // A line without a letter or digit is an ornament; a bare number is the page's.
    out.retain(|l| l.text.chars().any(char::is_alphabetic));
    out
}

/// The size most characters have.
fn body_size<'a>(lines: impl Iterator<Item = &'a Line>) -> f32 {
    let mut counts: std::collections::BTreeMap<i64, usize> = std::collections::BTreeMap::new();
    for line in lines {
        // Quarters of a point, so that rounding does not part equal sizes.
        *counts.entry((line.size * 4.0).round() as i64).or_default() += line.text.len();
    }
    counts
        .into_iter()
        .max_by_key(|(_, n)| *n)
        .map_or(12.0, |(size, _)| size as f32 / 4.0)
}

/// The median gap between neighbouring lines that can belong together.
fn usual_gap(lines: &[Line]) -> f32 {
    let mut gaps: Vec<f32> = lines
        .iter()
        .zip(lines.iter().skip(1))
        .map(|(a, b)| (a.y - b.y).abs() / a.size.max(1.0))
        .filter(|g| (0.8..2.2).contains(g))
        .collect();
    gaps.sort_by(f32::total_cmp);
    let size = lines.iter().map(|l| l.size).fold(0.0_f32, f32::max).max(1.0);
    let body = body_size(lines.iter());
    // The narrowest usual gap, not the middle one: a page of one-line paragraphs has wide gaps throughout.
    gaps.get(gaps.len() / 4)
        .map_or(1.25 * size.min(body), |g| g * body)
}
