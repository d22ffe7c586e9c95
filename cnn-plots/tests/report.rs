//! What is in a report.

#[path = "support/gallery.rs"]
mod gallery;

use cnn_plots::{FeatureMap, Node, Report, learning_curves};
use cnn_runtime::ndarray::{Array2, Array4, array};
use cnn_runtime::{ConfusionMatrix, Examples, History};
use gallery::{HOSTILE, history, matrix};
use roxmltree::Document;

/// The page as an XML document. HTML of this crate is also XML but for its first line and its `meta` elements, which have
/// no end.
fn parsed(html: &str) -> String {
    let body = html.strip_prefix("<!DOCTYPE html>\n").unwrap();
    body.lines()
        .map(|line| match line.starts_with("<meta ") {
            true => line
                .strip_suffix('>')
                .map(|line| format!("{line}/>"))
                .unwrap(),
            false => line.to_owned(),
        })
        .collect::<Vec<_>>()
        .join("\n")
}

/// A report with every section, whose names are all `name`.
fn report(name: &str) -> Report {
    let images = Array4::<f32>::zeros((2, 4, 4, 1));
    let data = Examples::labelled(&images, [0, 1]).unwrap();
    let scores = array![[0.1, 0.9], [0.1, 0.9]];
    let confusion = ConfusionMatrix::from_counts(array![[3, 1], [0, 4]]).unwrap();
    let values = [0.5f32; 4];
    let maps = [FeatureMap {
        name,
        shape: &[2, 2, 1],
        values: &values,
    }];
    let nodes = [Node {
        name,
        keyword: name,
        shape: &[4],
        reads: &[],
        parameters: 1,
    }];
    Report::new(name)
        .settings([(name, name)])
        .summary(name)
        .graph(&nodes)
        .unwrap()
        .history(&history(3))
        .confusion_matrix(&confusion.with_names([name, name]).unwrap())
        .mistakes(&data, scores.view(), &[name, name])
        .unwrap()
        .filters(name, Array4::ones((3, 3, 1, 2)).view())
        .feature_maps(&maps)
        .unwrap()
        .weights([(name, &values)])
        .gradients([(name, &values)])
        .figure(name, name, &learning_curves(&history(2)))
        .text(name, name)
}

#[test]
fn a_report_has_its_sections_in_order() {
    let html = report("shirt").date("2026-11-29").html();
    let page = parsed(&html);
    let document = Document::parse(&page).unwrap();
    let of = |tag: &str| -> Vec<String> {
        let nodes = document
            .descendants()
            .filter(|node| node.tag_name().name() == tag);
        nodes
            .filter_map(|node| node.text().map(str::to_owned))
            .collect()
    };
    let headings = [
        "Settings",
        "Network",
        "Graph",
        "Training",
        "Classes",
        "Mistakes",
        "Filters of shirt",
        "Feature maps",
        "Weights",
        "Gradients",
        "shirt",
        "shirt",
    ];
    assert_eq!(of("h2"), headings);
    assert_eq!(of("h1"), ["shirt"]);
    // The links of the page lead to its sections.
    let links: Vec<_> = document
        .descendants()
        .filter_map(|node| node.attribute("href"))
        .collect();
    let links: Vec<_> = links
        .iter()
        .filter_map(|link| link.strip_prefix('#'))
        .collect();
    let places: Vec<_> = document
        .descendants()
        .filter_map(|node| node.attribute("id"))
        .collect();
    assert_eq!(links, places);
    // Of the matrix: recall, precision and F1 score of the first class.
    let cells = of("td");
    let row = ["shirt", "4", "75.0 %", "100.0 %", "0.857"].map(str::to_owned);
    assert!(cells.windows(5).any(|cells| cells == row), "{cells:?}");
    let pictures = document
        .descendants()
        .filter(|node| node.tag_name().name() == "svg");
    assert_eq!(pictures.count(), 9);
}

cnn::network! {
    network Augmented {
        input(8x8x1);
        flatten;
        dense(2, activation = softmax);
        train { loss = categorical_crossentropy; augment = [shift(2), flip(horizontal)]; }
    }
}

cnn::network! {
    network Product {
        image: input(8x8x1);
        meta: input(4);
        flatten(from = image);
        seen: dense(4, activation = relu);
        both: concat(seen, meta);
        kind: dense(3, activation = softmax);
        size: dense(1, from = both);
        output(kind, size);

        train {
            loss = [kind = categorical_crossentropy, size = mse(weight = 0.5)];
            optimizer = adamw(learning_rate = cosine_decay(1e-3, decay_steps = 100));
            metrics = [kind = accuracy, kind = recall];
            epochs = 7;
            batch_size = 16;
            accumulate = 2;
        }
    }
}

cnn::network! {
    network Untrained { input(3); softmax; }
}

#[test]
fn the_train_block_is_a_table() {
    let html = Report::new("").train_block(&Product::new(0)).html();
    let rows = [
        ("network", "Product"),
        ("loss", "kind: categorical_crossentropy"),
        ("metrics", "kind: accuracy, recall"),
        ("loss", "size: mse"),
        ("optimizer", "adamw"),
        ("learning rate", "cosine_decay"),
        ("weight decay", "0.004"),
        ("epochs", "7"),
        ("batch size", "16"),
        ("batches in a step", "2"),
        ("seed", "0"),
        ("parameters", "296"),
    ];
    let rows = rows.map(|(name, value)| format!("<tr><td>{name}</td><td>{value}</td></tr>\n"));
    assert!(html.contains(&rows.concat()), "{html}");
    let html = Report::new("").train_block(&Augmented::new(0)).html();
    assert!(html.contains("<tr><td>augmentation</td><td>shift(2), flip(horizontal)</td></tr>"));
    let html = Report::new("").train_block(&Untrained::new(0)).html();
    assert!(!html.contains("<section"));
}

#[test]
fn a_report_needs_nothing_from_elsewhere() {
    let html = report("shirt").html();
    assert!(html.contains("default-src 'none'; img-src data:; style-src 'unsafe-inline'"));
    assert!(html.contains("@media print") && html.contains("prefers-color-scheme:dark"));
    let addresses = html.matches("://").count();
    // All are the name of the language of the pictures.
    assert_eq!(
        addresses,
        html.matches("xmlns=\"http://www.w3.org/2000/svg\"").count()
    );
    assert!(!html.contains("<script") && !html.contains("<link") && !html.contains("url("));
}

#[test]
fn hostile_names_are_texts() {
    let html = report(HOSTILE).date(HOSTILE).html();
    assert!(!html.contains("<script") && !html.contains('\u{0}'));
    let page = parsed(&html);
    let document = Document::parse(&page).unwrap();
    let shown = HOSTILE.replace('\u{0}', "\u{FFFD}");
    for tag in ["title", "h1", "h2", "p", "td", "pre", "figcaption"] {
        let mut of_tag = document
            .descendants()
            .filter(|node| node.tag_name().name() == tag);
        let found = of_tag.any(|node| node.text().is_some_and(|text| text.contains(&shown)));
        assert!(found, "{tag}");
    }
}

#[test]
fn empty_sections_are_sections_too() {
    let nothing = ConfusionMatrix::from_counts(Array2::zeros((0, 0))).unwrap();
    let html = Report::new("")
        .history(&History::default())
        .confusion_matrix(&nothing)
        .settings::<&str, &str>([])
        .weights::<&str, &[f32]>([])
        .html();
    let page = parsed(&html);
    assert!(Document::parse(&page).is_ok());
    assert!(
        html.contains("The history has no epochs.") && html.contains("The matrix has no classes.")
    );
    let none = Report::new("nothing").html();
    assert!(Document::parse(&parsed(&none)).is_ok());
    // Of many classes, every one has its row.
    let many = Report::new("many").confusion_matrix(&matrix(100)).html();
    assert_eq!(many.matches("<td>").count(), 100);
}

#[test]
fn a_report_is_one_file() {
    let path = std::env::temp_dir().join(format!("cnn_report_{}.html", std::process::id()));
    let report = report("shirt");
    report.save(&path).unwrap();
    assert_eq!(std::fs::read_to_string(&path).unwrap(), report.html());
    std::fs::remove_file(&path).unwrap();
    let error = report.save(path.join("none")).unwrap_err().to_string();
    assert!(error.starts_with('`') && error.contains("none"), "{error}");
}
