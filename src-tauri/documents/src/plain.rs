//! Plain text: `Q:` and `A:` blocks, or paragraphs under short lines that look like headings.

use crate::draft::{Document, Section};

/// A heading in plain text is at most this long.
const HEADING_CHARS_MAX: usize = 80;

/// Reads plain text.
pub(crate) fn read(text: &str) -> Document {
    let asks = |l: &str| {
        let l = l.trim_start().to_ascii_lowercase();
        l.starts_with("q:") || l.starts_with("question:")
    };
    if text.lines().any(asks) {
        questions(text, asks)
    } else {
        paragraphs(text)
    }
}

/// A new entry begins at each question that follows an answer.
fn questions(text: &str, asks: impl Fn(&str) -> bool) -> Document {
    let mut doc = Document::default();
    let mut section = Section {
        line: 1,
        ..Section::default()
    };
    let mut lines: Vec<&str> = Vec::new();
    let mut answered = false;
    let mut asked = false;
    let mut flush = |section: &mut Section, lines: &mut Vec<&str>, next: u64| {
        let done = std::mem::replace(
            section,
            Section {
                line: next,
                ..Section::default()
            },
        );
        let paragraphs = split_paragraphs(lines);
        lines.clear();
        if !paragraphs.is_empty() {
            doc.sections.push(Section { paragraphs, ..done });
        }
    };
    for (line, n) in text.lines().zip(1_u64..) {
        if asks(line) && (answered || !asked) {
            flush(&mut section, &mut lines, n);
            answered = false;
        }
        if asks(line) {
            asked = true;
        } else if !line.trim().is_empty() {
            answered = true;
        }
        lines.push(line);
    }
    flush(&mut section, &mut lines, 0);
    doc
}

fn paragraphs(text: &str) -> Document {
    let mut doc = Document::default();
    let mut section = Section {
        line: 1,
        ..Section::default()
    };
    for (n, block) in blocks(text) {
        if looks_like_heading(&block) {
            let done = std::mem::replace(
                &mut section,
                Section {
                    line: n,
                    heading: crate::text::speakable(&block),
                    ..Section::default()
                },
            );
            doc.sections.push(done);
        } else {
            section.paragraphs.push(block);
        }
    }
    doc.sections.push(section);
    doc
}

/// One short line without a full stop, standing alone, with a letter in it.
fn looks_like_heading(block: &str) -> bool {
    let line = block.trim();
    !line.contains('\n')
        && line.chars().count() <= HEADING_CHARS_MAX
        && line.split_whitespace().count() <= 10
        && line.chars().any(char::is_alphabetic)
        && !line.starts_with(['-', '*', '•'])
        && !line.ends_with(['.', '!', ',', ';'])
}

/// Blocks between empty lines, each with the line it begins on.
fn blocks(text: &str) -> Vec<(u64, String)> {
    let mut out: Vec<(u64, String)> = Vec::new();
    let mut open = false;
    for (line, n) in text.lines().zip(1_u64..) {
        if line.trim().is_empty() {
            open = false;
            continue;
        }
        match out.last_mut().filter(|_| open) {
            Some((_, block)) => {
                block.push('\n');
                block.push_str(line);
            }
            None => out.push((n, line.to_owned())),
        }
        open = true;
    }
    out
}

fn split_paragraphs(lines: &[&str]) -> Vec<String> {
    blocks(&lines.join("\n")).into_iter().map(|(_, b)| b).collect()
}
