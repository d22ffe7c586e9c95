//! Augmentation: training examples are changed at random while a batch is read.
//!
//! ```text
//! seed, epoch, example ──Philox──▶ words ──▶ numbers of the example: an angle, an offset, a partner
//! image ──▶ flip, zoom, rotate, shift, elastic ──▶ contrast ──▶ brightness ──▶ noise ──▶ cutout ──▶ mixup, once the batch is read
//! ```
//!
//! The numbers of an example depend on the seed, the epoch and the number of the example in the dataset alone, and
//! mixup on its batch beside. So any number of threads makes the same bits of it, and so does a training that is resumed
//! within an epoch. `philox` makes the words, `draw` the numbers; `geometry` and `elastic` move pixels, `values` changes them, `mixup`
//! mixes examples.

mod draw;
mod elastic;
mod geometry;
mod mixup;
mod philox;
#[cfg(test)]
mod tests;
mod values;

pub(crate) use mixup::{Mixing, Rows};

use crate::error::Error;
use crate::kernels::Isa;
use crate::kernels::resample2d::{framed_len, resample};
use crate::kernels::simd::Loop;
use crate::objective::Objective;
use crate::spec::Port;
use crate::train::settings::check_settings;
use cnn_ir::Augment;
use cnn_ir::augment::Misfit;
use draw::{Drawn, Mix, Recipe};
use elastic::Elastic;
use philox::Stream;

/// A list of augmentations for inputs of one shape, in one epoch.
#[derive(Clone, Debug)]
pub(crate) struct Augmentation {
    recipe: Recipe,
    elastic: Option<Elastic>,
    isa: Isa,
    /// `[H, W, C]`; `[1, 1, n]` where the input is no image.
    shape: [usize; 3],
    seed: u64,
    epoch: u64,
}

impl Augmentation {
    /// The augmentations of a list; `None` where it is empty.
    pub(crate) fn new(list: &[Augment], input: &[usize], isa: Isa) -> Option<Self> {
        if list.is_empty() {
            return None;
        }
        let recipe = Recipe::new(list);
        let shape = match *input {
            [height, width, channels] => [height, width, channels],
            _ => [1, 1, input.iter().product()],
        };
        let elastic = |(alpha, sigma)| Elastic::new(alpha, sigma, [shape[0], shape[1]]);
        Some(Self {
            elastic: recipe.elastic.map(elastic),
            recipe,
            isa,
            shape,
            seed: 0,
            epoch: 0,
        })
    }

    /// The examples from now on are those of this epoch.
    pub(crate) fn begin(&mut self, seed: u64, epoch: u64) {
        (self.seed, self.epoch) = (seed, epoch);
    }

    /// The floats that [`apply`](Self::apply) needs beside, zeros at first.
    pub(crate) fn scratch(&self) -> usize {
        let [_, _, channels] = self.shape;
        let sums = self
            .recipe
            .contrast
            .map_or(0, |_| values::sums_len(channels));
        sums + self.framed() + self.elastic.as_ref().map_or(0, Elastic::scratch)
    }

    /// Whether examples are mixed.
    pub(crate) fn mixes(&self) -> bool {
        self.recipe.mixup.is_some()
    }

    /// Changes the input of example `index` of the dataset, all but mixing it.
    pub(crate) fn apply(&self, index: usize, input: &mut [f32], scratch: &mut [f32]) {
        let (recipe, shape) = (&self.recipe, self.shape);
        let [height, width, _] = shape;
        let stream = self.stream(index);
        let drawn = recipe.draw(stream, [height, width]);
        let (framed, rest) = scratch.split_at_mut(self.framed());
        let elastic = self.elastic.as_ref();
        let (fields, sums) = rest.split_at_mut(elastic.map_or(0, Elastic::scratch));
        if self.resamples() {
            geometry::frame(shape, input, framed);
            let map = geometry::map(&drawn, [height, width]);
            let displacements = elastic.map_or(&[][..], |elastic| {
                elastic.displacements(self.isa, stream, fields)
            });
            resample(self.isa, &map, displacements, shape, framed, input);
        } else if drawn.flip != [false; 2] || drawn.shift != [0; 2] {
            geometry::frame(shape, input, framed);
            geometry::copy(&drawn, shape, framed, input);
        }
        self.isa.run_loop(ChangeValues {
            augmentation: self,
            drawn: &drawn,
            stream,
            input,
            sums,
        });
        if let Some(size) = recipe.cutout {
            values::cutout(size, &drawn, shape, input);
        }
    }

    fn stream(&self, index: usize) -> Stream {
        Stream::new(self.seed, self.epoch, index as u64)
    }

    /// With what an example of a batch of so many is mixed.
    fn mix(&self, index: usize, examples: usize, alpha: f32) -> Mix {
        Mix::draw(self.stream(index), examples, alpha)
    }

    /// The floats of an image in its frame, if it needs one.
    fn framed(&self) -> usize {
        match self.moves_pixels() {
            true => framed_len(self.shape),
            false => 0,
        }
    }

    fn resamples(&self) -> bool {
        self.recipe.rotate.is_some() || self.recipe.zoom.is_some() || self.elastic.is_some()
    }

    fn moves_pixels(&self) -> bool {
        self.resamples() || self.recipe.shift.is_some() || self.recipe.flip.is_some()
    }
}

/// What changes the values of one input where they are.
struct ChangeValues<'a> {
    augmentation: &'a Augmentation,
    drawn: &'a Drawn,
    stream: Stream,
    input: &'a mut [f32],
    sums: &'a mut [f32],
}

impl Loop for ChangeValues<'_> {
    #[inline(always)]
    fn run(self) {
        let Self {
            augmentation,
            drawn,
            stream,
            input,
            sums,
        } = self;
        let (recipe, [_, _, channels]) = (&augmentation.recipe, augmentation.shape);
        if let Some((_, clips)) = recipe.contrast {
            values::contrast(drawn.contrast, clips, channels, input, sums);
        }
        if let Some((_, clips)) = recipe.brightness {
            values::brightness(drawn.brightness, clips, input);
        }
        if let Some(stddev) = recipe.noise {
            values::noise(stddev, stream, input);
        }
    }
}

/// Whether a list of augmentations can be used for a network with these inputs and outputs.
///
/// # Errors
///
/// [`Error::Setting`].
pub(crate) fn check(
    list: &[Augment],
    inputs: &[Port],
    outputs: &[Port],
    objectives: &[Objective],
) -> Result<(), Error> {
    let refused = |augment: &Augment, expected| {
        Err(Error::Setting {
            name: "augment",
            value: augment.to_string(),
            expected,
        })
    };
    for (place, augment) in list.iter().enumerate() {
        check_settings(augment.word().parameters, &augment.settings())?;
        if list[..place]
            .iter()
            .any(|other| other.name() == augment.name())
        {
            return refused(augment, "listed once");
        }
        let [input] = inputs else {
            return refused(augment, "left out, as there are several inputs");
        };
        let of_outputs = outputs.iter().zip(objectives);
        let misfit = augment.misfit_of_input(input.shape).or_else(|| {
            let mut misfits = of_outputs
                .map(|(port, objective)| augment.misfit_of_output(port.shape, objective.loss));
            misfits.find_map(|misfit| misfit)
        });
        match misfit {
            None => {}
            Some(Misfit::NotAnImage) => return refused(augment, "of an image, `[H, W, C]`"),
            Some(Misfit::Angle(_)) => return refused(augment, "180 degrees or less"),
            Some(Misfit::Pixels(_)) => return refused(augment, "less than a side of the image"),
            Some(Misfit::Position) => {
                return refused(augment, "left out, as the targets are images as well");
            }
            Some(Misfit::HardTargets(_)) => {
                return refused(augment, "left out, as the loss takes no mixed targets");
            }
        }
    }
    Ok(())
}

/// A list as a checkpoint keeps it: two lists that do the same are the same text.
pub(crate) fn text(list: &[Augment]) -> String {
    let mut shown: Vec<String> = list.iter().map(Augment::to_string).collect();
    shown.sort_unstable();
    shown.join(", ")
}
