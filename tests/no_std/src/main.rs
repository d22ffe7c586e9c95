//! Runs a network without `std` and without an allocator, and writes the five probabilities as
//! bytes to standard output. That it links at all proves both: `std` would bring a second panic
//! handler, `alloc` would ask for an allocator.
#![no_std]
#![no_main]

use no_std::network::{PARAMETERS, Tiny, image};

#[link(name = "c")]
unsafe extern "C" {
    fn write(file: i32, bytes: *const u8, len: usize) -> isize;
}

#[panic_handler]
fn panic(_: &core::panic::PanicInfo<'_>) -> ! {
    loop {}
}

/// The compiled `core` names it for unwinding, which never happens here.
#[unsafe(no_mangle)]
extern "C" fn rust_eh_personality() {}

#[unsafe(no_mangle)]
extern "C" fn main() -> i32 {
    let mut workspace = [f32::NAN; Tiny::WORKSPACE];
    let probabilities = Tiny::infer(&PARAMETERS, &image(), &mut workspace);
    let bytes = probabilities.map(f32::to_le_bytes);
    let bytes = bytes.as_flattened();
    // SAFETY: the pointer and the length are those of a live slice.
    let written = unsafe { write(1, bytes.as_ptr(), bytes.len()) };
    i32::from(written != bytes.len() as isize)
}
