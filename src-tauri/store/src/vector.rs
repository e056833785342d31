//! Nearest vectors in memory: an 8-bit scan that finds candidates, then exact scores for those.
//!
//! A scan through the cipher reads and deciphers every vector for every question. Here the vectors are kept in memory
//! twice: one byte a number, contiguous, for the scan, and exact for the candidates' scores. What is returned is
//! therefore ordered by the exact cosine; the coarse scan only decides who is considered, and it considers several
//! times as many as are asked for.

use simsimd::SpatialSimilarity;
use std::cmp::Ordering;
use std::collections::{BinaryHeap, HashMap};

/// Candidates scored exactly for each one asked for.
const POOL_PER_HIT: usize = 4;
/// Candidates scored exactly at least.
const POOL_MIN: usize = 64;
/// Up to this many vectors the exact scores are taken of all.
const EXACT_UPTO: usize = 2_000;

/// A set of vectors of one length, each under an id, searched by cosine similarity.
///
/// Memory: five bytes a number.
#[derive(Debug, Clone)]
pub struct VectorIndex {
    dim: usize,
    ids: Vec<u64>,
    rows: HashMap<u64, usize>,
    exact: Vec<f32>,
    coarse: Vec<i8>,
    scales: Vec<f32>,
}

/// Why a vector was not taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum VectorError {
    /// It has another length.
    #[error("a vector must have {want} numbers, not {got}")]
    Length {
        /// Numbers expected.
        want: usize,
        /// Numbers given.
        got: usize,
    },
    /// It has no direction: all zero, or not finite.
    #[error("a vector must have finite numbers that are not all zero")]
    NoDirection,
}

/// `v` scaled to length 1.
///
/// # Errors
/// When it has another length than `dim`, or no direction.
pub fn normalised(v: &[f32], dim: usize) -> Result<Vec<f32>, VectorError> {
    if v.len() != dim {
        return Err(VectorError::Length {
            want: dim,
            got: v.len(),
        });
    }
    let norm = v
        .iter()
        .map(|x| f64::from(*x) * f64::from(*x))
        .sum::<f64>()
        .sqrt();
    if !norm.is_finite() || norm <= f64::from(f32::MIN_POSITIVE) {
        return Err(VectorError::NoDirection);
    }
    #[allow(clippy::cast_possible_truncation)]
    Ok(v.iter().map(|x| (f64::from(*x) / norm) as f32).collect())
}

#[derive(Clone, Copy, PartialEq)]
struct Scored {
    score: f32,
    row: usize,
}

impl Eq for Scored {}
impl Ord for Scored {
    /// The worst is greatest, so that a heap gives the worst first. Equal scores: the earlier row is better.
    fn cmp(&self, other: &Self) -> Ordering {
        other.score.total_cmp(&self.score).then(self.row.cmp(&other.row))
    }
}
impl PartialOrd for Scored {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl VectorIndex {
    /// An empty index of vectors with `dim` numbers.
    #[must_use]
    pub fn new(dim: usize) -> Self {
        Self {
            dim,
            ids: Vec::new(),
            rows: HashMap::new(),
            exact: Vec::new(),
            coarse: Vec::new(),
            scales: Vec::new(),
        }
    }

    /// Vectors held.
    #[must_use]
    pub fn len(&self) -> usize {
        self.ids.len()
    }

    /// Whether it holds none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.ids.is_empty()
    }

    /// Puts `vector` under `id`, in place of what was there.
    ///
    /// # Errors
    /// When it has another length or no direction.
    pub fn insert(&mut self, id: u64, vector: &[f32]) -> Result<(), VectorError> {
        let v = normalised(vector, self.dim)?;
        let (coarse, scale) = quantised(&v);
        if let Some(&row) = self.rows.get(&id) {
            self.exact[row * self.dim..(row + 1) * self.dim].copy_from_slice(&v);
            self.coarse[row * self.dim..(row + 1) * self.dim].copy_from_slice(&coarse);
            self.scales[row] = scale;
        } else {
            self.rows.insert(id, self.ids.len());
            self.ids.push(id);
            self.exact.extend_from_slice(&v);
            self.coarse.extend_from_slice(&coarse);
            self.scales.push(scale);
        }
        Ok(())
    }

    /// Takes the vector of `id` out. Whether there was one.
    pub fn remove(&mut self, id: u64) -> bool {
        let Some(row) = self.rows.remove(&id) else {
            return false;
        };
        let last = self.ids.len() - 1;
        let d = self.dim;
        self.ids.swap_remove(row);
        self.scales.swap_remove(row);
        if row != last {
            self.rows.insert(self.ids[row], row);
            self.exact.copy_within(last * d.., row * d);
            self.coarse.copy_within(last * d.., row * d);
        }
        self.exact.truncate(last * d);
        self.coarse.truncate(last * d);
        true
    }

    /// The `k` nearest of those whose id `keep` accepts, with their cosine, nearest first.
    ///
    /// # Errors
    /// When the query has another length or no direction.
    pub fn search(
        &self,
        query: &[f32],
        k: usize,
        keep: impl Fn(u64) -> bool,
    ) -> Result<Vec<(u64, f32)>, VectorError> {
        let query = normalised(query, self.dim)?;
        let k = k.min(self.len());
        let pool = if self.len() <= EXACT_UPTO {
            (0..self.len()).filter(|&row| keep(self.ids[row])).collect()
        } else {
            self.candidates(&query, (k * POOL_PER_HIT).max(POOL_MIN), &keep)
        };
        let mut scored: Vec<Scored> = pool
            .into_iter()
            .map(|row| Scored {
                score: self.cosine(&query, row),
                row,
            })
            .collect();
        scored.sort_unstable();
        scored.truncate(k);
        Ok(scored.into_iter().map(|s| (self.ids[s.row], s.score)).collect())
    }

    #[allow(clippy::cast_possible_truncation)]
    fn cosine(&self, query: &[f32], row: usize) -> f32 {
        let exact = &self.exact[row * self.dim..(row + 1) * self.dim];
        (f32::dot(query, exact).unwrap_or(-1.0) as f32).clamp(-1.0, 1.0)
    }

    /// The rows that the coarse scores put first.
    #[allow(clippy::cast_possible_truncation)]
    fn candidates(&self, query: &[f32], pool: usize, keep: &impl Fn(u64) -> bool) -> Vec<usize> {
        let (query, _) = quantised(query);
        let mut best: BinaryHeap<Scored> = BinaryHeap::with_capacity(pool + 1);
        let mut bar = f32::NEG_INFINITY;
        for (row, (coarse, scale)) in self.coarse.chunks_exact(self.dim).zip(&self.scales).enumerate() {
            // The query's own scale is the same for all and left out.
            let score = i8::dot(&query, coarse).unwrap_or(f64::NEG_INFINITY) as f32 * scale;
            if score > bar && keep(self.ids[row]) {
                best.push(Scored { score, row });
                if best.len() > pool {
                    best.pop();
                }
                if best.len() == pool {
                    bar = best.peek().map_or(bar, |worst| worst.score);
                }
            }
        }
        best.into_iter().map(|s| s.row).collect()
    }
}

/// A vector as bytes, and what one step of them is worth.
#[allow(clippy::cast_possible_truncation)]
fn quantised(v: &[f32]) -> (Vec<i8>, f32) {
    let largest = v.iter().fold(f32::MIN_POSITIVE, |m, x| m.max(x.abs()));
    let scale = largest / 127.0;
    (v.iter().map(|x| (x / scale).round() as i8).collect(), scale)
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::{Rng, SeedableRng, rngs::StdRng};

    fn random(rng: &mut StdRng, dim: usize) -> Vec<f32> {
        (0..dim).map(|_| rng.random_range(-1.0..1.0)).collect()
    }

    #[test]
    fn a_vector_without_direction_or_of_another_length_is_refused() {
        let mut index = VectorIndex::new(3);
        assert_eq!(index.insert(1, &[0.0; 3]), Err(VectorError::NoDirection));
        assert_eq!(
            index.insert(1, &[f32::NAN, 1.0, 1.0]),
            Err(VectorError::NoDirection)
        );
        assert_eq!(
            index.insert(1, &[1.0; 2]),
            Err(VectorError::Length { want: 3, got: 2 })
        );
        assert!(index.search(&[0.0; 3], 1, |_| true).is_err());
        assert!(index.is_empty());
    }

    #[test]
    fn insert_replace_and_remove_keep_rows_and_ids_together() {
        let mut rng = StdRng::seed_from_u64(5);
        let mut index = VectorIndex::new(16);
        let mut truth: HashMap<u64, Vec<f32>> = HashMap::new();
        for step in 0..2_000 {
            let id = rng.random_range(0..60);
            if rng.random_bool(0.6) {
                let v = random(&mut rng, 16);
                index.insert(id, &v).unwrap();
                truth.insert(id, normalised(&v, 16).unwrap());
            } else {
                assert_eq!(index.remove(id), truth.remove(&id).is_some());
            }
            assert_eq!(index.len(), truth.len());
            if step % 50 == 0 {
                for (id, v) in &truth {
                    let hit = index.search(v, 1, |_| true).unwrap()[0];
                    assert!(hit.0 == *id && hit.1 > 0.999_9, "{hit:?}");
                }
            }
        }
    }

    #[test]
    fn the_coarse_scan_finds_what_the_exact_one_finds() {
        let mut rng = StdRng::seed_from_u64(9);
        let dim = 384;
        let mut index = VectorIndex::new(dim);
        // Clusters, as questions have: many near neighbours that the bytes must tell apart.
        let centres: Vec<Vec<f32>> = (0..50).map(|_| random(&mut rng, dim)).collect();
        let near = |rng: &mut StdRng, c: usize| -> Vec<f32> {
            centres[c]
                .iter()
                .map(|x| x + rng.random_range(-0.4..0.4))
                .collect()
        };
        for id in 0..6_000 {
            let v = near(&mut rng, id % 50);
            index.insert(id as u64, &v).unwrap();
        }
        let (mut found, mut wanted) = (0, 0);
        for q in 0..50 {
            let query = normalised(&near(&mut rng, q), dim).unwrap();
            let mut exact: Vec<(f32, u64)> = (0..6_000)
                .map(|row| (index.cosine(&query, row), row as u64))
                .collect();
            exact.sort_by(|a, b| b.0.total_cmp(&a.0));
            let hits = index.search(&query, 10, |_| true).unwrap();
            assert!(hits.windows(2).all(|w| w[0].1 >= w[1].1));
            wanted += 10;
            found += exact[..10]
                .iter()
                .filter(|(_, id)| hits.iter().any(|h| h.0 == *id))
                .count();
        }
        assert!(found * 100 >= wanted * 98, "recall {found} of {wanted}");
        let odd = index.search(&centres[0], 10, |id| id % 2 == 1).unwrap();
        assert!(odd.len() == 10 && odd.iter().all(|(id, _)| id % 2 == 1));
    }
}
