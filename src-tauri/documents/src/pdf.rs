//! PDF (ISO 32000-1): the text that is shown, page by page. Only this file knows the PDF library.

use crate::Limits;
use crate::draft::Document;
use crate::error::ImportError;
use crate::pdf_layout::{Page, Shown, sections};
use lopdf::content::Content;
use lopdf::{Dictionary, Encoding, Object};
use std::collections::BTreeMap;

/// Drawing instructions of one page. A page of text has some thousand.
const OPERATIONS_MAX: usize = 2_000_000;
/// Bytes of one font's table of characters.
const CMAP_BYTES_MAX: usize = 8 * 1024 * 1024;
/// Graphics states saved within each other.
const STATES_MAX: usize = 256;

/// Reads a document.
pub(crate) fn read(bytes: &[u8], limits: &Limits) -> Result<Document, ImportError> {
    let budget = usize::try_from(limits.unpacked_bytes_max).unwrap_or(usize::MAX);
    let options = lopdf::LoadOptions {
        max_decompressed_size: Some(budget),
        ..lopdf::LoadOptions::default()
    };
    let doc = lopdf::Document::load_mem_with_options(bytes, options).map_err(|e| failed(&e, limits))?;
    if doc.is_encrypted() {
        return Err(ImportError::Locked);
    }
    let pages = doc.get_pages();
    if pages.len() > limits.pages_max {
        return Err(ImportError::TooManyPages {
            pages_max: limits.pages_max,
        });
    }
    // What all pages together may unpack to.
    let mut left = budget;
    let mut out = Vec::new();
    for (number, id) in pages {
        let content = doc
            .get_page_content_with_limit(id, left)
            .map_err(|e| failed(&e, limits))?;
        left = left.saturating_sub(content.len());
        let fonts = doc.get_page_fonts(id).unwrap_or_default();
        let fonts = fonts
            .into_iter()
            .filter_map(|(name, dict)| Font::read(&doc, dict, left.min(CMAP_BYTES_MAX)).map(|f| (name, f)))
            .collect();
        let content = Content::decode(&content).map_err(|e| failed(&e, limits))?;
        let mut shower = Shower {
            fonts: &fonts,
            page: Page {
                number,
                shown: Vec::new(),
            },
            state: State::default(),
            saved: Vec::new(),
            text: IDENTITY,
            line: IDENTITY,
        };
        for op in content.operations.iter().take(OPERATIONS_MAX) {
            shower.run(&op.operator, &op.operands);
        }
        out.push(shower.page);
    }
    Ok(sections(out))
}

fn failed(e: &lopdf::Error, limits: &Limits) -> ImportError {
    match e {
        lopdf::Error::Decompress(lopdf::DecompressError::MemoryLimitExceeded { .. }) => {
            ImportError::UnpacksTooLarge {
                bytes_max: limits.unpacked_bytes_max,
            }
        }
        lopdf::Error::InvalidPassword
        | lopdf::Error::Decryption(_)
        | lopdf::Error::UnsupportedSecurityHandler(_) => ImportError::Locked,
        _ => ImportError::Unreadable {
            format: "PDF",
            problem: "its structure is damaged".to_owned(),
        },
    }
}

/// A font: how its bytes become characters, and how far each moves the pen.
struct Font<'a> {
    encoding: Encoding<'a>,
    two_bytes: bool,
    first: usize,
    /// Widths of simple fonts in thousandths of the size.
    widths: Vec<f32>,
}

impl<'a> Font<'a> {
    fn read(doc: &'a lopdf::Document, dict: &'a Dictionary, limit: usize) -> Option<Self> {
        let encoding = dict.get_font_encoding_with_limit(doc, limit).ok()?;
        let two_bytes = dict
            .get(b"Subtype")
            .and_then(Object::as_name)
            .is_ok_and(|n| n == b"Type0");
        let first = dict
            .get_deref(b"FirstChar", doc)
            .and_then(Object::as_i64)
            .unwrap_or(0);
        let widths = dict
            .get_deref(b"Widths", doc)
            .and_then(Object::as_array)
            .map(|a| {
                a.iter()
                    .take(256)
                    .map(|w| w.as_float().unwrap_or(500.0))
                    .collect()
            })
            .unwrap_or_default();
        Some(Self {
            encoding,
            two_bytes,
            first: usize::try_from(first).unwrap_or(0),
            widths,
        })
    }

    /// Width of a string in units of the font's size, and whether it is known and not guessed.
    fn width(&self, bytes: &[u8]) -> (f32, bool) {
        if self.two_bytes || self.widths.is_empty() {
            let n = if self.two_bytes {
                bytes.len() / 2
            } else {
                bytes.len()
            };
            return (n as f32 * 0.5, false);
        }
        let thousandths: f32 = bytes
            .iter()
            .map(|b| {
                usize::from(*b)
                    .checked_sub(self.first)
                    .and_then(|i| self.widths.get(i))
                    .copied()
                    .unwrap_or(500.0)
            })
            .sum();
        (thousandths / 1000.0, true)
    }
}

/// A transformation `[a b c d e f]` (ISO 32000-1 8.3.3).
type Matrix = [f32; 6];
const IDENTITY: Matrix = [1.0, 0.0, 0.0, 1.0, 0.0, 0.0];

/// `m` first, then `n`.
fn times(m: Matrix, n: Matrix) -> Matrix {
    let [a, b, c, d, e, f] = m;
    let [g, h, i, j, k, l] = n;
    [
        a * g + b * i,
        a * h + b * j,
        c * g + d * i,
        c * h + d * j,
        e * g + f * i + k,
        e * h + f * j + l,
    ]
}

/// The part of the graphics state that text needs.
#[derive(Clone)]
struct State {
    ctm: Matrix,
    font: Vec<u8>,
    size: f32,
    leading: f32,
    invisible: bool,
}

impl Default for State {
    fn default() -> Self {
        Self {
            ctm: IDENTITY,
            font: Vec::new(),
            size: 12.0,
            leading: 0.0,
            invisible: false,
        }
    }
}

struct Shower<'a> {
    fonts: &'a BTreeMap<Vec<u8>, Font<'a>>,
    page: Page,
    state: State,
    saved: Vec<State>,
    text: Matrix,
    line: Matrix,
}

impl Shower<'_> {
    fn run(&mut self, operator: &str, operands: &[Object]) {
        let number = |i: usize| operands.get(i).and_then(|o| o.as_float().ok()).unwrap_or(0.0);
        match operator {
            "q" if self.saved.len() < STATES_MAX => self.saved.push(self.state.clone()),
            "Q" => {
                if let Some(s) = self.saved.pop() {
                    self.state = s;
                }
            }
            "cm" => self.state.ctm = times([0, 1, 2, 3, 4, 5].map(number), self.state.ctm),
            "BT" => {
                self.text = IDENTITY;
                self.line = IDENTITY;
            }
            "Tf" => {
                if let Some(name) = operands.first().and_then(|o| o.as_name().ok()) {
                    self.state.font = name.to_vec();
                }
                self.state.size = number(1);
            }
            "TL" => self.state.leading = number(0),
            // Text rendering mode 3 is invisible: the words under a scanned picture. They are wanted; mode 7 only clips.
            "Tr" => self.state.invisible = number(0) > 6.5,
            "Td" => self.next_line(number(0), number(1)),
            "TD" => {
                self.state.leading = -number(1);
                self.next_line(number(0), number(1));
            }
            "Tm" => {
                self.line = [0, 1, 2, 3, 4, 5].map(number);
                self.text = self.line;
            }
            "T*" => self.next_line(0.0, -self.state.leading),
            "Tj" => self.show(operands.first()),
            "'" => {
                self.next_line(0.0, -self.state.leading);
                self.show(operands.first());
            }
            "\"" => {
                self.next_line(0.0, -self.state.leading);
                self.show(operands.get(2));
            }
            "TJ" => {
                for part in operands
                    .first()
                    .and_then(|o| o.as_array().ok())
                    .into_iter()
                    .flatten()
                {
                    match part {
                        Object::String(..) => self.show(Some(part)),
                        other => {
                            let back = other.as_float().unwrap_or(0.0) / 1000.0 * self.state.size;
                            self.text = times([1.0, 0.0, 0.0, 1.0, -back, 0.0], self.text);
                            // A gap of a sixth of the size or more is how programs that set type write a space.
                            if -back >= self.state.size.abs() * 0.16
                                && let Some(last) = self.page.shown.last_mut()
                                && !last.text.ends_with(' ')
                            {
                                last.text.push(' ');
                            }
                        }
                    }
                }
            }
            _ => {}
        }
    }

    fn next_line(&mut self, x: f32, y: f32) {
        self.line = times([1.0, 0.0, 0.0, 1.0, x, y], self.line);
        self.text = self.line;
    }

    fn show(&mut self, operand: Option<&Object>) {
        let Some(Object::String(bytes, _)) = operand else {
            return;
        };
        let Some(font) = self.fonts.get(&self.state.font) else {
            return;
        };
        let (width, known) = font.width(bytes);
        let at = times(self.text, self.state.ctm);
        let [_, b, _, d, x, y] = at;
        self.text = times([1.0, 0.0, 0.0, 1.0, width * self.state.size, 0.0], self.text);
        let [.., end, _] = times(self.text, self.state.ctm);
        let size = self.state.size.abs() * (b * b + d * d).sqrt();
        let usable = [x, y, size, end].iter().all(|v| v.is_finite());
        if self.state.invisible || !usable {
            return;
        }
        if let Ok(text) = lopdf::Document::decode_text(&font.encoding, bytes)
            && !text.is_empty()
        {
            self.page.shown.push(Shown {
                x,
                y,
                end,
                size,
                known,
                text,
            });
        }
    }
}
