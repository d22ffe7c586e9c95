//! Layers, blocks and tensors of a network by their names, with "did you mean".
//!
//! A tensor is called `block.layer.kernel`, with a part for each block around the layer. So what is meant by the name of
//! a layer or of a block is all tensors whose names begin with it and a dot.

use crate::error::Error;
use crate::spec::Spec;

/// The places of the tensors of a layer, or of all layers of a block.
///
/// # Errors
///
/// [`Error::Name`] if there is no such layer or block, [`Error::NoTensors`] if it has no tensor.
pub(crate) fn layer_tensors(spec: &Spec, name: &str) -> Result<Vec<usize>, Error> {
    let tensors = spec.parameters.iter().enumerate();
    let tensors = tensors.filter(|(_, tensor)| is_within(tensor.name, name));
    let tensors: Vec<_> = tensors.map(|(place, _)| place).collect();
    if !tensors.is_empty() {
        return Ok(tensors);
    }
    let mut layers = spec.layers.iter().map(|layer| layer.name);
    if layers.any(|layer| layer == name || is_within(layer, name)) {
        return Err(Error::NoTensors {
            name: name.to_owned(),
        });
    }
    let with_tensors = spec
        .parameters
        .iter()
        .flat_map(|tensor| prefixes(tensor.name));
    Err(unknown(name, "layer or block", with_tensors))
}

/// The places of the tensors of a layer or a block, or of the tensor with this name.
///
/// # Errors
///
/// As [`layer_tensors`].
pub(crate) fn tensors(spec: &Spec, name: &str) -> Result<Vec<usize>, Error> {
    let mut tensors = spec.parameters.iter();
    if let Some(place) = tensors.position(|tensor| tensor.name == name) {
        return Ok(vec![place]);
    }
    let names = spec.parameters.iter().map(|tensor| tensor.name);
    layer_tensors(spec, name).map_err(|error| match error {
        Error::Name { .. } => {
            let of_layers = names.clone().flat_map(prefixes);
            unknown(name, "layer, block or tensor", of_layers.chain(names))
        }
        other => other,
    })
}

/// Whether `name` is that of something in the layer or block `outer`.
fn is_within(name: &str, outer: &str) -> bool {
    name.strip_prefix(outer)
        .is_some_and(|rest| rest.starts_with('.'))
}

/// The blocks and the layer that a tensor lies in, from outside to inside.
fn prefixes(tensor: &'static str) -> impl Iterator<Item = &'static str> {
    tensor.match_indices('.').map(|(dot, _)| &tensor[..dot])
}

fn unknown(
    name: &str,
    expected: &'static str,
    candidates: impl Iterator<Item = &'static str>,
) -> Error {
    // Of equally near ones, the first.
    let nearest = candidates.min_by_key(|candidate| distance(name, candidate));
    let is_near = |candidate: &&str| distance(name, candidate) <= name.chars().count().div_ceil(3);
    Error::Name {
        name: name.to_owned(),
        expected,
        nearest: nearest.filter(is_near),
    }
}

/// How many letters have to be put in, taken out or changed to come from one word to the other (Levenshtein 1966).
fn distance(from: &str, to: &str) -> usize {
    let mut row: Vec<usize> = (0..=to.chars().count()).collect();
    for (line, letter) in from.chars().enumerate() {
        let mut diagonal = row[0];
        row[0] = line + 1;
        for (place, other) in to.chars().enumerate() {
            let changed = diagonal + usize::from(letter != other);
            diagonal = row[place + 1];
            row[place + 1] = changed.min(row[place] + 1).min(diagonal + 1);
        }
    }
    row[row.len() - 1]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn distances_are_those_of_levenshtein() {
        for (from, to, expected) in [
            ("", "abc", 3),
            ("kitten", "sitting", 3),
            ("conv2d_1", "conv2d_1", 0),
            ("con2vd_1", "conv2d_1", 2),
        ] {
            assert_eq!(distance(from, to), expected, "{from}, {to}");
            assert_eq!(distance(to, from), expected, "{to}, {from}");
        }
    }

    #[test]
    fn a_name_is_that_of_a_whole_part() {
        assert!(is_within("conv2d_1.kernel", "conv2d_1"));
        assert!(!is_within("conv2d_10.kernel", "conv2d_1"));
        assert!(!is_within("conv2d_1", "conv2d_1"));
        let found: Vec<_> = prefixes("stage.conv_1.kernel").collect();
        assert_eq!(found, ["stage", "stage.conv_1"]);
    }
}
