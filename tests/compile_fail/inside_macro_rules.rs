//! The mistake is shown at the token that the caller of the macro wrote.

macro_rules! classifier {
    ($name:ident, $kernel:tt) => {
        cnn::network! {
            network $name {
                input(8x8x1);
                conv2d(4, $kernel);
                flatten;
                dense(10);
            }
        }
    };
}

classifier!(Good, 3x3);
classifier!(Bad, 9x9);

fn main() {
    let _ = Good::new(1);
    let _ = Bad::new(1);
}
