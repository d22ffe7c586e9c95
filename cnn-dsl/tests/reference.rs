//! `docs/language.md` is what the compiler's rows say. After a change, write it anew with
//!
//! ```text
//! CNN_UPDATE=1 cargo test -p cnn-dsl the_reference_page_is_current
//! ```

const PAGE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/language.md");

#[test]
fn the_reference_page_is_current() {
    let page = cnn_dsl::reference();
    if std::env::var_os("CNN_UPDATE").is_some() {
        std::fs::write(PAGE, &page).expect("the page can be written");
    }
    let committed = std::fs::read_to_string(PAGE).unwrap_or_default();
    assert!(
        committed == page,
        "`docs/language.md` is not what the compiler's rows say; run \
         `CNN_UPDATE=1 cargo test -p cnn-dsl the_reference_page_is_current`"
    );
}
