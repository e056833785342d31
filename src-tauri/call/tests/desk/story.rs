//! A call told as lines: what happened above, what was done below.
//!
//! Legs have letters: `C` is the caller's own, `A`, `B`, … are dialled in that order.

use anteroom_call::bridge::Matrix;
use anteroom_call::desk::{
    Briefing, By, Command, ControlError, DeskCall, DeskConfig, DeskEffect, DeskInput, Fact, HandOver,
};
use anteroom_call::leg::LegEnd;
use anteroom_call::party::{Address, PersonId, Target};
use anteroom_call::ring::{Fallback, RingPlan, RingStep};
use anteroom_call::scene::{PlayNo, Source};
use anteroom_types::{LegId, Mono};
use std::collections::BTreeMap;

const CALLER: u128 = 1_000;

/// A call and its story so far.
pub(crate) struct Story {
    pub(crate) call: DeskCall,
    now_ms: u64,
    playing: BTreeMap<char, PlayNo>,
    told: Vec<String>,
}

/// The leg of a letter: `C` the caller's, else the n-th dialled; `X`, `Y` and `Z` are of other calls.
pub(crate) fn leg(letter: char) -> LegId {
    let n = match letter {
        'C' => 0,
        'X'..='Z' => 5_000 + (letter as u128 - 'X' as u128),
        'A' | 'B' => letter as u128 - 'A' as u128 + 1,
        _ => letter as u128 - 'A' as u128,
    };
    LegId::from_u128(CALLER + n)
}

fn letter(id: LegId) -> char {
    let n = id.to_u128() - CALLER;
    let of = |base: char, n: u128| char::from(base as u8 + u8::try_from(n).unwrap());
    match n {
        0 => 'C',
        1 | 2 => of('A', n - 1),
        5_000.. => of('X', n - 5_000),
        _ => of('A', n),
    }
}

/// Devices by name: `ann1` is Ann's first.
pub(crate) fn target(name: &str) -> Target {
    let (who, device) = name.split_at(name.len() - 1);
    Target::contact(&PersonId::new(who), device.parse().unwrap())
}

pub(crate) fn targets(names: &str) -> Vec<Target> {
    names.split_whitespace().map(target).collect()
}

/// A plan of steps of 20 s: `ann1 ann2 / bob1`.
pub(crate) fn plan(steps: &str, fallback: Fallback) -> RingPlan {
    let step = |s: &str| RingStep {
        targets: targets(s),
        ring_ms: 20_000,
    };
    RingPlan {
        steps: steps
            .split('/')
            .map(step)
            .filter(|s| !s.targets.is_empty())
            .collect(),
        total_ms: 60_000,
        fallback,
    }
}

impl Story {
    pub(crate) fn incoming() -> Self {
        Self::incoming_with(DeskConfig::default())
    }

    pub(crate) fn incoming_with(config: DeskConfig) -> Self {
        Self::of(DeskCall::incoming(config, leg('C')))
    }

    pub(crate) fn outgoing(who: &str) -> Self {
        Self::of(DeskCall::outgoing(DeskConfig::default(), leg('C'), target(who)))
    }

    fn of(call: DeskCall) -> Self {
        Self {
            call,
            now_ms: 0,
            playing: BTreeMap::new(),
            told: Vec::new(),
        }
    }

    /// Hands over, without a sentence, briefed on the screen.
    pub(crate) fn hand_over(&mut self, steps: &str, fallback: Fallback) -> &mut Self {
        self.happens(DeskInput::HandOver(HandOver {
            plan: plan(steps, fallback),
            briefing: Briefing::Screen,
            sentence_ms: None,
            task_made: false,
            urgent: false,
        }))
    }

    /// A call in which `ann` talks to the caller on leg A; what led to it is not told.
    pub(crate) fn talking() -> Self {
        let mut s = Self::incoming();
        s.hand_over("ann1", Fallback::Voicemail).answers('A').seconds(5);
        s.told.clear();
        s
    }

    pub(crate) fn happens(&mut self, input: DeskInput) -> &mut Self {
        let effects = self.call.handle(Mono::from_ms(self.now_ms), input);
        self.tell(&effects);
        self
    }

    pub(crate) fn rings(&mut self, l: char) -> &mut Self {
        self.happens(DeskInput::LegProgress {
            leg: leg(l),
            early_media: false,
        })
    }

    pub(crate) fn answers(&mut self, l: char) -> &mut Self {
        self.happens(DeskInput::LegAnswered {
            leg: leg(l),
            screen: true,
        })
    }

    /// A telephone without a screen of ours is answered.
    pub(crate) fn lifts(&mut self, l: char) -> &mut Self {
        self.happens(DeskInput::LegAnswered {
            leg: leg(l),
            screen: false,
        })
    }

    pub(crate) fn refuses(&mut self, l: char, status: u16) -> &mut Self {
        self.ends(l, LegEnd::Refused(status))
    }

    pub(crate) fn hangs_up(&mut self, l: char) -> &mut Self {
        self.ends(l, LegEnd::HungUp)
    }

    pub(crate) fn ends(&mut self, l: char, end: LegEnd) -> &mut Self {
        self.happens(DeskInput::LegEnded { leg: leg(l), end })
    }

    /// What is said to `l` is said to its end.
    pub(crate) fn said(&mut self, l: char) -> &mut Self {
        let play = self.playing[&l];
        self.happens(DeskInput::Played { leg: leg(l), play })
    }

    pub(crate) fn key(&mut self, l: char, digit: char) -> &mut Self {
        self.happens(DeskInput::Key { leg: leg(l), digit })
    }

    /// Time passes, tick by tick as the call asks for.
    pub(crate) fn seconds(&mut self, s: u64) -> &mut Self {
        let until = self.now_ms + s * 1_000;
        while let Some(t) = self.call.next_timeout().filter(|t| t.as_ms() <= until) {
            self.now_ms = self.now_ms.max(t.as_ms());
            self.happens(DeskInput::Tick);
        }
        self.now_ms = until;
        self
    }

    /// A command by somebody in the call, or by nobody (`-`).
    pub(crate) fn wants(&mut self, who: &str, command: Command) -> &mut Self {
        let result = self.try_wants(who, command);
        assert_eq!(result, Ok(()), "after {}", self.told.join(" | "));
        self
    }

    pub(crate) fn try_wants(&mut self, who: &str, command: Command) -> Result<(), ControlError> {
        let by = By::Person(PersonId::new(who));
        let effects = self.call.control(Mono::from_ms(self.now_ms), &by, command)?;
        self.tell(&effects);
        Ok(())
    }

    pub(crate) fn wants_on(&mut self, l: char, command: Command) -> &mut Self {
        let by = By::Leg(leg(l));
        let effects = self
            .call
            .control(Mono::from_ms(self.now_ms), &by, command)
            .unwrap();
        self.tell(&effects);
        self
    }

    /// Compares what was done since the last check.
    #[track_caller]
    pub(crate) fn check(&mut self, expected: &[&str]) -> &mut Self {
        let told = std::mem::take(&mut self.told);
        assert_eq!(told, expected, "\nwas: {told:#?}");
        self
    }

    /// What was done since the last check.
    pub(crate) fn so_far(&mut self) -> Vec<String> {
        std::mem::take(&mut self.told)
    }

    /// Effects that came by another way.
    pub(crate) fn tells(&mut self, effects: &[DeskEffect]) -> &mut Self {
        self.tell(effects);
        self
    }

    fn tell(&mut self, effects: &[DeskEffect]) {
        for e in effects {
            if let DeskEffect::Play { leg, play, .. } = e {
                self.playing.insert(letter(*leg), *play);
            }
            self.told.push(words(e));
        }
    }
}

fn bridge(m: &Matrix) -> String {
    let line = |l: &anteroom_call::bridge::Hearing| {
        let hears: String = l.hears.iter().map(|l| letter(*l)).collect();
        format!("{}{}<{hears}", letter(l.leg), if l.muted { "'" } else { "" })
    };
    m.lines.iter().map(line).collect::<Vec<_>>().join(" ")
}

fn words(e: &DeskEffect) -> String {
    match e {
        DeskEffect::Dial {
            leg,
            target,
            what,
            urgent,
        } => {
            let at = match &target.at {
                Address::Contact(n) => n.to_string(),
                other => format!("{other:?}"),
            };
            let urgent = if *urgent { " urgent" } else { "" };
            format!("dial {} {}{at} {what:?}{urgent}", letter(*leg), target.who)
        }
        DeskEffect::Cancel { leg, why } => format!("cancel {} {why:?}", letter(*leg)),
        DeskEffect::HangUp { leg, why } => format!("hang up {} {why:?}", letter(*leg)),
        DeskEffect::Connect(m) => format!("connect {}", bridge(m)),
        DeskEffect::Disconnect => "disconnect".into(),
        DeskEffect::Play { leg, source, .. } => match source {
            Source::Announce(a) => format!("say {} {a:?}", letter(*leg)),
            other => format!("play {} {other:?}", letter(*leg)),
        },
        DeskEffect::StopPlaying { leg } => format!("stop {}", letter(*leg)),
        DeskEffect::StartRecording { leg } => format!("record {}", letter(*leg)),
        DeskEffect::Refer { leg, status } => format!("refer {} {status:?}", letter(*leg)),
        DeskEffect::Note(Fact::Answered { by, leg }) => {
            format!("note {by} has the caller on {}", letter(*leg))
        }
        DeskEffect::Note(f) => format!("note {f:?}"),
        DeskEffect::Surrendered { leg } => format!("surrendered {}", letter(*leg)),
        other => format!("{other:?}"),
    }
}
