//! One kernel for every instruction set.
//!
//! A kernel is a type that implements `Kernel`: its arguments are fields, and its `run` is generic over the
//! primitives `Simd` of an instruction set. `Isa::run` calls one instance of it, inside a function that is compiled
//! with the target features of that instruction set:
//!
//! ```text
//! Isa::detect() ── once per call of a network ──▶ Isa ── handed to every kernel ──▶ Isa::run(kernel)
//!                                                          └▶ Kernel::run::<Avx512 | Avx2 | Portable>
//! ```
//!
//! # Inlining
//!
//! Target features hold for a function and what is inlined into it. So everything below `run` must be
//! `#[inline(always)]`. Incremental builds compile each module as a codegen unit, and without link-time optimisation
//! nothing is inlined from one unit into another. Then `zip`, `map` and `into_iter` of arrays and
//! `core::array::from_fn` stay calls to functions without those features, and vectors pass through memory. Kernels
//! use loops over `iter`, and `from_fn` and `accumulate` of this module in their place.
//!
//! # A new instruction set
//!
//! Machines with NEON or WebAssembly's simd128 run the portable instance. To give one of them its own:
//!
//! 1. Add its numbers to `vector_shape.rs` of `cnn-ir`: a constant of [`VectorShape`] and a row of `VectorShape::ALL`.
//! 2. Implement `Simd` for a unit type in a file of its own, as `avx2.rs` does: the constant `SHAPE`, the types of a
//!    vector and of a mask, and the primitives. An instruction set without a permutation of lanes says `reach: 0` and
//!    leaves `permute` out.
//! 3. In that file, add `available`, which says whether this machine has the features, and `call`, which runs a kernel
//!    inside a function with `#[target_feature]`.
//! 4. Add a `Level` below, in `available`, `name`, `vectors` and `run`.
//!
//! Kernels need no change: they cut their work by the constants of `Simd`, and what runs is chosen by
//! [`crate::kernels::conv2d::choice`] and [`crate::kernels::dense::choice`] from the numbers of the shape. The tests
//! run every kernel on every instruction set that [`Isa::available`] lists. Whether the thresholds of the choices
//! suit the new instruction set is for `benches/kernels.rs` to show.

#[cfg(target_arch = "x86_64")]
mod avx2;
#[cfg(target_arch = "x86_64")]
mod avx512;
#[cfg(feature = "reference")]
mod peak;
mod portable;
#[cfg(test)]
mod tests;

pub use cnn_ir::VectorShape;
pub(crate) use cnn_ir::vector_shape::{MAX_LANES, MAX_TILE_COLUMNS};

use core::mem::MaybeUninit;

/// An instruction set that this machine has: no value of it exists elsewhere.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Isa(Level);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Level {
    Portable,
    #[cfg(target_arch = "x86_64")]
    Avx2,
    #[cfg(target_arch = "x86_64")]
    Avx512,
}

impl Isa {
    /// What every machine has.
    pub const PORTABLE: Self = Self(Level::Portable);

    /// The best instruction set of this machine, or the one that the environment variable `CNN_SIMD`
    /// names: `portable`, `avx2` or `avx512`.
    ///
    /// It looks once. A name that is unknown, or that this machine does not have, is reported on
    /// standard error and changes nothing. Without `std` the target features of the build decide.
    pub fn detect() -> Self {
        #[cfg(feature = "std")]
        {
            static DETECTED: std::sync::LazyLock<Isa> = std::sync::LazyLock::new(|| {
                let best = Isa::available().last().unwrap_or(Isa::PORTABLE);
                let Some(name) = std::env::var_os("CNN_SIMD") else {
                    return best;
                };
                let named = Isa::available().find(|isa| name == *isa.name());
                if named.is_none() {
                    let names: std::vec::Vec<_> = Isa::available().map(Isa::name).collect();
                    std::eprintln!(
                        "CNN_SIMD is `{}`, but this machine has {}; using `{}`",
                        name.display(),
                        names.join(", "),
                        best.name(),
                    );
                }
                named.unwrap_or(best)
            });
            *DETECTED
        }
        #[cfg(not(feature = "std"))]
        Self::available().last().unwrap_or(Self::PORTABLE)
    }

    /// Every instruction set of this machine, the slowest first.
    pub fn available() -> impl Iterator<Item = Self> {
        let levels = [
            (Level::Portable, true),
            #[cfg(target_arch = "x86_64")]
            (Level::Avx2, avx2::available()),
            #[cfg(target_arch = "x86_64")]
            (Level::Avx512, avx512::available()),
        ];
        levels
            .into_iter()
            .filter(|(_, available)| *available)
            .map(|(level, _)| Self(level))
    }

    /// Its name, as `CNN_SIMD` takes it.
    pub const fn name(self) -> &'static str {
        match self.0 {
            Level::Portable => "portable",
            #[cfg(target_arch = "x86_64")]
            Level::Avx2 => "avx2",
            #[cfg(target_arch = "x86_64")]
            Level::Avx512 => "avx512",
        }
    }

    /// The numbers that decide which kernels run, for this build.
    pub const fn vectors(self) -> VectorShape {
        of_this_build(match self.0 {
            Level::Portable => portable::Portable::SHAPE,
            #[cfg(target_arch = "x86_64")]
            Level::Avx2 => avx2::Avx2::SHAPE,
            #[cfg(target_arch = "x86_64")]
            Level::Avx512 => avx512::Avx512::SHAPE,
        })
    }

    /// Runs the kernel's instance for this instruction set.
    #[inline]
    pub(crate) fn run<K: Kernel>(self, kernel: K) -> K::Output {
        match self.0 {
            // SAFETY: the portable instance needs no target feature.
            Level::Portable => unsafe { portable::Portable::call(kernel) },
            // SAFETY: a value of this level comes from `available`, so the machine has the features.
            #[cfg(target_arch = "x86_64")]
            Level::Avx2 => unsafe { avx2::call(kernel) },
            // SAFETY: as above.
            #[cfg(target_arch = "x86_64")]
            Level::Avx512 => unsafe { avx512::call(kernel) },
        }
    }
}

/// The same instruction set in this build, which may lack `std` and with it matrixmultiply.
pub(crate) const fn of_this_build(vectors: VectorShape) -> VectorShape {
    VectorShape {
        has_matrixmultiply: cfg!(feature = "std"),
        ..vectors
    }
}

/// Work in plain Rust loops, which LLVM vectorises for the instruction set that they run with.
pub(crate) trait Loop {
    /// Does the work. Implementations are `#[inline(always)]`, like all they call.
    fn run(self);
}

/// A loop as a kernel that uses no primitives.
struct Vectorised<L>(L);

impl<L: Loop> Kernel for Vectorised<L> {
    type Output = ();

    #[inline(always)]
    unsafe fn run<S: Simd>(self) {
        self.0.run();
    }
}

impl Isa {
    /// Runs a loop compiled for this instruction set.
    #[inline]
    pub(crate) fn run_loop<L: Loop>(self, work: L) {
        self.run(Vectorised(work));
    }
}

/// Work that can be done by any instruction set.
pub(crate) trait Kernel {
    /// What it returns.
    type Output;

    /// Does the work. Implementations are `#[inline(always)]`, like all they call, so that the code
    /// is compiled with the target features of the caller.
    ///
    /// # Safety
    /// The machine has the target features of `S`.
    unsafe fn run<S: Simd>(self) -> Self::Output;
}

/// A guarantee that the pointers of a kernel are valid: what it reads and writes through them lies inside live
/// buffers, and what it writes overlaps nothing else.
///
/// A kernel with pointers has this as a field, so that safe code cannot start it without saying why it may.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ValidPointers(());

impl ValidPointers {
    /// # Safety
    /// The pointers of the kernel are as the type says.
    pub(crate) const unsafe fn guarantee() -> Self {
        Self(())
    }
}

/// `[f(0), f(1), …]`, as [`core::array::from_fn`], whose code is much more to compile for each of the many register
/// tiles.
#[inline(always)]
pub(crate) fn from_fn<T: Copy, const N: usize>(mut f: impl FnMut(usize) -> T) -> [T; N] {
    let mut values = [const { MaybeUninit::uninit() }; N];
    let mut index = 0;
    while index < N {
        values[index] = MaybeUninit::new(f(index));
        index += 1;
    }
    // SAFETY: each of the `N` values is written.
    unsafe { values.as_ptr().cast::<[T; N]>().read() }
}

/// `for index in 0..count { body }` for a constant count of up to 8, unrolled. LLVM unrolls loops with short bodies
/// itself; at `opt-level = 2` it keeps a loop with a long body, and then arrays of vectors that the body indexes stay
/// in memory, not in registers.
macro_rules! unrolled {
    ($index:ident in 0..$count:expr => $body:block) => {
        const { assert!($count < 9) };
        unrolled!(@ $index, $count, $body, 0 1 2 3 4 5 6 7);
    };
    (@ $index:ident, $count:expr, $body:block, $($turn:literal)*) => {
        $(if const { $turn < $count } {
            let $index: usize = $turn;
            $body
        })*
    };
}
pub(crate) use unrolled;

/// The vector at `p`, of which only the first `count` values exist if `CUT`; then zeros follow.
///
/// # Safety
/// The machine has the target features of `S`, and the values are valid.
#[inline(always)]
pub(crate) unsafe fn load<S: Simd, const CUT: bool>(p: *const f32, count: usize) -> S::V {
    // SAFETY: as above.
    unsafe {
        match CUT {
            true => S::load_first(p, count),
            false => S::load(p),
        }
    }
}

/// Writes a vector at `p`, of which there is only room for the first `count` values if `CUT`.
///
/// # Safety
/// As of [`load`].
#[inline(always)]
pub(crate) unsafe fn store<S: Simd, const CUT: bool>(p: *mut f32, v: S::V, count: usize) {
    // SAFETY: as above.
    unsafe {
        match CUT {
            true => S::store_first(p, v, count),
            false => S::store(p, v),
        }
    }
}

/// `sums[i] += value * vectors[i]`: one row of a register tile.
///
/// # Safety
/// The machine has the target features of `S`.
#[inline(always)]
pub(crate) unsafe fn accumulate<S: Simd, const N: usize>(
    sums: &mut [S::V; N],
    value: S::V,
    vectors: &[S::V; N],
) {
    for index in 0..N {
        // SAFETY: as above.
        sums[index] = unsafe { S::fma(value, vectors[index], sums[index]) };
    }
}

/// The same address, behind which the compiler sees no arithmetic: it has to keep it in a register.
#[cfg(target_arch = "x86_64")]
#[inline(always)]
#[expect(
    clippy::pointers_in_nomem_asm_block,
    reason = "the empty block reads and writes nothing"
)]
fn opaque(mut p: *const f32) -> *const f32 {
    // SAFETY: there is no instruction in it.
    unsafe {
        core::arch::asm!("/* {0} */", inout(reg) p, options(pure, nomem, nostack, preserves_flags));
    }
    p
}

/// The primitives of an instruction set: a vector of `LANES` floats and what kernels do with it.
///
/// # Safety of all functions
/// The machine has the target features of the instruction set, and the caller was compiled with them
/// (see [`Kernel::run`]). Pointers need no alignment; they are valid for as many values as the function
/// says.
pub(crate) trait Simd: Copy {
    /// The numbers of the instruction set. The constants below are its fields, under the names that kernels use.
    const SHAPE: VectorShape;
    /// Floats in a vector.
    const LANES: usize = Self::SHAPE.lanes;
    /// Accumulators that stay in registers beside what feeds them.
    const ACCUMULATORS: usize = Self::SHAPE.accumulators;
    /// Vectors side by side in the widest register tile of a matrix product.
    const TILE_VECTORS: usize = Self::SHAPE.tile_vectors;
    /// Values of each of the two runs where [`Simd::permute`] looks; 0 if there is no such instruction.
    const REACH: usize = Self::SHAPE.reach;
    /// A vector.
    type V: Copy;
    /// One bit for each lane.
    type M: Copy;

    /// Runs another kernel out of line, so that it is compiled once for all that use it.
    unsafe fn call<K: Kernel>(kernel: K) -> K::Output;
    /// Prefetches the cache line of `p`, which may be any address.
    unsafe fn prefetch(p: *const f32);
    /// The same address, as one register plus a constant in all accesses next to it. Some processors split an
    /// instruction whose address has two registers into two operations, so fewer start in a cycle.
    unsafe fn address(p: *const f32) -> *const f32;
    /// All lanes `x`.
    unsafe fn splat(x: f32) -> Self::V;
    /// `LANES` values at `p`.
    unsafe fn load(p: *const f32) -> Self::V;
    /// Writes `LANES` values at `p`.
    unsafe fn store(p: *mut f32, v: Self::V);
    /// The first `count <= LANES` values at `p`, then zeros; memory after them is not touched.
    unsafe fn load_first(p: *const f32, count: usize) -> Self::V;
    /// Writes the first `count <= LANES` values at `p`; memory after them is not touched.
    unsafe fn store_first(p: *mut f32, v: Self::V, count: usize);
    /// `a * b + c`, rounded once where the machine can.
    unsafe fn fma(a: Self::V, b: Self::V, c: Self::V) -> Self::V;
    /// `a + b`.
    unsafe fn add(a: Self::V, b: Self::V) -> Self::V;
    /// `a - b`.
    unsafe fn sub(a: Self::V, b: Self::V) -> Self::V;
    /// `a * b`.
    unsafe fn mul(a: Self::V, b: Self::V) -> Self::V;
    /// Whether `a == b`; false for NaN.
    unsafe fn eq(a: Self::V, b: Self::V) -> Self::M;
    /// Whether `a != b`; true for NaN.
    unsafe fn ne(a: Self::V, b: Self::V) -> Self::M;
    /// Whether `a > b`, where NaN counts as greater than every number and equal to NaN.
    unsafe fn greater(a: Self::V, b: Self::V) -> Self::M;
    /// `a` where the bit is set, else `b`.
    unsafe fn select(m: Self::M, a: Self::V, b: Self::V) -> Self::V;
    /// `a` where `a > 0` or NaN, else 0.
    unsafe fn relu(a: Self::V) -> Self::V;
    /// Writes the transpose of a matrix of `rows <= LANES` times `columns <= LANES` values at `from` to `to`. Rows
    /// start `from_row` and `to_row` floats apart; what lies between the rows is not touched.
    unsafe fn transpose(
        shape: [usize; 2],
        from: *const f32,
        from_row: usize,
        to: *mut f32,
        to_row: usize,
    );
    /// The values at even indices of `a` followed by `b`, and those at odd indices.
    unsafe fn deinterleave(a: Self::V, b: Self::V) -> [Self::V; 2];
    /// A table lookup for each lane. The table is the `REACH` values from `first` on, then the `REACH` values that
    /// end with `last`; both runs are valid. An index is a whole number below `2 * REACH`; at any other index the
    /// result is one of the table's values.
    unsafe fn permute(first: *const f32, last: *const f32, indices: Self::V) -> Self::V {
        let _ = (first, last, indices);
        unreachable!("a permutation with a reach of 0")
    }
    /// The first `count <= LANES` bytes at `p` as floats, then zeros.
    unsafe fn load_bytes(p: *const u8, count: usize) -> Self::V;
    /// Writes the first `count <= LANES` values, whole numbers in `0..=255`, as bytes.
    unsafe fn store_bytes(p: *mut u8, v: Self::V, count: usize);
    /// Writes those of the first `count <= LANES` values whose bit is set next to each other at `p`, and returns how
    /// many these are. `p` is valid for `LANES` values; what it holds behind them is then unspecified.
    unsafe fn compress(p: *mut f32, m: Self::M, v: Self::V, count: usize) -> usize;
}
