//! Mistakes as rustc shows them: each `compile_fail/*.rs` must fail with the messages in the
//! `.stderr` file beside it. After a wanted change of a message,
//! `TRYBUILD=overwrite cargo test -p cnn-tests --test compile_fail` writes the files anew.

#[test]
fn mistakes_are_shown_at_their_tokens() {
    trybuild::TestCases::new().compile_fail("compile_fail/*.rs");
}
