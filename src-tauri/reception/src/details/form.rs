//! Several details asked for one after another, read back together, and corrected.
//!
//! Each detail is repeated to the caller as it is noted, so that a mistake can be put right at once ("no, it's ..."),
//! and all of them are read back once more at the end with a plain question.

use super::{Detail, Value, YesNo, medicine_in, parse, parse_keys, time_in, words, yes_no};
use anteroom_types::limits::DTMF_DIGITS_MAX;
use jiff::civil::Date;

/// A form being filled in.
#[derive(Debug, Clone)]
pub struct Form {
    wanted: Vec<Detail>,
    given: Vec<Value>,
    stage: Stage,
    tries: u32,
    tries_max: u32,
    keys: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    Asking(Detail),
    Confirming,
    Correcting,
    Over,
}

/// What the form wants next.
#[derive(Debug, Clone, PartialEq)]
pub enum Step {
    /// Ask for this.
    Ask(Detail),
    /// Repeat what was understood, then ask for this.
    Noted {
        /// What was understood.
        value: Value,
        /// What to ask for.
        next: Detail,
    },
    /// It was not understood: say so and ask for it again.
    Again(Detail),
    /// Read everything back and ask whether it is right.
    ReadBack,
    /// Ask what is wrong.
    WhatToCorrect,
    /// Everything is there and confirmed.
    Done,
    /// This could not be had; a person must take over with what there is.
    GiveUp(Detail),
    /// Nothing changed: more keys are to come.
    Wait,
}

impl Form {
    /// A form that asks for `wanted` in order, each at most `tries_max` times. Details in `known` are not asked for
    /// but read back; of the others, what the request `said` names already is taken from it.
    #[must_use]
    pub fn new(wanted: &[Detail], known: Vec<Value>, said: &str, today: Date, tries_max: u32) -> Self {
        let mut form = Self {
            wanted: Vec::new(),
            given: Vec::new(),
            stage: Stage::Over,
            tries: 0,
            tries_max: tries_max.max(1),
            keys: String::new(),
        };
        for d in wanted {
            if !form.wanted.contains(d) {
                form.wanted.push(*d);
            }
        }
        for v in known {
            form.put(v);
        }
        form.take_named(said, today);
        for (d, named) in [
            (Detail::PreferredTime, time_in(said)),
            (Detail::Medicine, medicine_in(said)),
        ] {
            if let Some(text) = named.filter(|_| form.wanted.contains(&d) && form.value(d).is_none()) {
                form.put(Value::new(d, text.clone(), text));
            }
        }
        form.stage = form.next_stage();
        form
    }

    /// What to begin with.
    #[must_use]
    pub fn first(&self) -> Step {
        self.step_of_stage()
    }

    /// What is asked for now; `None` while everything is being confirmed.
    #[must_use]
    pub const fn asking(&self) -> Option<Detail> {
        match self.stage {
            Stage::Asking(d) => Some(d),
            _ => None,
        }
    }

    /// Whether a yes or a no is due.
    #[must_use]
    pub const fn is_confirming(&self) -> bool {
        matches!(self.stage, Stage::Confirming)
    }

    /// What was given so far, in the order asked.
    #[must_use]
    pub fn values(&self) -> &[Value] {
        &self.given
    }

    /// The value of one detail.
    #[must_use]
    pub fn value(&self, detail: Detail) -> Option<&Value> {
        self.given.iter().find(|v| v.detail == detail)
    }

    /// Whether keys wait to be taken.
    #[must_use]
    pub const fn has_keys(&self) -> bool {
        !self.keys.is_empty()
    }

    /// Whether `text` would be understood now: the turn need not wait for more.
    #[must_use]
    pub fn understands(&self, text: &str, today: Date) -> bool {
        match self.stage {
            Stage::Asking(d) if d.is_checked() => parse(d, text, today).is_some(),
            Stage::Asking(_) | Stage::Over => false,
            Stage::Confirming | Stage::Correcting => yes_no(text).is_some(),
        }
    }

    /// Asks again for what is asked for now, as when something else came between.
    #[must_use]
    pub fn repeat(&self) -> Step {
        self.step_of_stage()
    }

    /// Takes what the caller said.
    pub fn heard(&mut self, text: &str, today: Date) -> Step {
        self.keys.clear();
        match self.stage {
            Stage::Asking(d) => self.heard_detail(d, text, today),
            Stage::Confirming => match yes_no(text) {
                Some(YesNo::Yes) if self.named_in(text).is_none() => self.done(),
                Some(answer) => self.correct(text, today, answer == YesNo::No),
                None => self.correct(text, today, false),
            },
            Stage::Correcting => self.correct(text, today, true),
            Stage::Over => Step::Done,
        }
    }

    /// Takes a key. `#` ends what is keyed, `*` clears it; while everything is being confirmed `1` is yes and `2` no.
    pub fn keyed(&mut self, key: char, today: Date) -> Step {
        match (self.stage, key) {
            (Stage::Confirming, '1') => self.done(),
            (Stage::Confirming, '2') => {
                self.stage = Stage::Correcting;
                Step::WhatToCorrect
            }
            (Stage::Asking(d), '#') if d.is_keyed() => self.keys_done(today),
            (Stage::Asking(_), '*') => {
                self.keys.clear();
                Step::Wait
            }
            (Stage::Asking(d), '0'..='9') if d.is_keyed() => {
                if self.keys.len() < DTMF_DIGITS_MAX {
                    self.keys.push(key);
                }
                let whole = match d {
                    Detail::PhoneNumber => super::is_whole(&self.keys),
                    _ => self.keys.len() == 8,
                };
                if whole { self.keys_done(today) } else { Step::Wait }
            }
            _ => Step::Wait,
        }
    }

    /// Takes what was keyed so far: a hash, or a long enough pause.
    pub fn keys_done(&mut self, today: Date) -> Step {
        let keys = std::mem::take(&mut self.keys);
        let Stage::Asking(d) = self.stage else {
            return Step::Wait;
        };
        if keys.is_empty() {
            return Step::Wait;
        }
        match parse_keys(d, &keys, today) {
            Some(v) => self.noted(v),
            None => self.again(d),
        }
    }

    /// Nothing was said to the question; counts as a try.
    pub fn nothing(&mut self) -> Step {
        match self.stage {
            Stage::Asking(d) => self.again(d),
            Stage::Confirming | Stage::Correcting => {
                self.tries += 1;
                if self.tries >= self.tries_max {
                    self.give_up(Detail::Name)
                } else {
                    self.stage = Stage::Confirming;
                    Step::ReadBack
                }
            }
            Stage::Over => Step::Done,
        }
    }

    fn heard_detail(&mut self, d: Detail, text: &str, today: Date) -> Step {
        let before = self.given.len();
        let denies = words::words(text).first().is_some_and(|w| w == "no");
        // "No, it's Tomson", said while the next detail is asked for, is about the one just repeated.
        if denies
            && (!d.is_checked() || parse(d, text, today).is_none())
            && let Some(last) = self.given.last().map(|v| v.detail).filter(|l| l.is_checked())
            && let Some(v) = parse(last, without_no(text), today)
        {
            self.put(v.clone());
            return Step::Noted { value: v, next: d };
        }
        if !matches!(d, Detail::Reason | Detail::Message) {
            self.take_named(text, today);
        }
        if let Some(v) = self.value(d).cloned() {
            return self.noted(v);
        }
        match parse(d, text, today) {
            Some(v) => self.noted(v),
            // Something else was given in passing; ask for this once more without blame.
            None if self.given.len() > before => Step::Ask(d),
            None => self.again(d),
        }
    }

    /// Takes checked details that the caller names in passing: "... and my number is ...".
    fn take_named(&mut self, text: &str, today: Date) {
        let all = words::words(text);
        let names = |list: &[&str]| all.iter().any(|w| list.contains(&w.as_str()));
        for (d, cues) in [
            (
                Detail::PhoneNumber,
                &["number", "mobile", "phone", "telephone"][..],
            ),
            (Detail::DateOfBirth, &["birth", "born"][..]),
        ] {
            if self.wanted.contains(&d)
                && self.value(d).is_none()
                && self.stage != Stage::Asking(d)
                && names(cues)
                && let Some(v) = parse(d, text, today)
            {
                self.put(v);
            }
        }
    }

    fn put(&mut self, value: Value) {
        match self.given.iter_mut().find(|v| v.detail == value.detail) {
            Some(v) => *v = value,
            None => self.given.push(value),
        }
    }

    fn next_stage(&self) -> Stage {
        self.wanted
            .iter()
            .find(|d| self.value(**d).is_none())
            .map_or(Stage::Confirming, |d| Stage::Asking(*d))
    }

    fn step_of_stage(&self) -> Step {
        match self.stage {
            Stage::Asking(d) => Step::Ask(d),
            Stage::Confirming => Step::ReadBack,
            Stage::Correcting => Step::WhatToCorrect,
            Stage::Over => Step::Done,
        }
    }

    fn noted(&mut self, value: Value) -> Step {
        self.put(value.clone());
        self.tries = 0;
        self.stage = self.next_stage();
        match self.stage {
            Stage::Asking(next) => Step::Noted { value, next },
            _ => Step::ReadBack,
        }
    }

    fn again(&mut self, d: Detail) -> Step {
        self.tries += 1;
        if self.tries >= self.tries_max {
            return self.give_up(d);
        }
        self.stage = Stage::Asking(d);
        Step::Again(d)
    }

    fn give_up(&mut self, d: Detail) -> Step {
        self.stage = Stage::Over;
        Step::GiveUp(d)
    }

    fn done(&mut self) -> Step {
        self.stage = Stage::Over;
        Step::Done
    }

    /// The detail that `text` speaks of.
    fn named_in(&self, text: &str) -> Option<Detail> {
        let all = words::words(text);
        let has = |list: &[&str]| all.iter().any(|w| list.contains(&w.as_str()));
        let found = if has(&["birth", "born", "birthday"]) {
            Detail::DateOfBirth
        } else if has(&["number", "phone", "mobile", "telephone"]) {
            Detail::PhoneNumber
        } else if has(&["name", "surname", "called", "spelled"]) {
            Detail::Name
        } else if has(&["medicine", "medication", "tablets"]) {
            Detail::Medicine
        } else if has(&["time", "day", "appointment"]) {
            Detail::PreferredTime
        } else if has(&["date"]) {
            Detail::DateOfBirth
        } else if has(&["message"]) {
            Detail::Message
        } else {
            return None;
        };
        self.value(found).map(|v| v.detail)
    }

    fn correct(&mut self, text: &str, today: Date, denies: bool) -> Step {
        let text = without_no(text);
        if let Some(d) = self.named_in(text) {
            self.tries += 1;
            if self.tries > self.tries_max {
                return self.give_up(d);
            }
            let value = words::words(text)
                .iter()
                .all(|w| w != "wrong" && w != "not" && w != "incorrect")
                .then(|| parse(d, text, today))
                .flatten();
            return match value.filter(|_| d.is_checked()) {
                Some(v) => {
                    self.put(v);
                    self.stage = Stage::Confirming;
                    Step::ReadBack
                }
                None => {
                    self.given.retain(|v| v.detail != d);
                    self.stage = Stage::Asking(d);
                    Step::Ask(d)
                }
            };
        }
        // Digits and dates cannot be taken for anything else; a bare name only after a no.
        for d in [Detail::DateOfBirth, Detail::PhoneNumber, Detail::Name] {
            if self.value(d).is_some()
                && (d != Detail::Name || denies)
                && yes_no(text).is_none()
                && let Some(v) = parse(d, text, today)
            {
                self.put(v);
                self.tries += 1;
                if self.tries > self.tries_max {
                    return self.give_up(d);
                }
                self.stage = Stage::Confirming;
                return Step::ReadBack;
            }
        }
        self.tries += 1;
        if self.tries >= self.tries_max {
            return self.give_up(self.given.first().map_or(Detail::Name, |v| v.detail));
        }
        if denies {
            self.stage = Stage::Correcting;
            Step::WhatToCorrect
        } else {
            self.stage = Stage::Confirming;
            Step::ReadBack
        }
    }
}

/// The text after a leading no.
fn without_no(text: &str) -> &str {
    let t = text.trim_start();
    match t.get(..2) {
        Some(head) if head.eq_ignore_ascii_case("no") => match t[2..].chars().next() {
            Some(c) if c.is_alphanumeric() || c == '\'' => t,
            _ => t[2..].trim_start_matches([',', '.', ' ', '!']),
        },
        _ => t,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use anteroom_types::Purpose;

    fn today() -> Date {
        "2026-11-21".parse().unwrap()
    }
    fn form(wanted: &[Detail], said: &str) -> Form {
        Form::new(wanted, Vec::new(), said, today(), 3)
    }
    const BOOK: [Detail; 4] = [
        Detail::Name,
        Detail::DateOfBirth,
        Detail::PhoneNumber,
        Detail::PreferredTime,
    ];

    fn kept(f: &Form, d: Detail) -> String {
        f.value(d)
            .map_or_else(String::new, |v| v.kept.open(Purpose::Test).clone())
    }

    fn filled() -> Form {
        let mut f = form(
            &BOOK,
            "I'd like to book an appointment on Thursday morning with Doctor Patel.",
        );
        assert_eq!(f.first(), Step::Ask(Detail::Name));
        assert!(matches!(
            f.heard("My name is Sarah Thompson.", today()),
            Step::Noted {
                next: Detail::DateOfBirth,
                ..
            }
        ));
        assert!(matches!(
            f.heard(
                "My date of birth is the fourth of May nineteen eighty six.",
                today()
            ),
            Step::Noted {
                next: Detail::PhoneNumber,
                ..
            }
        ));
        assert_eq!(
            f.heard(
                "My number is oh seven seven double oh nine double oh one four two.",
                today()
            ),
            Step::ReadBack
        );
        f
    }

    #[test]
    fn a_form_is_filled_read_back_and_confirmed() {
        let mut f = filled();
        assert_eq!(kept(&f, Detail::Name), "Sarah Thompson");
        assert_eq!(kept(&f, Detail::DateOfBirth), "1986-05-04");
        assert_eq!(kept(&f, Detail::PhoneNumber), "07700900142");
        assert_eq!(
            kept(&f, Detail::PreferredTime),
            "Thursday morning with Doctor Patel"
        );
        assert_eq!(f.heard("That's right.", today()), Step::Done);
    }

    #[test]
    fn corrections_by_voice() {
        let mut f = filled();
        assert_eq!(
            f.heard("No, it's the fifth of May nineteen eighty six.", today()),
            Step::ReadBack
        );
        assert_eq!(kept(&f, Detail::DateOfBirth), "1986-05-05");
        assert_eq!(
            f.heard("No, the number is wrong.", today()),
            Step::Ask(Detail::PhoneNumber)
        );
        assert_eq!(f.heard("07700 900143", today()), Step::ReadBack);
        assert_eq!(kept(&f, Detail::PhoneNumber), "07700900143");
        assert_eq!(f.heard("No.", today()), Step::WhatToCorrect);
        assert_eq!(f.heard("My name is Sara Thomson.", today()), Step::ReadBack);
        assert_eq!(kept(&f, Detail::Name), "Sara Thomson");
        assert_eq!(f.heard("Yes.", today()), Step::Done);
    }

    #[test]
    fn a_correction_while_the_next_is_asked_for() {
        let mut f = form(&BOOK, "");
        let _ = f.heard("Dorothy Osborne", today());
        assert!(matches!(
            f.heard("No, it's Sarah Thompson.", today()),
            Step::Noted {
                next: Detail::DateOfBirth,
                ..
            }
        ));
        assert_eq!(kept(&f, Detail::Name), "Sarah Thompson");
    }

    #[test]
    fn corrections_by_keypad() {
        let mut f = filled();
        assert_eq!(f.keyed('2', today()), Step::WhatToCorrect);
        assert_eq!(f.heard("the number", today()), Step::Ask(Detail::PhoneNumber));
        for k in "0770090014".chars() {
            assert_eq!(f.keyed(k, today()), Step::Wait);
        }
        assert_eq!(f.keyed('3', today()), Step::ReadBack);
        assert_eq!(kept(&f, Detail::PhoneNumber), "07700900143");
        assert_eq!(f.keyed('1', today()), Step::Done);
    }

    #[test]
    fn keys_end_with_a_hash_and_a_star_clears() {
        let mut f = form(&[Detail::PhoneNumber], "");
        for k in "99*0163296000".chars() {
            assert_eq!(f.keyed(k, today()), Step::Wait, "{k}");
        }
        assert_eq!(f.keyed('#', today()), Step::ReadBack);
        assert_eq!(kept(&f, Detail::PhoneNumber), "0163296000");
        let mut f = form(&[Detail::DateOfBirth], "");
        for k in "3102198".chars() {
            assert_eq!(f.keyed(k, today()), Step::Wait);
        }
        assert_eq!(f.keyed('6', today()), Step::Again(Detail::DateOfBirth));
    }

    #[test]
    fn tries_are_counted() {
        let mut f = form(&[Detail::DateOfBirth], "");
        assert_eq!(f.heard("pardon", today()), Step::Again(Detail::DateOfBirth));
        assert_eq!(f.nothing(), Step::Again(Detail::DateOfBirth));
        assert_eq!(f.heard("soon", today()), Step::GiveUp(Detail::DateOfBirth));
    }

    #[test]
    fn whatever_is_answered_a_form_ends() {
        for answer in [
            "no",
            "yes",
            "the name is wrong",
            "it's Bob",
            "",
            "the number is 07700900142",
            "what",
        ] {
            let mut f = filled();
            let mut last = Step::Wait;
            for _ in 0..40 {
                last = f.heard(answer, today());
                if matches!(last, Step::Done | Step::GiveUp(_)) {
                    break;
                }
            }
            assert!(matches!(last, Step::Done | Step::GiveUp(_)), "{answer}: {last:?}");
        }
    }

    #[test]
    fn details_given_in_passing_are_not_asked_for() {
        let mut f = form(&[Detail::Name, Detail::PhoneNumber], "");
        let _ = f.heard("Can I just say my number is 07700 900142", today());
        assert_eq!(kept(&f, Detail::PhoneNumber), "07700900142");
        assert_eq!(f.heard("Will Young", today()), Step::ReadBack);
    }
}
