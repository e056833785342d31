//! Word error rate.

/// Words without case and punctuation.
pub(crate) fn words(text: &str) -> Vec<String> {
    text.to_lowercase()
        .split_whitespace()
        .map(|w| w.chars().filter(|c| c.is_alphanumeric()).collect::<String>())
        .filter(|w| !w.is_empty())
        .collect()
}

/// The fewest words to replace, leave out and put in that make one text of the other.
pub(crate) fn errors(reference: &[String], heard: &[String]) -> usize {
    let mut row: Vec<usize> = (0..=heard.len()).collect();
    for (i, r) in reference.iter().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, h) in heard.iter().enumerate() {
            let replaced = diagonal + usize::from(r != h);
            diagonal = row[j + 1];
            row[j + 1] = replaced.min(diagonal + 1).min(row[j] + 1);
        }
    }
    row.last().copied().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_of_error_counts_once() {
        let check = |a: &str, b: &str, n| assert_eq!(errors(&words(a), &words(b)), n, "{a} / {b}");
        check("He's not breathing.", "hes NOT breathing", 0);
        check("a b c", "a x c", 1);
        check("a b c", "a c", 1);
        check("a c", "a b c", 1);
        check("", "a b", 2);
        check("a b", "", 2);
        check("a b c d", "b c d e", 2);
    }
}
