//! One kernel for every instruction set.
//!
//! A kernel is a type that implements `Kernel`: its arguments are fields, and its `run` is generic over
//! the `Simd` primitives of an instruction set. `Isa::run` calls the instance for one of them inside a
//! function that has its target features, so everything below `run` must be `#[inline(always)]`. An incremental
//! build makes a part of its own of each module, and without link-time optimisation no part looks into another. Of
//! the standard library `zip`, `map` and `into_iter` of arrays, and `from_fn` are then calls, compiled without
//! those features or with their vectors in memory, and kernels took three times as long. Loops over `iter`, and
//! `from_fn` and `accumulate` of this module stand in for them.
//!
//! ```text
//! Isa::detect() ── once per call of a network ──▶ Isa ── handed to every kernel ──▶ Isa::run(kernel)
//!                                                          └▶ Kernel::run::<Avx512 | Avx2 | Portable>
//! ```
//!
//! NEON and WebAssembly's simd128 take the portable instance, which LLVM vectorises for them; a file of
//! their own needs nothing but the trait.

#[cfg(target_arch = "x86_64")]
mod avx2;
#[cfg(target_arch = "x86_64")]
mod avx512;
#[cfg(feature = "reference")]
mod peak;
mod portable;
#[cfg(test)]
mod tests;

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

    /// Floats in a vector.
    pub(crate) const fn lanes(self) -> usize {
        match self.0 {
            Level::Portable => portable::Portable::LANES,
            #[cfg(target_arch = "x86_64")]
            Level::Avx2 => avx2::Avx2::LANES,
            #[cfg(target_arch = "x86_64")]
            Level::Avx512 => avx512::Avx512::LANES,
        }
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

/// Somebody's promise that all places that the arguments of a kernel name by pointers lie inside live
/// buffers, and that what it writes overlaps nothing else. Such a kernel has it as a field, so that
/// safe code cannot start one without saying why it may.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ValidPointers(());

impl ValidPointers {
    /// # Safety
    /// The places are as the type says.
    pub(crate) const unsafe fn new() -> Self {
        Self(())
    }
}

/// `[f(0), f(1), …]`, as [`core::array::from_fn`], whose general machinery is some hundred lines of LLVM's
/// language for each of the many register tiles.
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

/// `for index in 0..count { body }` for up to 8 turns, one written behind the other. LLVM does so itself where turns
/// are short; at its second level a loop of long ones stays, with the registers that they name in memory.
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

/// `sums += value * vectors`, place by place: a row of a register tile.
///
/// # Safety
/// The machine has the target features of `S`.
#[inline(always)]
pub(crate) unsafe fn accumulate<S: Simd, const N: usize>(
    sums: &mut [S::V; N],
    value: S::V,
    vectors: &[S::V; N],
) {
    for place in 0..N {
        // SAFETY: as above.
        sums[place] = unsafe { S::fma(value, vectors[place], sums[place]) };
    }
}

/// The same address, of which the compiler knows no more than that it is in a register.
#[cfg(target_arch = "x86_64")]
#[inline(always)]
#[expect(
    clippy::pointers_in_nomem_asm_block,
    reason = "nothing is read or written there"
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
    /// Whether it is the instance for every machine.
    const IS_PORTABLE: bool = false;
    /// Floats in a vector.
    const LANES: usize;
    /// Vectors side by side in the widest register tile of a matrix product.
    const TILE_VECTORS: usize;
    /// Accumulators that stay in registers beside what feeds them.
    const ACCUMULATORS: usize;
    /// Values at each of the two places where [`Simd::permute`] looks.
    const REACH: usize;
    /// A vector.
    type V: Copy;
    /// One bit for each lane.
    type M: Copy;

    /// Runs another kernel out of line, so that it is compiled once for all that use it.
    unsafe fn call<K: Kernel>(kernel: K) -> K::Output;
    /// Asks for the cache line of `p`, which may be any address.
    unsafe fn prefetch(p: *const f32);
    /// The same address, in one register, which accesses beside it then name alone: a processor cuts an
    /// operation on memory that two registers address in two, which limits what it starts in a cycle.
    unsafe fn address(p: *const f32) -> *const f32;
    /// All lanes `x`.
    unsafe fn splat(x: f32) -> Self::V;
    /// `LANES` values at `p`.
    unsafe fn load(p: *const f32) -> Self::V;
    /// Writes `LANES` values at `p`.
    unsafe fn store(p: *mut f32, v: Self::V);
    /// The first `count <= LANES` values at `p`, then zeros; what lies behind is not touched.
    unsafe fn load_first(p: *const f32, count: usize) -> Self::V;
    /// Writes the first `count <= LANES` values at `p`; what lies behind is not touched.
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
    /// Whether `a > b` or `a` is NaN, and `b` is not NaN: `a` takes the place of a maximum `b`.
    unsafe fn greater(a: Self::V, b: Self::V) -> Self::M;
    /// `a` where the bit is set, else `b`.
    unsafe fn select(m: Self::M, a: Self::V, b: Self::V) -> Self::V;
    /// `a` where `a > 0` or NaN, else 0.
    unsafe fn relu(a: Self::V) -> Self::V;
    /// Writes the transpose of a matrix of `rows <= LANES` times `columns <= LANES` values at `from` to
    /// `to`. Their rows lie `from_row` and `to_row` apart; what lies between is not touched.
    unsafe fn transpose(
        shape: [usize; 2],
        from: *const f32,
        from_row: usize,
        to: *mut f32,
        to_row: usize,
    );
    /// What is at even places of `a` and then `b`, and what is at odd ones.
    unsafe fn deinterleave(a: Self::V, b: Self::V) -> [Self::V; 2];
    /// For each lane one of the `REACH` values from `first` on, or of those up to `last`: that at its place, a
    /// whole number below `2 * REACH`, counted through both; any of them at any other place. Both are valid for
    /// all of them.
    unsafe fn permute(first: *const f32, last: *const f32, places: Self::V) -> Self::V;
    /// The first `count <= LANES` bytes at `p` as floats, then zeros.
    unsafe fn load_bytes(p: *const u8, count: usize) -> Self::V;
    /// Writes the first `count <= LANES` values, whole numbers in `0..=255`, as bytes.
    unsafe fn store_bytes(p: *mut u8, v: Self::V, count: usize);
    /// Writes those of the first `count <= LANES` values whose bit is set side by side at `p`, and how
    /// many there are is returned. May write any value behind them: `p` is valid for `LANES` values.
    unsafe fn compress(p: *mut f32, m: Self::M, v: Self::V, count: usize) -> usize;
}
