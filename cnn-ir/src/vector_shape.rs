//! The numbers of an instruction set that decide how kernels cut their work and which of them run.
//!
//! They are plain constants, known on every machine. So the compiler can tell which kernels run on each instruction set
//! (see [`choice`](crate::choice)), also on one that its own machine does not have.

/// What kernels need to know of an instruction set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct VectorShape {
    /// Floats in a vector.
    pub lanes: usize,
    /// Vector registers.
    pub registers: usize,
    /// Vectors that a register tile can sum up, so that registers remain for what feeds the sums.
    pub accumulators: usize,
    /// Vectors side by side in the widest register tile of a matrix product: 2 or 4.
    pub tile_vectors: usize,
    /// Values of each of the two runs of memory from which a permutation takes its lanes; 0 if there is no
    /// permutation.
    pub reach: usize,
    /// Whether loading or storing a part of a vector takes as long as all of it.
    pub has_free_masks: bool,
    /// The highest cost of permuted kernel gradients that pays, see [`choice::conv2d`](crate::choice::conv2d); 0 if
    /// there is no permutation. Measured.
    pub max_permuted_cost: usize,
    /// Whether the primitives are vector instructions. If not, they are loops over arrays that the compiler
    /// vectorises as well as it can.
    pub is_explicit: bool,
    /// Whether products can be left to the crate matrixmultiply, which needs `std`.
    pub has_matrixmultiply: bool,
}

impl VectorShape {
    /// Arrays of eight floats: the instance for every machine.
    pub const PORTABLE: Self = Self {
        lanes: 8,
        registers: 8,
        accumulators: 8,
        tile_vectors: 2,
        reach: 0,
        has_free_masks: false,
        max_permuted_cost: 0,
        is_explicit: false,
        has_matrixmultiply: true,
    };

    /// AVX2 with FMA.
    pub const AVX2: Self = Self {
        lanes: 8,
        registers: 16,
        accumulators: 12,
        tile_vectors: 2,
        reach: 4,
        has_free_masks: false,
        max_permuted_cost: 24,
        is_explicit: true,
        has_matrixmultiply: true,
    };

    /// AVX-512 (F, BW, DQ, VL).
    pub const AVX512: Self = Self {
        lanes: 16,
        registers: 32,
        accumulators: 24,
        tile_vectors: 4,
        reach: 8,
        has_free_masks: true,
        max_permuted_cost: 54,
        is_explicit: true,
        has_matrixmultiply: true,
    };

    /// Every instruction set that has kernels, by the name that `CNN_SIMD` takes, the slowest first.
    pub const ALL: [(&'static str, Self); 3] = [
        ("portable", Self::PORTABLE),
        ("avx2", Self::AVX2),
        ("avx512", Self::AVX512),
    ];

    /// Columns of the widest register tile of a matrix product.
    pub const fn tile_columns(self) -> usize {
        self.tile_vectors * self.lanes
    }

    /// Whether matrixmultiply computes all matrix products: its hand-written kernels are faster than what the
    /// compiler makes of portable register tiles.
    pub const fn prefers_matrixmultiply(self) -> bool {
        self.has_matrixmultiply && !self.is_explicit
    }
}

/// Lanes of the longest vector: what buffers have room for whose size is the same for all instruction sets.
pub const MAX_LANES: usize = {
    let mut most = 0;
    let mut index = 0;
    while index < VectorShape::ALL.len() {
        let lanes = VectorShape::ALL[index].1.lanes;
        most = if lanes > most { lanes } else { most };
        index += 1;
    }
    most
};

/// Columns of the widest register tile of all instruction sets.
pub const MAX_TILE_COLUMNS: usize = {
    let mut most = 0;
    let mut index = 0;
    while index < VectorShape::ALL.len() {
        let columns = VectorShape::ALL[index].1.tile_columns();
        most = if columns > most { columns } else { most };
        index += 1;
    }
    most
};
