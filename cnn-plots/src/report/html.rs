//! Pieces of the page, and the page itself. All texts are escaped here.

use std::fmt::Write;

use crate::picture::Picture;
use crate::svg::escape;

const STYLE: &str = include_str!("report.css");

/// On which side of its column a text stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Align {
    Left,
    Right,
}

/// A table with a line of headings.
pub(super) struct Table {
    columns: Vec<Align>,
    html: String,
}

impl Table {
    pub(super) fn new(columns: &[(&str, Align)]) -> Self {
        let mut table = Self {
            columns: columns.iter().map(|(_, align)| *align).collect(),
            html: "<thead>".to_owned(),
        };
        table.cells("th", columns.iter().map(|(name, _)| *name));
        table.html += "</thead>\n<tbody>\n";
        table
    }

    pub(super) fn row(&mut self, cells: impl IntoIterator<Item = String>) {
        self.cells("td", cells);
    }

    fn cells<S: AsRef<str>>(&mut self, tag: &str, cells: impl IntoIterator<Item = S>) {
        self.html += "<tr>";
        for (cell, align) in cells.into_iter().zip(&self.columns) {
            let class = match align {
                Align::Left => "",
                Align::Right => " class=\"number\"",
            };
            let text = escape(cell.as_ref());
            write!(self.html, "<{tag}{class}>{text}</{tag}>")
                .expect("a string takes what is written");
        }
        self.html += "</tr>\n";
    }

    pub(super) fn html(&self) -> String {
        let rows = &self.html;
        format!("<div class=\"wide\"><table>{rows}</tbody></table></div>\n")
    }
}

/// A picture, and the text below it, which may be empty.
pub(super) fn figure(picture: &Picture, caption: &str) -> String {
    let caption = match caption {
        "" => String::new(),
        caption => format!("<figcaption>{}</figcaption>", escape(caption)),
    };
    // On a narrow screen a picture is moved rather than made unreadable.
    let least = picture.width().min(560.0).ceil();
    format!(
        "<figure><div class=\"wide\"><div style=\"min-width:{least}px\">{}</div></div>{caption}</figure>\n",
        picture.svg()
    )
}

/// Numbers with their names, side by side.
pub(super) fn figures(figures: impl Iterator<Item = (String, String)>) -> String {
    let mut html = "<dl class=\"figures\">\n".to_owned();
    for (name, value) in figures {
        let (name, value) = (escape(&name), escape(&value));
        writeln!(html, "<div><dt>{name}</dt><dd>{value}</dd></div>")
            .expect("a string takes what is written");
    }
    html + "</dl>\n"
}

/// A part that is opened by its title.
pub(super) fn details(title: &str, body: &str) -> String {
    format!(
        "<details><summary>{}</summary>\n{body}</details>\n",
        escape(title)
    )
}

pub(super) fn preformatted(text: &str) -> String {
    format!("<div class=\"wide\"><pre>{}</pre></div>\n", escape(text))
}

pub(super) fn paragraph(text: &str) -> String {
    format!("<p>{}</p>\n", escape(text))
}

/// The page. `sections` are headings, which are escaped, and bodies, which are HTML.
pub(super) fn page<'a>(
    title: &str,
    date: &str,
    sections: impl Iterator<Item = (&'a str, &'a str)> + Clone,
) -> String {
    let mut links = String::new();
    let mut bodies = String::new();
    for (number, (heading, body)) in (1..).zip(sections) {
        let heading = escape(heading);
        writeln!(links, "<a href=\"#section-{number}\">{heading}</a>")
            .and_then(|()| {
                writeln!(
                    bodies,
                    "<section id=\"section-{number}\">\n<h2>{heading}</h2>\n{body}</section>"
                )
            })
            .expect("a string takes what is written");
    }
    let (title, date) = (escape(title), escape(date));
    // The policy forbids scripts and everything from elsewhere, whatever the page holds.
    format!(
        "<!DOCTYPE html>\n\
         <html lang=\"en\">\n\
         <head>\n\
         <meta charset=\"utf-8\">\n\
         <meta http-equiv=\"Content-Security-Policy\" \
         content=\"default-src 'none'; img-src data:; style-src 'unsafe-inline'\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <meta name=\"color-scheme\" content=\"light dark\">\n\
         <title>{title}</title>\n\
         <style>{STYLE}</style>\n\
         </head>\n\
         <body>\n\
         <header>\n<h1>{title}</h1>\n<p class=\"date\">{date}</p>\n<nav>{links}</nav>\n</header>\n\
         <main>\n{bodies}</main>\n\
         </body>\n\
         </html>\n"
    )
}
