//! Weights in the forms that kernels want them in, side by side in one buffer.

use crate::kernels::Isa;
use crate::model::parameters::Buffer;
use crate::spec::{PackedForm, Spec, aligned};

/// The floats of all forms together.
pub(crate) fn length(forms: &[PackedForm]) -> usize {
    forms.iter().map(|form| aligned(form.length)).sum()
}

/// All forms of the parameters.
pub(crate) fn prepare(spec: &Spec, forms: &[PackedForm], isa: Isa, parameters: &[f32]) -> Buffer {
    let mut buffer = Buffer::zeros(length(forms));
    let mut rest = &mut buffer[..];
    for form in forms {
        let (piece, tail) = rest.split_at_mut(aligned(form.length));
        rest = tail;
        if form.length > 0 {
            let kernel = &parameters[spec.parameters[form.tensor].range()];
            form.pack(isa, kernel, &mut piece[..form.length]);
        }
    }
    buffer
}
