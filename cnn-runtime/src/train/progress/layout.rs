//! What the progress of an epoch looks like in a terminal of so many columns.
//!
//! No line is longer than the terminal is wide, however narrow it is: the terminal would break it, and what is drawn
//! over it would leave its beginning behind.

use std::fmt;

use crate::model::Scores;
use crate::model::scores::Value;
use crate::train::history::Epoch;

/// How the steps of an epoch are laid out in a terminal.
pub(super) struct Layout {
    /// Its columns.
    width: usize,
    /// The steps of a whole epoch.
    steps: usize,
    /// The cells of a whole bar; 0 where there is no room.
    cells: usize,
}

impl Layout {
    pub(super) fn new(width: usize, steps: usize) -> Self {
        // Room for the steps on both sides of their slash, times, the loss and one metric.
        let text =
            2 * digits(steps) + "/  59:59 999ms/step - accuracy: 0.9999 - loss: 0.9999".len();
        let cells = match width.saturating_sub(text) {
            0..5 => 0,
            room => room.min(20),
        };
        Self {
            width,
            steps,
            cells,
        }
    }

    /// One line: the bar, the time left and the scores so far, as many as there is room for. Behind the loss stands
    /// `sparkline`, where there is room for that too.
    pub(super) fn running(
        &self,
        step: usize,
        elapsed: f64,
        scores: &Scores,
        sparkline: &str,
    ) -> String {
        // A line that fills its last column makes some terminals begin a new one.
        let room = self.width.saturating_sub(1);
        let per_step = elapsed / step.max(1) as f64;
        let left = self.steps.saturating_sub(step);
        let pad = digits(self.steps);
        let line = format!("{step:>pad$}/{} {}", self.steps, self.bar(step));
        let line = line + &self.times(per_step * left as f64, per_step);
        let items = items("", scores);
        let longer = fold(line.clone(), with_sparkline(&items, sparkline), 0, room).swap_remove(0);
        let line = fold(line, items, 0, room).swap_remove(0);
        // No score makes room for it.
        match longer.replacen(&format!(" {sparkline}"), "", 1) == line {
            true => longer,
            false => line,
        }
    }

    /// The lines that stay on the screen. Behind the loss stands `sparkline`, where there is room for that too.
    pub(super) fn finished(
        &self,
        step: usize,
        epoch: &Epoch,
        is_scheduled: bool,
        sparkline: &str,
    ) -> Vec<String> {
        let line = format!("{step}/{} ", self.steps);
        let indent = line.len();
        let line = line + &self.bar(step);
        let line = line + &self.times(epoch.seconds, epoch.seconds / step.max(1) as f64);
        let items = all_items(epoch, is_scheduled);
        let longer = with_sparkline(&items, sparkline);
        let longer = fold(line.clone(), longer, indent, self.width);
        let lines = fold(line, items, indent, self.width);
        // The loss keeps its line.
        let line_of_loss =
            |lines: &[String]| lines.iter().position(|line| line.contains(" loss: "));
        match longer.len() == lines.len() && line_of_loss(&longer) == line_of_loss(&lines) {
            true => longer,
            false => lines,
        }
    }

    /// The bar and the blank behind it, if there is room for one.
    fn bar(&self, step: usize) -> String {
        if self.cells == 0 {
            return String::new();
        }
        let share = step as f64 / self.steps.max(1) as f64;
        let filled = ((self.cells as f64 * share) as usize).min(self.cells);
        let (done, left) = ("━".repeat(filled), "─".repeat(self.cells - filled));
        format!("{done}{left} ")
    }

    /// The time of the epoch, and that of a step where there is room for a bar too.
    fn times(&self, epoch: f64, step: f64) -> String {
        match self.cells {
            0 => Clock(epoch).to_string(),
            _ => format!("{} {}/step", Clock(epoch), Span(step)),
        }
    }
}

/// `Epoch 3/10`, above the bar.
pub(super) fn headline(width: usize, epoch: usize, epochs: usize) -> Vec<String> {
    pieces(&format!("Epoch {epoch}/{epochs}"), width)
}

/// All of an epoch in one line, for a file: its number and how many there are, the steps done and those of a whole
/// epoch, times and scores.
pub(super) fn plain(
    number: (usize, usize),
    steps: (usize, usize),
    epoch: &Epoch,
    is_scheduled: bool,
) -> String {
    let (clock, span) = (
        Clock(epoch.seconds),
        Span(epoch.seconds / steps.0.max(1) as f64),
    );
    let mut line = format!(
        "Epoch {}/{} - {}/{} {clock} {span}/step",
        number.0, number.1, steps.0, steps.1
    );
    for item in all_items(epoch, is_scheduled) {
        line += " - ";
        line += &item;
    }
    line
}

/// How many rows above the cursor a line of `columns` began, in a terminal that is now `width` wide.
pub(super) fn rows_above(columns: usize, width: usize) -> usize {
    columns.saturating_sub(1) / width.max(1)
}

/// The same items with `sparkline` behind the loss.
fn with_sparkline(items: &[String], sparkline: &str) -> Vec<String> {
    let item = |item: &String| match item.starts_with("loss: ") && !sparkline.is_empty() {
        true => format!("{item} {sparkline}"),
        false => item.clone(),
    };
    items.iter().map(item).collect()
}

/// Puts `items` behind `line`, and in new lines where it would become longer than `width`. The new lines are indented
/// as far as there is room for that.
fn fold(mut line: String, items: Vec<String>, indent: usize, width: usize) -> Vec<String> {
    let longest = items
        .iter()
        .map(|item| item.chars().count())
        .max()
        .unwrap_or_default();
    let room = width.saturating_sub(longest);
    let indent = " ".repeat(if room < indent { room.min(2) } else { indent });
    let mut lines = Vec::new();
    for item in items {
        if line.chars().count() + " - ".len() + item.chars().count() > width {
            lines.push(std::mem::replace(&mut line, format!("{indent}{item}")));
        } else {
            line += " - ";
            line += &item;
        }
    }
    lines.push(line);
    lines.iter().flat_map(|line| pieces(line, width)).collect()
}

/// A line in pieces of at most `width` columns; whole, where that is all it takes.
fn pieces(line: &str, width: usize) -> Vec<String> {
    let characters: Vec<char> = line.chars().collect();
    let pieces = characters.chunks(width.max(1));
    pieces.map(|piece| piece.iter().collect()).collect()
}

/// The digits of a number.
fn digits(number: usize) -> usize {
    number.checked_ilog10().map_or(1, |log| log as usize + 1)
}

/// The scores of the training data, those of the validation data, and the learning rate where a schedule changes it.
fn all_items(epoch: &Epoch, is_scheduled: bool) -> Vec<String> {
    let mut all = items("", &epoch.scores);
    if let Some(validation) = &epoch.validation {
        all.extend(items("val_", validation));
    }
    if is_scheduled {
        all.push(format!("learning_rate: {:.2e}", epoch.learning_rate));
    }
    all
}

/// The loss and the metrics in the order of their names, as Keras lists them.
fn items(prefix: &str, scores: &Scores) -> Vec<String> {
    let mut values = scores.named();
    values.sort_by(|(one, _), (other, _)| one.cmp(other));
    let item = |(name, value)| format!("{prefix}{name}: {}", Value(value));
    values.into_iter().map(item).collect()
}

/// Seconds as Keras writes the length of an epoch: `42s`, `1:05`, `1:00:05`.
struct Clock(f64);

impl fmt::Display for Clock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let seconds = self.0.round() as u64;
        let (hours, minutes, rest) = (seconds / 3600, seconds / 60 % 60, seconds % 60);
        match (hours, minutes) {
            (0, 0) => write!(f, "{rest}s"),
            (0, _) => write!(f, "{minutes}:{rest:02}"),
            _ => write!(f, "{hours}:{minutes:02}:{rest:02}"),
        }
    }
}

/// Seconds as Keras writes the length of a step: `2s`, `15ms`, `420us`.
struct Span(f64);

impl fmt::Display for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            seconds if seconds >= 1.0 => write!(f, "{seconds:.0}s"),
            seconds if seconds >= 1e-3 => write!(f, "{:.0}ms", seconds * 1e3),
            seconds => write!(f, "{:.0}us", seconds * 1e6),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use cnn_ir::Metric;

    fn epoch() -> Epoch {
        let scores = |loss, accuracy| Scores {
            loss,
            metrics: vec![(Metric::Accuracy, accuracy)],
            custom: Vec::new(),
            outputs: Vec::new(),
        };
        Epoch {
            number: 1,
            scores: scores(0.1705, 0.9478),
            validation: Some(scores(0.0623, 0.9811)),
            learning_rate: 1e-3,
            examples: 60_000,
            seconds: 2.9,
        }
    }

    #[test]
    fn an_epoch_reads_well_at_any_width() {
        let cases: [(usize, &str, &[&str]); 7] = [
            (
                120,
                " 63/938 ━─────────────────── 42s 48ms/step - accuracy: 0.9478 - loss: 0.1705",
                &[
                    "938/938 ━━━━━━━━━━━━━━━━━━━━ 3s 3ms/step - accuracy: 0.9478 - loss: 0.1705 \
                     - val_accuracy: 0.9811 - val_loss: 0.0623",
                ],
            ),
            (
                80,
                " 63/938 ━─────────────────── 42s 48ms/step - accuracy: 0.9478 - loss: 0.1705",
                &[
                    "938/938 ━━━━━━━━━━━━━━━━━━━━ 3s 3ms/step - accuracy: 0.9478 - loss: 0.1705",
                    "        val_accuracy: 0.9811 - val_loss: 0.0623",
                ],
            ),
            (
                66,
                " 63/938 ─────── 42s 48ms/step - accuracy: 0.9478 - loss: 0.1705",
                &[
                    "938/938 ━━━━━━━ 3s 3ms/step - accuracy: 0.9478 - loss: 0.1705",
                    "        val_accuracy: 0.9811 - val_loss: 0.0623",
                ],
            ),
            (
                50,
                " 63/938 42s - accuracy: 0.9478 - loss: 0.1705",
                &[
                    "938/938 3s - accuracy: 0.9478 - loss: 0.1705",
                    "        val_accuracy: 0.9811 - val_loss: 0.0623",
                ],
            ),
            (
                32,
                " 63/938 42s - accuracy: 0.9478",
                &[
                    "938/938 3s - accuracy: 0.9478",
                    "        loss: 0.1705",
                    "        val_accuracy: 0.9811",
                    "        val_loss: 0.0623",
                ],
            ),
            (
                20,
                " 63/938 42s",
                &[
                    "938/938 3s",
                    "accuracy: 0.9478",
                    "loss: 0.1705",
                    "val_accuracy: 0.9811",
                    "val_loss: 0.0623",
                ],
            ),
            (
                9,
                " 63/938 ",
                &[
                    "938/938 3",
                    "s",
                    "accuracy:",
                    " 0.9478",
                    "loss: 0.1",
                    "705",
                    "val_accur",
                    "acy: 0.98",
                    "11",
                    "val_loss:",
                    " 0.0623",
                ],
            ),
        ];
        let mut wrong = Vec::new();
        for (width, running, finished) in cases {
            let layout = Layout::new(width, 938);
            let epoch = epoch();
            let found = layout.running(63, 3.0, &epoch.scores, "");
            if found != running {
                wrong.push(format!("{width} columns: {found:?}, not {running:?}"));
            }
            let found = layout.finished(938, &epoch, false, "");
            if found != finished {
                wrong.push(format!("{width} columns: {found:#?}, not {finished:#?}"));
            }
        }
        assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    }

    #[test]
    fn a_sparkline_stands_behind_the_loss_where_there_is_room() {
        let (line, epoch) = ("█▅▃▂▂▁▁▁", epoch());
        let without =
            " 63/938 ━─────────────────── 42s 48ms/step - accuracy: 0.9478 - loss: 0.1705";
        let with = format!("{without} {line}");
        // The last column stays free.
        let least = with.chars().count() + 1;
        for (width, expected) in [(200, with.as_str()), (least, &with), (least - 1, without)] {
            let found = Layout::new(width, 938).running(63, 3.0, &epoch.scores, line);
            assert_eq!(found, expected, "{width} columns");
        }
        let finished = Layout::new(100, 938).finished(938, &epoch, false, line);
        let expected = [
            "938/938 ━━━━━━━━━━━━━━━━━━━━ 3s 3ms/step - accuracy: 0.9478 - loss: 0.1705 █▅▃▂▂▁▁▁",
            "        val_accuracy: 0.9811 - val_loss: 0.0623",
        ];
        assert_eq!(finished, expected);
        // It would begin a line of its own here.
        let finished = Layout::new(77, 938).finished(938, &epoch, false, line);
        assert!(!finished.concat().contains(line), "{finished:#?}");
    }

    #[test]
    fn no_line_is_wider_than_the_terminal() {
        let mut wrong = Vec::new();
        for width in 1..200 {
            for steps in [0, 1, 9, 10, 938, 123_456, usize::MAX] {
                for step in [0, 1, steps / 2, steps] {
                    let (layout, epoch) = (Layout::new(width, steps), epoch());
                    let columns = |line: &String| line.chars().count();
                    let running = columns(&layout.running(step, 1e9, &epoch.scores, "▁▁▁▁▁▁▁▁"));
                    let finished = layout.finished(step, &epoch, true, "▁▁▁▁▁▁▁▁");
                    let headline = headline(width, 9, 10);
                    let longest = finished.iter().chain(&headline).map(columns).max();
                    // One column has to be written to where there is but one.
                    if running > (width - 1).max(1) || longest > Some(width) {
                        wrong.push((width, steps, step, running, longest));
                    }
                    let text = finished.concat().replace(' ', "");
                    if !text.ends_with("val_loss:0.0623-learning_rate:1.00e-3")
                        && !text.ends_with("val_loss:0.0623learning_rate:1.00e-3")
                    {
                        wrong.push((width, steps, step, 0, None));
                    }
                }
            }
        }
        assert!(wrong.is_empty(), "{wrong:?}");
    }

    #[test]
    fn a_stopped_epoch_shows_how_far_it_came() {
        let lines = Layout::new(80, 10).finished(5, &epoch(), false, "");
        let expected = "5/10 ━━━━━━━━━━────────── 3s 580ms/step - ";
        assert!(lines[0].starts_with(expected), "{lines:?}");
    }

    #[test]
    fn a_file_gets_one_line_for_an_epoch() {
        assert_eq!(
            plain((1, 5), (938, 938), &epoch(), false),
            "Epoch 1/5 - 938/938 3s 3ms/step - accuracy: 0.9478 - loss: 0.1705 - val_accuracy: 0.9811 \
             - val_loss: 0.0623"
        );
        let scheduled = plain((1, 5), (938, 938), &epoch(), true);
        assert!(scheduled.ends_with(" - val_loss: 0.0623 - learning_rate: 1.00e-3"));
    }

    #[test]
    fn a_broken_line_began_above() {
        let cases = [
            (0, 80, 0),
            (79, 80, 0),
            (79, 79, 0),
            (79, 78, 1),
            (79, 40, 1),
            (79, 20, 3),
            (80, 20, 3),
            (81, 20, 4),
            (5, 0, 4),
        ];
        for (columns, width, rows) in cases {
            assert_eq!(
                rows_above(columns, width),
                rows,
                "{columns} columns at {width}"
            );
        }
    }

    #[test]
    fn times_read_as_in_keras() {
        let clocks = [
            (0.2, "0s"),
            (42.4, "42s"),
            (65.0, "1:05"),
            (3605.0, "1:00:05"),
        ];
        for (seconds, text) in clocks {
            assert_eq!(Clock(seconds).to_string(), text);
        }
        let spans = [
            (2.2, "2s"),
            (0.015, "15ms"),
            (0.00042, "420us"),
            (0.0, "0us"),
        ];
        for (seconds, text) in spans {
            assert_eq!(Span(seconds).to_string(), text);
        }
    }
}
