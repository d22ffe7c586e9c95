//! The colours and fonts of all pictures: one style sheet, for light and for dark pages.
//!
//! Shapes carry classes and no colours. The background stays transparent, so a picture takes that of its page. Texts have
//! an outline in the colour that the page should have: it is not seen there, and keeps them readable on a page that is
//! light while its reader prefers dark, and where they cross a curve.
//!
//! Blue is for training and for what is right, orange for validation and for what is wrong; the pair is told apart with
//! any colour vision (Okabe & Ito 2008, "Color Universal Design").

/// The style of a picture. Its selectors begin with the class of a picture, so that they do not reach into a page around
/// it.
pub(crate) const STYLE: &str = include_str!("theme.css");

/// The size of most texts, in pixels.
pub(crate) const TEXT: f64 = 12.0;

/// The width of a picture that fills its column: that of a page of documentation.
pub(crate) const WIDTH: f64 = 800.0;
