//! What is in the pictures: they are parsed, and looked at as a reader would.

#[path = "support/gallery.rs"]
mod gallery;

use std::path::Path;

use cnn_plots::{
    FeatureMap, Node, Picture, PlotError, confusion_matrix, feature_maps, filters, graph,
    learning_curves, mistakes, weights,
};
use cnn_runtime::ndarray::{Array2, Array4, array};
use cnn_runtime::{ConfusionMatrix, Examples};
use gallery::{HOSTILE, gallery, history, matrix, residual, sheet};
use roxmltree::{Document, Node as Element};

fn number(element: &Element<'_, '_>, name: &str) -> f64 {
    let text = element.attribute(name);
    let number = text.and_then(|text| text.parse().ok());
    number.unwrap_or_else(|| panic!("`{name}` of {element:?}"))
}

/// The texts of a picture, without its style and its tips.
fn texts(picture: &Picture) -> Vec<String> {
    let document = Document::parse(picture.svg()).unwrap();
    let texts = document
        .descendants()
        .filter(|node| node.tag_name().name() == "text");
    let text = |node: Element<'_, '_>| {
        let pieces = node
            .descendants()
            .filter_map(|piece| piece.text().filter(|_| piece.is_text()));
        pieces.collect::<Vec<_>>().join(" ")
    };
    texts.map(text).collect()
}

#[track_caller]
fn says(picture: &Picture, text: &str) {
    let texts = texts(picture);
    assert!(
        texts.iter().any(|found| found.contains(text)),
        "{text}: {texts:#?}"
    );
}

/// Every picture is well-formed, names what it shows, has both themes, and is no larger than it says.
#[test]
fn all_pictures_are_whole() {
    for (name, picture) in gallery() {
        let document =
            Document::parse(picture.svg()).unwrap_or_else(|error| panic!("{name}: {error}"));
        let root = document.root_element();
        let (width, height) = (number(&root, "width"), number(&root, "height"));
        assert_eq!(
            root.attribute("viewBox"),
            Some(&*format!("0 0 {width} {height}")),
            "{name}"
        );
        assert!(
            width <= 800.0 && height >= 20.0,
            "{name}: {width} x {height}"
        );
        assert!(
            root.attribute("aria-label")
                .is_some_and(|label| !label.is_empty()),
            "{name}"
        );
        assert!(
            picture.svg().contains("prefers-color-scheme:dark"),
            "{name}"
        );
        for element in document.descendants().filter(Element::is_element) {
            let tag = element.tag_name().name();
            let (right, bottom) = match tag {
                "rect" | "image" => (
                    number(&element, "x") + number(&element, "width"),
                    number(&element, "y") + number(&element, "height"),
                ),
                "line" => (number(&element, "x2"), number(&element, "y2")),
                "circle" => (number(&element, "cx"), number(&element, "cy")),
                // A text that runs upwards has a transform instead.
                "text" if element.has_attribute("x") => {
                    (number(&element, "x"), number(&element, "y"))
                }
                "svg" | "style" | "path" | "text" | "tspan" | "title" => continue,
                _ => panic!("{name}: an element `{tag}`"),
            };
            assert!(
                right <= width + 0.5 && bottom <= height + 0.5,
                "{name}: {element:?}"
            );
        }
    }
}

/// Nothing in a picture leads out of it, and no name becomes markup.
#[test]
fn hostile_names_are_texts() {
    let mut found = 0;
    for (name, picture) in gallery() {
        let svg = picture.svg();
        assert!(!svg.contains("<script") && !svg.contains("\u{0}"), "{name}");
        let document = Document::parse(svg).unwrap();
        for element in document.descendants().filter(Element::is_element) {
            let link = element.attribute("href");
            assert!(
                link.is_none_or(|link| link.starts_with("data:image/png;base64,")),
                "{name}"
            );
            assert!(
                element
                    .attributes()
                    .all(|attribute| !attribute.name().starts_with("on")),
                "{name}"
            );
        }
        let shown = HOSTILE.replace('\u{0}', "\u{FFFD}");
        found += usize::from(document.descendants().any(|node| {
            node.text().is_some_and(|text| text.contains(&shown)) && !node.has_tag_name("style")
        }));
    }
    // The matrix, the mistakes, the feature maps and the graph say the whole name somewhere.
    assert!(found >= 4, "{found} pictures");
}

#[test]
fn curves_pass_through_the_values() {
    let history = history(15);
    let picture = learning_curves(&history);
    let document = Document::parse(picture.svg()).unwrap();
    // The dots of the loss of the training, whose tips say the value.
    let dots: Vec<(f64, f64)> = document
        .descendants()
        .filter(|node| node.attribute("class") == Some("dot one"))
        .filter(|node| {
            node.descendants()
                .any(|tip| tip.text().is_some_and(|tip| tip.contains("training loss")))
        })
        .map(|node| (number(&node, "cx"), number(&node, "cy")))
        .collect();
    assert_eq!(dots.len(), 15);
    let (first, last) = (dots[0], dots[14]);
    let losses: Vec<f64> = history
        .epochs
        .iter()
        .map(|epoch| epoch.scores.loss)
        .collect();
    for ((place, (x, y)), loss) in dots.iter().enumerate().zip(&losses) {
        let share = place as f64 / 14.0;
        assert!(
            (x - (first.0 + share * (last.0 - first.0))).abs() < 0.02,
            "epoch {place}"
        );
        let share = (loss - losses[0]) / (losses[14] - losses[0]);
        assert!(
            (y - (first.1 + share * (last.1 - first.1))).abs() < 0.02,
            "epoch {place}"
        );
    }
    for text in ["loss", "accuracy", "epoch", "training", "validation"] {
        says(&picture, text);
    }
}

#[test]
fn the_best_epoch_is_that_of_the_history() {
    let mut history = history(15);
    let losses = history
        .epochs
        .iter()
        .map(|epoch| epoch.validation.as_ref().unwrap().loss);
    let least = losses
        .enumerate()
        .min_by(|one, other| one.1.total_cmp(&other.1))
        .unwrap()
        .0;
    says(
        &learning_curves(&history),
        &format!("best epoch: {}", least + 1),
    );
    history.best_epoch = Some(3);
    says(&learning_curves(&history), "best epoch: 3");
    // Without a validation it is the last one, whose loss is the least.
    history.best_epoch = None;
    for epoch in &mut history.epochs {
        epoch.validation = None;
    }
    let picture = learning_curves(&history);
    says(&picture, "best epoch: 15");
    assert!(!texts(&picture).iter().any(|text| text == "validation"));
}

#[test]
fn odd_histories_say_what_is_wrong() {
    let pictures = gallery();
    let of = |name: &str| &pictures.iter().find(|(other, _)| *other == name).unwrap().1;
    says(of("curves_none"), "The history has no epochs.");
    says(of("curves_lost"), "no finite value");
    says(of("curves_gaps"), "1 not finite");
    says(of("curves_decades"), "loss (logarithmic)");
    says(of("curves_decades"), "learning rate");
    for panel in ["digit_loss", "digit_accuracy", "odd_loss", "odd_accuracy"] {
        says(of("curves_several"), panel);
    }
    // A gap: the curve of the loss of the training has two pieces.
    let document = Document::parse(of("curves_gaps").svg()).unwrap();
    let mut paths = document
        .descendants()
        .filter(|node| node.tag_name().name() == "path");
    let curve = paths.find(|node| node.attribute("class") == Some("curve one"));
    let path = curve.unwrap().attribute("d").unwrap();
    assert_eq!(path.matches('M').count(), 2, "{path}");
    assert_eq!(path.matches('L').count(), 2 + 7, "{path}");
}

#[test]
fn cells_hold_counts_and_shares_of_their_rows() {
    let counts = array![[6, 2, 0], [0, 0, 0], [1, 0, 1234]];
    let matrix = ConfusionMatrix::from_counts(counts).unwrap();
    let picture = confusion_matrix(&matrix.with_names(["cat", "dog", "bird"]).unwrap());
    let document = Document::parse(picture.svg()).unwrap();
    let cells: Vec<(String, f64)> = document
        .descendants()
        .filter_map(|node| {
            let tip = node
                .children()
                .find(|child| child.tag_name().name() == "title")?;
            Some((tip.text()?.to_owned(), number(&node, "fill-opacity")))
        })
        .collect();
    let expected = [
        ("actual cat, predicted cat: 6 (75.0 %)", 0.87),
        ("actual cat, predicted dog: 2 (25.0 %)", 0.5),
        ("actual cat, predicted bird: 0 (0.0 %)", 0.0),
        ("actual dog, predicted cat: 0 (0.0 %)", 0.0),
        ("actual dog, predicted dog: 0 (0.0 %)", 0.0),
        ("actual dog, predicted bird: 0 (0.0 %)", 0.0),
        ("actual bird, predicted cat: 1 (0.1 %)", 0.03),
        ("actual bird, predicted dog: 0 (0.0 %)", 0.0),
        ("actual bird, predicted bird: 1,234 (99.9 %)", 1.0),
    ];
    assert_eq!(cells.len(), expected.len());
    for ((tip, opacity), (expected, share)) in cells.iter().zip(expected) {
        assert_eq!((tip.as_str(), *opacity), (expected, share));
    }
    says(&picture, "accuracy 99.76 % of 1,243");
    says(&picture, "75 %");
}

#[test]
fn matrices_of_any_size_name_their_classes() {
    for classes in [1, 2, 10, 40, 41, 100, 300] {
        let picture = confusion_matrix(&matrix(classes));
        let texts = texts(&picture);
        // Of many classes, each second, third, … has its label, on both sides.
        let labels = (0..classes).filter(|class| {
            let label = class.to_string();
            texts.iter().filter(|text| **text == label).count() >= 2
        });
        let labels = labels.count();
        assert!(
            labels * 6 >= classes && labels <= 100,
            "{labels} of {classes}"
        );
        assert!(
            picture.svg().len() < 1 << 20,
            "{classes}: {}",
            picture.svg().len()
        );
    }
}

#[test]
fn mistakes_are_sorted_by_their_scores() {
    let images = Array4::from_shape_fn((5, 2, 2, 1), |(n, ..)| n as f32 / 4.0);
    // Right, wrong, NaN, wrong with more confidence, wrong with the same.
    let scores = array![
        [0.9, 0.1],
        [0.3, 0.7],
        [f32::NAN, 0.1],
        [0.1, 0.9],
        [0.7, 0.3]
    ];
    let data = Examples::labelled(&images, [0, 0, 0, 0, 1]).unwrap();
    let picture = mistakes(&data, scores.view(), &["cat", "dog"]).unwrap();
    says(&picture, "3 mistakes in 5 examples");
    let document = Document::parse(picture.svg()).unwrap();
    let tips: Vec<_> = document
        .descendants()
        .filter(|node| node.tag_name().name() == "title")
        .filter_map(|node| node.text())
        .collect();
    assert_eq!(
        tips,
        [
            "example 3: predicted dog (90 %), actual cat",
            "example 1: predicted dog (70 %), actual cat",
            "example 4: predicted cat (70 %), actual dog",
        ]
    );
    says(
        &sheet(200, 8, 1, &[]),
        "The 40 most confident of 67 mistakes in 200 examples",
    );
    says(&sheet(0, 8, 1, &[]), "No mistakes in 0 examples");
}

#[test]
fn one_output_is_a_yes_or_no() {
    let pictures = gallery();
    let (_, picture) = pictures
        .iter()
        .find(|(name, _)| *name == "mistakes_yes_no")
        .unwrap();
    says(picture, "2 mistakes in 4 examples");
    says(picture, "yes · 80 %");
    says(picture, "no · 70 %");
}

#[test]
fn what_does_not_fit_is_an_error() {
    let flat = Array2::<f32>::zeros((2, 5));
    let flat = Examples::labelled(&flat, [0, 1]).unwrap();
    let images = Array4::<f32>::zeros((2, 4, 4, 1));
    let images = Examples::labelled(&images, [0, 1]).unwrap();
    let scores = Array2::<f32>::zeros((2, 2));
    let of = |data: &Examples<'_>, rows: usize, names: &[&str]| {
        let scores = scores.slice(cnn_runtime::ndarray::s![..rows, ..]);
        mistakes(data, scores, names).unwrap_err().to_string()
    };
    let short = FeatureMap {
        name: "conv2d_1",
        shape: &[2, 2, 3],
        values: &[0.0; 11],
    };
    let huge = FeatureMap {
        shape: &[usize::MAX, 3],
        ..short
    };
    let ahead = Node {
        name: "add_1",
        keyword: "add",
        shape: &[1],
        reads: &[0],
        parameters: 0,
    };
    let error = |result: Result<Picture, PlotError>| result.unwrap_err().to_string();
    let found = [
        of(&flat, 2, &[]),
        of(&images, 1, &[]),
        of(&images, 2, &["cat"]),
        error(feature_maps(&[short])),
        error(feature_maps(&[huge])),
        error(graph(&[ahead])),
    ];
    let expected = [
        "an example is 5, but must be an image of one or three channels",
        "there are 2 examples, but scores for 1",
        "there are 2 classes, but 1 names",
        "`conv2d_1` is 2x2x3, but has 11 values",
        &format!("`conv2d_1` is {}x3, but has 11 values", usize::MAX),
        "`add_1` reads node 0, which does not stand in front of it",
    ];
    assert_eq!(found, expected);
}

#[test]
fn layers_and_tensors_are_named_with_their_shapes() {
    let maps = gallery::maps();
    for text in [
        "input 28×28×1",
        "conv2d_1 26×26×32",
        "wide 5×5×256, the first 128 of 256",
        "0.92",
    ] {
        says(&maps, text);
    }
    let kernel = Array4::<f32>::ones((3, 3, 32, 64));
    let text = "64 filters of 3×3 over 32 channels. A row is a channel, a column a filter: the first 16 and 32";
    says(&filters(kernel.view()), text);
    let values = [1.0f32, 2.0, 3.0, f32::NAN];
    let picture = weights([("dense_1.bias", &values)]);
    for text in [
        "dense_1.bias",
        "4 weights",
        "mean 2 ± 0.816",
        "1 not finite",
    ] {
        says(&picture, text);
    }
}

#[test]
fn every_edge_of_a_graph_is_drawn() {
    let picture = residual();
    let document = Document::parse(picture.svg()).unwrap();
    let count = |class: &str| {
        let elements = document.descendants();
        elements
            .filter(|node| node.attribute("class") == Some(class))
            .count()
    };
    // Of its 17 edges, five skip a node: those of the two inputs, of the residual block, and two around the heads.
    assert_eq!((count("node"), count("block")), (17, 4));
    assert_eq!((count("edge"), count("arrow")), (12, 12));
    assert_eq!((count("skip"), count("skip-arrow")), (5, 5));
    says(&picture, "conv2d_1");
    says(&picture, "2,320 params");
}

#[test]
fn files_are_written_by_their_extension() {
    let folder = std::env::temp_dir().join(format!("cnn_plots_files_{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    let (sheet, curves) = (sheet(10, 8, 3, &[]), learning_curves(&history(2)));
    sheet.save(folder.join("sheet.SVG")).unwrap();
    sheet.save(folder.join("sheet.png")).unwrap();
    let svg = std::fs::read_to_string(folder.join("sheet.SVG")).unwrap();
    assert_eq!(svg, sheet.svg());
    let png = std::fs::read(folder.join("sheet.png")).unwrap();
    assert_eq!(Some(&png), sheet.png().as_ref());
    assert!(png.starts_with(b"\x89PNG\r\n\x1a\n"));
    for (picture, name) in [
        (&curves, "curves.png"),
        (&sheet, "sheet.jpg"),
        (&sheet, "sheet"),
    ] {
        let error = picture.save(folder.join(name)).unwrap_err();
        assert!(
            matches!(error, PlotError::Extension { .. }),
            "{name}: {error}"
        );
    }
    let error = curves.save(folder.join("none/curves.svg")).unwrap_err();
    assert!(matches!(error, PlotError::File(_)), "{error}");
    std::fs::remove_dir_all(folder).unwrap();
}

/// Some pictures as they were when somebody looked at them. `CNN_UPDATE=1` writes them anew.
#[test]
fn pictures_are_as_they_were() {
    for (name, picture) in gallery() {
        if !["curves", "matrix_2", "graph"].contains(name) {
            continue;
        }
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("tests/golden/{name}.svg"));
        if std::env::var_os("CNN_UPDATE").is_some() {
            picture.save(&path).unwrap();
        }
        let golden = std::fs::read_to_string(&path).unwrap_or_default();
        assert!(
            golden == picture.svg(),
            "{} is another picture",
            path.display()
        );
    }
}
