//! The progress bar of `fit`, as Keras draws it, on the standard error stream.
//!
//! A step costs a counter and a look at the clock; the line is redrawn a few times a second.
//! Without the feature `progress`, or where the stream is not a terminal, nothing is drawn.

#[cfg(feature = "progress")]
pub(crate) use terminal::Bar;

#[cfg(not(feature = "progress"))]
pub(crate) use silent::Bar;

#[cfg(not(feature = "progress"))]
mod silent {
    use crate::model::Scores;
    use crate::train::history::Epoch;

    /// Draws nothing.
    pub(crate) struct Bar;

    impl Bar {
        pub(crate) fn start(_enabled: bool, _epoch: usize, _epochs: usize, _steps: usize) -> Self {
            Self
        }

        pub(crate) fn step(&mut self, _scores: impl FnOnce() -> Scores) {}

        pub(crate) fn say(&self, _text: &str) {}

        pub(crate) fn finish(&self, _epoch: &Epoch) {}
    }
}

#[cfg(feature = "progress")]
mod terminal {
    use std::time::{Duration, Instant};

    use console::Term;
    use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

    use crate::model::Scores;
    use crate::model::scores::Value;
    use crate::train::history::Epoch;

    /// Between two changes of the line.
    const INTERVAL: Duration = Duration::from_millis(100);

    /// The bar of one epoch.
    pub(crate) struct Bar(Option<Drawn>);

    struct Drawn {
        bar: ProgressBar,
        layout: Layout,
        step: usize,
        started: Instant,
        changed: Instant,
    }

    impl Bar {
        /// Begins the bar of epoch `epoch` of `epochs`, which has `steps` steps.
        pub(crate) fn start(enabled: bool, epoch: usize, epochs: usize, steps: usize) -> Self {
            let term = Term::stderr();
            if !enabled || !term.is_term() {
                return Self(None);
            }
            eprintln!("Epoch {epoch}/{epochs}");
            let layout = Layout::new(usize::from(term.size().1), steps);
            let target = ProgressDrawTarget::term(term, 10);
            let bar = ProgressBar::with_draw_target(Some(steps as u64), target);
            bar.set_style(layout.style());
            let now = Instant::now();
            Self(Some(Drawn {
                bar,
                layout,
                step: 0,
                started: now,
                changed: now,
            }))
        }

        /// Counts a step; `scores` are those of the epoch so far.
        pub(crate) fn step(&mut self, scores: impl FnOnce() -> Scores) {
            let Some(drawn) = &mut self.0 else { return };
            drawn.step += 1;
            if drawn.changed.elapsed() < INTERVAL && drawn.step < drawn.layout.steps {
                return;
            }
            drawn.changed = Instant::now();
            let elapsed = drawn.started.elapsed().as_secs_f64();
            drawn
                .bar
                .set_message(drawn.layout.running(drawn.step, elapsed, &scores()));
            drawn.bar.set_position(drawn.step as u64);
        }

        /// Writes lines above the bar.
        pub(crate) fn say(&self, text: &str) {
            if let Some(drawn) = &self.0 {
                drawn.bar.println(text);
            }
        }

        /// Leaves the epoch's scores on the screen.
        pub(crate) fn finish(&self, epoch: &Epoch) {
            let Some(drawn) = &self.0 else { return };
            drawn.bar.finish_and_clear();
            for line in drawn.layout.finished(drawn.step, epoch) {
                eprintln!("{line}");
            }
        }
    }

    /// How an epoch of `steps` steps is laid out in a line of `width` columns.
    struct Layout {
        width: usize,
        steps: usize,
        /// The cells of a whole bar.
        cells: usize,
    }

    impl Layout {
        fn new(width: usize, steps: usize) -> Self {
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

        /// The bar, with [`running`](Self::running) as the message behind it.
        fn style(&self) -> ProgressStyle {
            let bar = match self.cells {
                0 => String::new(),
                cells => format!("{{bar:{cells}}} "),
            };
            let template = format!("{{pos:>{}}}/{{len}} {bar}{{msg}}", digits(self.steps));
            ProgressStyle::with_template(&template)
                .expect("the template is well-formed")
                .progress_chars("━━─")
        }

        /// The time left and the scores so far, as many as there is room for.
        fn running(&self, step: usize, elapsed: f64, scores: &Scores) -> String {
            let per_step = elapsed / step.max(1) as f64;
            let bar = if self.cells > 0 { self.cells + 1 } else { 0 };
            // A line that fills its last column makes some terminals begin a new one.
            let taken = 2 * digits(self.steps) + "/ ".len() + bar + 1;
            let line = self.times(per_step * (self.steps - step) as f64, per_step);
            let mut lines = wrap(
                line,
                items("", scores),
                "",
                self.width.saturating_sub(taken),
            );
            lines.swap_remove(0)
        }

        /// The lines that stay on the screen.
        fn finished(&self, step: usize, epoch: &Epoch) -> Vec<String> {
            let mut line = format!("{step}/{} ", self.steps);
            let indent = " ".repeat(line.len());
            if self.cells > 0 {
                let filled = self.cells * step / self.steps.max(1);
                line += &"━".repeat(filled);
                line += &"─".repeat(self.cells - filled);
                line += " ";
            }
            line += &self.times(epoch.seconds, epoch.seconds / step.max(1) as f64);
            let mut scores = items("", &epoch.scores);
            if let Some(validation) = &epoch.validation {
                scores.extend(items("val_", validation));
            }
            wrap(line, scores, &indent, self.width)
        }

        /// The time of the epoch, and that of a step where there is room for a bar too.
        fn times(&self, epoch: f64, step: f64) -> String {
            match self.cells {
                0 => Clock(epoch).to_string(),
                _ => format!("{} {}/step", Clock(epoch), Span(step)),
            }
        }
    }

    /// Puts `items` behind `line`, and in new lines where it would become longer than `width`.
    fn wrap(mut line: String, items: Vec<String>, indent: &str, width: usize) -> Vec<String> {
        let mut lines = Vec::new();
        for item in items {
            if line.chars().count() + " - ".len() + item.len() > width {
                lines.push(std::mem::replace(&mut line, format!("{indent}{item}")));
            } else {
                line += " - ";
                line += &item;
            }
        }
        lines.push(line);
        lines
    }

    /// The digits of a number.
    fn digits(number: usize) -> usize {
        number.checked_ilog10().map_or(1, |log| log as usize + 1)
    }

    /// The loss and the metrics in the order of their names, as Keras lists them.
    fn items(prefix: &str, scores: &Scores) -> Vec<String> {
        let metrics = scores.metrics.iter();
        let mut values: Vec<_> = metrics
            .map(|(metric, value)| (metric.name(), *value))
            .collect();
        values.push(("loss", scores.loss));
        values.sort_by_key(|(name, _)| *name);
        let item = |(name, value)| format!("{prefix}{name}: {}", Value(value));
        values.into_iter().map(item).collect()
    }

    /// Seconds as Keras writes the length of an epoch: `42s`, `1:05`, `1:00:05`.
    struct Clock(f64);

    impl std::fmt::Display for Clock {
        fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
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

    impl std::fmt::Display for Span {
        fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
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
            };
            Epoch {
                number: 1,
                scores: scores(0.1705, 0.9478),
                validation: Some(scores(0.0623, 0.9811)),
                examples: 60_000,
                seconds: 2.9,
            }
        }

        #[test]
        fn an_epoch_fits_any_width() {
            let cases: [(usize, &str, &[&str]); 5] = [
                (
                    120,
                    "42s 48ms/step - accuracy: 0.9478 - loss: 0.1705",
                    &[
                        "938/938 ━━━━━━━━━━━━━━━━━━━━ 3s 3ms/step - accuracy: 0.9478 - loss: 0.1705 \
                         - val_accuracy: 0.9811 - val_loss: 0.0623",
                    ],
                ),
                (
                    80,
                    "42s 48ms/step - accuracy: 0.9478 - loss: 0.1705",
                    &[
                        "938/938 ━━━━━━━━━━━━━━━━━━━━ 3s 3ms/step - accuracy: 0.9478 - loss: 0.1705",
                        "        val_accuracy: 0.9811 - val_loss: 0.0623",
                    ],
                ),
                (
                    66,
                    "42s 48ms/step - accuracy: 0.9478 - loss: 0.1705",
                    &[
                        "938/938 ━━━━━━━ 3s 3ms/step - accuracy: 0.9478 - loss: 0.1705",
                        "        val_accuracy: 0.9811 - val_loss: 0.0623",
                    ],
                ),
                (
                    50,
                    "42s - accuracy: 0.9478 - loss: 0.1705",
                    &[
                        "938/938 3s - accuracy: 0.9478 - loss: 0.1705",
                        "        val_accuracy: 0.9811 - val_loss: 0.0623",
                    ],
                ),
                (
                    32,
                    "42s - accuracy: 0.9478",
                    &[
                        "938/938 3s - accuracy: 0.9478",
                        "        loss: 0.1705",
                        "        val_accuracy: 0.9811",
                        "        val_loss: 0.0623",
                    ],
                ),
            ];
            for (width, running, finished) in cases {
                let layout = Layout::new(width, 938);
                let epoch = epoch();
                assert_eq!(
                    layout.running(63, 3.0, &epoch.scores),
                    running,
                    "{width} columns"
                );
                assert_eq!(layout.finished(938, &epoch), finished, "{width} columns");
            }
        }

        #[test]
        fn a_stopped_epoch_shows_how_far_it_came() {
            let lines = Layout::new(80, 10).finished(5, &epoch());
            let expected = "5/10 ━━━━━━━━━━────────── 3s 580ms/step - ";
            assert!(lines[0].starts_with(expected), "{lines:?}");
        }

        #[test]
        fn every_template_is_well_formed() {
            for width in 0..200 {
                for steps in [0, 1, 9, 10, 938, usize::MAX] {
                    Layout::new(width, steps).style();
                }
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
}
