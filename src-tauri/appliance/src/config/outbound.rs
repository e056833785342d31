//! `[outbound]`: what telephones of ours may dial through trunks, and at what price.

use super::Trunk;
use anteroom_call::dial::{Numbering, Rights, Rule, Verdict, When};
use serde::Deserialize;
use toml::Spanned;

/// `[outbound]`. Without a trunk nothing leaves the house.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct OutboundSection {
    /// Trunks to go by, best first, by their names. One that is down is passed over.
    pub trunks: Vec<Spanned<String>>,
    /// The number calls show; the trunk's user when absent.
    pub caller_id: Option<String>,
    /// Country code of the clinic, without `+`.
    pub country: String,
    /// What is dialled before a national number; may be empty.
    pub national_prefix: String,
    /// What is dialled instead of `+`.
    pub international_prefix: String,
    /// Emergency numbers. Everybody may always dial them.
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
    /// The beginning of the number: `+44`, `+4490`, or a short number.
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

    pub(super) fn check(&self, trunks: &[Trunk]) -> Result<(), (usize, String)> {
        for t in &self.trunks {
            let Some(trunk) = trunks.iter().find(|k| k.name == *t.get_ref()) else {
                let what = format!("there is no [[sip.trunk]] of the name '{}'", t.get_ref());
                return Err((t.span().start, what));
            };
            let single = |a: &Spanned<String>| {
                let a = a.get_ref();
                !a.contains('/') || a.ends_with("/32") || a.ends_with("/128")
            };
            if trunk.registrar.is_empty() && trunk.target.is_none() && !trunk.addresses.iter().any(single) {
                let what = format!(
                    "calls by trunk '{}' need a target: it is known by networks, not by one address",
                    t.get_ref()
                );
                return Err((t.span().start, what));
            }
        }
        for c in &self.class {
            if self
                .class
                .iter()
                .filter(|o| o.name.get_ref() == c.name.get_ref())
                .count()
                > 1
            {
                return Err((
                    c.name.span().start,
                    format!("class '{}' is there twice", c.name.get_ref()),
                ));
            }
            for r in &c.rule {
                super::one_of("permission", &r.allow, &["always", "open", "never"])?;
                let p = r.prefix.get_ref();
                let digits = p.strip_prefix('+').unwrap_or(p);
                let bad = !digits.bytes().all(|b| b.is_ascii_digit()) || p.is_empty() || p.len() > 16;
                if bad {
                    let what = format!("'{p}' is no prefix: write it like +44, +4490 or 111");
                    return Err((r.prefix.span().start, what));
                }
            }
        }
        Ok(())
    }
}

const fn allow(when: When, per_minute_milli: u32) -> Verdict {
    Verdict::Allow {
        when,
        per_minute_milli,
    }
}
