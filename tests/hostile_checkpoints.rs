//! Checkpoints of a training that somebody made to do harm, or that a disk has damaged: each is an error of its type,
//! found with little memory, before anything is trained.

#[path = "support/counting.rs"]
mod counting;
#[path = "support/folder.rs"]
mod folder;
#[path = "support/small.rs"]
mod small;
#[path = "support/xor_files.rs"]
mod xor_files;

use std::fs;

use cnn::runtime::Model;
use counting::{Cases, LITTLE, TURN};
use folder::Folder;
use small::STRIPES;
use xor_files::{changed, checkpoint, metadata, record, resume};

#[test]
fn checkpoints() {
    let _turn = TURN.lock();
    let folder = Folder::new("hostile-checkpoints");
    let path = folder.file("run.safetensors");
    let mut cases = Cases::default();
    let many = |text: &str, count: usize| text.repeat(count);
    let good = record("\"version\"", "\"version\"");
    let rank = "[".repeat(200_000);
    let layer = r#"{"name":"a","kind":"b","output":[1]},"#;
    let mean = r#""training/mean/dense_1.bias":{"dtype":"F32","shape":[8]"#;
    let most = 16 << 20;
    for (name, expected, bytes, file) in [
        ("as it was written", "no error", LITTLE, good.clone()),
        ("weights", "NoTraining", LITTLE, changed("[2,8]", "[2,8]")),
        (
            "cut",
            "MetadataIncompleteBuffer",
            LITTLE,
            good[..good.len() - 9].to_vec(),
        ),
        (
            "no record in JSON",
            "Record {",
            LITTLE,
            record("{\"version\":1,", "(\"version\":1,"),
        ),
        (
            "a record that is cut",
            "Record {",
            LITTLE,
            record(r#""history":"#, r#""","history":"#),
        ),
        (
            "a record that is no string",
            "InvalidHeaderDeserialization(",
            LITTLE,
            metadata(r#""cnn_training":{}"#),
        ),
        (
            "an empty record",
            "Record {",
            LITTLE,
            metadata(r#""cnn_training":"""#),
        ),
        (
            "two records",
            "InvalidHeaderDeserialization(",
            LITTLE,
            checkpoint(r#""cnn_training":"#, r#""cnn_training":"","cnn_training":"#),
        ),
        (
            "a later version",
            "Version { expected: \"1\", found: \"9\" }",
            LITTLE,
            record("\"version\":1", "\"version\":9"),
        ),
        (
            "lists in the record",
            "Record {",
            4 * LITTLE,
            record("\"history\":[", &format!("\"history\":[{rank}")),
        ),
        (
            "a later field of lists",
            "Record {",
            4 * LITTLE,
            record("\"history\":[", &format!("\"a\":{rank},\"history\":[")),
        ),
        (
            "another layer",
            "Layer { place: 1",
            LITTLE,
            record("\"name\":\"dense_1\"", "\"name\":\"dense_9\""),
        ),
        (
            "300000 layers",
            "Layer { place: 1",
            10 * most,
            record(
                "\"layers\":[",
                &format!("\"layers\":[{}", many(layer, 300_000)),
            ),
        ),
        (
            "a layer of a million axes",
            "Layer { place: 1",
            10 * most,
            record(
                "\"output\":[8]",
                &format!("\"output\":[{}8]", many("8,", 1_000_000)),
            ),
        ),
        (
            "four slots",
            "Record {",
            LITTLE,
            record("\"slots\":[", "\"slots\":[\"a\",\"b\",\"c\","),
        ),
        (
            "two million slots",
            "Record {",
            20 * most,
            record(
                "\"slots\":[",
                &format!("\"slots\":[{}", many("\"\",", 2_000_000)),
            ),
        ),
        (
            "a slot that is not there",
            "Missing { name: \"training/deviation/dense_1.kernel\" }",
            LITTLE,
            record("\"mean\"", "\"deviation\""),
        ),
        (
            "a slot of a path",
            "Missing { name: \"training/../../dense_1.kernel\" }",
            LITTLE,
            record("\"mean\"", "\"../..\""),
        ),
        (
            "a slot of another shape",
            "TensorShape { name: \"training/mean/dense_1.bias\"",
            LITTLE,
            checkpoint(mean, &mean.replace("[8]", "[4, 2]")),
        ),
        (
            "a slot of integers",
            "ElementType { name: \"training/mean/dense_1.bias\"",
            LITTLE,
            checkpoint(mean, &mean.replace("F32", "I32")),
        ),
        (
            "a slot twice",
            "Duplicate { name: \"training/mean/dense_1.bias\" }",
            LITTLE,
            checkpoint("training/square/dense_1.bias", "training/mean/dense_1.bias"),
        ),
        (
            "another optimizer",
            "Setting { name: \"optimizer\"",
            LITTLE,
            record("\"adam\"", "\"nadam\""),
        ),
        (
            "an average that is not there",
            "Missing { name: \"training/weights/",
            LITTLE,
            record("\"progress\"", "\"has_average\":true,\"progress\""),
        ),
        (
            "best weights that are not there",
            "Missing { name: \"training/best/",
            LITTLE,
            record(
                "\"early_stopping\":null",
                "\"early_stopping\":{\"best\":null,\"keeps_weights\":true,\"wait\":0,\"stopped\":false}",
            ),
        ),
        (
            "epoch 0",
            "Record {",
            LITTLE,
            record("\"epoch\":21", "\"epoch\":0"),
        ),
        (
            "epoch 2^64 - 1",
            "Record {",
            LITTLE,
            record("\"epoch\":21", "\"epoch\":18446744073709551615"),
        ),
        (
            "2^63 steps",
            "Record {",
            LITTLE,
            record("\"steps\":20", "\"steps\":9223372036854775808"),
        ),
        (
            "a step that is not done",
            "Record {",
            LITTLE,
            record("\"steps\":0,\"examples\":0", "\"steps\":0,\"examples\":4"),
        ),
        (
            "more examples than there are",
            "Record {",
            LITTLE,
            record("\"steps\":0,\"examples\":0", "\"steps\":1,\"examples\":5"),
        ),
        (
            "iteration 2^64 - 1",
            "Record {",
            LITTLE,
            record("\"iteration\":20", "\"iteration\":18446744073709551615"),
        ),
        (
            "a learning rate that is no number",
            "Record {",
            LITTLE,
            record(
                "\"learning_rate\":\"0.05\",\"last",
                "\"learning_rate\":\"NaN\",\"last",
            ),
        ),
        (
            "an infinite learning rate",
            "Record {",
            LITTLE,
            record(
                "\"learning_rate\":\"0.05\",\"last",
                "\"learning_rate\":\"1e999\",\"last",
            ),
        ),
        (
            "a million sums",
            "Setting { name: \"metrics\"",
            12 * most,
            record(
                "\"sums\":[",
                &format!("\"sums\":[{}", many("\"1\",", 1_000_000)),
            ),
        ),
        (
            "a million scores",
            "Record {",
            12 * most,
            record(
                "\"scores\":[",
                &format!("\"scores\":[{}", many("\"1\",", 1_000_000)),
            ),
        ),
        (
            "a record of 20 MB",
            "TooLarge",
            5 * most,
            record(
                "\"history\":[",
                &format!("{}\"history\":[", many(" ", 20_000_000)),
            ),
        ),
    ] {
        fs::write(&path, &file).unwrap();
        cases.check(name, expected, bytes, || resume(&path));
    }
    // Of another network.
    fs::write(&path, &good).unwrap();
    cases.check("another network", "Missing {", LITTLE, || {
        let mut model = Model::new(&STRIPES, 1);
        let trainer = model.trainer().progress(false).resume_from(&path);
        trainer.fit(&small::stripes(15))
    });
    cases.finish(30);
}
