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

    ::cnn::network! {
        /// Of blocks, whose names are methods and structs.
        pub(crate) network Nested {
            block option(units) {
                string: dense(units, activation = relu);
                dense(units);
            }
            input(4);
            result: option(3);
            repeat 2 { vec: option(3); r#type: dense(3); }
            r#loop: dense(2);
            expose(result, r#loop);
            train { loss = mse; }
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

/// Every name of a variable in generated code is that of a constant here, which a pattern of that name would compare
/// with.
#[allow(dead_code, non_upper_case_globals, clippy::redundant_pub_crate)]
mod among_constants {
    macro_rules! networks {
        ($($name:ident)*) => {
            pub(super) mod constants {
                $(const $name: usize = 1;)*
                networks!(@network);
            }
            pub(super) mod statics {
                $(static $name: usize = 1;)*
                networks!(@network);
            }
        };
        (@network) => {
            cnn::network! {
                pub(crate) network Among {
                    input(4x4x1);
                    stem: conv2d(2, 2x2, activation = relu);
                    max_pool2d(2x2);
                    flatten;
                    dropout(0.5);
                    dense(2, activation = softmax);
                    train { loss = categorical_crossentropy; metrics = [accuracy]; }
                }
            }
            cnn::network! {
                pub(crate) network Untrained { input(2); dense(2, activation = softmax); }
            }
        };
    }

    networks! {
        argmax argmax_0 call count end examples first gradient gradients images input inputs isa label labels layers
        losses micro_batch micro_batch_input micro_batch_output model n network output packed packed_backward
        packed_forward parameters partials path plan rt run saved scale scratch seed slot_0 slot_1 slots start
        target tensors workspace conv2d dense flatten dropout max_pool2d stem this value x f
        stem_argmax stem_bias stem_bias_sum stem_gradient stem_kernel stem_kernel_sum stem_out
        stem_packed_backward stem_packed_forward stem_packed_inference max_pool2d_1_out max_pool2d_1_gradient
        max_pool2d_1_argmax flatten_1_out dropout_1_out dropout_1_gradient dense_1_kernel dense_1_bias dense_1_out
        dense_1_packed_forward dense_1_packed_inference dense_1_packed_backward dense_1_gradient
    }
}

/// Networks of every name that generated code uses, or a user's program.
#[allow(
    non_camel_case_types,
    non_snake_case,
    non_upper_case_globals,
    dead_code,
    clippy::redundant_pub_crate,
    clippy::upper_case_acronyms
)]
mod names {
    macro_rules! networks {
        ($($name:ident)*) => {
            $(pub(super) mod $name {
                ::cnn::network! {
                    /// Is called as something else is.
                    pub(crate) network $name {
                        input(4x4x1);
                        conv2d(2, 2x2, activation = relu);
                        max_pool2d(2x2);
                        flatten;
                        dense(2, activation = softmax);
                        train { loss = categorical_crossentropy; }
                    }
                }
            })*

            /// The sum of what each network predicts, which is 1, and its count of parameters.
            pub(super) fn sums() -> ::std::vec::Vec<(&'static ::core::primitive::str, ::core::primitive::f32, ::core::primitive::usize)> {
                ::std::vec![$({
                    let [no, yes] = $name::$name::new(1).predict(&[[[1.0]; 4]; 4]);
                    (stringify!($name), no + yes, $name::$name::PARAMETERS)
                }),*]
            }
        };
    }

    networks! {
        rt plan layers f32 f64 u8 u64 i32 usize str bool char never
        forward train model network SPEC STEPS TENSORS MICRO_BATCH WORKSPACE
        PACKED_INFERENCE PACKED_FORWARD PACKED_BACKWARD INPUT OUTPUT PARAMETERS LAYERS SUMMARY PLAN
        Model Network Trainable Field Spec Layer Workspace Predict Train Execute Dense Conv2d Isa
        Operation Error History Scores Dataset Trainer Path ndarray runtime generated
        Option Some None Result Ok Err Vec String Box Rc Iterator Into TryInto From AsRef ToOwned
        Clone Copy Debug Default Drop Sized Send Sync Fn PartialEq
        core std alloc cnn cnn_runtime
        input output seed inputs examples path parameters workspace n isa call images run count
        first start end warning conv2d max_pool2d flatten dense
        r#type r#match r#fn r#box r#Raw
    }
}

/// Labels of every name that generated code uses, or that methods of other types have.
#[allow(clippy::redundant_pub_crate)]
mod labels {
    macro_rules! labels {
        ($($label:ident)*) => {
            ::cnn::network! {
                #[allow(clippy::iter_not_returning_iterator)]
                pub(super) network Labels {
                    input(2);
                    $($label: dense(2);)*
                    train { loss = mse; }
                }
            }

            /// The names of the labels' tensors, by the methods and in the file.
            pub(super) fn tensors() -> Vec<(&'static str, bool)> {
                let net = Labels::new(3);
                let kernels: Vec<_> = net
                    .tensors()
                    .filter(|(name, _)| name.ends_with(".kernel"))
                    .map(|(_, kernel)| kernel)
                    .collect();
                let mut kernels = kernels.into_iter();
                vec![$({
                    let kernel = kernels.next().expect("a kernel for each label");
                    (stringify!($label), net.$label().kernel().into_dyn() == kernel)
                }),*]
            }
        };
    }

    labels! {
        rt layers forward train some none ok err conv2d dense max_pool2d f32 f64 str u64 usize bool
        steps workspace micro_batch packed_inference packed_forward packed_backward network seed
        path inputs examples n isa call first start end count run images scratch slot_0 argmax_0
        addend_1_0 micro_batch_input micro_batch_output gradients partials losses target scale
        borrow borrow_mut type_id default drop eq cmp hash deref as_ref as_mut from try_from index
        add to_string into_iter iter len is_empty into_hidden from_above to_hidden is_big
        r#type r#match r#fn r#try r#dyn r#box main core std cnn x a _stem stem_ n_kernel n_out warning
    }

    /// With these traits in scope, too, a label is the struct's own method.
    pub(super) fn among_traits() -> bool {
        #[allow(unused_imports)]
        use std::{
            any::Any as _,
            borrow::{Borrow as _, BorrowMut as _},
        };
        let net = Labels::new(3);
        let own = [net.borrow(), net.borrow_mut(), net.type_id()];
        own.iter().all(|view| view.kernel().shape() == [2, 2])
    }
}

/// Attributes of a network are those of its struct; `allow` reaches the warnings, `cfg` everything.
mod attributes {
    cnn::network! {
        /// Documentation.
        #[derive(Clone)]
        #[cfg(all())]
        #[doc(alias = "perceptron")]
        #[cfg_attr(all(), derive(Debug), allow(deprecated))]
        #[must_use]
        pub(super) network Attributed {
            input(4);
            dense(4, activation = softmax);
            dense(2);
        }
    }

    cnn::network! {
        #[cfg(any())]
        pub(super) network Attributed {
            input(there is no such network);
        }
    }

    cnn::network! {
        #[deprecated = "there is another one"]
        #[non_exhaustive]
        #[expect(non_camel_case_types)]
        pub(super) network deprecated_network {
            input(4);
            dense(2);
            train { loss = mse; }
        }
    }

    macro_rules! hands_attributes_on {
        ($(#[$attribute:meta])* $visibility:vis $name:ident) => {
            cnn::network! {
                $(#[$attribute])*
                $visibility network $name {
                    input(4);
                    dense(4, activation = softmax);
                    dense(2);
                }
            }
        };
    }

    hands_attributes_on! {
        /// Handed on.
        #[derive(Debug)]
        #[allow(deprecated)]
        pub(super) HandedOn
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
fn among_constants() {
    use among_constants::{constants, statics};
    let image = [[[0.5]; 4]; 4];
    let sums = [
        constants::Among::new(1).predict(&image).iter().sum::<f32>(),
        statics::Among::new(1).predict(&image).iter().sum::<f32>(),
    ];
    assert!(sums.iter().all(|sum| (sum - 1.0).abs() < 1e-6), "{sums:?}");
    assert_eq!(constants::Untrained::OUTPUT, statics::Untrained::OUTPUT);
}

#[test]
fn names() {
    let sums = names::sums();
    assert!(sums.len() > 100, "{}", sums.len());
    let wrong: Vec<_> = sums
        .into_iter()
        .filter(|&(_, sum, parameters)| (sum - 1.0).abs() > 1e-6 || parameters != 10 + 6)
        .collect();
    assert!(wrong.is_empty(), "{wrong:?}");
}

#[test]
fn labels() {
    let tensors = labels::tensors();
    assert!(tensors.len() > 80, "{}", tensors.len());
    let wrong: Vec<_> = tensors.into_iter().filter(|(_, same)| !same).collect();
    assert!(wrong.is_empty(), "{wrong:?}");
    assert!(labels::among_traits());
}

#[test]
fn attributes() {
    let net = attributes::Attributed::new(1);
    let debug = format!("{net:?}");
    assert!(debug.contains("network: \"Attributed\""), "{debug}");
    let again = net.clone();
    assert_eq!(net.parameters(), again.parameters());
    assert_eq!(attributes::HandedOn::OUTPUT, [2]);
    #[allow(deprecated)]
    let output = attributes::deprecated_network::OUTPUT;
    assert_eq!(output, [2]);
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
