//! Writes SVG: shapes with classes, whose colours a style sheet decides, and texts that are escaped.
//!
//! Coordinates are CSS pixels from the upper left corner. They are rounded to hundredths, and one that is not finite is
//! written as 0, so that no value of a user can make a picture that does not parse.

use std::borrow::Cow;
use std::fmt::{self, Display, Write};

use crate::theme;

/// Where a text begins: its start, its middle or its end is at the coordinate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Anchor {
    Start,
    Middle,
    End,
}

/// A picture that is being written.
pub(crate) struct Svg {
    body: String,
}

impl Svg {
    pub(crate) fn new() -> Self {
        Self {
            body: String::new(),
        }
    }

    /// The whole file. `description` is what a screen reader says.
    pub(crate) fn finish(self, width: f64, height: f64, description: &str) -> String {
        let (width, height) = (width.ceil(), height.ceil());
        let description = escape(description);
        format!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" class=\"cnn-plot\" width=\"{width}\" height=\"{height}\" \
             viewBox=\"0 0 {width} {height}\" role=\"img\" aria-label=\"{description}\">\n<style>{}</style>\n{}</svg>\n",
            theme::STYLE,
            self.body
        )
    }

    pub(crate) fn line(&mut self, from: (f64, f64), to: (f64, f64), class: &str) {
        let ((x1, y1), (x2, y2)) = (from, to);
        self.put(format_args!(
            "<line class=\"{class}\" x1=\"{}\" y1=\"{}\" x2=\"{}\" y2=\"{}\"/>",
            Number(x1),
            Number(y1),
            Number(x2),
            Number(y2)
        ));
    }

    /// A rectangle, and what is shown while the pointer is over it: nothing, where `tip` is empty.
    pub(crate) fn rect(&mut self, area: Area, class: &str, tip: &str) {
        self.rect_with(area, class, "", tip);
    }

    /// A rectangle as opaque as `opacity` says, from 0 to 1.
    pub(crate) fn tinted(&mut self, area: Area, class: &str, opacity: f64, tip: &str) {
        let opacity = format!(" fill-opacity=\"{}\"", Number(opacity));
        self.rect_with(area, class, &opacity, tip);
    }

    /// A rectangle with rounded corners.
    pub(crate) fn rounded(&mut self, area: Area, radius: f64, class: &str, tip: &str) {
        let radius = format!(" rx=\"{}\"", Number(radius));
        self.rect_with(area, class, &radius, tip);
    }

    fn rect_with(&mut self, area: Area, class: &str, more: &str, tip: &str) {
        let Area {
            x,
            y,
            width,
            height,
        } = area;
        self.put(format_args!(
            "<rect class=\"{class}\" x=\"{}\" y=\"{}\" width=\"{}\" height=\"{}\"{more}{}",
            Number(x),
            Number(y),
            Number(width),
            Number(height),
            Ending { name: "rect", tip }
        ));
    }

    pub(crate) fn circle(&mut self, center: (f64, f64), radius: f64, class: &str, tip: &str) {
        self.put(format_args!(
            "<circle class=\"{class}\" cx=\"{}\" cy=\"{}\" r=\"{}\"{}",
            Number(center.0),
            Number(center.1),
            Number(radius),
            Ending {
                name: "circle",
                tip
            }
        ));
    }

    pub(crate) fn path(&mut self, path: &str, class: &str) {
        self.put(format_args!("<path class=\"{class}\" d=\"{path}\"/>"));
    }

    /// A filled path as opaque as `opacity` says, from 0 to 1.
    pub(crate) fn tinted_path(&mut self, path: &str, class: &str, opacity: f64) {
        let opacity = Number(opacity);
        self.put(format_args!(
            "<path class=\"{class}\" fill-opacity=\"{opacity}\" d=\"{path}\"/>"
        ));
    }

    pub(crate) fn text(&mut self, at: (f64, f64), anchor: Anchor, class: &str, text: &str) {
        self.put(format_args!(
            "<text class=\"{class}{}\" x=\"{}\" y=\"{}\">{}</text>",
            anchored(anchor),
            Number(at.0),
            Number(at.1),
            escape(text)
        ));
    }

    /// Two texts one behind the other: a bold one, and one in the colour of notes.
    pub(crate) fn text_and_note(&mut self, at: (f64, f64), text: &str, note: &str) {
        let (x, y) = (Number(at.0), Number(at.1));
        let (text, note) = (escape(text), escape(note));
        self.put(format_args!(
            "<text x=\"{x}\" y=\"{y}\"><tspan class=\"bold\">{text}</tspan><tspan class=\"note\" dx=\"8\">{note}</tspan></text>"
        ));
    }

    /// A text that runs upwards.
    pub(crate) fn text_upwards(&mut self, at: (f64, f64), anchor: Anchor, class: &str, text: &str) {
        let (x, y) = (Number(at.0), Number(at.1));
        self.put(format_args!(
            "<text class=\"{class}{}\" transform=\"translate({x} {y}) rotate(-90)\">{}</text>",
            anchored(anchor),
            escape(text)
        ));
    }

    /// An image, given as `data:` address; `tip` is shown while the pointer is over it.
    pub(crate) fn image(&mut self, area: Area, class: &str, data: &str, tip: &str) {
        self.put(format_args!(
            "<image class=\"{class}\" x=\"{}\" y=\"{}\" width=\"{}\" height=\"{}\" preserveAspectRatio=\"none\" \
             href=\"{data}\"{}",
            Number(area.x),
            Number(area.y),
            Number(area.width),
            Number(area.height),
            Ending { name: "image", tip }
        ));
    }

    fn put(&mut self, element: fmt::Arguments<'_>) {
        writeln!(self.body, "{element}").expect("a string takes what is written");
    }
}

/// A part of a picture.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Area {
    pub(crate) x: f64,
    pub(crate) y: f64,
    pub(crate) width: f64,
    pub(crate) height: f64,
}

impl Area {
    pub(crate) const fn new(x: f64, y: f64, width: f64, height: f64) -> Self {
        Self {
            x,
            y,
            width,
            height,
        }
    }

    pub(crate) fn right(&self) -> f64 {
        self.x + self.width
    }

    pub(crate) fn bottom(&self) -> f64 {
        self.y + self.height
    }
}

fn anchored(anchor: Anchor) -> &'static str {
    match anchor {
        Anchor::Start => "",
        Anchor::Middle => " mid",
        Anchor::End => " end",
    }
}

/// The end of an element, with the tip where there is one.
struct Ending<'a> {
    name: &'a str,
    tip: &'a str,
}

impl Display for Ending<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.tip {
            "" => write!(f, "/>"),
            tip => write!(f, "><title>{}</title></{}>", escape(tip), self.name),
        }
    }
}

/// A coordinate, in hundredths of a pixel.
pub(crate) struct Number(pub(crate) f64);

impl Display for Number {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let hundredths = (self.0 * 100.0).round();
        match hundredths.is_finite() {
            // `+ 0.0` turns -0 into 0.
            true => write!(f, "{}", hundredths / 100.0 + 0.0),
            false => write!(f, "0"),
        }
    }
}

/// `text` as the content or an attribute of an element. Characters that XML does not have become U+FFFD.
pub(crate) fn escape(text: &str) -> Cow<'_, str> {
    let is_plain = |c: char| !matches!(c, '&' | '<' | '>' | '"' | '\'') && is_xml(c);
    if text.chars().all(is_plain) {
        return Cow::Borrowed(text);
    }
    let mut escaped = String::with_capacity(text.len() + 16);
    for c in text.chars() {
        match c {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\'' => escaped.push_str("&#39;"),
            c if is_xml(c) => escaped.push(c),
            _ => escaped.push(char::REPLACEMENT_CHARACTER),
        }
    }
    Cow::Owned(escaped)
}

/// Whether XML 1.0 has the character (production 2, `Char`).
fn is_xml(c: char) -> bool {
    matches!(c, '\t' | '\n' | '\r' | ' '..='\u{D7FF}' | '\u{E000}'..='\u{FFFD}' | '\u{10000}'..)
}

/// How much wider bold texts are.
pub(crate) const BOLD: f64 = 1.12;

/// How wide a text is, in pixels: an estimate, rather too wide, as the font is that of the reader.
pub(crate) fn text_width(text: &str, size: f64) -> f64 {
    let em = |c: char| match c {
        'i' | 'j' | 'l' | '.' | ',' | ':' | ';' | '\'' | '|' | '!' => 0.3,
        'f' | 't' | 'r' | ' ' | '(' | ')' | '[' | ']' | '-' | '/' => 0.4,
        'm' | 'w' | 'M' | 'W' | '@' | '%' | '…' => 0.92,
        'A'..='Z' => 0.72,
        ' '..='~' => 0.63,
        // Letters of Latin, Greek and Cyrillic; others may be as wide as they are high.
        '\u{A0}'..='\u{52F}' => 0.66,
        _ => 1.0,
    };
    text.chars().map(em).sum::<f64>() * size
}

/// `text`, with its end cut off where it would be wider than `width` pixels.
pub(crate) fn shorten(text: &str, size: f64, width: f64) -> Cow<'_, str> {
    if text_width(text, size) <= width {
        return Cow::Borrowed(text);
    }
    let room = width - text_width("…", size);
    let mut short = String::new();
    let mut used = 0.0;
    for c in text.chars() {
        used += text_width(c.encode_utf8(&mut [0; 4]), size);
        if used > room {
            break;
        }
        short.push(c);
    }
    short.truncate(short.trim_end().len());
    short.push('…');
    Cow::Owned(short)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn coordinates_are_short_and_finite() {
        let cases = [
            (0.0, "0"),
            (-0.001, "0"),
            (12.0, "12"),
            (1.0 / 3.0, "0.33"),
            (-2.5, "-2.5"),
            (f64::NAN, "0"),
            (f64::INFINITY, "0"),
        ];
        for (value, text) in cases {
            assert_eq!(Number(value).to_string(), text);
        }
    }

    #[test]
    fn what_is_escaped_comes_back() {
        let hostile = "<script>alert('1 & \"2\"')</script>\0\u{8}\u{FFFE}";
        let mut svg = Svg::new();
        svg.text((1.0, 2.0), Anchor::End, "note", hostile);
        let file = svg.finish(10.0, 10.0, hostile);
        let document = roxmltree::Document::parse(&file).unwrap();
        let text = document
            .descendants()
            .find(|node| node.has_tag_name("text"));
        let expected = "<script>alert('1 & \"2\"')</script>\u{FFFD}\u{FFFD}\u{FFFD}";
        assert_eq!(text.unwrap().text(), Some(expected));
        assert_eq!(
            document.root_element().attribute("aria-label"),
            Some(expected)
        );
    }

    #[test]
    fn long_texts_are_cut_to_the_width() {
        assert_eq!(shorten("shirt", 12.0, 100.0), "shirt");
        let long = "a very long name of a class";
        for width in [0.0, 20.0, 60.0, 100.0] {
            let short = shorten(long, 12.0, width);
            assert!(short.ends_with('…'), "{short}");
            assert!(
                text_width(&short, 12.0) <= width.max(text_width("…", 12.0)),
                "{short}"
            );
        }
    }
}
