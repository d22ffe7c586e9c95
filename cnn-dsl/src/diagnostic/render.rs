//! Prints a diagnostic in rustc's manner.
//!
//! ```text
//! error[not_flat]: `dense_1` needs a flat input, but `max_pool2d_2` produces 5x5x64
//!   --> src/main.rs:11:9
//!    |
//! 11 |         dense(64, activation = relu);
//!    |         ^^^^^
//!    = note: input 28x28x1 → conv2d_1 26x26x32 → …
//!    = help: insert `flatten;` before this line (5x5x64 → 1600)
//! ```

use crate::diagnostic::Diagnostic;
use crate::syntax::Span;

/// Tabs are shown as this many blanks.
const TAB: usize = 4;

pub(crate) fn render(diagnostic: &Diagnostic, source: &str, file_name: &str) -> String {
    let text = Text::new(source);
    let mut marks = vec![text.mark(
        diagnostic.span,
        '^',
        diagnostic.label.as_deref().unwrap_or_default(),
    )];
    for (span, label) in &diagnostic.secondary {
        marks.push(text.mark(*span, '-', label));
    }
    let (line, column) = text.position(diagnostic.span.start);
    let gutter = marks
        .iter()
        .map(|mark| (mark.line + 1).to_string().len())
        .max()
        .unwrap_or(1);
    let blank = " ".repeat(gutter);

    let mut out = format!("{diagnostic}\n{blank}--> {file_name}:{line}:{column}\n{blank} |\n");
    marks.sort_by_key(|mark| mark.line);
    let mut shown: Option<usize> = None;
    for mark in &marks {
        if shown != Some(mark.line) {
            if shown.is_some_and(|shown| mark.line > shown + 1) {
                out += "...\n";
            }
            let line = text.expanded(mark.line);
            out += format!("{:>gutter$} | {line}", mark.line + 1).trim_end();
            out += "\n";
            shown = Some(mark.line);
        }
        let carets = mark.sign.to_string().repeat(mark.width);
        let under = format!(
            "{blank} | {}{carets} {}",
            " ".repeat(mark.indent),
            mark.label
        );
        out += under.trim_end();
        out += "\n";
    }
    for note in &diagnostic.notes {
        out += &format!("{blank} = note: {note}\n");
    }
    for help in &diagnostic.help {
        out += &format!("{blank} = help: {help}\n");
    }
    out
}

/// What stands under a line.
struct Mark<'a> {
    /// Counted from 0.
    line: usize,
    /// In cells of the terminal, behind the gutter.
    indent: usize,
    width: usize,
    sign: char,
    label: &'a str,
}

/// A source with its lines.
struct Text<'a> {
    source: &'a str,
    /// The first byte of each line.
    starts: Vec<usize>,
}

impl<'a> Text<'a> {
    fn new(source: &'a str) -> Self {
        let breaks = source.match_indices('\n').map(|(at, _)| at + 1);
        Self {
            source,
            starts: std::iter::once(0).chain(breaks).collect(),
        }
    }

    /// The line of a byte, counted from 0.
    fn line_of(&self, offset: usize) -> usize {
        self.starts.partition_point(|&start| start <= offset) - 1
    }

    /// A line without its end.
    fn line(&self, line: usize) -> &'a str {
        let end = self
            .starts
            .get(line + 1)
            .map_or(self.source.len(), |next| next - 1);
        let text = &self.source[self.starts[line]..end];
        text.strip_suffix('\r').unwrap_or(text)
    }

    fn expanded(&self, line: usize) -> String {
        self.line(line).replace('\t', &" ".repeat(TAB))
    }

    /// Line and column of a byte, both counted from 1; columns count characters.
    fn position(&self, offset: usize) -> (usize, usize) {
        let line = self.line_of(offset);
        let before = &self.source[self.starts[line]..self.boundary(offset)];
        (line + 1, before.chars().count() + 1)
    }

    /// The offset, moved back to where a character begins.
    fn boundary(&self, offset: usize) -> usize {
        self.source.floor_char_boundary(offset)
    }

    /// Of a span over several lines, the part on the first one is marked.
    fn mark<'l>(&self, span: Span, sign: char, label: &'l str) -> Mark<'l> {
        let line = self.line_of(span.start.min(self.source.len()));
        let text = self.line(line);
        let start = self.starts[line];
        let from = (self.boundary(span.start) - start).min(text.len());
        let to = (self.boundary(span.end) - start).clamp(from, text.len());
        Mark {
            line,
            indent: width(&text[..from]),
            width: width(&text[from..to]).max(1),
            sign,
            label,
        }
    }
}

/// The cells that a terminal takes for a text.
fn width(text: &str) -> usize {
    text.chars()
        .map(|c| match c {
            '\t' => TAB,
            // Combining marks, joiners, variation selectors.
            '\u{300}'..='\u{36f}'
            | '\u{200b}'..='\u{200f}'
            | '\u{fe00}'..='\u{fe0f}'
            | '\u{feff}' => 0,
            // East Asian wide and full-width forms, emoji.
            '\u{1100}'..='\u{115f}'
            | '\u{2e80}'..='\u{a4cf}'
            | '\u{ac00}'..='\u{d7a3}'
            | '\u{f900}'..='\u{faff}'
            | '\u{fe30}'..='\u{fe6f}'
            | '\u{ff00}'..='\u{ff60}'
            | '\u{ffe0}'..='\u{ffe6}'
            | '\u{1f300}'..='\u{1faff}'
            | '\u{20000}'..='\u{3fffd}' => 2,
            _ => 1,
        })
        .sum()
}
