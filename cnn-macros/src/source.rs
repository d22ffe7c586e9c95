//! Tokens to text, and byte ranges of that text back to spans.
//!
//! The parser in `cnn-dsl` reads text and speaks in byte ranges. So each token is written at
//! its own line and column into a string (adjacent tokens stay adjacent, `28x28x1` stays one
//! word), and a table sorted by position remembers which bytes came from which token. A range
//! in a diagnostic is looked up in that table. Where positions say nothing (an editor may
//! report the same one for every token, a `macro_rules!` mixes several places), tokens are set
//! apart by a space.

use cnn_dsl::syntax::Span as Range;
use proc_macro2::{Delimiter, LineColumn, Span, TokenStream, TokenTree};

/// The text of a macro's input with the way back to its tokens.
pub struct Source {
    /// What `cnn-dsl` parses.
    pub text: String,
    /// In the order of the text.
    pieces: Vec<Piece>,
    /// The outermost tokens, groups whole.
    trees: Vec<(Range, TokenTree)>,
    /// Stands for everything when there is no token.
    call_site: Span,
}

/// The bytes of one token.
struct Piece {
    range: Range,
    span: Span,
}

/// How far a line or column may jump ahead and still be followed; beyond, positions are noise.
const MAX_GAP: usize = 1000;

impl Source {
    /// Lays the tokens out as text.
    pub fn new(tokens: TokenStream) -> Self {
        let mut layout = Layout {
            source: Self {
                text: String::new(),
                pieces: Vec::new(),
                trees: Vec::new(),
                call_site: Span::call_site(),
            },
            cursor: None,
        };
        for token in tokens {
            let tree = token.clone();
            layout.stream(token.into());
            // Whatever blank stands before the token belongs to nothing, so the range may begin with it.
            let start = layout.source.trees.last().map_or(0, |(range, _)| range.end);
            let end = layout.source.text.len();
            layout.source.trees.push((Range { start, end }, tree));
        }
        layout.source
    }

    /// The outermost tokens that end in the range.
    pub fn tokens(&self, range: Range) -> TokenStream {
        let trees = self.trees.iter();
        let within = trees.filter(|(tree, _)| range.start < tree.end && tree.end <= range.end);
        within.map(|(_, tree)| tree.clone()).collect()
    }

    /// The spans of the first and the last token that the range touches. A range between two
    /// tokens is that of the token before it, where a missing token belongs.
    pub fn spans(&self, range: Range) -> (Span, Span) {
        let first = self
            .pieces
            .partition_point(|piece| piece.range.end <= range.start);
        let after = self
            .pieces
            .partition_point(|piece| piece.range.start < range.end);
        let touched = self.pieces.get(first..after).unwrap_or_default();
        match (touched.first(), touched.last()) {
            (Some(first), Some(last)) => (first.span, last.span),
            _ => {
                let before = self.pieces[..first.min(self.pieces.len())].last();
                let span = before
                    .or(self.pieces.first())
                    .map_or(self.call_site, |p| p.span);
                (span, span)
            }
        }
    }

    /// The line of the user's file on which the range starts, where tokens have positions.
    pub fn line(&self, range: Range) -> Option<usize> {
        let place = |piece: &Piece| {
            let start = piece.span.start();
            (start.line, start.column)
        };
        let (first, last) = self.pieces.first().zip(self.pieces.last())?;
        (place(first) < place(last)).then(|| self.spans(range).0.start().line)
    }
}

/// Writes tokens; the cursor is the place in the user's file that the end of the text stands for.
struct Layout {
    source: Source,
    cursor: Option<LineColumn>,
}

impl Layout {
    fn stream(&mut self, tokens: TokenStream) {
        for token in tokens {
            match token {
                TokenTree::Group(group) => {
                    let (open, close) = match group.delimiter() {
                        Delimiter::Parenthesis => ("(", ")"),
                        Delimiter::Brace => ("{", "}"),
                        Delimiter::Bracket => ("[", "]"),
                        // Made by `macro_rules!` around a fragment; nothing was written there.
                        Delimiter::None => ("", ""),
                    };
                    self.token(open, group.span_open());
                    self.stream(group.stream());
                    self.token(close, group.span_close());
                }
                TokenTree::Ident(ident) => self.token(&ident.to_string(), ident.span()),
                TokenTree::Punct(punct) => {
                    self.token(punct.as_char().encode_utf8(&mut [0; 4]), punct.span());
                }
                TokenTree::Literal(literal) => self.token(&literal.to_string(), literal.span()),
            }
        }
    }

    fn token(&mut self, text: &str, span: Span) {
        if text.is_empty() {
            return;
        }
        self.move_to(span.start(), text);
        let start = self.source.text.len();
        self.source.text.push_str(text);
        let range = Range {
            start,
            end: self.source.text.len(),
        };
        self.source.pieces.push(Piece { range, span });
        self.cursor = Some(span.end());
    }

    /// Writes the blank between the cursor and the next token.
    fn move_to(&mut self, target: LineColumn, next: &str) {
        let Some(cursor) = self.cursor else {
            return;
        };
        let text = &mut self.source.text;
        let ahead = (target.line, target.column) >= (cursor.line, cursor.column)
            && target.line - cursor.line <= MAX_GAP
            && target.column <= MAX_GAP;
        if !ahead {
            text.push(' ');
        } else if target.line > cursor.line {
            text.extend(std::iter::repeat_n('\n', target.line - cursor.line));
            text.extend(std::iter::repeat_n(' ', target.column));
        } else if target.column > cursor.column {
            text.extend(std::iter::repeat_n(' ', target.column - cursor.column));
        } else if is_word(text.chars().next_back()) && is_word(next.chars().next()) {
            // Two words cannot touch in a file: these positions come from elsewhere.
            text.push(' ');
        }
    }
}

fn is_word(c: Option<char>) -> bool {
    c.is_some_and(|c| c.is_alphanumeric() || c == '_')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn source(text: &str) -> Source {
        Source::new(text.parse().unwrap())
    }

    #[test]
    fn text_keeps_lines_and_columns() {
        let text = "network A {\n    conv2d(32, 3x3, activation = relu);\n        dense(-1);\n}";
        assert_eq!(source(text).text, text);
    }

    #[test]
    fn comments_become_blanks_of_their_width() {
        assert_eq!(source("a /* b */ c // d\n e").text, "a         c\n e");
    }

    #[test]
    fn columns_count_characters() {
        assert_eq!(source("\"größe\" ; x").text, "\"größe\" ; x");
        assert_eq!(source("/* größe */ x").text, "x");
    }

    #[test]
    fn ranges_map_to_first_and_last_token() {
        let text = "one two(three, four) five";
        let source = source(text);
        let at = |needle: &str| {
            let start = text.find(needle).unwrap();
            Range {
                start,
                end: start + needle.len(),
            }
        };
        let words = |needle: &str| {
            let (first, last) = source.spans(at(needle));
            (first.start().column, last.end().column)
        };
        assert_eq!(words("two"), (4, 7));
        assert_eq!(words("two(three, four)"), (4, 20));
        assert_eq!(words("three, four"), (8, 19));
        assert_eq!(words("hre"), (8, 13));
        let after_five = Range {
            start: text.len(),
            end: text.len(),
        };
        assert_eq!(source.spans(after_five).0.start().column, 21);
    }

    #[test]
    fn ranges_map_to_whole_tokens() {
        let text = "#[derive(A, B)] /* c */ #[d] pub(crate) network";
        let source = source(text);
        let tokens = |start, end| source.tokens(Range { start, end }).to_string();
        let normal = |text: &str| text.parse::<TokenStream>().unwrap().to_string();
        let attribute = text.find("#[d]").unwrap();
        assert_eq!(tokens(0, 15), normal("#[derive(A, B)]"));
        assert_eq!(tokens(attribute, attribute + 4), normal("#[d]"));
        assert_eq!(tokens(0, 0), "");
        assert_eq!(tokens(0, text.len()), normal(text));
    }

    #[test]
    fn no_tokens_no_panic() {
        let source = source("");
        source.spans(Range { start: 0, end: 0 });
        assert_eq!(source.text, "");
    }

    #[test]
    fn tokens_all_in_one_place_stay_apart() {
        // As an editor may give them: every span is the call site.
        let tokens = source("network A { input(28x28x1); }").respanned();
        assert_eq!(Source::new(tokens).text, "network A{input(28x28x1);}");
    }

    impl Source {
        /// The same tokens, all with one span.
        fn respanned(&self) -> TokenStream {
            fn walk(tokens: TokenStream) -> TokenStream {
                tokens
                    .into_iter()
                    .map(|mut token| {
                        if let TokenTree::Group(group) = &token {
                            token =
                                proc_macro2::Group::new(group.delimiter(), walk(group.stream()))
                                    .into();
                        }
                        token.set_span(Span::call_site());
                        token
                    })
                    .collect()
            }
            walk(self.text.parse().unwrap())
        }
    }
}
