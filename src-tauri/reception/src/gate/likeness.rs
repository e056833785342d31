//! The second net: danger in words the lexicon does not know.

/// Cosine an urgent example must reach.
const NEAR: f32 = 0.50;
/// By how much it must be nearer than any calm example.
const NEARER_BY: f32 = 0.05;

/// How near a text is to examples of either kind: cosines of sentence vectors, -1 to 1.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Likeness {
    /// To the nearest urgent example.
    pub urgent: f32,
    /// To the nearest calm one.
    pub calm: f32,
}

impl Likeness {
    /// Whether the text is taken for urgent although no rule of the lexicon matched it.
    ///
    /// Sentence vectors do not hear negation or the past ("he has not had any chest pain" lies next to "he has chest
    /// pain"), so this must not be asked about a text in which the lexicon found a phrase and took it back.
    #[must_use]
    pub fn is_urgent(self) -> bool {
        self.urgent >= NEAR && self.urgent - self.calm >= NEARER_BY
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn near_is_not_enough_when_something_calm_is_as_near() {
        let urgent = |urgent, calm| Likeness { urgent, calm }.is_urgent();
        assert!(urgent(0.7, 0.4));
        assert!(!urgent(0.7, 0.68));
        assert!(!urgent(0.45, 0.1));
        assert!(!urgent(f32::NAN, 0.1));
        assert!(!urgent(0.7, f32::NAN));
    }
}
