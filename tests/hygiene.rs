//! Generated code must not care where it stands: without a prelude, among names that shadow
//! its own, under the strictest lints, twice in a module, inside a function, inside
//! `macro_rules!`.
#![deny(
    warnings,
    missing_docs,
    unreachable_pub,
    unused,
    clippy::all,
    clippy::pedantic,
    clippy::nursery
)]
#![forbid(unsafe_code)]

/// No name is imported here.
#[no_implicit_prelude]
mod without_prelude {
    ::cnn::network! {
        /// Trains and predicts.
        pub(crate) network Small {
            input(6x6x1);
            conv2d(2, 3x3, activation = relu);
            max_pool2d(2x2);
            dropout(0.25);
            flatten;
            dense(2, activation = softmax);
            train { loss = categorical_crossentropy; metrics = [accuracy]; }
        }
    }
}

/// Every name that generated code could mean is something else here.
#[allow(dead_code, non_camel_case_types, clippy::upper_case_acronyms)]
mod among_shadows {
    mod core {}
    mod std {}
    mod cnn {}
    mod rt {}
    mod kernels {}
    struct Result;
    struct Option;
    struct Vec;
    struct String;
    struct Model;
    struct Dense;
    struct Conv2d;
    struct Error;
    struct SPEC;
    struct f32;
    struct f64;
    struct u64;
    struct usize;
    struct str;
    trait Into {}
    trait AsRef {}
    trait Iterator {}
    trait Clone {}
    const fn forward() {}
    const fn train() {}
    const SCRATCH: () = ();
    const WORKSPACE: () = ();

    ::cnn::network! {
        pub(crate) network Shadowed {
            input(4x4x1);
            n: conv2d(2, 2x2, activation = tanh);
            rt: avg_pool2d(2x2);
            scratch: conv2d(3, 1x1);
            call: flatten;
            seed: dropout(0.5);
            slot_0: dense(3);
            sigmoid;
            loss: dense(4);
            workspace: dense(4);
            total: dense(4);
            spec_: dense(4);
            target: dense(1, activation = sigmoid);
            train { loss = binary_crossentropy; }
        }
    }
}

/// Two networks with the same layer names in one module.
mod two_in_one_module {
    cnn::network! {
        pub(crate) network First {
            input(2);
            dense(1);
        }
    }
    cnn::network! {
        pub(crate) network Second {
            input(2);
            dense(1);
            train { loss = mse; }
        }
    }
}

macro_rules! perceptron {
    ($name:ident, $units:literal, $activation:ident) => {
        cnn::network! {
            network $name {
                input(3);
                hidden: dense($units, activation = $activation);
                dense(1);
                train { loss = mse; }
            }
        }
    };
}

perceptron!(Narrow, 2, relu);
perceptron!(Wide, 64, tanh);

#[test]
fn without_prelude() {
    let net = without_prelude::Small::new(1);
    let probabilities = net.predict(&[[[0.5]; 6]; 6]);
    assert!((probabilities.iter().sum::<f32>() - 1.0).abs() < 1e-6);
}

#[test]
fn among_shadows() {
    let net = among_shadows::Shadowed::new(1);
    let [probability] = net.predict(&[[[0.5]; 4]; 4]);
    assert!(probability > 0.0 && probability < 1.0);
    assert_eq!(net.slot_0().kernel().shape(), [3, 3]);
    assert_eq!(net.n().kernel().shape(), [2, 2, 1, 2]);
}

#[test]
fn two_in_one_module() {
    assert_eq!(two_in_one_module::First::PARAMETERS, 3);
    assert_eq!(two_in_one_module::Second::PARAMETERS, 3);
}

#[test]
fn inside_a_function() {
    cnn::network! {
        network Local {
            input(2);
            dense(2, activation = softmax);
        }
    }
    assert_eq!(Local::OUTPUT, [2]);
    let probabilities = Local::new(0).predict(&[0.0, 0.0]);
    assert!(probabilities.iter().all(|p| (p - 0.5).abs() < 1e-6));
}

#[test]
fn inside_macro_rules() {
    assert_eq!(Narrow::PARAMETERS, 3 * 2 + 2 + 2 + 1);
    assert_eq!(Wide::new(3).hidden().kernel().shape(), [3, 64]);
}
