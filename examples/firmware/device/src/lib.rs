//! A digit classifier for a device without an operating system: no `std`, no allocator, weights in the read-only data.
//!
//! ```text
//! rustup target add thumbv7em-none-eabihf
//! cargo build --release --target thumbv7em-none-eabihf
//! ```
//!
//! The static library has one function, which firmware in C or Rust calls:
//!
//! ```c
//! uint32_t classify(const float image[28][28][1], float workspace[WORKSPACE]);
//! ```
#![no_std]

cnn::network_file!("../../digits.cnn");

static WEIGHTS: &[f32; Digits::PARAMETERS] =
    cnn::weights!(Digits, "../../digits.safetensors");

/// The floats that a caller lends to [`classify`].
#[unsafe(no_mangle)]
pub static WORKSPACE: usize = Digits::WORKSPACE;

/// The digit in an image of values from 0 to 1.
#[unsafe(no_mangle)]
pub extern "C" fn classify(
    image: &[[[f32; 1]; 28]; 28],
    workspace: &mut [f32; Digits::WORKSPACE],
) -> u32 {
    let probabilities = Digits::infer(WEIGHTS, image, workspace);
    let mut digit = 0;
    for other in 1..probabilities.len() {
        if probabilities[other] > probabilities[digit] {
            digit = other;
        }
    }
    digit as u32
}

#[panic_handler]
fn panic(_: &core::panic::PanicInfo<'_>) -> ! {
    loop {}
}
