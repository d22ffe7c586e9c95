//! From the syntax tree to the checked graph: names, arguments, shapes, warnings, the `train` block.
//!
//! Data flows `resolve` (statements → layers whose names and arguments are known) → `shape` (layers → nodes whose shapes
//! are known) → `lint` (what is legal, but probably not meant) and `train`. `resolve` goes over the `lines` and opens
//! the `bodies` of blocks and repeats; it asks `definitions` for them, `scope` and `references` for what names mean,
//! `evaluate` for values, `arguments` and `convert` for what a layer takes. Every stage pushes into the same
//! [`Diagnostics`](crate::diagnostic::Diagnostics); `trace` says whether a mistake is reported at a line or at a call.

pub(crate) mod arguments;
mod augment;
mod bodies;
pub(crate) mod convert;
mod definitions;
mod evaluate;
mod lines;
mod lint;
mod metrics;
pub(crate) mod names;
pub(crate) mod objectives;
pub(crate) mod optimizer;
mod references;
pub(crate) mod resolve;
mod scope;
pub(crate) mod shape;
pub(crate) mod trace;
pub(crate) mod train;
