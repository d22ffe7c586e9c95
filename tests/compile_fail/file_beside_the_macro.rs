//! The path is relative to the file in which it is written, whoever calls the macro.

#[path = "../network_file/macros.rs"]
#[macro_use]
mod macros;

missing!(Missing);

fn main() {}
