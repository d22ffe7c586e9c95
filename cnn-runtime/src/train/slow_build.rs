//! A hint for whoever trains in a build without optimisation and does not know it.
//!
//! A crate cannot ask how far it is optimised. But the profile that the README proposes turns the debug assertions of this crate
//! off, and without it a debug build has them: where they are on and a step takes long, the hint is due.

use std::sync::atomic::{AtomicBool, Ordering};

/// Seconds. A step that takes as long makes a person wait.
const LONG: f64 = 0.05;

const HINT: &str = "\
hint: cnn-runtime is built without optimisation, and trains about a hundred times slower than it can. In Cargo.toml:
    [profile.dev.package]
    cnn-runtime = { opt-level = 2, debug-assertions = false, overflow-checks = false }
    matrixmultiply = { opt-level = 3, debug-assertions = false, overflow-checks = false }";

/// What to say after a step that took `step` seconds: once in the life of the program, and never in an optimised build.
pub(super) fn hint(step: f64) -> Option<&'static str> {
    static SAID: AtomicBool = AtomicBool::new(false);
    hint_once(cfg!(debug_assertions), step, &SAID)
}

fn hint_once(debug_assertions: bool, step: f64, said: &AtomicBool) -> Option<&'static str> {
    (debug_assertions && step >= LONG && !said.swap(true, Ordering::Relaxed)).then_some(HINT)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slow_build_is_told_once() {
        let said = AtomicBool::new(false);
        let steps = [
            (false, LONG, false),
            (true, LONG / 2.0, false),
            (true, LONG, true),
            (true, LONG * 9.0, false),
        ];
        for (debug_assertions, step, expected) in steps {
            let hint = hint_once(debug_assertions, step, &said);
            assert_eq!(hint.is_some(), expected, "{debug_assertions} {step:?}");
        }
    }

    /// The hint is what the README proposes.
    #[test]
    fn the_hint_is_in_the_readme() {
        let readme = include_str!("../../../README.md");
        for line in HINT.lines().skip(2) {
            assert!(readme.contains(line.trim()), "{line}");
        }
    }
}
