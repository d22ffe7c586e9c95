//! From the syntax tree to the checked graph: names, arguments, shapes, warnings, the `train` block.
//!
//! Data flows `resolve` (statements → layers whose names and arguments are known, by way of
//! `arguments` and `convert`) → `shape` (layers → nodes whose shapes are known) → `lint` (what is
//! legal, but probably not meant) and `train`. Every stage pushes into the same
//! [`Diagnostics`](crate::diagnostic::Diagnostics).

pub(crate) mod arguments;
pub(crate) mod convert;
mod lint;
pub(crate) mod names;
pub(crate) mod resolve;
pub(crate) mod shape;
pub(crate) mod train;
