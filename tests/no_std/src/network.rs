// The network that both the program without `std` and the test with `std` run.

cnn::network! {
    /// Every kind of layer once.
    pub network Tiny {
        input(9x8x2);
        conv2d(4, 3x3, padding = same, activation = relu);
        max_pool2d(2x2);
        conv2d(3, 1x1, activation = tanh);
        avg_pool2d(2x2, padding = same);
        zero_padding2d(top = 1);
        upsampling2d(2, bilinear);
        cropping2d(1x0);
        dropout(0.5);
        reshape(8x6);
        flatten;
        dense(7);
        leaky_relu(0.1);
        dense(5, activation = softmax);

        train { loss = categorical_crossentropy; }
    }
}

/// A struct that is called as variables of generated code are.
#[allow(non_camel_case_types, dead_code)]
mod names {
    cnn::network! {
        pub network input {
            input(2);
            output_: dense(1);
        }
    }
    cnn::network! {
        pub network n {
            input(2);
            dense(1);
        }
    }
    pub const PARAMETERS: [usize; 2] = [input::PARAMETERS, n::PARAMETERS];
}
const _: () = assert!(names::PARAMETERS[0] == 3 && names::PARAMETERS[1] == 3);

/// Numbers without a pattern, in `-0.5..0.5`.
pub const fn numbers<const N: usize>(mut state: u32) -> [f32; N] {
    let mut numbers = [0.0; N];
    let mut i = 0;
    while i < N {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        numbers[i] = (state >> 8) as f32 / 16_777_216.0 - 0.5;
        i += 1;
    }
    numbers
}

pub static PARAMETERS: [f32; Tiny::PARAMETERS] = numbers(1);

pub fn image() -> [[[f32; 2]; 8]; 9] {
    let numbers = numbers::<{ 9 * 8 * 2 }>(2);
    core::array::from_fn(|y| {
        core::array::from_fn(|x| core::array::from_fn(|c| numbers[(y * 8 + x) * 2 + c]))
    })
}
