//! Markdown: each heading begins an entry.
//!
//! ```text
//! ---
//! language: en
//! expires: 2027-03-31
//! ---
//! ## Parking {#parking}
//! Q: Is there parking?
//! Q: Where can I park?
//!
//! There is a small car park behind the building.
//! ```

use crate::draft::{Document, Section};
use pulldown_cmark::{Event, HeadingLevel, MetadataBlockKind, Options, Parser, Tag, TagEnd};

/// Reads Markdown.
pub(crate) fn read(text: &str) -> Document {
    let mut doc = Document::default();
    let mut options = Options::empty();
    options.insert(Options::ENABLE_HEADING_ATTRIBUTES);
    options.insert(Options::ENABLE_YAML_STYLE_METADATA_BLOCKS);
    options.insert(Options::ENABLE_TABLES);
    options.insert(Options::ENABLE_STRIKETHROUGH);
    let mut builder = Builder::new(text);
    for (event, range) in Parser::new_ext(text, options).into_offset_iter() {
        builder.take(event, range.start, &mut doc);
    }
    builder.finish(&mut doc);
    doc
}

struct Builder<'a> {
    source: &'a str,
    /// Where counting of lines has got to: a byte and its line.
    counted: (usize, u64),
    section: Section,
    buffer: String,
    in_heading: bool,
    in_metadata: bool,
    /// Depth of things whose text is not spoken: pictures, struck-out text.
    silent: usize,
}

impl<'a> Builder<'a> {
    fn new(source: &'a str) -> Self {
        Self {
            source,
            counted: (0, 1),
            section: Section {
                line: 1,
                ..Section::default()
            },
            buffer: String::new(),
            in_heading: false,
            in_metadata: false,
            silent: 0,
        }
    }

    /// Line of a byte. Events come in the order of the text but for small steps back, so counting goes on from where
    /// it was.
    fn line_at(&mut self, at: usize) -> u64 {
        let (from, line) = self.counted;
        if at >= from {
            let passed = self.source.get(from..at).map_or(0, |s| s.matches('\n').count());
            self.counted = (at, line + passed as u64);
        }
        self.counted.1
    }

    fn end_paragraph(&mut self) {
        let text = std::mem::take(&mut self.buffer);
        if !text.trim().is_empty() {
            self.section.paragraphs.push(text);
        }
    }

    fn take(&mut self, event: Event<'_>, at: usize, doc: &mut Document) {
        match event {
            Event::Start(Tag::MetadataBlock(MetadataBlockKind::YamlStyle)) => self.in_metadata = true,
            Event::End(TagEnd::MetadataBlock(_)) => {
                self.in_metadata = false;
                let block = std::mem::take(&mut self.buffer);
                front_matter(&block, doc);
            }
            Event::Start(Tag::Heading { id, .. }) => {
                self.end_paragraph();
                let line = self.line_at(at);
                let next = Section {
                    line,
                    id: id.map(|i| i.to_string()),
                    ..Section::default()
                };
                let done = std::mem::replace(&mut self.section, next);
                doc.sections.push(done);
                self.in_heading = true;
            }
            Event::End(TagEnd::Heading(level)) => {
                self.in_heading = false;
                let heading = crate::text::speakable(&std::mem::take(&mut self.buffer));
                if level == HeadingLevel::H1 && doc.title.is_none() {
                    doc.title = Some(heading.clone());
                }
                self.section.heading = heading;
            }
            Event::Start(Tag::Image { .. } | Tag::Strikethrough) => self.silent += 1,
            Event::End(TagEnd::Image | TagEnd::Strikethrough) => self.silent = self.silent.saturating_sub(1),
            Event::Text(t) | Event::Code(t) if self.silent == 0 => self.buffer.push_str(&t),
            Event::SoftBreak | Event::HardBreak => self.buffer.push(if self.in_heading { ' ' } else { '\n' }),
            Event::End(TagEnd::TableCell) => self.buffer.push_str(", "),
            Event::End(TagEnd::TableRow | TagEnd::TableHead) => {
                let row = self.buffer.trim_end_matches([',', ' ']).len();
                self.buffer.truncate(row);
                self.end_paragraph();
            }
            Event::Start(Tag::List(_) | Tag::Item)
            | Event::End(TagEnd::Paragraph | TagEnd::Item | TagEnd::CodeBlock) => {
                self.end_paragraph();
            }
            _ => {}
        }
    }

    fn finish(mut self, doc: &mut Document) {
        self.end_paragraph();
        doc.sections.push(self.section);
    }
}

/// `key: value` lines at the head of a file. Other programs keep keys of their own there; those are left alone.
fn front_matter(block: &str, doc: &mut Document) {
    for (line, n) in block.lines().zip(2_u64..) {
        let Some((key, value)) = line.split_once(':') else {
            continue;
        };
        let value = value.trim().trim_matches(['"', '\'']).to_owned();
        match key.trim().to_ascii_lowercase().as_str() {
            "language" | "lang" => doc.language = Some(value),
            "expires" => doc.expires = Some((n, value)),
            "title" => doc.title = Some(crate::text::speakable(&value)),
            _ => {}
        }
    }
}
