//! Files of data: what numpy, Pillow and spreadsheets write becomes examples.

use std::fs;
use std::path::{Path, PathBuf};

use cnn::data::csv::{Csv, CsvError};
use cnn::data::images::{self, Folder, ImageError, Resize};
use cnn::data::npy::{self, Dtype, NpyError, Npz};
use cnn::data::{Dataset, Target};
use cnn::{Error, Examples};
use ndarray::{ArrayD, IxDyn};

fn fixture(name: &str) -> PathBuf {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/files");
    folder.join(name)
}

/// A folder of its own for a test, which is removed at its end.
struct Scratch(PathBuf);

impl Scratch {
    fn new(name: &str) -> Self {
        let folder = std::env::temp_dir().join(format!("cnn-files-{name}-{}", std::process::id()));
        fs::create_dir_all(&folder).unwrap();
        Self(folder)
    }

    fn copy(&self, from: &str, to: &str) {
        let to = self.0.join(to);
        fs::create_dir_all(to.parent().unwrap()).unwrap();
        fs::copy(fixture(from), to).unwrap();
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        fs::remove_dir_all(&self.0).unwrap();
    }
}

/// The numbers of the arrays that `fixtures/files.py` writes, at least `least`.
fn numbers(least: i64) -> Vec<i64> {
    (0..24).map(|n| (n * 3 - 4).max(least)).collect()
}

#[test]
fn arrays_of_numpy_are_read_whatever_their_type_and_order() {
    let names = [
        "i1",
        "i2",
        "i4",
        "i8",
        "f4",
        "f8",
        "u1",
        "u2",
        "u4",
        "u8",
        "big_i2",
        "big_i4",
        "big_i8",
        "big_f4",
        "big_f8",
        "fortran",
        "fortran_u1",
        "version_2",
    ];
    for name in names {
        let array = npy::read(fixture(&format!("{name}.npy"))).unwrap();
        assert_eq!(array.shape(), [2, 3, 4], "{name}");
        let is_unsigned = name.contains('u');
        let numbers = numbers(if is_unsigned { 0 } else { i64::MIN });
        let floats: Vec<f32> = numbers.iter().map(|&number| number as f32).collect();
        let expected = ArrayD::from_shape_vec(IxDyn(&[2, 3, 4]), floats).unwrap();
        assert_eq!(array.to_floats(), expected, "{name}");
        // As inputs: bytes and all others are read alike.
        for examples in [
            Examples::labelled(&array, [0, 1]).unwrap(),
            Examples::labelled(array.clone(), [0, 1]).unwrap(),
            Examples::with_values(array.clone(), &array).unwrap(),
        ] {
            assert_eq!(examples.inputs(), expected, "{name}");
        }
        let is_float = matches!(array.dtype(), Dtype::F32 | Dtype::F64);
        match array.to_integers() {
            Ok(integers) => assert_eq!(integers.into_raw_vec_and_offset().0, numbers, "{name}"),
            Err(error) => assert!(is_float && matches!(error, NpyError::NotIntegers { .. })),
        }
    }
    let truths = npy::read(fixture("b1.npy")).unwrap();
    assert_eq!(truths.dtype(), Dtype::Bool);
    let expected: Vec<i64> = numbers(0)
        .into_iter()
        .map(|number| i64::from(number != 0))
        .collect();
    assert_eq!(
        truths.to_integers().unwrap().into_raw_vec_and_offset().0,
        expected
    );
    assert_eq!(truths.to_floats().sum(), 22.0);
    let scalar = npy::read(fixture("scalar.npy")).unwrap();
    assert_eq!(scalar.to_floats()[IxDyn(&[])], 2.5);
    assert!(matches!(
        Examples::labelled(scalar, [0]),
        Err(Error::Scalar)
    ));
    let empty = npy::read(fixture("empty.npy")).unwrap();
    assert_eq!(empty.to_floats().shape(), [0, 5]);
    assert_eq!(
        npy::read(fixture("u1.npy")).unwrap().expand_dims().shape(),
        [2, 3, 4, 1]
    );
}

#[test]
fn other_types_of_numpy_are_refused_by_name() {
    for (name, expected) in [
        ("objects", "the elements are pickled Python objects"),
        ("text", "elements of type `<U5`"),
        ("complex", "elements of type `<c8`"),
        ("half", "elements of type `<f2`"),
        ("record", "elements of type `record`"),
    ] {
        let error = npy::read(fixture(&format!("{name}.npy"))).unwrap_err();
        assert!(matches!(error, Error::Npy { .. }));
        let text = error.to_string();
        assert!(text.contains(expected) && text.contains(name), "{text}");
    }
    let error = npy::read(fixture("nothing.npy")).unwrap_err();
    assert!(matches!(error, Error::Io { .. }), "{error}");
}

#[test]
fn archives_of_numpy_have_arrays_by_name() {
    for name in ["stored.npz", "compressed.npz"] {
        let path = fixture(name);
        let in_memory = Npz::from_bytes(fs::read(&path).unwrap()).unwrap();
        for archive in [Npz::open(&path).unwrap(), in_memory] {
            assert_eq!(archive.names().collect::<Vec<_>>(), ["x_train", "y_train"]);
            let labels = archive.array("y_train").unwrap().to_integers().unwrap();
            let examples = Examples::labelled(archive.array("x_train").unwrap(), labels).unwrap();
            assert_eq!(examples.input_shape(), [3, 4]);
            assert_eq!((examples.label(0), examples.label(1)), (Some(1), Some(0)));
            let floats: Vec<f32> = numbers(0).into_iter().map(|number| number as f32).collect();
            assert_eq!(
                examples.inputs().into_owned().into_raw_vec_and_offset().0,
                floats
            );
            let error = archive.array("x_test").unwrap_err().to_string();
            assert!(
                error.ends_with("there is no array `x_test`, but there is `x_train`, `y_train`"),
                "{error}"
            );
        }
    }
}

/// What Pillow reads, as `fixtures/files.py` has written it.
fn pillow(name: &str) -> ArrayD<f32> {
    let archive = Npz::open(fixture("pictures.npz")).unwrap();
    archive.array(name).unwrap().to_floats()
}

/// Reads a picture of the fixtures as it is.
fn picture<const C: usize>(name: &str) -> Vec<f32> {
    let image = images::read::<12, 17, C>(fixture(name)).unwrap();
    let from_bytes = images::from_bytes::<12, 17, C>(&fs::read(fixture(name)).unwrap()).unwrap();
    assert_eq!(image, from_bytes);
    let values = image.as_flattened().as_flattened();
    values.iter().map(|value| value * 255.0).collect()
}

#[test]
fn pictures_are_those_that_pillow_reads() {
    let mut wrong = Vec::new();
    for name in [
        "grey.png",
        "rgb.png",
        "grey_alpha.png",
        "rgba.png",
        "palette.png",
        "bits.png",
        "grey16.png",
        "grey.jpg",
        "rgb.jpg",
        "progressive.jpg",
        "sampled.jpg",
    ] {
        // Decoders of JPEG differ in the last bits, and in how they enlarge colours that were stored smaller.
        let tolerance = match name {
            "sampled.jpg" => 12.0,
            _ if name.ends_with("jpg") => 3.0,
            _ => 0.01,
        };
        let read: [(usize, Vec<f32>); 3] = [
            (1, picture::<1>(name)),
            (3, picture::<3>(name)),
            (4, picture::<4>(name)),
        ];
        for (channels, found) in read {
            let expected = pillow(&format!("{name}/{channels}"));
            assert_eq!(found.len(), expected.len());
            let differences = found.iter().zip(&expected).map(|(a, b)| (a - b).abs());
            let largest = differences.fold(0.0, f32::max);
            if largest > tolerance {
                wrong.push((name, channels, largest));
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:?}");
}

#[test]
fn resized_pictures_are_those_of_pillow() {
    let scratch = Scratch::new("resized");
    scratch.copy("rgb.png", "only/rgb.png");
    let folder = Folder::open(&scratch.0).unwrap();
    for (name, [height, width], resize) in [
        ("bilinear", [31, 40], Resize::Bilinear),
        ("area", [4, 17], Resize::Area),
    ] {
        let examples = folder
            .clone()
            .size(height, width)
            .resize(resize)
            .read()
            .unwrap();
        let found = examples.input(0) * 255.0;
        let expected = pillow(name);
        assert_eq!(found.shape(), expected.shape());
        for (found, expected) in found.iter().zip(&expected) {
            // Samples are bytes.
            assert!(
                (found - expected).abs() < 0.51,
                "{name}: {found} {expected}"
            );
        }
    }
    let image = images::read::<31, 40, 3>(fixture("rgb.png")).unwrap();
    let examples = folder.size(31, 40).read().unwrap();
    assert_eq!(
        image.as_flattened().as_flattened(),
        examples.input(0).as_slice().unwrap()
    );
}

#[test]
fn a_folder_of_pictures_has_a_class_for_each_folder() {
    let scratch = Scratch::new("classes");
    for (from, to) in [
        ("rgb.png", "rose/2.png"),
        ("grey.png", "rose/10.PNG"),
        ("rgb.jpg", "daisy/a.jpeg"),
        ("grey.jpg", "daisy/b.JPG"),
        ("rgb.png", "daisy/.hidden.png"),
        ("rgb.png", "daisy/deeper/c.png"),
        ("rgb.png", "loose.png"),
        ("i1.npy", "rose/notes.npy"),
    ] {
        scratch.copy(from, to);
    }
    fs::create_dir_all(scratch.0.join("tulip")).unwrap();
    let folder = Folder::open(&scratch.0).unwrap();
    assert_eq!(folder.classes(), ["daisy", "rose", "tulip"]);
    let files: Vec<_> = folder
        .files()
        .map(|(path, label)| (path.strip_prefix(&scratch.0).unwrap().to_owned(), label))
        .collect();
    let expected = [
        ("daisy/a.jpeg", 0),
        ("daisy/b.JPG", 0),
        ("rose/10.PNG", 1),
        ("rose/2.png", 1),
    ];
    assert_eq!(
        files,
        expected.map(|(path, label)| (PathBuf::from(path), label))
    );

    for channels in [1, 3, 4] {
        let folder = folder.clone().channels(channels);
        let examples = folder.read().unwrap();
        assert_eq!(examples.input_shape(), [12, 17, channels]);
        assert_eq!(
            (1..3).map(|n| examples.label(n)).collect::<Vec<_>>(),
            [Some(0), Some(1)]
        );
        // Lazily, the same.
        let lazy = folder.lazy().unwrap();
        assert_eq!(
            (lazy.len(), lazy.input_shape()),
            (4, &[12, 17, channels][..])
        );
        let mut input = vec![0.0; 12 * 17 * channels];
        let mut target = [0.0; 3];
        for index in 0..4 {
            lazy.try_read_input_of(0, index, &mut input).unwrap();
            assert_eq!(input, examples.input(index).into_raw_vec_and_offset().0);
            lazy.read_target(index, &mut target);
            assert_eq!(
                Some(target.iter().position(|&t| t == 1.0).unwrap()),
                lazy.label_of(index)
            );
            assert_eq!(
                examples.target(index),
                Target::Label(lazy.label_of(index).unwrap())
            );
        }
        lazy.check(&[12, 17, channels], &[3]).unwrap();
        assert!(matches!(
            lazy.check(&[12, 17], &[3]),
            Err(Error::InputShape { .. })
        ));
    }
    let first = picture::<3>("rgb.jpg");
    let examples = folder.read().unwrap();
    for (found, expected) in examples.input(0).iter().zip(first) {
        assert!((found * 255.0 - expected).abs() < 1e-3);
    }

    let error = folder.clone().channels(2).read().unwrap_err();
    assert!(matches!(
        error,
        Error::Image {
            source: ImageError::Channels { asked: 2 },
            ..
        }
    ));
    let error = folder.clone().size(0, 9).read().unwrap_err();
    assert!(matches!(
        error,
        Error::Image {
            source: ImageError::Empty,
            ..
        }
    ));
    let error = folder.clone().size(1 << 20, 1 << 20).read().unwrap_err();
    assert!(matches!(
        error,
        Error::Image {
            source: ImageError::TooLarge { .. },
            ..
        }
    ));
    let error = folder
        .clone()
        .max_pixels(12 * 17 - 1)
        .read()
        .unwrap_err()
        .to_string();
    assert!(
        error.ends_with("a.jpeg`: the picture is 12x17, but may have at most 203 pixels"),
        "{error}"
    );

    // Of another size than the first.
    let one_by_one = [
        &b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR\0\0\0\x01\0\0\0\x01\x08\0\0\0\0\x3a\x7e\x9b\x55"[..],
        b"\0\0\0\x0aIDAT\x78\x9c\x63\x60\0\0\0\x02\0\x01\x48\xaf\xa4\x71\0\0\0\0IEND\xae\x42\x60\x82",
    ]
    .concat();
    fs::write(scratch.0.join("tulip/small.png"), one_by_one).unwrap();
    let folder = Folder::open(&scratch.0).unwrap();
    let error = folder.read().unwrap_err();
    assert!(
        matches!(&error, Error::Image { path, source: ImageError::Size { expected: [12, 17], found: [1, 1] } } if path.ends_with("small.png")),
        "{error}"
    );
    assert_eq!(folder.size(5, 5).read().unwrap().len(), 5);
}

#[test]
fn folders_without_pictures_are_errors() {
    let scratch = Scratch::new("empty");
    let is_empty = |error: &Error| {
        matches!(
            error,
            Error::Image {
                source: ImageError::NoPictures,
                ..
            }
        )
    };
    assert!(is_empty(&Folder::open(&scratch.0).unwrap_err()));
    fs::create_dir(scratch.0.join("class")).unwrap();
    assert!(is_empty(&Folder::open(&scratch.0).unwrap_err()));
    let error = Folder::open(scratch.0.join("missing")).unwrap_err();
    assert!(matches!(error, Error::Io { .. }), "{error}");
}

#[cfg(unix)]
#[test]
fn links_are_followed_within_the_folder_and_refused_out_of_it() {
    use std::os::unix::fs::symlink;
    let scratch = Scratch::new("links");
    scratch.copy("rgb.png", "data/a/1.png");
    scratch.copy("rgb.png", "outside/secret.png");
    let data = scratch.0.join("data");
    symlink("1.png", data.join("a/2.png")).unwrap();
    symlink("a", data.join("b")).unwrap();
    let folder = Folder::open(&data).unwrap();
    assert_eq!((folder.classes().len(), folder.files().len()), (2, 4));
    folder.read().unwrap();
    // The folder itself may be a link.
    symlink("data", scratch.0.join("link")).unwrap();
    assert_eq!(
        Folder::open(scratch.0.join("link")).unwrap().files().len(),
        4
    );

    for (target, at) in [
        ("../../outside/secret.png", "a/3.png"),
        ("../outside", "c"),
        ("/etc/hostname", "a/4.png"),
    ] {
        let link = data.join(at);
        symlink(target, &link).unwrap();
        let error = Folder::open(&data).unwrap_err();
        assert!(
            matches!(&error, Error::Image { path, source: ImageError::Link } if *path == link),
            "{error}"
        );
        fs::remove_file(link).unwrap();
    }
    // One that leads nowhere, or round and round.
    for target in ["nowhere.png", "5.png"] {
        let link = data.join("a/5.png");
        symlink(target, &link).unwrap();
        let error = Folder::open(&data).unwrap_err();
        assert!(
            matches!(&error, Error::Io { path, .. } if *path == link),
            "{error}"
        );
        fs::remove_file(link).unwrap();
    }
}

const IRISES: &str = "\
sepal length,sepal width,petal length,species
5.1,3.5, 1.4 ,setosa

6.3,3.3,6.0,\"virginica\"
7.0,3.2,4.7,versicolor
4.9,3.0,1.4,setosa
";

#[test]
fn tables_have_inputs_and_classes() {
    let table = Csv::labelled("species")
        .from_bytes(IRISES.as_bytes())
        .unwrap();
    assert_eq!(table.classes, ["setosa", "versicolor", "virginica"]);
    assert_eq!(
        table.inputs,
        ["sepal length", "sepal width", "petal length"]
    );
    let examples = &table.examples;
    assert_eq!((examples.len(), examples.input_shape()), (4, &[3][..]));
    assert_eq!(examples.input(1).as_slice(), Some(&[6.3, 3.3, 6.0][..]));
    let labels: Vec<_> = examples.labels().unwrap().to_vec();
    assert_eq!(labels, [0, 2, 1, 0]);

    // Columns in an order of their own, by name and number; the classes of another table.
    let csv = Csv::labelled(3).inputs(["petal length", "sepal length"]);
    let names = ["virginica", "setosa", "versicolor", "unseen"];
    let table = csv.classes(names).from_bytes(IRISES.as_bytes()).unwrap();
    assert_eq!(table.examples.input(2).as_slice(), Some(&[4.7, 7.0][..]));
    assert_eq!(table.examples.labels().unwrap().to_vec(), [1, 0, 2, 1]);
    assert_eq!(table.classes, names);

    // Values, without a header, with semicolons and the line ends of Windows.
    let text = "\u{feff}1;2;3e2\r\n4;-5;.5\r\n";
    let csv = Csv::with_values([0, 2]).header(false).delimiter(b';');
    let table = csv.from_bytes(text.as_bytes()).unwrap();
    assert_eq!(
        (table.inputs, table.classes.len()),
        (vec!["1".to_owned()], 0)
    );
    assert_eq!(
        table.examples.targets().unwrap().as_slice(),
        Some(&[1.0, 300.0, 4.0, 0.5][..])
    );
    assert_eq!(table.examples.inputs().as_slice(), Some(&[2.0, -5.0][..]));

    // Classes that are integers are in their order as numbers.
    let text = "x,y\n0,10\n0,9\n0,0\n0,1\n";
    let table = Csv::labelled("y").from_bytes(text.as_bytes()).unwrap();
    assert_eq!(table.classes, ["0", "1", "9", "10"]);

    let scratch = Scratch::new("csv");
    let path = scratch.0.join("iris.csv");
    fs::write(&path, IRISES).unwrap();
    assert_eq!(
        Csv::labelled("species").read(&path).unwrap().examples.len(),
        4
    );
    let error = Csv::labelled("kind").read(&path).unwrap_err();
    assert!(
        matches!(&error, Error::Csv { path: of, source: CsvError::Column { .. } } if *of == path)
    );
    assert!(
        error.to_string().ends_with(
            "there is no column `kind`, but there are `sepal length`, `sepal width`, `petal length`, `species`"
        ),
        "{error}"
    );
}
