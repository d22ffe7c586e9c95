//! Files that somebody made to do harm, or that a disk has damaged: each is an error of its type, found with little memory.

#[path = "support/counting.rs"]
mod counting;
#[path = "hostile/idx.rs"]
mod idx;
#[path = "hostile/npy.rs"]
mod npy;
#[path = "hostile/npz.rs"]
mod npz;
#[path = "hostile/pictures.rs"]
mod pictures;
#[path = "hostile/tables.rs"]
mod tables;

/// What compressed files grow to.
const HUGE: usize = 64 << 20;

fn crc(bytes: &[u8]) -> u32 {
    let mut crc = flate2::Crc::new();
    crc.update(bytes);
    crc.sum()
}
