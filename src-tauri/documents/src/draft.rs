//! From a document's sections to draft entries.

use crate::error::ImportError;
use crate::text::{speakable, split_speakable};
use crate::{DraftEntry, Limits};
use anteroom_types::limits::{
    ANSWER_CHARS_MAX, ENTRY_ID_BYTES_MAX, QUESTION_CHARS_MAX, QUESTION_VARIANTS_MAX,
};
use anteroom_types::{EntryId, Wall};
use std::collections::HashSet;

/// Characters of a title; a longer heading is cut.
const TITLE_CHARS_MAX: usize = 120;

/// What every format is read into.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Document {
    /// Language of the document, if it says.
    pub(crate) language: Option<String>,
    /// Expiry that holds for every section without its own, with the line it is on.
    pub(crate) expires: Option<(u64, String)>,
    /// The title, for text that stands before the first heading.
    pub(crate) title: Option<String>,
    /// The sections, in order.
    pub(crate) sections: Vec<Section>,
}

/// A heading and what stands below it.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Section {
    /// Line of the heading, from 1; 0 where the format has no lines.
    pub(crate) line: u64,
    /// Page, from 1; 0 where the format has none.
    pub(crate) page: u32,
    /// The heading; empty for text before the first one.
    pub(crate) heading: String,
    /// The id the document gives it.
    pub(crate) id: Option<String>,
    /// Paragraphs; lines within one are separated by `\n`.
    pub(crate) paragraphs: Vec<String>,
}

/// A section with its `Q:` and `Expires:` lines taken out.
#[derive(Default)]
struct Parts {
    questions: Vec<String>,
    language: Option<String>,
    expires: Option<String>,
    paragraphs: Vec<String>,
}

/// Makes the drafts.
pub(crate) fn from_document(
    doc: Document,
    file: &str,
    limits: &Limits,
) -> Result<Vec<DraftEntry>, ImportError> {
    let stem = file.rsplit_once('.').map_or(file, |(s, _)| s);
    let language = match &doc.language {
        Some(l) => language_tag(l).unwrap_or_else(|| "en".to_owned()),
        None => "en".to_owned(),
    };
    let default_expiry = match &doc.expires {
        Some((line, day)) => Some(day_end(day).ok_or_else(|| bad_day(*line, day))?),
        None => None,
    };
    let mut ids = Ids::default();
    // Ids the document itself gives come first, so that a made-up one never takes theirs.
    for s in &doc.sections {
        if let Some(id) = &s.id {
            ids.given(id, s.line)?;
        }
    }
    let mut out = Vec::new();
    for section in doc.sections {
        let parts = take_apart(&section.paragraphs);
        let answer = parts.paragraphs.join(" ");
        if answer.is_empty() {
            if parts.questions.is_empty() {
                continue;
            }
            return Err(line_error(
                section.line,
                "there are questions but no answer below them",
            ));
        }
        let heading = if section.heading.is_empty() {
            doc.title
                .clone()
                .or_else(|| parts.questions.first().cloned())
                .unwrap_or_else(|| stem.to_owned())
        } else {
            section.heading.clone()
        };
        let title = cut(&heading, TITLE_CHARS_MAX);
        let mut questions = parts.questions;
        if questions.is_empty() && title.ends_with('?') {
            questions.push(title.clone());
        }
        check_questions(&questions, section.line)?;
        let expires = match &parts.expires {
            Some(day) => Some(day_end(day).ok_or_else(|| bad_day(section.line, day))?),
            None => default_expiry,
        };
        let language = match &parts.language {
            Some(l) => language_tag(l)
                .ok_or_else(|| line_error(section.line, "the language is not a tag like en or cy"))?,
            None => language.clone(),
        };
        let source = if section.page > 0 {
            format!("{file}, page {}", section.page)
        } else {
            file.to_owned()
        };
        // An entry with questions was written to be spoken as it is; only running text is split.
        let answers = if questions.is_empty() {
            pieces(&parts.paragraphs, limits.chunk_chars.min(ANSWER_CHARS_MAX))
        } else if answer.chars().count() > ANSWER_CHARS_MAX {
            return Err(line_error(
                section.line,
                &format!("the answer has more than {ANSWER_CHARS_MAX} characters"),
            ));
        } else {
            vec![answer]
        };
        let many = answers.len() > 1;
        for (n, answer) in answers.into_iter().enumerate() {
            if out.len() >= limits.entries_max {
                return Err(ImportError::TooManyEntries {
                    entries_max: limits.entries_max,
                });
            }
            let id = match (&section.id, n) {
                (Some(id), 0) => {
                    EntryId::new(id.clone()).map_err(|e| line_error(section.line, &e.to_string()))?
                }
                (Some(id), _) => ids.made(id),
                (None, _) => ids.made(&title),
            };
            out.push(DraftEntry {
                id,
                title: if many {
                    format!("{title} ({})", n + 1)
                } else {
                    title.clone()
                },
                questions: questions.clone(),
                answer,
                language: language.clone(),
                source: source.clone(),
                expires,
            });
        }
    }
    Ok(out)
}

/// Takes `Q:`, `A:`, `Expires:` and `Language:` lines out of the paragraphs.
fn take_apart(paragraphs: &[String]) -> Parts {
    let mut parts = Parts::default();
    for paragraph in paragraphs {
        let mut kept: Vec<String> = Vec::new();
        for line in paragraph.lines() {
            let line = speakable(line);
            let before_answer = parts.paragraphs.is_empty() && kept.is_empty();
            if let Some(q) = field(&line, &["q", "question"]) {
                if !q.is_empty() {
                    parts.questions.push(q);
                }
            } else if let Some(day) = field(&line, &["expires", "expiry"]).filter(|_| before_answer) {
                parts.expires = Some(day);
            } else if let Some(l) = field(&line, &["language"]).filter(|_| before_answer) {
                parts.language = Some(l);
            } else if let Some(a) = field(&line, &["a", "answer"]).filter(|_| before_answer) {
                if !a.is_empty() {
                    kept.push(a);
                }
            } else if !line.is_empty() {
                kept.push(line);
            }
        }
        if !kept.is_empty() {
            parts.paragraphs.push(ended(&kept.join(" ")));
        }
    }
    parts
}

/// The rest of a line that begins with one of `names` and a colon.
fn field(line: &str, names: &[&str]) -> Option<String> {
    let (head, rest) = line.split_once(':')?;
    let head = head.trim().trim_matches(['*', '_']);
    names
        .iter()
        .any(|n| head.eq_ignore_ascii_case(n))
        .then(|| rest.trim().trim_start_matches(['*', '_']).trim().to_owned())
}

/// A paragraph with a full stop at its end when it has no mark there, so that a voice pauses.
fn ended(s: &str) -> String {
    let mut s = s.to_owned();
    if s.ends_with(|c: char| c.is_alphanumeric() || matches!(c, ')' | '%' | '"' | '”' | '’')) {
        s.push('.');
    }
    s
}

/// Running text in pieces of at most `target` characters: whole paragraphs together while they fit, and a paragraph
/// that does not fit is split at its sentences.
fn pieces(paragraphs: &[String], target: usize) -> Vec<String> {
    let mut out: Vec<String> = Vec::new();
    let mut current = String::new();
    let mut room = target;
    for paragraph in paragraphs {
        for part in split_speakable(paragraph, target) {
            let n = part.chars().count();
            if !current.is_empty() && n + 1 > room {
                out.push(std::mem::take(&mut current));
                room = target;
            }
            if !current.is_empty() {
                current.push(' ');
                room = room.saturating_sub(1);
            }
            current.push_str(&part);
            room = room.saturating_sub(n);
        }
    }
    if !current.is_empty() {
        out.push(current);
    }
    out
}

/// Checks the number and length of question variants.
pub(crate) fn check_questions(questions: &[String], line: u64) -> Result<(), ImportError> {
    if questions.len() > QUESTION_VARIANTS_MAX {
        return Err(line_error(
            line,
            &format!("there are more than {QUESTION_VARIANTS_MAX} questions for one entry"),
        ));
    }
    if questions.iter().any(|q| q.chars().count() > QUESTION_CHARS_MAX) {
        return Err(line_error(
            line,
            &format!("a question has more than {QUESTION_CHARS_MAX} characters"),
        ));
    }
    Ok(())
}

/// An error that points at a line.
pub(crate) fn line_error(line: u64, problem: &str) -> ImportError {
    ImportError::Line {
        line,
        problem: problem.to_owned(),
    }
}

/// The error for a day that is none.
pub(crate) fn bad_day(line: u64, day: &str) -> ImportError {
    line_error(
        line,
        &format!("'{}' is no day; write it like 2027-03-31", cut(day, 40)),
    )
}

/// The end (UTC) of the day written as year, month and day with hyphens.
pub(crate) fn day_end(s: &str) -> Option<Wall> {
    let day: jiff::civil::Date = s.trim().parse().ok()?;
    let next = day.tomorrow().ok()?;
    let at = next.to_zoned(jiff::tz::TimeZone::UTC).ok()?;
    Some(Wall(at.timestamp().as_millisecond()))
}

/// Checks a BCP 47 tag by its shape: a language of two or three letters, then subtags.
pub(crate) fn language_tag(s: &str) -> Option<String> {
    let s = s.trim().replace('_', "-");
    let mut subtags = s.split('-');
    let first = subtags.next()?;
    let ok = (2..=3).contains(&first.len())
        && first.bytes().all(|b| b.is_ascii_alphabetic())
        && subtags.all(|t| (1..=8).contains(&t.len()) && t.bytes().all(|b| b.is_ascii_alphanumeric()))
        && s.len() <= 35;
    ok.then(|| match s.split_once('-') {
        Some((l, rest)) => format!("{}-{rest}", l.to_ascii_lowercase()),
        None => s.to_ascii_lowercase(),
    })
}

/// The first `n` characters.
fn cut(s: &str, n: usize) -> String {
    s.chars().take(n).collect::<String>().trim_end().to_owned()
}

/// The ids an import has used.
#[derive(Default)]
pub(crate) struct Ids(HashSet<String>);

impl Ids {
    /// Notes an id that the document gives.
    pub(crate) fn given(&mut self, id: &str, line: u64) -> Result<EntryId, ImportError> {
        let id = EntryId::new(id).map_err(|e| line_error(line, &e.to_string()))?;
        if !self.0.insert(id.as_str().to_owned()) {
            return Err(line_error(line, &format!("the id {id} is given twice")));
        }
        Ok(id)
    }

    /// Makes an unused id from a title.
    pub(crate) fn made(&mut self, title: &str) -> EntryId {
        let base = slug(title);
        let mut n = 1_u32;
        loop {
            let tail = if n == 1 { String::new() } else { format!("-{n}") };
            let head: String = base.chars().take(ENTRY_ID_BYTES_MAX - tail.len()).collect();
            let name = format!("{}{tail}", head.trim_end_matches('-'));
            n += 1;
            if self.0.contains(&name) {
                continue;
            }
            if let Ok(id) = EntryId::new(name.clone()) {
                self.0.insert(name);
                return id;
            }
        }
    }
}

/// Small letters, digits and hyphens of a title; `entry` when it has none.
fn slug(title: &str) -> String {
    let mut out = String::new();
    for c in title.chars() {
        if c.is_ascii_alphanumeric() {
            out.push(c.to_ascii_lowercase());
        } else if matches!(c, '\'' | '’') {
            // "children's" reads better as one word
        } else if !out.is_empty() && !out.ends_with('-') {
            out.push('-');
        }
        if out.len() >= 48 {
            break;
        }
    }
    let out = out.trim_end_matches('-');
    if out.is_empty() {
        "entry".to_owned()
    } else {
        out.to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_made_once_each() {
        let mut ids = Ids::default();
        assert_eq!(ids.given("parking", 3).unwrap().as_str(), "parking");
        assert_eq!(ids.made("Parking").as_str(), "parking-2");
        assert_eq!(ids.made("Parking!").as_str(), "parking-3");
        assert_eq!(
            ids.made("Children's clinic, Café").as_str(),
            "childrens-clinic-caf"
        );
        assert_eq!(ids.made("???").as_str(), "entry");
        assert_eq!(ids.made(&"x".repeat(400)).as_str().len(), 48);
        assert!(matches!(
            ids.given("parking", 9),
            Err(ImportError::Line { line: 9, .. })
        ));
        assert!(ids.given("Not An Id", 1).is_err());
    }

    #[test]
    fn days_and_tags() {
        assert_eq!(day_end("1970-01-01"), Some(Wall(86_400_000)));
        assert_eq!(day_end("2027-02-30"), None);
        assert_eq!(day_end("31/03/2027"), None);
        assert_eq!(language_tag("EN_gb").as_deref(), Some("en-gb"));
        assert_eq!(language_tag("cy").as_deref(), Some("cy"));
        assert_eq!(language_tag("English"), None);
    }

    #[test]
    fn paragraphs_stay_together_while_they_fit() {
        let p = |s: &str| s.to_owned();
        let got = pieces(
            &[
                p("One two three four five."),
                p("Six seven eight nine ten."),
                p("Eleven."),
            ],
            52,
        );
        assert_eq!(
            got,
            ["One two three four five. Six seven eight nine ten.", "Eleven."]
        );
    }
}
