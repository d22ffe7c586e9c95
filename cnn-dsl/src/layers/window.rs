//! Windows that move over an image: what convolutions and pools share.

use super::{Parameter, argument};
use crate::check::arguments::{Reader, Reported};
use crate::check::convert::LIMIT;
use crate::check::shape::Site;
use crate::diagnostic::suggest::Vocabulary;
use crate::diagnostic::{Code, Diagnostic};
use crate::syntax::ValueKind;

/// A window that moves over an image.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Window {
    /// Height and width.
    pub size: [usize; 2],
    /// Vertical and horizontal step.
    pub strides: [usize; 2],
    /// What stands around the image.
    pub padding: Padding,
    /// Distance of neighbouring rows and columns of the window.
    pub dilation: [usize; 2],
}

/// What stands around an image.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Padding {
    /// Nothing: windows lie inside the image.
    Valid,
    /// As much as makes the output `ceil(input / strides)` large.
    Same,
    /// So many rows above and below, and columns left and right.
    Number([usize; 2]),
}

/// A window on an image of known size.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Placed {
    /// Around the image: `[[top, bottom], [left, right]]`.
    pub padding: [[usize; 2]; 2],
    /// How often the window fits, down and across.
    pub output: [usize; 2],
}

impl Placed {
    /// The padding above and left of the image; that below and right follows from the output.
    pub fn before(&self) -> [usize; 2] {
        self.padding.map(|[before, _]| before)
    }
}

impl Window {
    /// Where the window lies on an image of these rows and columns, as TensorFlow counts; none where
    /// it does not fit.
    pub fn place(&self, image: [usize; 2]) -> Option<Placed> {
        let (top, height) = self.axis(image, 0)?;
        let (left, width) = self.axis(image, 1)?;
        Some(Placed {
            padding: [top, left],
            output: [height, width],
        })
    }

    /// Padding before and behind along one axis, and the size of the output.
    fn axis(&self, image: [usize; 2], axis: usize) -> Option<([usize; 2], usize)> {
        let input = image[axis] as u64;
        let (extent, stride) = (self.extent(axis), self.strides[axis] as u64);
        if extent > LIMIT {
            return None;
        }
        let (before, behind) = match self.padding {
            Padding::Valid => (0, 0),
            Padding::Number(padding) => (padding[axis] as u64, padding[axis] as u64),
            Padding::Same => {
                let output = input.div_ceil(stride);
                let total = ((output - 1) * stride + extent).saturating_sub(input);
                (total / 2, total - total / 2)
            }
        };
        let room = (input + before + behind).checked_sub(extent)?;
        let size = |size: u64| usize::try_from(size).unwrap_or(usize::MAX);
        Some(([size(before), size(behind)], size(room / stride + 1)))
    }

    /// The rows and columns at the end of the image that no window reaches, because the strides do not
    /// divide what is left beside the first window.
    pub(crate) fn unread(&self, image: [usize; 2]) -> [usize; 2] {
        let Some(placed) = self.place(image) else {
            return [0, 0];
        };
        [0, 1].map(|axis| {
            let [before, behind] = placed.padding[axis];
            let room = (image[axis] + before + behind) as u64 - self.extent(axis);
            (room % self.strides[axis] as u64).saturating_sub(behind as u64) as usize
        })
    }

    /// The rows (or columns) that it covers: `(size - 1) * dilation + 1`.
    pub(super) fn extent(&self, axis: usize) -> u64 {
        (self.size[axis] as u64 - 1) * self.dilation[axis] as u64 + 1
    }
}

pub(super) const FILTERS: Parameter = argument("filters", None, &["How many channels come out."]);

pub(super) const KERNEL: Parameter = argument(
    "kernel",
    None,
    &["Height and width of the kernel, or one number for both."],
);

pub(super) const STRIDES: Parameter =
    argument("strides", Some("1"), &["The step down and across."]);

pub(super) const DILATION: Parameter = argument(
    "dilation",
    Some("1"),
    &["The distance of neighbouring kernel rows and columns."],
);

pub(crate) const PADDINGS: &[&str] = &["valid", "same"];

pub(crate) const PADDING: Parameter = argument(
    "padding",
    Some("valid"),
    &[
        "`valid`: none. `same`: as much as makes the output `ceil(input / strides)` large. Or a number.",
    ],
);

/// The argument `padding`.
pub(super) fn padding(reader: &mut Reader<'_, '_>) -> Result<Padding, Reported> {
    let Some(value) = reader.get("padding")? else {
        return Ok(Padding::Valid);
    };
    if !matches!(value.kind, ValueKind::Name(_) | ValueKind::Call(_)) {
        let sizes = reader.context.pair_or_zero("padding", Ok(Some(value)))?;
        return sizes.map(Padding::Number).ok_or(Reported);
    }
    let word = reader.context.word(
        (Vocabulary::Padding, PADDINGS),
        ("padding", "a padding"),
        value,
    )?;
    reader.context.no_arguments(&word)?;
    Ok(match word.name {
        "same" => Padding::Same,
        _ => Padding::Valid,
    })
}

/// Where the window lies, or what is wrong: the window is called `noun`, and its size was written as
/// `argument`.
pub(super) fn place(
    window: &Window,
    noun: &str,
    argument: &str,
    image: [usize; 2],
    site: &mut Site<'_, '_>,
) -> Result<Placed, Reported> {
    window
        .place(image)
        .ok_or_else(|| too_large(window, noun, argument, image, site))
}

fn too_large(
    window: &Window,
    noun: &str,
    argument: &str,
    image: [usize; 2],
    site: &mut Site<'_, '_>,
) -> Reported {
    let [height, width] = image;
    let [rows, columns] = window.size;
    let dilated = match window.dilation {
        [1, 1] => String::new(),
        [vertical, horizontal] => format!(" with dilation {vertical}x{horizontal}"),
    };
    let padded = match window.padding {
        Padding::Number([vertical, horizontal]) if vertical + horizontal > 0 => {
            format!(", padded by {vertical}x{horizontal}")
        }
        Padding::Number(_) | Padding::Valid | Padding::Same => String::new(),
    };
    let message = format!(
        "the {rows}x{columns} {noun} of `{}`{dilated} is larger than the {height}x{width} image from `{}`{padded}",
        site.name(),
        site.previous(),
    );
    let help = if height == 1 && width == 1 && noun == "window" {
        "remove this line: there is nothing left to pool".to_owned()
    } else if window.padding == Padding::Same {
        "use a smaller kernel or dilation".to_owned()
    } else {
        let largest = [0, 1].map(|axis| {
            let padding = match window.padding {
                Padding::Number(padding) => 2 * padding[axis] as u64,
                Padding::Valid | Padding::Same => 0,
            };
            let room = image[axis] as u64 + padding;
            ((room - 1) / window.dilation[axis] as u64 + 1).min(window.size[axis] as u64)
        });
        format!(
            "use a {noun} of at most {}x{}, or `padding = same`",
            largest[0], largest[1]
        )
    };
    let diagnostic = Diagnostic::new(Code::WindowTooLarge, site.argument(argument), message);
    let diagnostic = site
        .explain(diagnostic)
        .help(site.channels_last().unwrap_or(help));
    site.report(diagnostic)
}

/// Warns of rows and columns between two windows. Answers whether there are some.
///
/// A window of one cell with strides is what the shortcut of a residual network is made of: it is meant.
fn skipped_input(window: &Window, output: [usize; 2], site: &mut Site<'_, '_>) -> bool {
    if window.size == [1, 1] {
        return false;
    }
    let skips = |axis: usize| output[axis] > 1 && window.strides[axis] as u64 > window.extent(axis);
    let skipped = match [skips(0), skips(1)] {
        [false, false] => return false,
        [true, false] => "rows",
        [false, true] => "columns",
        [true, true] => "rows and columns",
    };
    let message = format!(
        "`{}` moves by {}x{} but reads {}x{}: {skipped} between are never read",
        site.name(),
        window.strides[0],
        window.strides[1],
        window.extent(0),
        window.extent(1),
    );
    site.report(
        Diagnostic::new(Code::SkippedInput, site.argument("strides"), message)
            .help("use strides that are at most as large as the window"),
    );
    true
}

/// Warns of padding that is as large as a kernel.
pub(super) fn excess_padding(window: &Window, site: &mut Site<'_, '_>) {
    let Padding::Number(number) = window.padding else {
        return;
    };
    let beyond = |axis: usize| number[axis] as u64 >= window.extent(axis);
    if beyond(0) || beyond(1) {
        let message = format!(
            "the padding of `{}` is as large as its kernel: some outputs see nothing but zeros",
            site.name()
        );
        site.report(
            Diagnostic::new(
                Code::PaddingExceedsKernel,
                site.argument("padding"),
                message,
            )
            .help("use `padding = same`, or a smaller number"),
        );
    }
}

/// Warns of rows and columns that are never read, in between or at the end. Strides that do not divide an
/// image are an everyday thing (2x2 pools on 11x11, strides of 2 on 28x28), which the plan notes; losing
/// more than a third of the rows or columns is a mistake.
pub(super) fn unread_input(
    window: &Window,
    image: [usize; 2],
    output: [usize; 2],
    site: &mut Site<'_, '_>,
) {
    if skipped_input(window, output, site) {
        return;
    }
    let unread = window.unread(image);
    if (0..2).all(|axis| unread[axis] <= image[axis] / 3) {
        return;
    }
    let message = format!(
        "`{}` never reads {} of its {}x{} image",
        site.name(),
        last_lines(unread),
        image[0],
        image[1],
    );
    site.report(
        Diagnostic::new(Code::DroppedInput, site.argument("strides"), message)
            .help("use `padding = same`, or a size and strides that fit the image"),
    );
}

/// `the last row and the last 2 columns`.
fn last_lines(unread: [usize; 2]) -> String {
    let lines = unread.into_iter().zip(["row", "column"]);
    let lines = lines.filter_map(|(count, noun)| match count {
        0 => None,
        1 => Some(format!("the last {noun}")),
        _ => Some(format!("the last {count} {noun}s")),
    });
    lines.collect::<Vec<_>>().join(" and ")
}
