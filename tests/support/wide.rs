//! A network whose file takes several calls of the system to write.

use std::path::Path;
use std::sync::LazyLock;

use cnn::Network;
use cnn::runtime::Model;
use cnn::runtime::spec::Spec;

cnn::network! { network Wide { input(256); dense(256); } }

/// Its file takes 257 KiB.
pub static WIDE: LazyLock<Spec> = LazyLock::new(|| *Wide::spec());

pub fn wide(seed: u64) -> Model {
    Model::new(&WIDE, seed)
}

/// Which of the models `0..seeds` the file holds, whole.
#[track_caller]
pub fn seed_of(path: &Path, seeds: u64) -> u64 {
    let bits = |model: &Model| -> Vec<u32> {
        let parameters = model.parameters().iter();
        parameters.map(|float| float.to_bits()).collect()
    };
    let found = bits(&Model::load(&WIDE, path).unwrap());
    (0..seeds)
        .find(|seed| bits(&wide(*seed)) == found)
        .expect("the file holds one of the models")
}
