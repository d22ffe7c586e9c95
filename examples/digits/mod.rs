//! Handwritten digits in the terminal: for the examples that look at MNIST.

use cnn::{Dataset, Examples};
use std::io::IsTerminal;

/// Digits beside each other in an 80-column terminal.
const IN_A_ROW: usize = 5;
/// Two by two pixels are shown as one.
const SIDE: usize = 14;

/// Shows the first `count` images, each above its label and what `predict` says.
pub fn show(images: &Examples, count: usize, predict: impl Fn(&[[[f32; 1]; 28]; 28]) -> [f32; 10]) {
    let shades = std::io::stdout().is_terminal() && std::env::var_os("NO_COLOR").is_none();
    let all: Vec<usize> = (0..count.min(images.len())).collect();
    for row in all.chunks(IN_A_ROW) {
        let digits: Vec<_> = row.iter().map(|&index| image(images, index)).collect();
        println!();
        for line in 0..SIDE / 2 {
            let lines: Vec<_> = digits
                .iter()
                .map(|digit| draw(digit, line, shades))
                .collect();
            println!("{}", lines.join(" "));
        }
        let captions: Vec<_> = row
            .iter()
            .zip(&digits)
            .map(|(&index, digit)| caption(&predict(digit), images.label(index)))
            .collect();
        println!("{}", captions.join(" "));
    }
}

fn image(images: &Examples, index: usize) -> [[[f32; 1]; 28]; 28] {
    let mut image = [[[0.0; 1]; 28]; 28];
    images.read_input(index, image.as_flattened_mut().as_flattened_mut());
    image
}

/// `7 99.9 %`, with a cross where the label is another.
fn caption(probabilities: &[f32; 10], label: Option<usize>) -> String {
    let digit = cnn::argmax(probabilities);
    let probability = probabilities[digit];
    let verdict = match label {
        Some(label) if label != digit => format!(" ✗ is {label}"),
        _ => String::new(),
    };
    format!(
        "{:<SIDE$}",
        format!("{digit} {:.1} %{verdict}", probability * 100.0)
    )
}

/// One line of text: two lines of the shrunken image.
fn draw(image: &[[[f32; 1]; 28]; 28], line: usize, shades: bool) -> String {
    let pixel = |y: usize, x: usize| {
        let sum: f32 = [(0, 0), (0, 1), (1, 0), (1, 1)]
            .map(|(dy, dx)| image[2 * y + dy][2 * x + dx][0])
            .iter()
            .sum();
        sum / 4.0
    };
    let columns = (0..SIDE).map(|x| (pixel(2 * line, x), pixel(2 * line + 1, x)));
    if shades {
        // Upper half in the text's colour, lower half in the background's; 232–255 are greys.
        let grey = |value: f32| 232 + (value * 23.0) as u8;
        let cells = columns
            .map(|(upper, lower)| format!("\x1b[38;5;{};48;5;{}m▀", grey(upper), grey(lower)));
        cells.collect::<String>() + "\x1b[0m"
    } else {
        let ramp = [' ', '.', ':', '+', '*', '#', '@'];
        columns
            .map(|(upper, lower)| ramp[((upper + lower) / 2.0 * 6.0).round() as usize])
            .collect()
    }
}
