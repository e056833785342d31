//! CSV with a header line: `id,title,questions,answer,language,expires`.
//!
//! Only `title` (or `id`) and `answer` are needed; the columns may stand in any order. Questions are separated by
//! `|`. Semicolons and tabs are taken as separators when the header line has no comma.

use crate::draft::{Ids, bad_day, check_questions, day_end, language_tag, line_error};
use crate::error::ImportError;
use crate::text::speakable;
use crate::{DraftEntry, Limits};
use anteroom_types::limits::ANSWER_CHARS_MAX;

const COLUMNS: [&str; 6] = ["id", "title", "questions", "answer", "language", "expires"];

/// Where each column stands.
#[derive(Default)]
struct Header([Option<usize>; 6]);

impl Header {
    fn read(record: &csv::StringRecord) -> Result<Self, ImportError> {
        let mut header = Self::default();
        for (at, name) in record.iter().enumerate() {
            let name = name.trim().to_ascii_lowercase();
            let Some(column) = COLUMNS
                .iter()
                .position(|c| *c == name || format!("{name}s") == *c)
            else {
                return Err(line_error(
                    1,
                    &format!(
                        "column {} is unknown; the columns are {}",
                        at + 1,
                        COLUMNS.join(", ")
                    ),
                ));
            };
            match header.0.get_mut(column) {
                Some(place @ None) => *place = Some(at),
                _ => return Err(line_error(1, &format!("column {} is there twice", at + 1))),
            }
        }
        let [id, title, _, answer, _, _] = header.0;
        if answer.is_none() || (id.is_none() && title.is_none()) {
            return Err(line_error(
                1,
                "the header line needs the columns title and answer, like: id,title,questions,answer,language,expires",
            ));
        }
        Ok(header)
    }

    fn get(&self, column: usize, record: &csv::StringRecord) -> String {
        let at = self.0.get(column).copied().flatten();
        speakable(at.and_then(|i| record.get(i)).unwrap_or_default())
    }
}

/// Reads the table.
pub(crate) fn read(text: &str, file: &str, limits: &Limits) -> Result<Vec<DraftEntry>, ImportError> {
    let head = text.lines().next().unwrap_or_default();
    let separator = [b',', b';', b'\t']
        .into_iter()
        .find(|s| head.contains(char::from(*s)))
        .unwrap_or(b',');
    let mut reader = csv::ReaderBuilder::new()
        .delimiter(separator)
        .flexible(true)
        .has_headers(false)
        .from_reader(text.as_bytes());
    let mut header: Option<(Header, usize)> = None;
    let mut ids = Ids::default();
    let mut out = Vec::new();
    for record in reader.records() {
        let record = record.map_err(|e| {
            let line = e.position().map_or(0, csv::Position::line);
            line_error(line, "this is not CSV; check the quotation marks")
        })?;
        let line = record.position().map_or(0, csv::Position::line);
        let Some((header, width)) = &header else {
            header = Some((Header::read(&record)?, record.len()));
            continue;
        };
        if record.iter().all(|f| f.trim().is_empty()) {
            continue;
        }
        if record.len() != *width {
            return Err(line_error(
                line,
                &format!(
                    "there are {} fields, the header line has {width}; put fields that hold a separator in quotation marks",
                    record.len()
                ),
            ));
        }
        if out.len() >= limits.entries_max {
            return Err(ImportError::TooManyEntries {
                entries_max: limits.entries_max,
            });
        }
        out.push(entry(header, &record, line, file, &mut ids)?);
    }
    Ok(out)
}

fn entry(
    header: &Header,
    record: &csv::StringRecord,
    line: u64,
    file: &str,
    ids: &mut Ids,
) -> Result<DraftEntry, ImportError> {
    let [id, title, questions, answer, language, expires] = [0, 1, 2, 3, 4, 5].map(|c| header.get(c, record));
    if answer.is_empty() {
        return Err(line_error(line, "the answer is empty"));
    }
    if answer.chars().count() > ANSWER_CHARS_MAX {
        return Err(line_error(
            line,
            &format!("the answer has more than {ANSWER_CHARS_MAX} characters"),
        ));
    }
    let title = match (title.is_empty(), id.is_empty()) {
        (false, _) => title.chars().take(120).collect(),
        (true, false) => id.replace('-', " "),
        (true, true) => return Err(line_error(line, "there is neither an id nor a title")),
    };
    let questions: Vec<String> = questions
        .split('|')
        .map(str::trim)
        .filter(|q| !q.is_empty())
        .map(str::to_owned)
        .collect();
    check_questions(&questions, line)?;
    Ok(DraftEntry {
        id: if id.is_empty() {
            ids.made(&title)
        } else {
            ids.given(&id, line)?
        },
        title,
        questions,
        answer,
        language: match language.as_str() {
            "" => "en".to_owned(),
            l => {
                language_tag(l).ok_or_else(|| line_error(line, "the language is not a tag like en or cy"))?
            }
        },
        source: file.to_owned(),
        expires: match expires.as_str() {
            "" => None,
            day => Some(day_end(day).ok_or_else(|| bad_day(line, day))?),
        },
    })
}
