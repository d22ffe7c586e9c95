//! Weights that a program carries in it, checked and put in order while it compiles.
//!
//! ```text
//! file ──`weights!`──▶ File: the header, read     network ──▶ TENSORS: names and shapes
//!                        ╰──────────────┬──────────────╯
//!                                    arrange, a constant: compares them, copies the tensors' bytes
//!                                       ▼
//!                       Aligned: in the network's order, at a cache line ──▶ &'static [f32; N], without a copy
//! ```
//!
//! Bytes stay bytes while the program compiles: whole tensors are copied, which takes the compiler no time, where turning
//! each float over would take it seconds. So it does not matter in which order another program wrote the tensors, or
//! whether the length of the header leaves them where a float may lie, and the header is not in the program.

mod message;
#[cfg(test)]
mod tests;

pub use crate::kernels::aligned::Aligned;
use crate::spec::{FILE_VERSION, Tensor};
use core::cmp::Ordering;
use message::Message;

/// A safetensors file as the macro `weights!` has read it.
#[derive(Clone, Copy, Debug)]
pub struct File<'a> {
    /// The path as it was written.
    pub path: &'a str,
    /// What the file says of its version, if it does.
    pub version: Option<&'a str>,
    /// The tensors in the header, in the order of the lengths of their names, and of those among names of one length: a constant
    /// takes long to compare strings.
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

/// The tensors of `file`, which are `T`, in the order of `network`, which is called `name`.
///
/// # Panics
///
/// If the file does not hold the network's tensors. As a constant that is an error of compilation, which names all tensors that
/// differ.
#[track_caller]
pub const fn arrange<const N: usize, const T: usize>(
    file: &File<'_>,
    name: &str,
    network: &[Tensor],
) -> Aligned<N> {
    let mut floats = Aligned::ZERO;
    if !is_unknown(network) {
        let message = compare::<N, T>(file, name, network, &mut floats);
        if !message.is_empty() {
            panic!("{}", message.as_str());
        }
    }
    floats
}

/// Whether this stands for the tensors of a network whose description is wrong, which has been said.
const fn is_unknown(network: &[Tensor]) -> bool {
    matches!(network, [Tensor { name, .. }] if name.is_empty())
}

/// What is wrong with the file: nothing, or a line for each tensor. The tensors are copied until something is.
const fn compare<const N: usize, const T: usize>(
    file: &File<'_>,
    name: &str,
    network: &[Tensor],
    floats: &mut Aligned<N>,
) -> Message {
    let mut message = Message::new();
    if let Some(version) = file.version
        && !matches!(order(version, FILE_VERSION), Ordering::Equal)
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
    let mut known = [false; T];
    let (mut index, mut done) = (0, 0);
    while index < network.len() {
        let expected = &network[index];
        let place = find(file.tensors, expected.name);
        let length = expected.len();
        if place == file.tensors.len() {
            begin(&mut message, file.path, name);
            message.words(&["`", expected.name, "` is missing: "]);
            message.shape(expected.shape);
        } else {
            known[place] = true;
            let found = &file.tensors[place];
            differ(&mut message, file.path, name, found, expected);
            if message.is_empty() {
                floats.copy(done, file.bytes, found.start, length);
            }
        }
        done += length;
        index += 1;
    }
    let mut index = 0;
    while index < file.tensors.len() {
        if !known[index] {
            begin(&mut message, file.path, name);
            message.words(&["`", file.tensors[index].name, "` is not in the network"]);
        }
        index += 1;
    }
    message
}

/// Adds what is wrong with a tensor that the network has too.
const fn differ(
    message: &mut Message,
    path: &str,
    name: &str,
    found: &Stored<'_>,
    expected: &Tensor,
) {
    if !same_shape(found.shape, expected.shape) {
        begin(message, path, name);
        message.words(&["`", found.name, "` is "]);
        message.shape(found.shape);
        message.words(&[", but must be "]);
        message.shape(expected.shape);
    } else if !matches!(order(found.element_type, "F32"), Ordering::Equal) {
        begin(message, path, name);
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
const fn begin(message: &mut Message, path: &str, name: &str) {
    if message.is_empty() {
        message.words(&["`", path, "` does not hold the tensors of `", name, "`"]);
    }
    message.words(&["\n  "]);
}

/// The place of the tensor of a name; the number of tensors if there is none.
const fn find(tensors: &[Stored<'_>], name: &str) -> usize {
    let (mut first, mut end) = (0, tensors.len());
    while first < end {
        let middle = usize::midpoint(first, end);
        match order(tensors[middle].name, name) {
            Ordering::Less => first = middle + 1,
            Ordering::Equal => return middle,
            Ordering::Greater => end = middle,
        }
    }
    tensors.len()
}

/// The order of two names: by their lengths, then by their bytes, eight at a time.
const fn order(a: &str, b: &str) -> Ordering {
    let (mut a, mut b) = (a.as_bytes(), b.as_bytes());
    if a.len() != b.len() {
        return if a.len() < b.len() {
            Ordering::Less
        } else {
            Ordering::Greater
        };
    }
    while let (Some((x, rest_a)), Some((y, rest_b))) =
        (a.split_first_chunk(), b.split_first_chunk())
    {
        let (x, y) = (u64::from_be_bytes(*x), u64::from_be_bytes(*y));
        if x != y {
            return if x < y {
                Ordering::Less
            } else {
                Ordering::Greater
            };
        }
        (a, b) = (rest_a, rest_b);
    }
    while let ([x, rest_a @ ..], [y, rest_b @ ..]) = (a, b) {
        if *x != *y {
            return if *x < *y {
                Ordering::Less
            } else {
                Ordering::Greater
            };
        }
        (a, b) = (rest_a, rest_b);
    }
    Ordering::Equal
}

const fn same_shape(a: &[usize], b: &[usize]) -> bool {
    let mut axis = 0;
    while axis < a.len() && axis < b.len() && a[axis] == b[axis] {
        axis += 1;
    }
    axis == a.len() && axis == b.len()
}
