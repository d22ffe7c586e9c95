//! Weights that a program carries in it, checked and put in order while it compiles.
//!
//! ```text
//! file ──`weights!`──▶ File: the header, read     network ──▶ TENSORS: names and shapes
//!                        ╰──────────────┬──────────────╯
//!                                    arrange, a constant: compares them, copies the tensors' bytes
//!                                       ▼
//!                       Words: in the network's order, at a cache line ──▶ &'static [f32; N], without a copy
//! ```
//!
//! Bytes stay bytes while the program compiles: whole tensors are copied, which takes the compiler no time, where turning
//! each float over would take it seconds. So it does not matter in which order another program wrote the tensors, or
//! whether the length of the header leaves them where a float may lie, and the header is not in the program.

mod message;
#[cfg(test)]
mod tests;

pub use crate::kernels::words::Words;
use crate::spec::{FILE_VERSION, Tensor};
use message::Message;

/// A safetensors file as the macro `weights!` has read it.
#[derive(Clone, Copy, Debug)]
pub struct File<'a> {
    /// The path as it was written.
    pub path: &'a str,
    /// What the file says of its version, if it does.
    pub version: Option<&'a str>,
    /// The tensors in the header, in the order of their bytes.
    pub tensors: &'a [Stored<'a>],
    /// The whole file.
    pub bytes: &'a [u8],
}

/// A tensor in the header of a file.
#[derive(Clone, Copy, Debug)]
pub struct Stored<'a> {
    /// Its name: `conv2d_1.kernel`.
    pub name: &'a str,
    /// The type of its elements, as safetensors calls it: `F32`.
    pub element_type: &'a str,
    /// Its shape.
    pub shape: &'a [usize],
    /// Where its bytes begin in the file.
    pub start: usize,
}

/// The tensors of `file` in the order of `network`, which is called `name`.
///
/// # Panics
///
/// If the file does not hold the network's tensors. As a constant that is an error of compilation, which names all tensors that
/// differ.
#[track_caller]
pub const fn arrange<const N: usize>(file: &File<'_>, name: &str, network: &[Tensor]) -> Words<N> {
    if is_unknown(network) {
        return Words::ZERO;
    }
    let message = differences(file, name, network);
    if !message.is_empty() {
        panic!("{}", message.as_str());
    }
    let mut words = Words::ZERO;
    let (mut done, mut index, mut hint) = (0, 0, 0);
    while index < network.len() {
        // All are there, as there are no differences.
        if let Some(place) = find(file.tensors, network[index].name, hint) {
            let length = network[index].len();
            words.copy(done, file.bytes, file.tensors[place].start, length);
            done += length;
            hint = place + 1;
        }
        index += 1;
    }
    words
}

/// Whether this stands for the tensors of a network whose description is wrong, which has been said.
const fn is_unknown(network: &[Tensor]) -> bool {
    matches!(network, [Tensor { name, .. }] if name.is_empty())
}

/// What is wrong with the file: nothing, or a line for each tensor.
const fn differences(file: &File<'_>, name: &str, network: &[Tensor]) -> Message {
    let mut message = Message::new();
    if let Some(version) = file.version
        && !same(version, FILE_VERSION)
    {
        let words = [
            "`",
            file.path,
            "` has version ",
            version,
            ", but only ",
            FILE_VERSION,
            " can be read",
        ];
        message.words(&words);
        return message;
    }
    let (mut index, mut hint) = (0, 0);
    while index < network.len() {
        let expected = &network[index];
        match find(file.tensors, expected.name, hint) {
            None => {
                begin(&mut message, file, name);
                message.words(&["`", expected.name, "` is missing: "]);
                message.shape(expected.shape);
            }
            Some(place) => {
                compare(&mut message, file, name, &file.tensors[place], expected);
                hint = place + 1;
            }
        }
        index += 1;
    }
    // Names are unique on both sides: an equal number without a difference leaves no other.
    if file.tensors.len() == network.len() && message.is_empty() {
        return message;
    }
    let mut index = 0;
    while index < file.tensors.len() {
        let found = &file.tensors[index];
        if !has(network, found.name) {
            begin(&mut message, file, name);
            message.words(&["`", found.name, "` is not in the network"]);
        }
        index += 1;
    }
    message
}

/// Adds what is wrong with a tensor that the network has too.
const fn compare(
    message: &mut Message,
    file: &File<'_>,
    name: &str,
    found: &Stored<'_>,
    expected: &Tensor,
) {
    if !same_shape(found.shape, expected.shape) {
        begin(message, file, name);
        message.words(&["`", found.name, "` is "]);
        message.shape(found.shape);
        message.words(&[", but must be "]);
        message.shape(expected.shape);
    } else if !same(found.element_type, "F32") {
        begin(message, file, name);
        message.words(&[
            "`",
            found.name,
            "` is ",
            found.element_type,
            ", but must be F32",
        ]);
    }
}

/// Begins the line of a tensor, and before the first one the message.
const fn begin(message: &mut Message, file: &File<'_>, name: &str) {
    if message.is_empty() {
        message.words(&[
            "`",
            file.path,
            "` does not hold the tensors of `",
            name,
            "`",
        ]);
    }
    message.words(&["\n  "]);
}

/// The place of the tensor of a name; looked for from `hint` on, because files keep an order.
const fn find(tensors: &[Stored<'_>], name: &str, hint: usize) -> Option<usize> {
    let mut step = 0;
    while step < tensors.len() {
        let place = (hint + step) % tensors.len();
        if same(tensors[place].name, name) {
            return Some(place);
        }
        step += 1;
    }
    None
}

/// Whether a network has a tensor of this name.
const fn has(network: &[Tensor], name: &str) -> bool {
    let mut index = 0;
    while index < network.len() {
        if same(network[index].name, name) {
            return true;
        }
        index += 1;
    }
    false
}

const fn same(a: &str, b: &str) -> bool {
    let (a, b) = (a.as_bytes(), b.as_bytes());
    let mut index = 0;
    while index < a.len() && index < b.len() && a[index] == b[index] {
        index += 1;
    }
    index == a.len() && index == b.len()
}

const fn same_shape(a: &[usize], b: &[usize]) -> bool {
    let mut axis = 0;
    while axis < a.len() && axis < b.len() && a[axis] == b[axis] {
        axis += 1;
    }
    axis == a.len() && axis == b.len()
}
