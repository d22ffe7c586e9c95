//! The field of a generated struct, with and without `std`.
//!
//! What compiles without the feature `std` has to compile with it, because another crate of the same program may ask for
//! it. So a struct can do no more without: no program can make a value of it, and it is neither `Copy` nor can it derive
//! what a model cannot.

use core::fmt;

#[cfg(feature = "std")]
type Content = crate::model::Model;
#[cfg(not(feature = "std"))]
type Content = core::convert::Infallible;

/// The field of a generated struct. It has no methods: the compiler would propose them to a user who asks
/// the struct for one that it does not have.
#[derive(Clone)]
pub struct Field(Content);

#[cfg(feature = "std")]
impl Field {
    /// The field that holds a model.
    pub const fn new(model: Content) -> Self {
        Self(model)
    }

    /// The model in it.
    pub const fn get(field: &Self) -> &Content {
        &field.0
    }

    /// The model in it.
    pub const fn get_mut(field: &mut Self) -> &mut Content {
        &mut field.0
    }
}

impl fmt::Debug for Field {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}
