//! Web pages: headings begin entries; what a visitor does not read is dropped.

use crate::draft::{Document, Section};
use crate::error::ImportError;
use crate::text::speakable;
use ego_tree::iter::Edge;
use scraper::{Html, Node};

/// Elements whose content is not part of the text.
const DROPPED: [&str; 18] = [
    "script", "style", "noscript", "template", "svg", "math", "iframe", "object", "nav", "form", "button",
    "select", "head", "footer", "audio", "video", "canvas", "aside",
];
/// Elements that begin and end a paragraph.
const BLOCKS: [&str; 22] = [
    "p",
    "div",
    "li",
    "ul",
    "ol",
    "dl",
    "dt",
    "dd",
    "tr",
    "table",
    "section",
    "article",
    "main",
    "header",
    "blockquote",
    "pre",
    "figure",
    "figcaption",
    "address",
    "details",
    "summary",
    "body",
];

/// The character set a page declares in its first kilobyte (HTML, "prescan a byte stream"), if any.
pub(crate) fn declared_charset(bytes: &[u8]) -> Option<String> {
    let head = String::from_utf8_lossy(bytes.get(..1024).unwrap_or(bytes)).to_ascii_lowercase();
    let at = head.find("charset=")? + "charset=".len();
    let label: String = head
        .get(at..)?
        .trim_start_matches(['"', '\'', ' '])
        .chars()
        .take_while(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_'))
        .take(40)
        .collect();
    (!label.is_empty()).then_some(label)
}

/// Elements within elements. Building the tree takes time with the square of it.
const DEPTH_MAX: usize = 1_000;
/// Elements that are never inside an open one of their kind, or are never open at all.
const FLAT: [&str; 24] = [
    "p", "li", "dt", "dd", "td", "th", "tr", "option", "br", "hr", "img", "input", "meta", "link", "area",
    "base", "col", "embed", "param", "source", "track", "wbr", "path", "rect",
];

/// Whether more than [`DEPTH_MAX`] elements are open at once, by counting tags.
fn too_deep(text: &str) -> bool {
    let mut depth = 0_usize;
    for (at, _) in text.match_indices('<') {
        let rest = text.get(at + 1..).unwrap_or_default();
        let (ends, rest) = match rest.strip_prefix('/') {
            Some(r) => (true, r),
            None => (false, rest),
        };
        let name: String = rest
            .chars()
            .take_while(char::is_ascii_alphanumeric)
            .take(16)
            .collect::<String>()
            .to_ascii_lowercase();
        if !name.starts_with(|c: char| c.is_ascii_alphabetic()) || FLAT.contains(&name.as_str()) {
            continue;
        }
        depth = if ends { depth.saturating_sub(1) } else { depth + 1 };
        if depth > DEPTH_MAX {
            return true;
        }
    }
    false
}

/// Reads a page. The tree is walked with a cursor and not by recursion.
pub(crate) fn read(text: &str) -> Result<Document, ImportError> {
    if too_deep(text) {
        return Err(ImportError::Unreadable {
            format: "HTML",
            problem: "its elements are nested too deeply".to_owned(),
        });
    }
    let page = Html::parse_document(text);
    let mut doc = Document {
        language: page.root_element().value().attr("lang").map(str::to_owned),
        ..Document::default()
    };
    let mut section = Section::default();
    let mut buffer = String::new();
    let mut dropped = 0_usize;
    let mut in_heading = false;
    for edge in page.tree.root().traverse() {
        let (node, opens) = match edge {
            Edge::Open(n) => (n, true),
            Edge::Close(n) => (n, false),
        };
        match node.value() {
            Node::Text(t) if opens && dropped == 0 => buffer.push_str(&t.replace('\n', " ")),
            Node::Element(e) => {
                let name = e.name();
                if DROPPED.contains(&name)
                    || e.attr("hidden").is_some()
                    || e.attr("aria-hidden") == Some("true")
                {
                    dropped = if opens {
                        dropped + 1
                    } else {
                        dropped.saturating_sub(1)
                    };
                    continue;
                }
                if dropped > 0 {
                    continue;
                }
                if heading_level(name).is_some() {
                    if opens {
                        end_paragraph(&mut buffer, &mut section);
                        let next = Section {
                            id: None,
                            ..Section::default()
                        };
                        doc.sections.push(std::mem::replace(&mut section, next));
                        in_heading = true;
                    } else {
                        section.heading = speakable(&std::mem::take(&mut buffer));
                        if doc.title.is_none() && name == "h1" {
                            doc.title = Some(section.heading.clone());
                        }
                        in_heading = false;
                    }
                } else if in_heading {
                    // a heading may hold spans and line breaks; they are part of it
                    buffer.push_str(if name == "br" { " " } else { "" });
                } else if name == "br" && opens {
                    buffer.push('\n');
                } else if matches!(name, "td" | "th") && !opens {
                    buffer.push_str(", ");
                } else if BLOCKS.contains(&name) {
                    if name == "tr" && !opens {
                        let row = buffer.trim_end_matches([',', ' ']).len();
                        buffer.truncate(row);
                    }
                    end_paragraph(&mut buffer, &mut section);
                }
            }
            _ => {}
        }
    }
    end_paragraph(&mut buffer, &mut section);
    doc.sections.push(section);
    Ok(doc)
}

fn end_paragraph(buffer: &mut String, section: &mut Section) {
    let text = std::mem::take(buffer);
    if !text.trim().is_empty() {
        section.paragraphs.push(text);
    }
}

fn heading_level(name: &str) -> Option<u8> {
    match name.as_bytes() {
        [b'h', n @ b'1'..=b'6'] => Some(n - b'0'),
        _ => None,
    }
}
