//! The committed parser is the one that `grammar.pest` describes.
//!
//! pest's derive macro would bring two dozen crates into a user's build, so its output is
//! committed. After a change of `src/syntax/grammar.pest`, and before one of the code that reads its
//! rules, regenerate `src/syntax/grammar.rs` with
//!
//! ```text
//! CNN_UPDATE=1 cargo nextest run -p cnn-dsl the_committed_parser_is_current
//! ```

use quote::quote;

const COMMITTED: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/src/syntax/grammar.rs");
const HEADER: &str = "\
//! The parser of `grammar.pest`. Generated: change the grammar, then run
//! `CNN_UPDATE=1 cargo nextest run -p cnn-dsl the_committed_parser_is_current`.

";

#[test]
fn the_committed_parser_is_current() {
    let grammar = quote! {
        #[grammar = "src/syntax/grammar.pest"]
        pub(crate) struct Grammar;
    };
    let parser = pest_generator::derive_parser(grammar, false);
    let file = syn::parse2(quote! {
        pub(crate) struct Grammar;
        #parser
    })
    .expect("pest generates Rust");
    let generated = format!("{HEADER}{}", prettyplease::unparse(&file));

    if std::env::var_os("CNN_UPDATE").is_some() {
        std::fs::write(COMMITTED, &generated).expect("the parser can be written");
    }
    let committed = std::fs::read_to_string(COMMITTED).unwrap_or_default();
    assert!(
        committed == generated,
        "`src/syntax/grammar.rs` is not what `src/syntax/grammar.pest` generates; run \
         `CNN_UPDATE=1 cargo nextest run -p cnn-dsl the_committed_parser_is_current`"
    );
}
