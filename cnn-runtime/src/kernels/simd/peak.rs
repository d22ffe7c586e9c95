//! The peak arithmetic of an instruction set, which benchmarks measure kernels against.

use super::{Isa, Kernel, MAX_LANES, Simd};

impl Isa {
    /// Runs multiply-adds on registers, `rounds` times, and nothing else. Returns the number of floating point
    /// operations: two for each lane of each multiply-add.
    #[doc(hidden)]
    pub fn multiply_add(self, rounds: usize) -> usize {
        self.run(MultiplyAdd { rounds })
    }
}

struct MultiplyAdd {
    rounds: usize,
}

impl Kernel for MultiplyAdd {
    type Output = usize;

    #[inline(always)]
    unsafe fn run<S: Simd>(self) -> usize {
        // Enough chains to hide the latency of two units, and few enough for the registers of every instruction set.
        const CHAINS: usize = 10;
        // SAFETY: the caller vouches for the target features; the array holds a vector.
        unsafe {
            let [factor, term] = [S::splat(0.5), S::splat(1.0)];
            let mut sums = [factor; CHAINS];
            for _ in 0..self.rounds {
                for sum in &mut sums {
                    *sum = S::fma(*sum, factor, term);
                }
            }
            let mut last = [0.0; MAX_LANES];
            for sum in sums {
                S::store(last.as_mut_ptr(), sum);
                core::hint::black_box(&mut last);
            }
        }
        2 * S::LANES * CHAINS * self.rounds
    }
}
