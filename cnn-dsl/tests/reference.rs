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

/// The code in `CONTRIBUTING.md` is that of the files it names, and the files and folders it names exist.
#[test]
fn the_guide_shows_what_is_there() {
    let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let read = |path: &str| std::fs::read_to_string(root.join(path)).unwrap_or_default();
    let guide = read("CONTRIBUTING.md");
    let mut wrong = Vec::new();
    let mut shown = 0;
    for part in guide.split("<!-- from ").skip(1) {
        let (path, rest) = part.split_once(" -->\n```rust\n").unwrap_or((part, ""));
        let code = rest.split("\n```\n").next().unwrap_or_default();
        shown += 1;
        if code.is_empty() || !read(path).contains(code) {
            wrong.push(format!("the code of {path}"));
        }
    }
    let names = guide.split('`').filter(|name| {
        name.contains('/')
            && name
                .chars()
                .all(|c| c.is_alphanumeric() || "/_-.".contains(c))
    });
    wrong.extend(
        names
            .filter(|name| !root.join(name).exists())
            .map(String::from),
    );
    assert!(shown > 0 && wrong.is_empty(), "CONTRIBUTING.md: {wrong:#?}");
}
