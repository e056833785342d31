//! Matrix times a few columns, with the matrix packed once.
//!
//! The networks here multiply one fixed matrix by very few columns (four STFT frames, one LSTM step, a dozen tokens).
//! A general matrix product packs the big operand on every call, which costs more than the product itself; here it is
//! packed when the weights are loaded.

/// The vector instructions there are, found once.
#[derive(Clone, Copy)]
pub(crate) struct Arch {
    // Asked for by name: `pulp::Arch` may name a wider set, by another crate's choice of features.
    #[cfg(target_arch = "x86_64")]
    avx2: Option<pulp::x86::V3>,
}

impl Arch {
    /// Asks the processor.
    pub(crate) fn new() -> Self {
        Self {
            #[cfg(target_arch = "x86_64")]
            avx2: pulp::x86::V3::try_new(),
        }
    }

    fn run(self, job: Job<'_>) {
        #[cfg(target_arch = "x86_64")]
        if let Some(simd) = self.avx2 {
            return pulp::Simd::vectorize(simd, avx2::Fused { simd, job });
        }
        // Without fused multiply-add in hardware `mul_add` would be a library call. NEON always has it.
        job.run::<{ cfg!(target_arch = "aarch64") }>();
    }
}

/// Rows in a panel: two AVX2 registers, four NEON ones.
pub(crate) const PANEL: usize = 16;

/// An `m` by `k` matrix in panels of [`PANEL`] rows, each panel stored column by column, with a bias per row.
pub(crate) struct Packed {
    m: usize,
    k: usize,
    panels: Vec<f32>,
    bias: Vec<f32>,
    relu: bool,
}

impl Packed {
    /// Packs a matrix given by `at(row, column)`. `bias` may be empty.
    pub(crate) fn new(m: usize, k: usize, bias: &[f32], at: impl Fn(usize, usize) -> f32) -> Self {
        let count = m.div_ceil(PANEL);
        let mut panels = vec![0.0; count * k * PANEL];
        for p in 0..count {
            for c in 0..k {
                for r in 0..PANEL.min(m - p * PANEL) {
                    panels[(p * k + c) * PANEL + r] = at(p * PANEL + r, c);
                }
            }
        }
        let mut padded = vec![0.0; count * PANEL];
        padded[..bias.len()].copy_from_slice(bias);
        Self {
            m,
            k,
            panels,
            bias: padded,
            relu: false,
        }
    }

    /// The same, with negative results made zero.
    pub(crate) fn with_relu(m: usize, k: usize, bias: &[f32], at: impl Fn(usize, usize) -> f32) -> Self {
        Self {
            relu: true,
            ..Self::new(m, k, bias, at)
        }
    }

    /// For each `t < count`: `out[t * out_stride ..][..m] = act(W * x[t * x_stride ..][..k] + bias)`.
    pub(crate) fn apply(
        &self,
        arch: Arch,
        x: &[f32],
        x_stride: usize,
        count: usize,
        out: &mut [f32],
        out_stride: usize,
    ) {
        assert!(
            count == 0 || x.len() >= (count - 1) * x_stride + self.k,
            "input too short"
        );
        assert!(
            count == 0 || out.len() >= (count - 1) * out_stride + self.m,
            "output too short"
        );
        let job = Job {
            w: self,
            x,
            x_stride,
            count,
            out,
            out_stride,
        };
        arch.run(job);
    }
}

struct Job<'a> {
    w: &'a Packed,
    x: &'a [f32],
    x_stride: usize,
    count: usize,
    out: &'a mut [f32],
    out_stride: usize,
}

impl Job<'_> {
    #[inline(always)]
    fn run<const FMA: bool>(mut self) {
        let panel_len = self.w.k * PANEL;
        for p in 0..self.w.m.div_ceil(PANEL) {
            let panel = &self.w.panels[p * panel_len..(p + 1) * panel_len];
            let mut t = 0;
            while self.count - t >= 6 {
                self.block::<FMA, 6>(panel, p, t);
                t += 6;
            }
            match self.count - t {
                5 => self.block::<FMA, 5>(panel, p, t),
                4 => self.block::<FMA, 4>(panel, p, t),
                3 => self.block::<FMA, 3>(panel, p, t),
                2 => self.block::<FMA, 2>(panel, p, t),
                1 => self.single::<FMA>(panel, p, t),
                _ => {}
            }
        }
    }

    #[inline(always)]
    fn block<const FMA: bool, const T: usize>(&mut self, panel: &[f32], p: usize, t0: usize) {
        let k = self.w.k;
        let mut acc = [[0f32; PANEL]; T];
        let cols: [&[f32]; T] = std::array::from_fn(|t| {
            let at = (t0 + t) * self.x_stride;
            &self.x[at..at + k]
        });
        for (c, w) in panel.as_chunks::<PANEL>().0.iter().enumerate().take(k) {
            for t in 0..T {
                let x = cols[t][c];
                for r in 0..PANEL {
                    acc[t][r] = fma::<FMA>(w[r], x, acc[t][r]);
                }
            }
        }
        for (t, acc) in acc.iter().enumerate() {
            self.store(acc, p, t0 + t);
        }
    }

    /// One column: four independent sums, or the latency of one addition after another would be all we wait for.
    #[inline(always)]
    fn single<const FMA: bool>(&mut self, panel: &[f32], p: usize, t: usize) {
        let k = self.w.k;
        let x = &self.x[t * self.x_stride..t * self.x_stride + k];
        let mut acc = [[0f32; PANEL]; 4];
        let w = panel.as_chunks::<PANEL>().0;
        let (w4, w_rest) = w.as_chunks::<4>();
        let (x4, x_rest) = x.as_chunks::<4>();
        for (w, x) in w4.iter().zip(x4) {
            for u in 0..4 {
                for r in 0..PANEL {
                    acc[u][r] = fma::<FMA>(w[u][r], x[u], acc[u][r]);
                }
            }
        }
        for (w, x) in w_rest.iter().zip(x_rest) {
            for r in 0..PANEL {
                acc[0][r] = fma::<FMA>(w[r], *x, acc[0][r]);
            }
        }
        let sum = std::array::from_fn(|r| (acc[0][r] + acc[1][r]) + (acc[2][r] + acc[3][r]));
        self.store(&sum, p, t);
    }

    #[inline(always)]
    fn store(&mut self, acc: &[f32; PANEL], p: usize, t: usize) {
        let rows = PANEL.min(self.w.m - p * PANEL);
        let bias = &self.w.bias[p * PANEL..(p + 1) * PANEL];
        let mut v = [0f32; PANEL];
        for r in 0..PANEL {
            let y = acc[r] + bias[r];
            v[r] = if self.w.relu && y < 0.0 { 0.0 } else { y };
        }
        let at = t * self.out_stride + p * PANEL;
        self.out[at..at + rows].copy_from_slice(&v[..rows]);
    }
}

#[inline(always)]
fn fma<const FMA: bool>(a: f32, b: f32, c: f32) -> f32 {
    if FMA { a.mul_add(b, c) } else { a * b + c }
}

/// The same with the registers named: left to itself the compiler keeps the sums in memory.
#[cfg(target_arch = "x86_64")]
mod avx2 {
    use super::{Job, PANEL};
    use pulp::x86::V3;
    use pulp::{NullaryFnOnce, Simd, f32x8};

    pub(super) struct Fused<'a> {
        pub(super) simd: V3,
        pub(super) job: Job<'a>,
    }

    impl NullaryFnOnce for Fused<'_> {
        type Output = ();
        #[inline(always)]
        fn call(mut self) {
            let panel_len = self.job.w.k * PANEL;
            for p in 0..self.job.w.m.div_ceil(PANEL) {
                let panel = V3::as_simd_f32s(&self.job.w.panels[p * panel_len..(p + 1) * panel_len]).0;
                let panel = panel.as_chunks::<2>().0;
                let mut t = 0;
                while self.job.count - t >= 6 {
                    self.block::<6>(panel, p, t);
                    t += 6;
                }
                match self.job.count - t {
                    5 => self.block::<5>(panel, p, t),
                    4 => self.block::<4>(panel, p, t),
                    3 => self.block::<3>(panel, p, t),
                    2 => self.block::<2>(panel, p, t),
                    1 => self.single(panel, p, t),
                    _ => {}
                }
            }
        }
    }

    impl Fused<'_> {
        #[inline(always)]
        fn block<const T: usize>(&mut self, panel: &[[f32x8; 2]], p: usize, t0: usize) {
            let simd = self.simd;
            let k = self.job.w.k;
            let zero = simd.splat_f32s(0.0);
            let mut acc = [[zero; 2]; T];
            let cols: [&[f32]; T] = std::array::from_fn(|t| {
                let at = (t0 + t) * self.job.x_stride;
                &self.job.x[at..at + k]
            });
            for (c, w) in panel[..k].iter().enumerate() {
                for t in 0..T {
                    let x = simd.splat_f32s(cols[t][c]);
                    acc[t][0] = simd.mul_add_f32s(w[0], x, acc[t][0]);
                    acc[t][1] = simd.mul_add_f32s(w[1], x, acc[t][1]);
                }
            }
            for (t, acc) in acc.into_iter().enumerate() {
                self.job.store(&join(acc), p, t0 + t);
            }
        }

        #[inline(always)]
        fn single(&mut self, panel: &[[f32x8; 2]], p: usize, t: usize) {
            let simd = self.simd;
            let k = self.job.w.k;
            let x = &self.job.x[t * self.job.x_stride..t * self.job.x_stride + k];
            let zero = simd.splat_f32s(0.0);
            let mut acc = [[zero; 2]; 4];
            let (w4, w_rest) = panel[..k].as_chunks::<4>();
            let (x4, x_rest) = x.as_chunks::<4>();
            for (w, x) in w4.iter().zip(x4) {
                for u in 0..4 {
                    let x = simd.splat_f32s(x[u]);
                    acc[u][0] = simd.mul_add_f32s(w[u][0], x, acc[u][0]);
                    acc[u][1] = simd.mul_add_f32s(w[u][1], x, acc[u][1]);
                }
            }
            for (w, x) in w_rest.iter().zip(x_rest) {
                let x = simd.splat_f32s(*x);
                acc[0][0] = simd.mul_add_f32s(w[0], x, acc[0][0]);
                acc[0][1] = simd.mul_add_f32s(w[1], x, acc[0][1]);
            }
            let sum = std::array::from_fn(|i| {
                simd.add_f32s(
                    simd.add_f32s(acc[0][i], acc[1][i]),
                    simd.add_f32s(acc[2][i], acc[3][i]),
                )
            });
            self.job.store(&join(sum), p, t);
        }
    }

    #[inline(always)]
    fn join(acc: [f32x8; 2]) -> [f32; PANEL] {
        let mut out = [0f32; PANEL];
        let (lanes, _) = V3::as_mut_simd_f32s(&mut out);
        lanes.copy_from_slice(&acc);
        out
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equals_the_plain_product_for_every_block_size() {
        for (m, k, count) in [(1, 1, 1), (33, 7, 5), (16, 64, 6), (50, 129, 13), (384, 384, 11)] {
            let w = |r: usize, c: usize| ((r * 31 + c * 17) % 23) as f32 / 23.0 - 0.5;
            let bias: Vec<f32> = (0..m).map(|r| r as f32 / 100.0).collect();
            let packed = Packed::with_relu(m, k, &bias, w);
            let x: Vec<f32> = (0..count * k)
                .map(|i| ((i * 7) % 19) as f32 / 19.0 - 0.4)
                .collect();
            let mut out = vec![f32::NAN; count * m];
            packed.apply(Arch::new(), &x, k, count, &mut out, m);
            for t in 0..count {
                for r in 0..m {
                    let want: f32 = (0..k).map(|c| w(r, c) * x[t * k + c]).sum::<f32>() + bias[r];
                    let got = out[t * m + r];
                    assert!(
                        (got - want.max(0.0)).abs() < 1e-4,
                        "{m}x{k} t{t} r{r}: {got} {want}"
                    );
                }
            }
        }
    }
}
