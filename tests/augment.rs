//! Augmentation while training: who sees it, and that the bits do not depend on who computes it.

#[path = "support/small.rs"]
mod small;

use std::sync::Mutex;

use cnn::data::Pass;
use cnn::{Augment, Dataset, Error, Examples, Flip, History, Network, Optimizer, Scores};
use small::{bits, stripes};

cnn::network! {
    /// As it is.
    network Plain {
        input(8x8x1);
        conv2d(4, 3x3, activation = relu);
        max_pool2d(2x2);
        flatten;
        dense(3, activation = softmax);

        train {
            loss = categorical_crossentropy;
            optimizer = adam(learning_rate = 0.01);
            metrics = [accuracy];
            epochs = 2;
            batch_size = 16;
            seed = 3;
        }
    }
}

cnn::network! {
    /// The same, augmented by its `train` block.
    network Augmented {
        input(8x8x1);
        conv2d(4, 3x3, activation = relu);
        max_pool2d(2x2);
        flatten;
        dense(3, activation = softmax);

        train {
            loss = categorical_crossentropy;
            optimizer = adam(learning_rate = 0.01);
            metrics = [accuracy];
            epochs = 2;
            batch_size = 16;
            seed = 3;
            augment = [shift(2), rotate(degrees = 10), zoom(0.1), flip(horizontal), brightness(0.2), contrast(0.2, clip = false),
                       noise(0.05), cutout(3), mixup(0.2), elastic(alpha = 5, sigma = 2)];
        }
    }
}

/// The list of [`Augmented`], in another order.
fn all() -> Vec<Augment> {
    vec![
        Augment::mixup(0.2),
        Augment::elastic(5.0, 2.0),
        Augment::noise(0.05),
        Augment::cutout(3),
        Augment::brightness(0.2),
        Augment::Contrast {
            factor: 0.2,
            clip: false,
        },
        Augment::flip(Flip::Horizontal),
        Augment::zoom(0.1),
        Augment::rotate(10.0),
        Augment::shift(2),
    ]
}

fn data() -> Examples<'static> {
    stripes(45)
}

/// The weights after a training.
fn trained(list: Option<&[Augment]>, threads: usize, data: &dyn Dataset) -> Vec<u32> {
    let mut net = Plain::new(5);
    let mut trainer = net.trainer().threads(threads).progress(false);
    if let Some(list) = list {
        trainer = trainer.augment(list.iter().copied());
    }
    trainer.fit(data).unwrap();
    bits(net.model().parameters())
}

#[test]
fn a_list_in_the_block_is_that_in_code() {
    let mut net = Augmented::new(5);
    net.trainer().progress(false).fit(&data()).unwrap();
    let expected = bits(net.model().parameters());
    assert_eq!(trained(Some(&all()), 2, &data()), expected);
    let plain = trained(None, 2, &data());
    assert_ne!(plain, expected);
    // In code, an empty list takes the place of the one in the block.
    let mut net = Augmented::new(5);
    net.trainer()
        .augment([])
        .progress(false)
        .fit(&data())
        .unwrap();
    assert_eq!(bits(net.model().parameters()), plain);
}

#[test]
fn any_number_of_threads_makes_the_same_bits() {
    let mut lists: Vec<Vec<Augment>> = all().into_iter().map(|augment| vec![augment]).collect();
    lists.push(all());
    let plain = trained(None, 1, &data());
    for list in lists {
        let expected = trained(Some(&list), 1, &data());
        assert_ne!(expected, plain, "{list:?} changes something");
        for threads in [2, 3, 5] {
            let found = trained(Some(&list), threads, &data());
            assert_eq!(found, expected, "{list:?} on {threads} threads");
        }
    }
}

/// Each epoch draws anew, and as much follows from the seed.
#[test]
fn epochs_and_seeds_draw_anew() {
    let losses = |seed: u64| {
        let mut net = Plain::new(5);
        // The network stays as it is, so that nothing but the examples changes.
        let trainer = net
            .trainer()
            .optimizer(Optimizer::sgd().with_learning_rate(1e-30));
        let trainer = trainer
            .augment(all())
            .epochs(3)
            .seed(seed)
            .shuffle(false)
            .batch_size(45);
        let history = trainer.progress(false).fit(&data()).unwrap();
        history
            .epochs
            .iter()
            .map(|epoch| epoch.scores.loss)
            .collect::<Vec<_>>()
    };
    let first = losses(1);
    assert_eq!(first, losses(1));
    let mut all = [first, losses(2)].concat();
    all.sort_by(f64::total_cmp);
    all.dedup();
    assert_eq!(all.len(), 6, "{all:?}");
}

#[test]
fn evaluation_and_validation_see_the_examples_as_they_are() {
    let (train, validation) = (data(), stripes(30));
    let mut seen: Vec<(Option<Scores>, Scores)> = Vec::new();
    let mut net = Augmented::new(5);
    let trainer = net.trainer().progress(false).validation(&validation);
    let trainer = trainer.on_epoch(|epoch, net| {
        // By a network that knows no augmentation.
        let mut plain = Plain::new(0);
        plain
            .model_mut()
            .parameters_mut()
            .copy_from_slice(net.model().parameters());
        seen.push((
            epoch.validation.clone(),
            plain.evaluate(&validation).unwrap(),
        ));
    });
    trainer.fit(&train).unwrap();
    assert_eq!(seen.len(), 2);
    for (found, expected) in seen {
        assert_eq!(found, Some(expected));
    }
    let mut plain = Plain::new(0);
    plain
        .model_mut()
        .parameters_mut()
        .copy_from_slice(net.model().parameters());
    assert_eq!(
        net.evaluate(&train).unwrap(),
        plain.evaluate(&train).unwrap()
    );

    // Of a share that was held back, too.
    let mut split: Vec<(Option<Scores>, Scores)> = Vec::new();
    let held_back = train.slice(36..45);
    let mut net = Augmented::new(5);
    let trainer = net.trainer().progress(false).validation_split(0.2);
    let trainer = trainer.on_epoch(|epoch, net| {
        split.push((epoch.validation.clone(), net.evaluate(&held_back).unwrap()));
    });
    trainer.fit(&train).unwrap();
    for (found, expected) in split {
        assert_eq!(found, Some(expected));
    }
}

/// What is not mixed keeps its targets: an example alone in its batch has no partner but itself.
#[test]
fn a_batch_of_one_is_not_mixed() {
    let fit = |list: &[Augment]| {
        let mut net = Plain::new(5);
        let trainer = net.trainer().batch_size(1).epochs(1).progress(false);
        trainer.augment(list.iter().copied()).fit(&data()).unwrap();
        bits(net.model().parameters())
    };
    assert_eq!(fit(&[Augment::mixup(1.0)]), fit(&[]));
}

/// Examples that remember what they were read for.
struct Watched {
    examples: Examples<'static>,
    passes: Mutex<Vec<Pass>>,
}

impl Watched {
    fn new() -> Self {
        Self {
            examples: data(),
            passes: Mutex::default(),
        }
    }

    /// The passes since the last call.
    fn passes(&self) -> Vec<Pass> {
        std::mem::take(&mut self.passes.lock().unwrap())
    }
}

impl Dataset for Watched {
    fn len(&self) -> usize {
        self.examples.len()
    }

    fn input_shape(&self) -> &[usize] {
        self.examples.input_shape()
    }

    fn begin(&self, pass: Pass) {
        self.passes.lock().unwrap().push(pass);
    }

    fn read_input(&self, index: usize, out: &mut [f32]) {
        self.examples.read_input(index, out);
    }

    fn read_target(&self, index: usize, out: &mut [f32]) {
        self.examples.read_target(index, out);
    }
}

#[test]
fn a_dataset_is_told_what_it_is_read_for() {
    let training = |epoch: u64| Pass::Training { seed: 3, epoch };
    let watched = Watched::new();
    let mut net = Plain::new(5);
    net.trainer().progress(false).fit(&watched).unwrap();
    assert_eq!(watched.passes(), [training(0), training(1)]);
    net.evaluate(&watched).unwrap();
    assert_eq!(watched.passes(), [Pass::Evaluation]);
    net.predict_dataset(&watched).unwrap();
    assert_eq!(watched.passes(), [Pass::Evaluation]);
    let trainer = net.trainer().progress(false).validation_split(0.2);
    trainer.fit(&watched).unwrap();
    let expected = [training(2), Pass::Evaluation, training(3), Pass::Evaluation];
    assert_eq!(watched.passes(), expected);

    // Within an epoch that goes on, it is the same epoch.
    let path = std::env::temp_dir().join(format!("cnn-augment-{}", std::process::id()));
    let stop = std::sync::atomic::AtomicBool::new(false);
    let mut net = Plain::new(5);
    let mut steps = 0;
    let trainer = net.trainer().progress(false).stop(&stop).checkpoint(&path);
    let trainer = trainer.on_step(|_, _| {
        steps += 1;
        stop.store(steps == 4, std::sync::atomic::Ordering::Relaxed);
    });
    trainer.fit(&watched).unwrap();
    assert_eq!(watched.passes(), [training(0), training(1)]);
    let mut net = Plain::new(6);
    let trainer = net.trainer().progress(false).resume_from(&path);
    trainer.epochs(3).fit(&watched).unwrap();
    std::fs::remove_file(path).unwrap();
    assert_eq!(watched.passes(), [training(1), training(2)]);
}

#[test]
fn what_does_not_fit_is_refused_before_the_first_step() {
    let fit = |list: &[Augment]| -> Result<History, Error> {
        let mut net = Plain::new(5);
        let before = bits(net.model().parameters());
        let result = net
            .trainer()
            .augment(list.iter().copied())
            .progress(false)
            .fit(&data());
        assert_eq!(bits(net.model().parameters()), before);
        result
    };
    let cases = [
        (
            vec![Augment::cutout(8)],
            "`augment` is cutout(8), but must be less than a side of the image",
        ),
        (
            vec![Augment::zoom(-0.1)],
            "`factor` is -0.10000000149011612, but must be at least 0 and less than 1 as `f32`",
        ),
        (
            vec![Augment::noise(0.1), Augment::noise(0.2)],
            "`augment` is noise(0.2), but must be listed once",
        ),
    ];
    for (list, expected) in cases {
        assert_eq!(fit(&list).unwrap_err().to_string(), expected);
    }
}

/// What augmentation is for: with few examples, a network that saw them moved knows others that are moved.
#[test]
fn a_network_learns_what_it_is_shown() {
    let moved = |n: usize| {
        let mut images = ndarray::Array4::<f32>::zeros((n, 8, 8, 1));
        let labels: Vec<usize> = (0..n).map(|index| index % 3).collect();
        for (index, label) in labels.iter().enumerate() {
            // A spot in one of three sizes, in the middle or beside it.
            let place = if n > 6 { 1 + index / 3 % 4 } else { 3 };
            for y in 0..=*label {
                for x in 0..=*label {
                    images[[index, (place + y) % 8, (7 - place + x) % 8, 0]] = 1.0;
                }
            }
        }
        Examples::labelled(images, labels).unwrap()
    };
    let (few, many) = (moved(6), moved(24));
    let loss = |list: &[Augment]| {
        let mut net = Plain::new(5);
        let trainer = net
            .trainer()
            .epochs(300)
            .augment(list.iter().copied())
            .progress(false);
        trainer.fit(&few).unwrap();
        net.evaluate(&many).unwrap().loss
    };
    let (plain, augmented) = (loss(&[]), loss(&[Augment::shift(3)]));
    assert!(
        augmented < 0.5 * plain,
        "{augmented} with shifts, {plain} without"
    );
}
