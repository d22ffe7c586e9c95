//! Snapshots of expansions, for right and for wrong descriptions.
//!
//! After a wanted change, `INSTA_UPDATE=always cargo test -p cnn-macros` writes them anew.

use super::network;
use proc_macro2::{Group, TokenStream, TokenTree};
use std::collections::BTreeSet;

/// The expansion of `network! { … }` with the feature `std`, formatted.
fn expand(description: &str) -> String {
    let tokens: TokenStream = format!("(::cnn) {description}").parse().unwrap();
    let expansion = with_std(network(tokens)).to_string();
    let file = syn::parse_file(&expansion).unwrap_or_else(|error| panic!("{error}:\n{expansion}"));
    prettyplease::unparse(&file)
}

/// Whatever is wrong with a description, the expansion is Rust.
#[test]
fn every_mistake_expands_to_rust() {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../cnn-dsl/tests/diagnostics");
    let files = std::fs::read_dir(folder).expect("the mistakes of the language");
    let mut wrong = Vec::new();
    let mut count = 0;
    for file in files {
        let path = file.expect("a file").path();
        let text = std::fs::read_to_string(&path).expect("a description");
        // What is no Rust never reaches the macro.
        let Ok(tokens) = format!("(::cnn)\n{text}").parse::<TokenStream>() else {
            continue;
        };
        count += 1;
        let expanded = std::panic::catch_unwind(|| with_std(network(tokens)));
        match expanded {
            Ok(expanded) if syn::parse2::<syn::File>(expanded.clone()).is_ok() => {}
            Ok(expanded) => wrong.push(format!("{}: {expanded}", path.display())),
            Err(_) => wrong.push(format!("{}: a panic", path.display())),
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(count > 300, "{count} mistakes");
}

/// Does what `__with_std!` and `__needs_std!` do with the feature `std`, and `inspect_method!` with `inspect`.
fn with_std(tokens: TokenStream) -> TokenStream {
    let tokens: Vec<TokenTree> = tokens.into_iter().collect();
    let mut expanded = Vec::new();
    let mut rest = tokens.as_slice();
    // `::cnn::__with_std! { … }` is eight tokens, the name the sixth of them.
    while let Some((first, behind)) = rest.split_first() {
        let name = rest.get(5).map(ToString::to_string).unwrap_or_default();
        match (name.as_str(), rest.get(7)) {
            ("__with_std", Some(TokenTree::Group(body))) => {
                expanded.extend(with_std(body.stream()));
                rest = &rest[8..];
            }
            ("__needs_std", Some(TokenTree::Group(_))) => rest = &rest[8..],
            // `rt::inspect_method! { … }` is six tokens; the body begins with the name of the struct.
            _ if rest.get(3).map(ToString::to_string).as_deref() == Some("inspect_method") => {
                if let TokenTree::Group(body) = &rest[5] {
                    let mut tokens = body.stream().into_iter();
                    let name = tokens.next();
                    let method: TokenStream = tokens.collect();
                    expanded.extend(quote::quote!(impl #name { #method }));
                }
                rest = &rest[6..];
            }
            _ => {
                expanded.push(match first {
                    TokenTree::Group(group) => {
                        Group::new(group.delimiter(), with_std(group.stream())).into()
                    }
                    other => other.clone(),
                });
                rest = behind;
            }
        }
    }
    expanded.into_iter().collect()
}

macro_rules! snapshots {
    ($($name:ident: $description:literal;)*) => {$(
        #[test]
        fn $name() {
            insta::assert_snapshot!(expand($description));
        }
    )*};
}

snapshots! {
    blocks: "
        network Blocks {
            const WIDTH = 4;
            /// Two layers and a skip.
            block residual(units) {
                dense(units, activation = relu);
                last: dense(units);
                add(input);
            }
            input(4);
            /// The first.
            head: residual(WIDTH);
            repeat 2 { residual(WIDTH); }
            dense(2);
        }";

    blocks_after_an_error: "
        network Blocks {
            block residual(units) { dense(units); add(input); }
            input(4);
            head: residual(4);
            residual(5);
            dense(2);
        }";

    mnist: "
        /// The convnet of the Keras MNIST tutorial.
        pub network Mnist {
            input(28x28x1);
            conv2d(32, 3x3, activation = relu);
            max_pool2d(2x2);
            conv2d(64, 3x3, activation = relu);
            max_pool2d(2x2);
            flatten;
            dense(64, activation = relu);
            dense(10, activation = softmax);

            train {
                loss = categorical_crossentropy;
                optimizer = rmsprop(learning_rate = 1e-3);
                metrics = [accuracy];
                epochs = 5;
                batch_size = 64;
            }
        }";

    every_kind_of_step: "
        network Steps {
            input(9x8x2);
            relu;
            stem: conv2d(4, 3x3, padding = same, use_bias = false);
            leaky_relu(0.1);
            avg_pool2d(2x2, padding = same);
            conv2d(3, 1x1, activation = tanh);
            /// Half of the values.
            dropout(0.5);
            sigmoid;
            flatten;
            dense(2);

            train { loss = mse; optimizer = adam; metrics = [mae]; }
        }";

    folded: "
        network Folded {
            input(6x6x1);
            conv2d(2, 3x3, padding = same);
            stem: batch_normalization;
            relu;
            max_pool2d(2x2);
            flatten;
            dense(1);

            train { loss = mse; }
        }";

    folded_without_training: "
        network Folded {
            input(6);
            dense(2);
            batch_normalization(center = false);
            relu;
        }";

    a_chain: "
        network Separable {
            input(25x5x64);
            skip: depthwise_conv2d(3x3, padding = same, activation = relu);
            depthwise_conv2d(3x3, padding = same);
            batch_normalization;
            relu;
            conv2d(64, 1x1);
            add(skip);
            global_avg_pool2d;
        }";

    inference_only: "
        pub(crate) network Inference {
            input(4);
            dense(3, activation = softmax);
        }";

    nothing_to_compute: "
        network Reshape {
            input(2x2x1);
            flatten;
        }";

    forgotten_flatten: "
        pub network Digits {
            input(28x28x1);
            conv2d(32, 3x3, activation = relu);
            dense(10, activation = softmax);
            train { loss = categorical_crossentropy; }
        }";

    half_written: "
        network Half {
            input(28x28x1);
            stem: conv2d(8, 3x3);
            con
            flatten;
            dense(10, act);
            train { loss = categorical_crossentropy; opt }
        }";

    nothing_known: "network Unknown { dense(,,); }";

    nameless: "network { input(3); }";

    empty: "";

    a_warning: "
        network Strided {
            input(28x28x1);
            conv2d(8, 3x3, strides = 4);
        }";

    attributes: "
        /// Documentation.
        #[derive(Debug, PartialEq)]
        #[cfg(any(test, feature = \"net\"))]
        #[cfg_attr(feature = \"copy\", derive(Clone), allow(deprecated), cfg_attr(unix, cfg(test)))]
        #[allow(dead_code)]
        #[doc(alias = \"net\")]
        network Attributed {
            input(4);
            softmax;
            dense(1, activation = softmax);
        }";

    attributes_after_an_error: "
        #[derive(Default)]
        #[cfg(test)]
        network Attributed { input(4x4); dense(1); }";

    raw_identifiers: "
        network r#match {
            input(4);
            r#type: dense(2);
            r#stem: dense(1);
        }";
}

/// An editor asks of whatever is written so far, and a name that cannot be one ends no expansion.
#[test]
fn words_that_are_no_names_are_left_out() {
    for word in [
        "self", "Self", "crate", "super", "_", "type", "r#type", "größe", "r#fn",
    ] {
        for line in [
            format!("{word};"),
            format!("{word}({word});"),
            format!("dense({word} = {word});"),
            format!("dense(3, activation = {word}({word} = 1));"),
            format!("train {{ {word} = {word}; loss = {word}; metrics = [{word}]; }}"),
        ] {
            expand(&format!("network Odd {{ input(4); {line} }}"));
        }
    }
}

/// The names of a network's public constants and methods.
fn interface(expansion: &str) -> BTreeSet<String> {
    fn of_items(items: &[syn::Item], names: &mut BTreeSet<String>) {
        for item in items {
            match item {
                syn::Item::Const(constant) => {
                    if let syn::Expr::Block(block) = &*constant.expr {
                        let items = block.block.stmts.iter().filter_map(|s| match s {
                            syn::Stmt::Item(item) => Some(item.clone()),
                            _ => None,
                        });
                        of_items(&items.collect::<Vec<_>>(), names);
                    }
                }
                syn::Item::Impl(implementation) => {
                    names.extend(implementation.items.iter().map(|item| match item {
                        syn::ImplItem::Const(constant) => constant.ident.to_string(),
                        syn::ImplItem::Fn(method) => method.sig.ident.to_string(),
                        _ => panic!("neither a constant nor a method"),
                    }));
                }
                _ => {}
            }
        }
    }
    let mut names = BTreeSet::new();
    of_items(&syn::parse_file(expansion).unwrap().items, &mut names);
    names
}

/// What a program may use of a network is there after an error too.
#[test]
fn a_stub_has_the_interface_of_the_network() {
    let describe = |flatten: &str| {
        format!(
            "network Digits {{
                input(28x28x1); stem: conv2d(32, 3x3); {flatten} dense(10, activation = softmax);
                train {{ loss = categorical_crossentropy; }}
            }}"
        )
    };
    let network = interface(&expand(&describe("flatten;")));
    assert!(network.contains("predict") && network.contains("stem") && network.contains("INPUT"));
    assert_eq!(interface(&expand(&describe(""))), network);
}

/// A constant of the user's with the name of a parameter is covered by a function of that name.
#[test]
fn parameters_have_names_that_cover_constants() {
    const GENERATED: &str = include_str!("../../../cnn-runtime/src/generated.rs");
    let covered = GENERATED.split("functions! {").nth(1).unwrap();
    let covered: BTreeSet<&str> = covered
        .split('}')
        .next()
        .unwrap()
        .split_whitespace()
        .collect();
    fn of_blocks(items: &[syn::Item], names: &mut BTreeSet<String>) {
        for item in items {
            match item {
                syn::Item::Const(constant) => {
                    let syn::Expr::Block(block) = &*constant.expr else {
                        continue;
                    };
                    let items = block
                        .block
                        .stmts
                        .iter()
                        .filter_map(|statement| match statement {
                            syn::Stmt::Item(item) => Some(item.clone()),
                            _ => None,
                        });
                    of_blocks(&items.collect::<Vec<_>>(), names);
                }
                syn::Item::Impl(implementation) => {
                    for item in &implementation.items {
                        let syn::ImplItem::Fn(method) = item else {
                            continue;
                        };
                        let typed = method.sig.inputs.iter().filter_map(|input| match input {
                            syn::FnArg::Typed(typed) => Some(&*typed.pat),
                            syn::FnArg::Receiver(_) => None,
                        });
                        let locals =
                            method
                                .block
                                .stmts
                                .iter()
                                .filter_map(|statement| match statement {
                                    syn::Stmt::Local(local) => Some(&local.pat),
                                    _ => None,
                                });
                        names.extend(typed.chain(locals).map(|pattern| match pattern {
                            syn::Pat::Ident(name) => name.ident.to_string(),
                            _ => panic!("a pattern that is no name"),
                        }));
                    }
                }
                _ => {}
            }
        }
    }
    let mut names = BTreeSet::new();
    for flatten in ["flatten;", ""] {
        let description = format!(
            "network Digits {{
                input(28x28x1); conv2d(32, 3x3); {flatten} dense(10, activation = softmax);
                train {{ loss = categorical_crossentropy; }}
            }}"
        );
        of_blocks(
            &syn::parse_file(&expand(&description)).unwrap().items,
            &mut names,
        );
    }
    assert!(
        names.contains("seed") && names.contains("workspace"),
        "{names:?}"
    );
    let open: Vec<_> = names
        .iter()
        .filter(|name| !covered.contains(name.as_str()))
        .collect();
    assert!(
        open.is_empty(),
        "add to `functions!` in generated.rs: {open:?}"
    );
}

/// Users build this crate without optimisation, and each token costs them time in every build.
#[test]
fn deep_networks_have_few_tokens() {
    fn count(tokens: TokenStream) -> usize {
        let count_of = |token| match token {
            TokenTree::Group(group) => 2 + count(group.stream()),
            _ => 1,
        };
        tokens.into_iter().map(count_of).sum()
    }
    let tokens_with = |blocks: usize| {
        let block =
            "conv2d(16, 3x3, padding = same, activation = relu); max_pool2d(2x2, strides = 1);";
        let layers = block.repeat(blocks);
        let description = format!(
            "(::cnn) network Deep {{
                input(64x64x3); {layers} flatten; dense(10, activation = softmax);
                train {{ loss = categorical_crossentropy; }}
            }}"
        );
        count(network(description.parse().unwrap()))
    };
    let (few, many) = (tokens_with(4), tokens_with(24));
    let of_a_layer = (many - few) / 40;
    assert!(of_a_layer < LAYER, "{of_a_layer} tokens for a layer");
}

/// A little more than a convolution, or its pool, takes on average.
const LAYER: usize = 390;
