//! The second net under the safety gate: how near a caller's words are to examples of danger.
//!
//! The examples and their vectors are compiled in, so that the net is there from the first call and cannot be taken
//! away; `vectors_are_those_of_the_examples` keeps the two files together.

use anteroom_reception::gate::Likeness;
use anteroom_speech::embed::{EmbedError, Embedder};

const EXAMPLES: &str = include_str!("../../../assets/gate/exemplars.tsv");
/// For each example, in order, its sentence vector as signed bytes; only the direction counts.
const VECTORS: &[u8] = include_bytes!("../../../assets/gate/exemplars.vec");
/// The language of the examples, and the one the embedder knows.
const LANGUAGE: &str = "en";

struct Example {
    urgent: bool,
    vector: Vec<f32>,
}

/// The net. It knows nothing in a language other than English.
pub(crate) struct Alarm {
    examples: Vec<Example>,
}

/// The examples: whether each is urgent, and its text.
fn examples() -> impl Iterator<Item = (bool, &'static str)> {
    EXAMPLES
        .lines()
        .filter(|l| !l.starts_with('#'))
        .filter_map(|l| l.split_once('\t'))
        .map(|(class, text)| (class == "urgent", text))
}

impl Alarm {
    /// The net for a clinic that is spoken with in `language`.
    pub(crate) fn new(language: &str) -> Self {
        let known = primary(language).eq_ignore_ascii_case(LANGUAGE);
        let size = VECTORS.len().checked_div(examples().count()).unwrap_or(0).max(1);
        let examples = examples()
            .zip(VECTORS.chunks_exact(size))
            .filter(|_| known)
            .map(|((urgent, _), bytes)| Example {
                urgent,
                vector: unit(bytes.iter().map(|b| f32::from(b.cast_signed())).collect()),
            })
            .collect();
        Self { examples }
    }

    /// Whether `text` lies near examples of danger and not as near calm ones. Blocking.
    pub(crate) fn hears(&self, embedder: &Embedder, text: &str) -> Result<bool, EmbedError> {
        if self.examples.is_empty() {
            return Ok(false);
        }
        let vector = embedder.embed(text)?;
        Ok(self.likeness(&vector).is_urgent())
    }

    fn likeness(&self, vector: &[f32]) -> Likeness {
        let nearest = |urgent: bool| {
            self.examples
                .iter()
                .filter(|e| e.urgent == urgent)
                .map(|e| e.vector.iter().zip(vector).map(|(a, b)| a * b).sum::<f32>())
                .fold(-1.0, f32::max)
        };
        Likeness {
            urgent: nearest(true),
            calm: nearest(false),
        }
    }
}

/// `en` of `en-GB` and `en_GB`.
pub(crate) fn primary(language: &str) -> &str {
    language.split(['-', '_']).next().unwrap_or_default()
}

fn unit(mut v: Vec<f32>) -> Vec<f32> {
    let length = v.iter().map(|x| x * x).sum::<f32>().sqrt().max(f32::MIN_POSITIVE);
    v.iter_mut().for_each(|x| *x /= length);
    v
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::Path;

    fn embedder() -> Embedder {
        let models =
            std::env::var_os("ANTEROOM_MODELS").expect("ANTEROOM_MODELS names the folder with the models");
        crate::speech::load_embedder(Path::new(&models)).unwrap()
    }

    #[expect(clippy::cast_possible_truncation, reason = "scaled to at most 127")]
    fn bytes(v: &[f32]) -> Vec<u8> {
        let most = v.iter().fold(f32::MIN_POSITIVE, |m, x| m.max(x.abs()));
        v.iter()
            .map(|x| ((x / most * 127.0).round() as i8).cast_unsigned())
            .collect()
    }

    /// With `ANTEROOM_BLESS` the file is written anew instead.
    #[test]
    fn vectors_are_those_of_the_examples() {
        let e = embedder();
        if std::env::var_os("ANTEROOM_BLESS").is_some() {
            let all: Vec<u8> = examples()
                .flat_map(|(_, t)| bytes(&e.embed(t).unwrap()))
                .collect();
            let file = concat!(env!("CARGO_MANIFEST_DIR"), "/../../assets/gate/exemplars.vec");
            return std::fs::write(file, all).unwrap();
        }
        let alarm = Alarm::new("en-GB");
        assert_eq!(alarm.examples.len(), examples().count());
        // Every example of the first, the last and each tenth: a shifted or stale file differs in all.
        let last = alarm.examples.len() - 1;
        for (i, (_, text)) in examples().enumerate().filter(|(i, _)| i % 10 == 0 || *i == last) {
            let v = e.embed(text).unwrap();
            let cosine: f32 = alarm.examples[i].vector.iter().zip(&v).map(|(a, b)| a * b).sum();
            assert!(cosine > 0.999, "{text}: {cosine}");
        }
    }

    #[test]
    fn english_is_english_however_it_is_written() {
        for language in ["en", "EN", "en-GB", "en_GB", "EN-us"] {
            assert!(!Alarm::new(language).examples.is_empty(), "{language}");
        }
        for language in ["de", "enm", ""] {
            assert!(Alarm::new(language).examples.is_empty(), "{language}");
        }
    }

    #[test]
    fn danger_in_unknown_words_is_heard_and_questions_are_not() {
        let (alarm, e) = (Alarm::new("en"), embedder());
        for text in [
            "grandad is lying on the kitchen floor and not answering me",
            "her lips have gone a funny blue colour",
            "he keeps on vomiting blood everywhere",
        ] {
            assert!(alarm.hears(&e, text).unwrap(), "{text}");
        }
        let sets = [
            include_str!("../../../assets/golden/questions-holdout.tsv"),
            include_str!("../../../assets/golden/questions-fresh.tsv"),
        ];
        let calm: Vec<&str> = sets
            .into_iter()
            .flat_map(str::lines)
            .filter(|l| !l.starts_with('#') && !l.is_empty())
            .filter_map(|l| l.split('\t').next())
            .collect();
        let wrong: Vec<_> = calm.iter().filter(|t| alarm.hears(&e, t).unwrap()).collect();
        assert!(calm.len() > 100 && wrong.len() * 50 <= calm.len(), "{wrong:?}");
        assert!(
            !Alarm::new("de")
                .hears(&e, "her lips have gone a funny blue colour")
                .unwrap()
        );
    }
}
