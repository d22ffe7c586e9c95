//! Built in one graph with the library without `std`, which so gets `std` too: what it does compiles all the same, and its
//! network is a whole one here.

use no_std::network::{PARAMETERS, Tiny, image};

fn main() {
    let net = Tiny::from_parameters(&PARAMETERS);
    println!("{:?} {}", no_std::describe(Some(&net)), no_std::classify(&image()));
    println!("{:?}", net.predict(&image()));
}
