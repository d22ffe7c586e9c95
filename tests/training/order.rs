//! In which order training reads its examples.

use crate::small::{STRIPES, stripes};
use cnn::runtime::{Dataset, Examples, Model};
use std::sync::Mutex;

/// Notes the order in which the examples are read; on one thread that is the order of training.
struct Recording<'a> {
    inner: Examples<'a>,
    order: Mutex<Vec<usize>>,
}

impl Dataset for Recording<'_> {
    fn len(&self) -> usize {
        self.inner.len()
    }

    fn input_shape(&self) -> &[usize] {
        self.inner.input_shape()
    }

    fn read_input(&self, index: usize, out: &mut [f32]) {
        self.order.lock().unwrap().push(index);
        self.inner.read_input(index, out);
    }

    fn read_target(&self, index: usize, out: &mut [f32]) {
        self.inner.read_target(index, out);
    }
}

#[test]
fn every_epoch_takes_another_order() {
    let data = Recording {
        inner: stripes(45),
        order: Mutex::default(),
    };
    let mut model = Model::new(&STRIPES, 1);
    for _ in 0..2 {
        let trainer = model.trainer().threads(1).epochs(2);
        trainer.fit(&data).unwrap();
    }
    let order = data.order.into_inner().unwrap();
    let epochs: Vec<_> = order.chunks(45).collect();
    assert_eq!(epochs.len(), 4);
    for (i, epoch) in epochs.iter().enumerate() {
        let mut sorted = epoch.to_vec();
        sorted.sort_unstable();
        assert!(sorted.into_iter().eq(0..45), "epoch {i} is no permutation");
        assert!(!epochs[..i].contains(epoch), "epoch {i} repeats an order");
    }
}

#[test]
fn every_example_is_read_once_an_epoch() {
    for batch_size in [1, 7, 8, 9, 45, 1000, usize::MAX] {
        let data = Recording {
            inner: stripes(45),
            order: Mutex::default(),
        };
        let mut model = Model::new(&STRIPES, 1);
        let trainer = model.trainer().batch_size(batch_size).epochs(1);
        trainer.fit(&data).unwrap();
        let mut order = data.order.into_inner().unwrap();
        order.sort_unstable();
        assert!(order.into_iter().eq(0..45), "batches of {batch_size}");
    }
}
