//! Fashion-MNIST: trains and writes `fashion.html`; with the path of a picture it says what is on that.
use cnn::callbacks::{EarlyStopping, ReduceOnPlateau};
use cnn::{data, plots::Report};
const NAMES: &str = "t-shirt trouser pullover dress coat sandal shirt sneaker bag boot";

cnn::network! {
    network Fashion {
        input(28x28x1);
        conv2d(32, 3x3, padding = same, activation = relu);
        max_pool2d(2x2);
        conv2d(64, 3x3, padding = same, activation = relu);
        max_pool2d(2x2);
        flatten;
        dropout(0.3);
        dense(128, activation = relu);
        dense(10, activation = softmax);
        train {
            loss = categorical_crossentropy;
            optimizer = adam;
            augment = [flip(horizontal)];
            metrics = [accuracy];
            epochs = 30;
        }
    }
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    if let Some(picture) = std::env::args().nth(1) {
        let scores = Fashion::load("fashion.safetensors")?.predict(&*data::images::read(picture)?);
        let name = NAMES.split(' ').nth(cnn::argmax(&scores));
        println!("{}", name.unwrap_or_default());
        return Ok(());
    }
    let (train, test) = data::mnist("/usr/share/datasets/fashion-mnist")?;
    let mut net = Fashion::new(0);
    let stop = EarlyStopping::new().patience(5).restore_best_weights(true);
    let decay = ReduceOnPlateau::new().factor(0.3).patience(2);
    let trainer = net.trainer().validation_split(0.1).early_stopping(stop);
    let history = trainer.reduce_on_plateau(decay).fit(&train)?;
    net.save("fashion.safetensors")?;
    let matrix = net.confusion_matrix(&test)?.with_names(NAMES.split(' '))?;
    println!("{}\n{matrix}", net.evaluate(&test)?);
    let report = Report::new("Fashion-MNIST").history(&history);
    Ok(report.confusion_matrix(&matrix).save("fashion.html")?)
}
