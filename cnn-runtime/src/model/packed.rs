//! Weights in the forms that kernels want them in, side by side in one buffer.

use crate::kernels::Isa;
use crate::model::parameters::Buffer;
use crate::spec::{PackedForm, Spec, aligned};

/// The floats of all forms together.
pub(crate) fn length(forms: &[PackedForm]) -> usize {
    forms.iter().map(|form| aligned(form.length)).sum()
}

/// All forms of the parameters, in a new buffer.
pub(crate) fn prepare(
    spec: &Spec,
    forms: &'static [PackedForm],
    isa: Isa,
    parameters: &[f32],
) -> Buffer {
    let mut buffer = Buffer::zeros(length(forms));
    for (form, place) in places(forms, &mut buffer) {
        form.pack(isa, spec.parameters, parameters, place);
    }
    buffer
}

/// The forms that are not empty, each with its place in a buffer of [`length`] floats.
pub(crate) fn places<'a>(
    forms: &'static [PackedForm],
    buffer: &'a mut [f32],
) -> impl Iterator<Item = (&'static PackedForm, &'a mut [f32])> {
    let mut rest = buffer;
    forms.iter().filter_map(move |form| {
        let (place, tail) = std::mem::take(&mut rest).split_at_mut(aligned(form.length));
        rest = tail;
        (form.length > 0).then(|| (form, &mut place[..form.length]))
    })
}
