//! Class labels: integers of any type, by value or by reference.

/// A class label: an integer counted from 0, or `bool` for the classes 0 and 1; by value or by reference.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is no class label",
    label = "class labels are integers, counted from 0",
    note = "targets that are no classes go to `Examples::with_values`, as an array `[N, …]`"
)]
pub trait Label {
    /// The number of the class; [`i128::MAX`] stands for all that are larger, too.
    fn class(&self) -> i128;
}

#[diagnostic::do_not_recommend]
impl<L: Label + ?Sized> Label for &L {
    fn class(&self) -> i128 {
        (**self).class()
    }
}

macro_rules! labels {
    ($($integer:ty),+) => {
        $(
            #[diagnostic::do_not_recommend]
            impl Label for $integer {
                fn class(&self) -> i128 {
                    // The only integers that do not fit are unsigned ones of 128 bits.
                    (*self).try_into().unwrap_or(i128::MAX)
                }
            }
        )+
    };
}

labels!(
    bool, u8, u16, u32, u64, u128, usize, i8, i16, i32, i64, i128, isize
);
