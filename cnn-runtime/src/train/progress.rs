//! The progress of `fit` on the standard error stream: a bar as Keras draws it on a terminal, a line for each epoch
//! elsewhere.
//!
//! A step costs a counter and a look at the clock; the bar is drawn anew a few times a second, for the width that the
//! terminal has then. What it looks like is in `layout`; how the loss went so far, as a line of blocks, in `sparkline`.
//! Without the feature `progress`, or on WebAssembly, which has no such stream, nothing is written.

#[cfg(all(feature = "progress", not(target_family = "wasm")))]
mod layout;

#[cfg(all(feature = "progress", not(target_family = "wasm")))]
mod sparkline;

#[cfg(all(feature = "progress", not(target_family = "wasm")))]
pub(crate) use shown::Bar;

#[cfg(not(all(feature = "progress", not(target_family = "wasm"))))]
pub(crate) use silent::Bar;

#[cfg(not(all(feature = "progress", not(target_family = "wasm"))))]
mod silent {
    use crate::model::Scores;
    use crate::train::history::Epoch;

    /// Draws nothing.
    pub(crate) struct Bar;

    impl Bar {
        pub(crate) fn start(_enabled: bool, _epoch: usize, _epochs: usize, _steps: usize) -> Self {
            Self
        }

        pub(crate) fn skip(&mut self, _steps: usize) {}

        pub(crate) fn step(&mut self, _scores: impl FnOnce() -> Scores) {}

        pub(crate) fn say(&mut self, _text: &str) {}

        pub(crate) fn finish(self, _epoch: &Epoch, _is_scheduled: bool) {}
    }
}

#[cfg(all(feature = "progress", not(target_family = "wasm")))]
mod shown {
    use std::io::{self, Write};

    use console::Term;

    use super::layout::{self, Layout, rows_above};
    use super::sparkline::Sparkline;
    use crate::clock::Stopwatch;
    use crate::model::Scores;
    use crate::train::history::Epoch;

    /// Between two changes of the bar, in seconds.
    const INTERVAL: f64 = 0.1;

    /// The progress of one epoch.
    pub(crate) struct Bar {
        output: Output,
        epoch: usize,
        epochs: usize,
        steps: usize,
        /// Steps done.
        step: usize,
    }

    /// Where it goes.
    enum Output {
        Nowhere,
        /// To a stream that keeps all that is written.
        Lines,
        Terminal(Screen),
    }

    impl Bar {
        /// Begins epoch `epoch` of `epochs`, which has `steps` steps.
        pub(crate) fn start(enabled: bool, epoch: usize, epochs: usize, steps: usize) -> Self {
            let term = Term::buffered_stderr();
            let output = if !enabled {
                Output::Nowhere
            } else if term.is_term() && std::env::var_os("TERM").is_none_or(|term| term != "dumb") {
                let screen = Screen::new(term);
                screen.lines(&layout::headline(screen.width(), epoch, epochs));
                Output::Terminal(screen)
            } else {
                Output::Lines
            };
            Self {
                output,
                epoch,
                epochs,
                steps,
                step: 0,
            }
        }

        /// Counts steps that were done before.
        pub(crate) fn skip(&mut self, steps: usize) {
            self.step += steps;
        }

        /// Counts a step; `scores` are those of the epoch so far.
        pub(crate) fn step(&mut self, scores: impl FnOnce() -> Scores) {
            self.step += 1;
            let (step, steps) = (self.step, self.steps);
            if let Output::Terminal(screen) = &mut self.output
                && (step == steps || screen.drawn.seconds() >= INTERVAL)
            {
                let layout = Layout::new(screen.width(), steps);
                let elapsed = screen.started.seconds();
                let scores = scores();
                screen.losses.push(step, scores.loss);
                screen.draw(&layout.running(step, elapsed, &scores, &screen.sparkline()));
            }
        }

        /// Writes lines above the bar.
        pub(crate) fn say(&mut self, text: &str) {
            match &mut self.output {
                Output::Nowhere => {}
                Output::Lines => {
                    let _ = io::stderr().write_all(format!("{text}\n").as_bytes());
                }
                Output::Terminal(screen) => {
                    screen.draw("");
                    screen.lines(&[text.to_owned()]);
                }
            }
        }

        /// Leaves the epoch's scores behind, and the learning rate where a schedule changes it.
        pub(crate) fn finish(mut self, epoch: &Epoch, is_scheduled: bool) {
            match &mut self.output {
                Output::Nowhere => {}
                Output::Lines => {
                    let steps = (self.step, self.steps);
                    let number = (self.epoch, self.epochs);
                    let line = layout::plain(number, steps, epoch, is_scheduled);
                    // In one piece, as other processes may write there too. Training goes on where nobody reads it.
                    let _ = io::stderr().write_all((line + "\n").as_bytes());
                }
                Output::Terminal(screen) => {
                    screen.draw("");
                    let layout = Layout::new(screen.width(), self.steps);
                    let sparkline = screen.sparkline();
                    screen.lines(&layout.finished(self.step, epoch, is_scheduled, &sparkline));
                }
            }
        }
    }

    /// The terminal, and the line on it that changes.
    struct Screen {
        term: Term,
        started: Stopwatch,
        /// Since the line was drawn last.
        drawn: Stopwatch,
        /// The columns that the line takes.
        columns: usize,
        losses: Sparkline,
        /// Whether it shows blocks of all heights.
        is_unicode: bool,
    }

    impl Screen {
        fn new(term: Term) -> Self {
            let started = Stopwatch::start();
            Self {
                term,
                started,
                drawn: started,
                columns: 0,
                losses: Sparkline::default(),
                is_unicode: is_unicode(|name| std::env::var(name).ok()),
            }
        }

        /// How the loss went so far; empty where the terminal cannot show it.
        fn sparkline(&self) -> String {
            match self.is_unicode {
                true => self.losses.text(),
                false => String::new(),
            }
        }

        /// The columns that the terminal has now.
        fn width(&self) -> usize {
            usize::from(self.term.size().1)
        }

        /// Puts `line` in the place of the line before.
        fn draw(&mut self, line: &str) {
            // A terminal that was made narrower has broken the old line: it began above.
            let above = rows_above(self.columns, self.width());
            self.drawn = Stopwatch::start();
            self.columns = line.chars().count();
            // Training goes on where a terminal does not take what is written.
            let _ = (self.term.clear_line())
                .and_then(|()| match above {
                    0 => Ok(()),
                    above => (self.term.move_cursor_up(above))
                        .and_then(|()| self.term.clear_to_end_of_screen()),
                })
                .and_then(|()| self.term.write_str(line))
                .and_then(|()| self.term.flush());
        }

        /// Writes lines that stay.
        fn lines(&self, lines: &[String]) {
            let mut lines = lines.iter();
            let _ = (lines.try_for_each(|line| self.term.write_line(line)))
                .and_then(|()| self.term.flush());
        }
    }

    /// Whether a terminal shows Unicode, by the variables of its environment: on Windows the terminal that does sets one,
    /// elsewhere the first of those of the locale that has a value names the encoding (POSIX.1-2017, 8.2). The terminals of
    /// macOS do without.
    fn is_unicode(variable: impl Fn(&str) -> Option<String>) -> bool {
        if cfg!(windows) {
            return variable("WT_SESSION").is_some();
        }
        let locale = (["LC_ALL", "LC_CTYPE", "LANG"].into_iter())
            .filter_map(variable)
            .find(|value| !value.is_empty());
        match locale.map(|locale| locale.to_ascii_uppercase()) {
            Some(locale) => locale.contains("UTF-8") || locale.contains("UTF8"),
            None => cfg!(target_os = "macos"),
        }
    }

    impl Drop for Screen {
        /// An error ends the epoch, and its message gets a line of its own.
        fn drop(&mut self) {
            if self.columns > 0 {
                self.lines(&[String::new()]);
            }
        }
    }

    #[cfg(test)]
    mod tests {
        #[test]
        #[cfg(all(unix, not(target_os = "macos")))]
        fn the_locale_says_whether_there_is_unicode() {
            let cases: [(&[(&str, &str)], bool); 7] = [
                (&[], false),
                (&[("LANG", "en_US.UTF-8")], true),
                (&[("LANG", "C")], false),
                (&[("LC_CTYPE", "C.utf8"), ("LANG", "C")], true),
                (&[("LC_ALL", "C"), ("LANG", "en_US.UTF-8")], false),
                (&[("LC_ALL", ""), ("LANG", "en_US.UTF-8")], true),
                (&[("WT_SESSION", "1")], false),
            ];
            for (variables, expected) in cases {
                let variable = |name: &str| {
                    let found = variables.iter().find(|(other, _)| *other == name);
                    found.map(|(_, value)| (*value).to_owned())
                };
                assert_eq!(super::is_unicode(variable), expected, "{variables:?}");
            }
        }
    }
}
