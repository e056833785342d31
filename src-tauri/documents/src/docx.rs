//! Word documents (ECMA-376 part 1): `word/document.xml` in a zip archive, headings by style.

use crate::Limits;
use crate::draft::{Document, Section};
use crate::error::ImportError;
use crate::text::speakable;
use quick_xml::Reader;
use quick_xml::events::{BytesStart, Event};
use std::collections::HashMap;
use std::io::{Cursor, Read};

/// Members an archive may list. Word writes a few dozen; pictures add one each.
const MEMBERS_MAX: usize = 10_000;
/// Elements within elements. Word's nested tables and text boxes stay far below.
const DEPTH_MAX: usize = 512;

/// Reads a document.
pub(crate) fn read(bytes: &[u8], limits: &Limits) -> Result<Document, ImportError> {
    let mut archive =
        zip::ZipArchive::new(Cursor::new(bytes)).map_err(|_| unreadable("the archive is damaged"))?;
    if archive.len() > MEMBERS_MAX {
        return Err(unreadable("the archive has too many members"));
    }
    let mut budget = limits.unpacked_bytes_max;
    let styles = match member(&mut archive, "word/styles.xml", &mut budget, limits)? {
        Some(xml) => heading_styles(&xml)?,
        None => HashMap::new(),
    };
    let body = member(&mut archive, "word/document.xml", &mut budget, limits)?
        .ok_or_else(|| unreadable("it is a zip archive but has no word/document.xml"))?;
    paragraphs(&body, &styles)
}

fn unreadable(problem: &str) -> ImportError {
    ImportError::Unreadable {
        format: "DOCX",
        problem: problem.to_owned(),
    }
}

/// One member, unpacked within what is left of `budget`. The size the archive claims is not believed.
fn member(
    archive: &mut zip::ZipArchive<Cursor<&[u8]>>,
    name: &str,
    budget: &mut u64,
    limits: &Limits,
) -> Result<Option<String>, ImportError> {
    let file = match archive.by_name(name) {
        Ok(f) => f,
        Err(zip::result::ZipError::FileNotFound) => return Ok(None),
        Err(_) => return Err(unreadable("a member of the archive is damaged or encrypted")),
    };
    let mut out = Vec::new();
    file.take(*budget + 1)
        .read_to_end(&mut out)
        .map_err(|_| unreadable("a member of the archive is damaged"))?;
    let used = u64::try_from(out.len()).unwrap_or(u64::MAX);
    if used > *budget {
        return Err(ImportError::UnpacksTooLarge {
            bytes_max: limits.unpacked_bytes_max,
        });
    }
    *budget -= used;
    let text = crate::text::decode(
        &out,
        None,
        &Limits {
            text_bytes_max: limits.unpacked_bytes_max,
            ..limits.clone()
        },
    )
    .map_err(|_| unreadable("its XML is not text"))?;
    Ok(Some(text))
}

/// Calls `each` for every event. Declared entities are never expanded: a document type is refused, and a reference to
/// anything but a character is dropped.
fn walk(xml: &str, mut each: impl FnMut(Step<'_>)) -> Result<(), ImportError> {
    let mut reader = Reader::from_str(xml);
    let mut depth = 0_usize;
    loop {
        match reader.read_event() {
            Ok(Event::Start(e)) => {
                depth += 1;
                if depth > DEPTH_MAX {
                    return Err(unreadable("its XML is nested too deeply"));
                }
                each(Step::Open(&e));
            }
            Ok(Event::Empty(e)) => {
                each(Step::Open(&e));
                each(Step::Close(e.local_name().as_ref()));
            }
            Ok(Event::End(e)) => {
                depth = depth.saturating_sub(1);
                each(Step::Close(e.local_name().as_ref()));
            }
            Ok(Event::Text(t)) => {
                let t = t.decode().map_err(|_| unreadable("its XML is not text"))?;
                each(Step::Text(&t));
            }
            Ok(Event::CData(t)) => {
                let t = t.decode().map_err(|_| unreadable("its XML is not text"))?;
                each(Step::Text(&t));
            }
            Ok(Event::GeneralRef(r)) => {
                let name = r.decode().map_err(|_| unreadable("its XML is not text"))?;
                if let Some(c) = reference(&name) {
                    each(Step::Text(c.encode_utf8(&mut [0; 4])));
                }
            }
            Ok(Event::DocType(_)) => return Err(unreadable("its XML declares a document type")),
            Ok(Event::Eof) => break,
            Ok(_) => {}
            Err(_) => return Err(unreadable("its XML is damaged")),
        }
    }
    if depth > 0 {
        return Err(unreadable("its XML breaks off"));
    }
    Ok(())
}

enum Step<'a> {
    Open(&'a BytesStart<'a>),
    Close(&'a [u8]),
    Text(&'a str),
}

/// A character reference or one of XML's five own entities.
fn reference(name: &str) -> Option<char> {
    match name {
        "amp" => Some('&'),
        "lt" => Some('<'),
        "gt" => Some('>'),
        "quot" => Some('"'),
        "apos" => Some('\''),
        _ => {
            let digits = name.strip_prefix('#')?;
            let code = match digits.strip_prefix(['x', 'X']) {
                Some(hex) => u32::from_str_radix(hex, 16).ok()?,
                None => digits.parse().ok()?,
            };
            char::from_u32(code)
        }
    }
}

/// The attribute with this local name.
fn attribute(e: &BytesStart<'_>, name: &[u8]) -> Option<String> {
    e.attributes()
        .flatten()
        .find(|a| a.key.local_name().as_ref() == name)
        .map(|a| String::from_utf8_lossy(&a.value).into_owned())
}

/// Style ids that are headings. Word's style ids are translated with its language; the names below `w:name` are not.
fn heading_styles(xml: &str) -> Result<HashMap<String, u8>, ImportError> {
    let mut out = HashMap::new();
    let mut current: Option<String> = None;
    walk(xml, |step| match step {
        Step::Open(e) => match e.local_name().as_ref() {
            b"style" => current = attribute(e, b"styleId"),
            b"name" => {
                if let (Some(id), Some(level)) = (&current, attribute(e, b"val").and_then(|n| level_of(&n))) {
                    out.insert(id.clone(), level);
                }
            }
            b"outlineLvl" => {
                let level = attribute(e, b"val")
                    .and_then(|v| v.parse::<u8>().ok())
                    .filter(|l| *l < 9);
                if let (Some(id), Some(level)) = (&current, level) {
                    out.entry(id.clone()).or_insert(level + 1);
                }
            }
            _ => {}
        },
        Step::Close(b"style") => current = None,
        _ => {}
    })?;
    Ok(out)
}

fn level_of(style: &str) -> Option<u8> {
    let s = style.trim().to_ascii_lowercase();
    if s == "title" {
        return Some(1);
    }
    let n = s.strip_prefix("heading")?.trim();
    n.parse().ok().filter(|l| (1..=9).contains(l))
}

/// The body's paragraphs as sections.
fn paragraphs(xml: &str, styles: &HashMap<String, u8>) -> Result<Document, ImportError> {
    let mut doc = Document::default();
    let mut section = Section::default();
    let mut text = String::new();
    let mut level: Option<u8> = None;
    let mut listening = false;
    let mut row: Option<Vec<String>> = None;
    // `mc:Fallback` repeats what its sibling says for older programs.
    let mut fallback = 0_usize;
    walk(xml, |step| match step {
        Step::Open(e) => match e.local_name().as_ref() {
            b"Fallback" => fallback += 1,
            b"t" => listening = fallback == 0,
            b"tab" => text.push(' '),
            b"br" | b"cr" => text.push('\n'),
            b"noBreakHyphen" => text.push('-'),
            b"tr" => row = Some(Vec::new()),
            b"pStyle" => {
                let id = attribute(e, b"val").unwrap_or_default();
                level = styles.get(&id).copied().or_else(|| level_of(&id)).or(level);
            }
            b"outlineLvl" => {
                let l = attribute(e, b"val")
                    .and_then(|v| v.parse::<u8>().ok())
                    .filter(|l| *l < 9);
                level = l.map(|l| l + 1).or(level);
            }
            _ => {}
        },
        Step::Text(t) if listening => text.push_str(t),
        Step::Text(_) => {}
        Step::Close(name) => match name {
            b"Fallback" => fallback = fallback.saturating_sub(1),
            b"t" => listening = false,
            b"p" => {
                let done = std::mem::take(&mut text);
                let level = level.take();
                if done.trim().is_empty() {
                } else if let Some(cells) = &mut row {
                    cells.push(speakable(&done));
                } else if let Some(level) = level {
                    let heading = speakable(&done);
                    if level == 1 && doc.title.is_none() {
                        doc.title = Some(heading.clone());
                    }
                    doc.sections.push(std::mem::replace(
                        &mut section,
                        Section {
                            heading,
                            ..Section::default()
                        },
                    ));
                } else {
                    section.paragraphs.push(done);
                }
            }
            b"tr" => {
                if let Some(cells) = row.take().filter(|c| !c.is_empty()) {
                    section.paragraphs.push(cells.join(", "));
                }
            }
            _ => {}
        },
    })?;
    doc.sections.push(section);
    Ok(doc)
}
