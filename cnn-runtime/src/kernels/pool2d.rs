//! Max and average pooling.
//!
//! The inner loops run over channels, which lie side by side, so that LLVM vectorises them. The
//! backward pass of max pooling finds the winner again by comparing the window with its result;
//! nothing but the activations needs to be kept.

/// The geometry of a pooling layer. Padded cells do not exist: no maximum and no mean sees them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pool2d {
    /// Max or average.
    pub kind: PoolKind,
    /// Height, width and channels of the input.
    pub input: [usize; 3],
    /// Height, width and channels of the output.
    pub output: [usize; 3],
    /// Height and width of the window.
    pub size: [usize; 2],
    /// The step down and across.
    pub strides: [usize; 2],
    /// Cells above and left of the image; those below and right follow from the output's size.
    pub padding: [usize; 2],
}

/// The two kinds of pooling.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PoolKind {
    /// The largest value of the window; the first one on ties; NaN if there is one.
    Max,
    /// The mean of the window's cells inside the image.
    Average,
}

/// How many channels are worked on at a time: few enough that what is kept for each of them
/// stays in vector registers.
const BLOCK: usize = 16;

impl Pool2d {
    /// Pools `x`, `[n, ..input]`, to `y`, `[n, ..output]`, which is overwritten.
    ///
    /// # Panics
    /// If a slice is of another length, or a window lies wholly in the padding.
    pub fn forward(&self, n: usize, x: &[f32], y: &mut [f32]) {
        self.check(n, x.len(), y.len());
        let [image, result, channels] = self.sizes();
        for (x, y) in x.chunks_exact(image).zip(y.chunks_exact_mut(result)) {
            for (window, y) in self.windows().zip(y.chunks_exact_mut(channels)) {
                let cells = || window.cells(self.input);
                match self.kind {
                    // `|`, not `||`: a branch would keep LLVM from using vectors.
                    PoolKind::Max => for_each_block(channels, |first, count| {
                        let larger = |y, x: f32| if (x > y) | x.is_nan() { x } else { y };
                        fold(first, count, cells(), x, y, larger);
                    }),
                    PoolKind::Average => {
                        for_each_block(channels, |first, count| {
                            fold(first, count, cells(), x, y, |y, x| y + x);
                        });
                        let share = 1.0 / window.area() as f32;
                        y.iter_mut().for_each(|y| *y *= share);
                    }
                }
            }
        }
    }

    /// The gradient with respect to the input: `dx`, `[n, ..input]`, overwritten, from the
    /// gradient `dy` with respect to the output `y` of `x`.
    ///
    /// # Panics
    /// If a slice is of another length.
    pub fn backward(&self, n: usize, x: &[f32], y: &[f32], dy: &[f32], dx: &mut [f32]) {
        self.check(n, x.len(), y.len());
        self.check(n, dx.len(), dy.len());
        dx.fill(0.0);
        let [image, result, channels] = self.sizes();
        let inputs = x.chunks_exact(image).zip(dx.chunks_exact_mut(image));
        let outputs = y.chunks_exact(result).zip(dy.chunks_exact(result));
        for ((x, dx), (y, dy)) in inputs.zip(outputs) {
            let results = y.chunks_exact(channels).zip(dy.chunks_exact(channels));
            for (window, (y, dy)) in self.windows().zip(results) {
                match self.kind {
                    PoolKind::Max => for_each_block(channels, |first, count| {
                        route(first, count, window.cells(self.input), x, y, dy, dx);
                    }),
                    PoolKind::Average => {
                        let share = 1.0 / window.area() as f32;
                        for cell in window.cells(self.input) {
                            let dx = &mut dx[cell..cell + channels];
                            dx.iter_mut().zip(dy).for_each(|(dx, dy)| *dx += dy * share);
                        }
                    }
                }
            }
        }
    }

    /// Values of an input image and of an output image, and their channels.
    fn sizes(&self) -> [usize; 3] {
        [
            self.input.iter().product(),
            self.output.iter().product(),
            self.input[2],
        ]
    }

    /// The windows in the order of the output.
    fn windows(&self) -> impl Iterator<Item = Window> {
        let inside = |axis: usize, step: usize| {
            let start = step * self.strides[axis];
            let end = (start + self.size[axis])
                .saturating_sub(self.padding[axis])
                .min(self.input[axis]);
            [start.saturating_sub(self.padding[axis]), end]
        };
        (0..self.output[0]).flat_map(move |oy| {
            (0..self.output[1]).map(move |ox| Window {
                rows: inside(0, oy),
                columns: inside(1, ox),
            })
        })
    }

    fn check(&self, n: usize, x: usize, y: usize) {
        assert_eq!(
            x,
            n * self.input.iter().product::<usize>(),
            "values of a pool's input"
        );
        assert_eq!(
            y,
            n * self.output.iter().product::<usize>(),
            "values of a pool's output"
        );
        assert_eq!(self.input[2], self.output[2], "channels of a pool");
    }
}

/// Calls `f(first, count)` for blocks of channels. Inlined, like what it calls, so that the
/// count is a constant in the loops over whole blocks.
#[inline(always)]
fn for_each_block(channels: usize, mut f: impl FnMut(usize, usize)) {
    let whole = channels - channels % BLOCK;
    for first in (0..whole).step_by(BLOCK) {
        f(first, BLOCK);
    }
    if whole < channels {
        f(whole, channels - whole);
    }
}

/// Combines the cells of one window by `f`, for `count` channels from `first` on.
#[inline(always)]
fn fold(
    first: usize,
    count: usize,
    mut cells: impl Iterator<Item = usize>,
    x: &[f32],
    y: &mut [f32],
    f: impl Fn(f32, f32) -> f32,
) {
    let mut block = [0.0; BLOCK];
    let block = &mut block[..count];
    let cell = cells.next().expect("a window that reaches into the image");
    block.copy_from_slice(&x[cell + first..cell + first + count]);
    for cell in cells {
        let x = &x[cell + first..cell + first + count];
        block.iter_mut().zip(x).for_each(|(y, x)| *y = f(*y, *x));
    }
    y[first..first + count].copy_from_slice(block);
}

/// Adds the gradients of one max-pooled cell to the winners of its window, for `count`
/// channels from `first` on.
#[inline(always)]
fn route(
    first: usize,
    count: usize,
    cells: impl Iterator<Item = usize>,
    x: &[f32],
    y: &[f32],
    dy: &[f32],
    dx: &mut [f32],
) {
    let y = &y[first..first + count];
    // What no cell has claimed yet.
    let mut left = [0.0; BLOCK];
    let left = &mut left[..count];
    left.copy_from_slice(&dy[first..first + count]);
    for cell in cells {
        let x = &x[cell + first..cell + first + count];
        let dx = &mut dx[cell + first..cell + first + count];
        for (((dx, x), y), left) in dx.iter_mut().zip(x).zip(y).zip(left.iter_mut()) {
            let wins = (x == y) | x.is_nan();
            *dx += if wins { *left } else { 0.0 };
            *left = if wins { 0.0 } else { *left };
        }
    }
}

/// The part of a window that lies inside the image.
#[derive(Clone, Copy)]
struct Window {
    rows: [usize; 2],
    columns: [usize; 2],
}

impl Window {
    /// Where the channels of each cell start in the image, row by row.
    fn cells(self, [_, width, channels]: [usize; 3]) -> impl Iterator<Item = usize> {
        let [left, right] = self.columns;
        (self.rows[0]..self.rows[1])
            .flat_map(move |row| (left..right).map(move |column| (row * width + column) * channels))
    }

    fn area(self) -> usize {
        (self.rows[1] - self.rows[0]) * (self.columns[1] - self.columns[0])
    }
}
