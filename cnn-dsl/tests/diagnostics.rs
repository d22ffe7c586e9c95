//! Every mistake in `tests/diagnostics` is reported where and as its comments say.
//!
//! Each file there is a small description. Below an offending line stands what is expected of
//! it, in comments that begin in the first column: carets under the exact text (`|` where
//! something is missing), the message, its notes and its help, and dashes under the other
//! places that a message points at. After a change that is meant, rewrite them with
//!
//! ```text
//! CNN_UPDATE=1 cargo nextest run -p cnn-dsl every_mistake_is_reported_as_expected
//! ```

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use cnn_dsl::syntax::Span;
use cnn_dsl::{Code, Diagnostic, Diagnostics, analyse};

#[test]
fn every_mistake_is_reported_as_expected() {
    let update = std::env::var_os("CNN_UPDATE").is_some();
    let mut wrong = Vec::new();
    for (path, text) in cases() {
        let source = without_expectations(&text);
        let found = annotated(&source, &analyse(&source).diagnostics);
        if found == text {
            continue;
        }
        if update {
            std::fs::write(&path, &found).expect("a case can be written");
        } else {
            let name = path.file_name().unwrap_or_default().to_string_lossy();
            wrong.push(format!(
                "--- {name}, expected\n{text}\n--- {name}, found\n{found}"
            ));
        }
    }
    assert!(
        wrong.is_empty(),
        "{} cases differ\n{}",
        wrong.len(),
        wrong.join("\n")
    );
}

#[test]
fn the_expectations_do_not_change_the_meaning() {
    let mut wrong = Vec::new();
    for (path, text) in cases() {
        let plain = messages(&analyse(&without_expectations(&text)).diagnostics);
        let commented = messages(&analyse(&text).diagnostics);
        if plain != commented {
            wrong.push(format!("{}\n{plain:#?}\n{commented:#?}", path.display()));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn every_case_holds_a_mistake_and_every_code_has_a_case() {
    let mut silent = Vec::new();
    let mut seen = BTreeSet::new();
    for (path, text) in cases() {
        let diagnostics = analyse(&text).diagnostics;
        if diagnostics.is_empty() {
            silent.push(path);
        }
        seen.extend(diagnostics.iter().map(|diagnostic| diagnostic.code));
    }
    assert!(silent.is_empty(), "cases without a diagnostic: {silent:?}");
    let unseen: Vec<_> = Code::ALL
        .iter()
        .filter(|code| !seen.contains(code))
        .collect();
    assert!(unseen.is_empty(), "codes without a case: {unseen:?}");
}

#[test]
fn messages_keep_to_the_style() {
    let mut wrong = Vec::new();
    for (_, text) in cases() {
        for diagnostic in analyse(&text).diagnostics {
            let lines = std::iter::once(&diagnostic.message)
                .chain(&diagnostic.notes)
                .chain(&diagnostic.help)
                .chain(diagnostic.secondary.iter().map(|(_, label)| label));
            for line in lines {
                let full_stop = line.ends_with('.');
                let capital = line.starts_with(|c: char| c.is_uppercase());
                let ticks = line.matches('`').count() % 2 != 0;
                if full_stop || capital || ticks || line.is_empty() || line.contains("  ") {
                    wrong.push(line.clone());
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn codes_are_written_once_and_explained() {
    let names: BTreeSet<_> = Code::ALL.iter().map(|code| code.name()).collect();
    assert_eq!(names.len(), Code::ALL.len());
    for code in Code::ALL {
        let snake = code
            .name()
            .bytes()
            .all(|b| b.is_ascii_lowercase() || b == b'_');
        assert!(snake, "{code}");
        assert!(code.meaning().ends_with('.'), "{code}: {}", code.meaning());
    }
}

fn cases() -> Vec<(PathBuf, String)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/diagnostics");
    let entries = std::fs::read_dir(folder).expect("the cases are there");
    let mut paths: Vec<_> = entries
        .map(|entry| entry.expect("a case is readable").path())
        .collect();
    paths.sort();
    let text = |path: &PathBuf| std::fs::read_to_string(path).expect("a case is UTF-8");
    paths
        .into_iter()
        .map(|path| (path.clone(), text(&path)))
        .collect()
}

fn messages(diagnostics: &Diagnostics) -> Vec<String> {
    diagnostics.iter().map(Diagnostic::to_string).collect()
}

/// Comments in the first column are expectations.
fn without_expectations(text: &str) -> String {
    text.split_inclusive('\n')
        .filter(|line| !line.starts_with("//"))
        .collect()
}

/// The source with what was found below each line.
fn annotated(source: &str, diagnostics: &Diagnostics) -> String {
    let mut below: Vec<Vec<String>> = vec![Vec::new(); source.lines().count().max(1)];
    for diagnostic in diagnostics {
        let (line, mark) = mark(source, diagnostic.span, '^');
        below[line].push(format!("{mark} {diagnostic}"));
        below[line].extend(
            diagnostic
                .notes
                .iter()
                .map(|note| format!("//  = note: {note}")),
        );
        below[line].extend(
            diagnostic
                .help
                .iter()
                .map(|help| format!("//  = help: {help}")),
        );
        for (span, label) in &diagnostic.secondary {
            let (line, mark) = self::mark(source, *span, '-');
            below[line].push(format!("{mark} {label}"));
        }
    }
    let mut text = String::new();
    for (line, below) in source.lines().zip(below) {
        text += &format!("{line}\n");
        text.extend(below.iter().map(|line| format!("{line}\n")));
    }
    text
}

/// The line of a span and a comment that marks it; the end of the text counts to the last line.
fn mark(source: &str, span: Span, sign: char) -> (usize, String) {
    let start = source[..span.start].rfind('\n').map_or(0, |at| at + 1);
    let last = source.lines().count().saturating_sub(1);
    let line = source[..span.start].matches('\n').count().min(last);
    let end = source[span.start..]
        .find('\n')
        .map_or(source.len(), |at| span.start + at);
    let indent = source[start..span.start].chars().count();
    assert!(
        indent >= 2 || span.start == span.end,
        "there is no room for the mark: indent the case"
    );
    let marked = source[span.start..span.end.clamp(span.start, end)]
        .chars()
        .count();
    let signs = if marked == 0 {
        "|".to_owned()
    } else {
        sign.to_string().repeat(marked)
    };
    (
        line,
        format!("//{}{signs}", " ".repeat(indent.saturating_sub(2))),
    )
}
