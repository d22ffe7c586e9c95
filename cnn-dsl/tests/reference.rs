//! `docs/language.md` and `docs/layers.md` are what the compiler's rows say. After a change, write them anew with
//!
//! ```text
//! CNN_UPDATE=1 cargo test -p cnn-dsl --test reference
//! ```

/// Compares a page of `docs` with what it should be, or writes it.
fn check(name: &str, page: &str) {
    let path = format!("{}/../docs/{name}", env!("CARGO_MANIFEST_DIR"));
    if std::env::var_os("CNN_UPDATE").is_some() {
        std::fs::write(&path, page).expect("the page can be written");
    }
    let committed = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(
        committed == page,
        "`docs/{name}` is not what the compiler's rows say; run `CNN_UPDATE=1 cargo test -p cnn-dsl --test reference`"
    );
}

#[test]
fn the_reference_page_is_current() {
    check("language.md", &cnn_dsl::reference());
}

/// It stands in the documentation of `network!`.
#[test]
fn the_table_of_layers_is_current() {
    check("layers.md", &cnn_dsl::layer_table());
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

/// The plan on the page about how networks run is that of the snapshot.
#[test]
fn the_plan_that_is_explained_is_current() {
    let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let read = |path: &str| std::fs::read_to_string(root.join(path)).unwrap_or_default();
    let snapshot = "cnn-dsl/tests/plan/networks/tutorial.txt";
    let page = read("docs/how-it-runs.md");
    let shown = page.split_once(&format!("<!-- from {snapshot} -->\n```text\n"));
    let plan = shown.and_then(|(_, rest)| rest.split("\n```").next());
    assert!(
        plan.is_some_and(|plan| read(snapshot).contains(plan)),
        "the plan in `docs/how-it-runs.md` is not that of `{snapshot}`"
    );
}

/// Links within the repository lead to files that exist.
#[test]
fn links_between_pages_lead_somewhere() {
    let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let docs = std::fs::read_dir(root.join("docs")).expect("a folder");
    let mut pages: Vec<_> = docs.map(|entry| entry.expect("a file").path()).collect();
    // Beside the pages there are pictures.
    pages.retain(|page| page.extension().is_some_and(|extension| extension == "md"));
    pages.extend(["README.md", "CONTRIBUTING.md"].map(|name| root.join(name)));
    let (mut links, mut broken) = (0, Vec::new());
    for page in pages {
        let text = std::fs::read_to_string(&page).expect("a page");
        for link in text.split("](").skip(1) {
            let link = link.split([')', '#']).next().unwrap_or_default();
            let is_path = !link.is_empty() && !link.contains([':', ' ', '\n', '*', '[']);
            links += usize::from(is_path);
            if is_path && !page.with_file_name(link).exists() {
                broken.push(format!("{}: {link}", page.display()));
            }
        }
    }
    assert!(
        links > 20 && broken.is_empty(),
        "{links} links, {broken:#?}"
    );
}
