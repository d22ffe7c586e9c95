//! What a library may do with a network without `std`. It compiles with `std` as well, where another crate of the program asks
//! for it.
#![no_std]
#![deny(warnings)]

use core::fmt::Debug;
use core::panic::{RefUnwindSafe, UnwindSafe};

pub mod network;

use network::{PARAMETERS, Tiny};

/// The class of an image.
pub fn classify(image: &[[[f32; 2]; 8]; 9]) -> usize {
    let mut workspace = [f32::NAN; Tiny::WORKSPACE];
    let probabilities = Tiny::infer(&PARAMETERS, image, &mut workspace);
    let mut into = [f32::NAN; 5];
    Tiny::infer_into(&PARAMETERS, image, &mut into, &mut workspace);
    assert_eq!(into, probabilities);
    let mut most = 0;
    for class in 1..probabilities.len() {
        if probabilities[class] > probabilities[most] {
            most = class;
        }
    }
    most
}

/// A network of this crate alone.
mod private {
    cnn::network! {
        network Private {
            input(3);
            r#type: dense(2);
        }
    }

    pub(super) const SIZES: [usize; 3] = [Private::PARAMETERS, Private::WORKSPACE, Private::TENSORS.len()];
}

/// A method of the program's own, and a trait.
impl Tiny {
    /// The shape of an image.
    pub const fn shape() -> [usize; 3] {
        Self::INPUT
    }
}

/// Something with a name.
pub trait Named {
    /// The name.
    const NAME: &'static str;
}

impl Named for Tiny {
    const NAME: &'static str = "Tiny";
}

fn name<T: Named + Clone + Debug + Send + Sync + Unpin + UnwindSafe + RefUnwindSafe + 'static>(_: &T) -> &'static str {
    T::NAME
}

/// The name of a network, if there is one; without `std` there is none.
pub fn describe(net: Option<&Tiny>) -> Option<&'static str> {
    assert_eq!(Tiny::shape(), [9, 8, 2]);
    assert_eq!(private::SIZES, [8, 0, 2]);
    net.map(name)
}
