//! `[outbound]`: what telephones of ours may dial through trunks, and at what price.

use super::DeskSection;
use super::Trunk;
use super::fault::{Fault, digits, one_of, range};
use super::sip::{USER_CHARS_MAX, is_sender};
use anteroom_call::dial::{Numbering, RULES_MAX, Rights, Rule, Verdict, When};
use serde::Deserialize;
use std::ops::RangeInclusive;
use toml::Spanned;

/// Digits of a number with its country code: those that subscribers have (E.164 6.2.1).
const NUMBER_DIGITS: RangeInclusive<usize> = 7..=15;
/// Digits of a number that is dialled in danger.
const EMERGENCY_DIGITS: RangeInclusive<usize> = 2..=6;
/// Emergency numbers there may be.
const EMERGENCY_MAX: usize = 10;
/// Digits of another short number, and how many there may be.
const SHORT_DIGITS: RangeInclusive<usize> = 2..=8;
const SHORT_MAX: usize = 100;
/// Classes there may be.
const CLASSES_MAX: usize = 100;
/// Characters of a class's name, as `anteroom users add` takes them.
const CLASS_CHARS_MAX: usize = 32;

/// `[outbound]`. Without a trunk nothing but emergency calls leaves the house.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct OutboundSection {
    /// Trunks to go by, best first, by their names. One that is down is passed over.
    pub trunks: Vec<Spanned<String>>,
    /// The number calls show, as `+` and digits, or a user; the trunk's user when absent.
    pub caller_id: Option<String>,
    /// Country code of the clinic, without `+`.
    pub country: String,
    /// What is dialled before a national number; may be empty.
    pub national_prefix: String,
    /// What is dialled instead of `+`.
    pub international_prefix: String,
    /// Emergency numbers. Everybody may always dial them, by these trunks and then by every other that can be dialled.
    pub emergency: Vec<String>,
    /// Other short numbers there are, as far as rules allow them.
    pub short: Vec<String>,
    /// Classes of rights; a person is of one, and of none by default.
    pub class: Vec<OutboundClass>,
}

/// `[[outbound.class]]`
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OutboundClass {
    /// Its name, as in `anteroom users add --class`.
    pub name: Spanned<String>,
    /// Calls at the same time.
    #[serde(default = "two")]
    pub calls_at_once: usize,
    /// Calls within an hour.
    #[serde(default = "thirty")]
    pub calls_per_hour: usize,
    /// Minutes within 24 hours.
    #[serde(default = "four_hours")]
    pub minutes_per_day: u64,
    /// Thousandths of the currency within 24 hours.
    #[serde(default = "ten")]
    pub spend_milli_per_day: u64,
    /// Destinations. The longest prefix that fits counts; what none fits is refused.
    #[serde(default)]
    pub rule: Vec<OutboundRule>,
}

/// `[[outbound.class.rule]]`
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OutboundRule {
    /// The beginning of the number: `+44`, `+4490`, `+` for everywhere, or a short number.
    pub prefix: Spanned<String>,
    /// `always`, `open` (while the clinic is) or `never`.
    pub allow: Spanned<String>,
    /// Thousandths of the currency per minute begun.
    #[serde(default)]
    pub per_minute_milli: u32,
}

const fn two() -> usize {
    2
}
const fn thirty() -> usize {
    30
}
const fn four_hours() -> u64 {
    240
}
const fn ten() -> u64 {
    10_000
}

impl Default for OutboundSection {
    fn default() -> Self {
        let uk = Numbering::uk();
        Self {
            trunks: Vec::new(),
            caller_id: None,
            country: uk.country,
            national_prefix: uk.national_prefix,
            international_prefix: uk.international_prefix,
            emergency: uk.emergency,
            short: uk.short,
            class: Vec::new(),
        }
    }
}

impl OutboundSection {
    /// How numbers are dialled here.
    #[must_use]
    pub fn numbering(&self) -> Numbering {
        Numbering {
            country: self.country.clone(),
            national_prefix: self.national_prefix.clone(),
            international_prefix: self.international_prefix.clone(),
            emergency: self.emergency.clone(),
            short: self.short.clone(),
        }
    }

    /// The rights of a class; none but emergency calls for one that is not there.
    #[must_use]
    pub fn rights(&self, class: &str) -> Rights {
        let Some(c) = self.class.iter().find(|c| c.name.get_ref() == class) else {
            return Rights::default();
        };
        let rule = |r: &OutboundRule| Rule {
            prefix: r.prefix.get_ref().clone(),
            verdict: match r.allow.get_ref().as_str() {
                "always" => allow(When::Always, r.per_minute_milli),
                "open" => allow(When::WhileOpen, r.per_minute_milli),
                _ => Verdict::Deny,
            },
        };
        Rights {
            rules: c.rule.iter().map(rule).collect(),
            calls_up_max: c.calls_at_once,
            calls_per_hour_max: c.calls_per_hour,
            minutes_per_day_max: c.minutes_per_day,
            spend_milli_per_day_max: c.spend_milli_per_day,
        }
    }

    /// Whether there is such a class.
    #[must_use]
    pub fn has_class(&self, name: &str) -> bool {
        self.class.iter().any(|c| c.name.get_ref() == name)
    }

    /// Puts what is written for people into the form it is used in.
    pub(super) fn tidy(&mut self) {
        if let Some(id) = &self.caller_id {
            self.caller_id = Some(sender(id, &self.national_prefix));
        }
    }

    pub(super) fn check(&self, trunks: &[Trunk], desk: &DeskSection) -> Result<(), Fault> {
        self.check_trunks(trunks)?;
        self.check_caller_id()?;
        self.check_numbering(desk)?;
        if self.class.len() > CLASSES_MAX {
            let what =
                format!("there are more than {CLASSES_MAX} classes: put people of like rights into one");
            return Err(Fault::of(&self.class[CLASSES_MAX].name, what));
        }
        for (i, c) in self.class.iter().enumerate() {
            self.check_class(i, c)?;
        }
        Ok(())
    }

    fn check_trunks(&self, trunks: &[Trunk]) -> Result<(), Fault> {
        for (i, t) in self.trunks.iter().enumerate() {
            let name = t.get_ref();
            let Some(trunk) = trunks.iter().find(|k| k.name == *name) else {
                return Err(Fault::of(
                    t,
                    format!("there is no [[sip.trunk]] of the name '{name}'"),
                ));
            };
            if !trunk.can_be_dialled() {
                let what = format!(
                    "calls by trunk '{name}' need a target: it is known by networks, not by one address"
                );
                return Err(Fault::of(t, what));
            }
            if self.trunks.iter().take(i).any(|o| o.get_ref() == name) {
                return Err(Fault::of(
                    t,
                    format!("trunk '{name}' is there twice: name it once"),
                ));
            }
        }
        Ok(())
    }

    fn check_caller_id(&self) -> Result<(), Fault> {
        let Some(id) = &self.caller_id else { return Ok(()) };
        let good = match id.strip_prefix('+') {
            Some(n) => NUMBER_DIGITS.contains(&n.len()) && n.bytes().all(|b| b.is_ascii_digit()),
            None => is_sender(id),
        };
        if good {
            return Ok(());
        }
        let what = format!(
            "[outbound] caller_id cannot be '{id}', which no call could be sent with: write + and {} to {} digits, like \
             +441632960000, or a user of 1 to {USER_CHARS_MAX} letters, digits or characters like - _ . without @",
            NUMBER_DIGITS.start(),
            NUMBER_DIGITS.end()
        );
        Err(Fault::key("outbound.caller_id", what))
    }

    fn check_numbering(&self, desk: &DeskSection) -> Result<(), Fault> {
        digits("outbound.country", &self.country, 1..=3)?;
        digits("outbound.national_prefix", &self.national_prefix, 0..=4)?;
        digits("outbound.international_prefix", &self.international_prefix, 0..=5)?;
        let listed = |name: &str,
                      all: &[String],
                      least: usize,
                      most: usize,
                      length: RangeInclusive<usize>| {
            let key = format!("outbound.{name}");
            if !(least..=most).contains(&all.len()) {
                let what = format!(
                    "[outbound] {name} has {}: there must be {least} to {most} numbers",
                    all.len()
                );
                return Err(Fault::key(&key, what));
            }
            for (i, number) in all.iter().enumerate() {
                digits(&key, number, length.clone())?;
                if all.iter().take(i).any(|o| o == number) {
                    return Err(Fault::key(&key, format!("[outbound] {name} has {number} twice")));
                }
                if desk.is_slot(number) {
                    let what = format!(
                        "[desk] park_first and park_slots make {number} a parking slot, and [outbound] {name} has it too: \
                         choose another park_first"
                    );
                    return Err(Fault::key("desk.park_first", what));
                }
            }
            Ok(())
        };
        listed("emergency", &self.emergency, 1, EMERGENCY_MAX, EMERGENCY_DIGITS)?;
        listed("short", &self.short, 0, SHORT_MAX, SHORT_DIGITS)
    }

    fn check_class(&self, i: usize, c: &OutboundClass) -> Result<(), Fault> {
        let name = c.name.get_ref();
        let plain = |ch: char| ch.is_ascii_alphanumeric() || matches!(ch, '.' | '_' | '-');
        if name.is_empty() || name.len() > CLASS_CHARS_MAX || !name.chars().all(plain) {
            let what = format!(
                "class '{name}' could be given to nobody: its name must be 1 to {CLASS_CHARS_MAX} letters, digits, dots, dashes \
                 and underlines"
            );
            return Err(Fault::of(&c.name, what));
        }
        if self.class.iter().take(i).any(|o| o.name.get_ref() == name) {
            return Err(Fault::of(&c.name, format!("class '{name}' is there twice")));
        }
        let key = |field: &str| format!("outbound.class.{i}.{field}");
        range(&key("calls_at_once"), c.calls_at_once, 1..=1_000, "calls")?;
        range(&key("calls_per_hour"), c.calls_per_hour, 1..=1_000_000, "calls")?;
        range(
            &key("minutes_per_day"),
            c.minutes_per_day,
            1..=1_000_000_000,
            "minutes",
        )?;
        if let Some(beyond) = c.rule.get(RULES_MAX) {
            let what = format!(
                "class '{name}' has more than {RULES_MAX} rules: those from here on would not be looked at"
            );
            return Err(Fault::of(&beyond.prefix, what));
        }
        for (j, r) in c.rule.iter().enumerate() {
            one_of(
                &key(&format!("rule.{j}.allow")),
                &r.allow,
                &["always", "open", "never"],
            )?;
            self.check_prefix(r)?;
        }
        Ok(())
    }

    /// That there are numbers which begin like this, in the form rules are held against.
    fn check_prefix(&self, r: &OutboundRule) -> Result<(), Fault> {
        let p = r.prefix.get_ref();
        let number = p.strip_prefix('+').unwrap_or(p);
        let bad = p.is_empty()
            || !number.bytes().all(|b| b.is_ascii_digit())
            || number.len() > *NUMBER_DIGITS.end();
        let country = &self.country;
        let what = if bad {
            format!("'{p}' is no prefix: write it like +44, +4490 or 111, or + for everywhere")
        } else if number != p {
            if number.starts_with('0') {
                format!("no number begins with '{p}': no country's code begins with 0")
            } else if self.national_prefix == "0" && number.starts_with(&format!("{country}0")) {
                format!(
                    "no number begins with '{p}': after the country's code comes the number without its 0, as in +{country}{}",
                    &number[country.len() + 1..]
                )
            } else {
                return Ok(());
            }
        } else if self.short.iter().any(|s| s.starts_with(p)) {
            return Ok(());
        } else if self.emergency.iter().any(|e| e.starts_with(p)) {
            format!("'{p}' needs no rule: emergency numbers may always be dialled")
        } else {
            format!(
                "no number begins with '{p}': rules are held against numbers with their country's code, like {}, or against those \
                 in [outbound] short",
                self.example(p)
            )
        };
        Err(Fault::of(&r.prefix, what))
    }

    /// A prefix as it was probably meant.
    fn example(&self, p: &str) -> String {
        let after = |prefix: &str| p.strip_prefix(prefix).filter(|_| !prefix.is_empty());
        if let Some(rest) = after(&self.international_prefix) {
            return format!("+{rest}");
        }
        let national = after(&self.national_prefix).unwrap_or(p);
        format!("+{}{national}", self.country)
    }
}

/// A sender as signalling takes it: a number without what is written into it for the eye, `+44 (0)1632 960-000`; anything
/// else as it is.
fn sender(written: &str, national_prefix: &str) -> String {
    let written = written.trim();
    let number = |c: char| c.is_ascii_digit() || " \u{a0}+-./()".contains(c);
    if !written.chars().all(number) {
        return written.to_owned();
    }
    let written = if written.starts_with('+') && !national_prefix.is_empty() {
        written.replacen(&format!("({national_prefix})"), "", 1)
    } else {
        written.to_owned()
    };
    written
        .chars()
        .filter(|c| c.is_ascii_digit() || *c == '+')
        .collect()
}

const fn allow(when: When, per_minute_milli: u32) -> Verdict {
    Verdict::Allow {
        when,
        per_minute_milli,
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::{check, fine};
    use super::*;
    use crate::config::Config;
    use std::path::Path;

    fn outbound(lines: &str) -> String {
        format!("[outbound]\n{lines}")
    }

    #[test]
    fn a_number_that_calls_show_is_one_that_calls_can_be_sent_with() {
        for (written, expected) in [
            ("+44 1632 960000", "+441632960000"),
            ("+44 (0)1632 960-000", "+441632960000"),
            ("01632 960000", "01632960000"),
            ("+441632960000", "+441632960000"),
            ("clinic-line", "clinic-line"),
            ("201", "201"),
        ] {
            let text = outbound(&format!("caller_id = \"{written}\""));
            let config = Config::parse(&text, Path::new("a.toml")).unwrap();
            assert_eq!(config.outbound.caller_id.as_deref(), Some(expected), "{written}");
            assert!(anteroom_sip::is_user(expected));
        }
        let long = "x".repeat(65);
        for wrong in [
            "",
            " ",
            "+",
            "+44 1632",
            "+44163296000012345",
            "+44x1632960000",
            "++441632960000",
            "clinic line",
            "sip:201@pbx.example",
            "201@pbx.example",
            "Pr\u{e4}xis",
            long.as_str(),
        ] {
            let text = outbound(&format!("caller_id = \"{wrong}\""));
            check(&text, "a.toml:2: [outbound] caller_id cannot be");
        }
    }

    #[test]
    fn numbers_are_digits_and_in_danger_there_is_one() {
        for (line, says) in [
            (
                "emergency = []",
                "[outbound] emergency has 0: there must be 1 to 10 numbers",
            ),
            (
                "emergency = [\"9 9 9\"]",
                "'9 9 9' in [outbound] emergency is no number",
            ),
            (
                "emergency = [\"999\", \"+112\"]",
                "'+112' in [outbound] emergency is no number",
            ),
            (
                "emergency = [\"999\", \"\"]",
                "'' in [outbound] emergency is no number",
            ),
            (
                "emergency = [\"999\", \"999\"]",
                "[outbound] emergency has 999 twice",
            ),
            ("short = [\"1-1-1\"]", "'1-1-1' in [outbound] short is no number"),
            (
                "country = \"+44\"",
                "'+44' in [outbound] country is no number: write 1 to 3 digits",
            ),
            ("country = \"\"", "'' in [outbound] country is no number"),
            (
                "national_prefix = \"zero\"",
                "'zero' in [outbound] national_prefix is no number",
            ),
            (
                "international_prefix = \"+\"",
                "'+' in [outbound] international_prefix is no number",
            ),
        ] {
            check(&outbound(line), &format!("a.toml:2: {says}"));
        }
        fine(&outbound(
            "national_prefix = \"\"\nshort = []\nemergency = [\"15\", \"112\", \"000\"]",
        ));
    }

    #[test]
    fn no_slot_hides_a_number_that_is_dialled_outside() {
        check(
            "[desk]\npark_first = 100",
            "a.toml:2: [desk] park_first and park_slots make 101 a parking slot, and [outbound] short has it too",
        );
        check(
            "[desk]\npark_first = 995",
            "a.toml:2: [desk] park_first and park_slots make 999 a parking slot",
        );
        fine("[desk]\npark_first = 701\npark_slots = 100");
    }

    #[test]
    fn a_class_has_a_name_that_people_can_be_given_and_limits_that_let_calls_out() {
        let class = |lines: &str| format!("[[outbound.class]]\n{lines}");
        check(
            &class("name = \"front desk\""),
            "a.toml:2: class 'front desk' could be given to nobody",
        );
        check(
            &class("name = \"a\"\n[[outbound.class]]\nname = \"a\""),
            "a.toml:4: class 'a' is there twice",
        );
        check(
            &class("name = \"a\"\ncalls_at_once = 0"),
            "a.toml:3: [[outbound.class]] calls_at_once is 0: it must be 1 to 1000 calls",
        );
        check(
            &class("name = \"a\"\ncalls_per_hour = 0"),
            "a.toml:3: [[outbound.class]] calls_per_hour is 0",
        );
        let rules = "[[outbound.class.rule]]\nprefix = \"+44\"\nallow = \"never\"\n".repeat(RULES_MAX + 1);
        check(
            &class(&format!("name = \"a\"\n{rules}")),
            "a.toml:1504: class 'a' has more than 500 rules",
        );
    }

    #[test]
    fn a_rule_that_no_number_fits_is_refused_with_what_was_meant() {
        let rule = |prefix: &str| {
            format!(
                "[[outbound.class]]\nname = \"a\"\n[[outbound.class.rule]]\nprefix = \"{prefix}\"\nallow = \"always\""
            )
        };
        for good in ["+", "+44", "+4490", "111", "11", "+1"] {
            fine(&rule(good));
        }
        for (prefix, says) in [
            (
                "07",
                "no number begins with '07': rules are held against numbers with their country's code, like +447",
            ),
            (
                "004420",
                "no number begins with '004420': rules are held against numbers with their country's code, like +4420",
            ),
            (
                "+44020",
                "no number begins with '+44020': after the country's code comes the number without its 0, as in +4420",
            ),
            ("+044", "no number begins with '+044'"),
            ("999", "'999' needs no rule"),
            ("", "'' is no prefix"),
            ("+44 20", "'+44 20' is no prefix"),
        ] {
            check(&rule(prefix), &format!("a.toml:4: {says}"));
        }
        check(
            &rule("+44").replace("always", "sometimes"),
            "a.toml:5: [[outbound.class.rule]] allow cannot be 'sometimes': write one of: always, open, never",
        );
    }
}
