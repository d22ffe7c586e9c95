//! [`Picture`]: what every function of this crate draws.

use std::fmt;
use std::path::Path;

use crate::error::PlotError;
use crate::raster::Raster;
use crate::svg::Svg;

/// A finished picture.
///
/// It is an SVG file that carries everything with it, also the images in it. Its background is transparent, and its
/// colours follow the reader's choice of light or dark (`prefers-color-scheme`).
#[derive(Clone, PartialEq)]
pub struct Picture {
    svg: String,
    /// In pixels.
    width: f64,
    /// The images in it, for a file of pixels.
    raster: Option<Raster>,
}

impl Picture {
    /// A picture of shapes and texts.
    pub(crate) fn new(svg: Svg, (width, height): (f64, f64), description: &str) -> Self {
        Self {
            svg: svg.finish(width, height, description),
            width,
            raster: None,
        }
    }

    /// The same, which consists of images.
    pub(crate) fn with_raster(self, raster: Raster) -> Self {
        Self {
            raster: Some(raster),
            ..self
        }
    }

    /// The text of the SVG file. It can also stand within an HTML page.
    pub fn svg(&self) -> &str {
        &self.svg
    }

    /// The width at which it is shown, in pixels.
    pub(crate) fn width(&self) -> f64 {
        self.width
    }

    /// The images of the picture as a PNG file, at their places and without the texts: of [`mistakes`](crate::mistakes),
    /// [`filters`](crate::filters) and [`feature_maps`](crate::feature_maps). `None` of other pictures.
    pub fn png(&self) -> Option<Vec<u8>> {
        self.raster.as_ref().map(Raster::png)
    }

    /// Writes the picture to a file that ends in `.svg`, or [its images](Self::png) to one that ends in `.png`. A file
    /// that was there before is overwritten.
    ///
    /// # Errors
    ///
    /// [`PlotError::Extension`] and [`PlotError::File`].
    pub fn save(&self, path: impl AsRef<Path>) -> Result<(), PlotError> {
        let path = path.as_ref();
        let ends_in = |extension| {
            let found = path.extension().and_then(|found| found.to_str());
            found.is_some_and(|found| found.eq_ignore_ascii_case(extension))
        };
        if ends_in("svg") {
            return write(path, self.svg.as_bytes());
        }
        match self.png() {
            Some(bytes) if ends_in("png") => write(path, &bytes),
            _ => Err(PlotError::Extension {
                path: path.to_owned(),
            }),
        }
    }
}

/// The text of the SVG file.
impl fmt::Display for Picture {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.svg)
    }
}

impl fmt::Debug for Picture {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Picture")
            .field("bytes", &self.svg.len())
            .field("raster", &self.raster.is_some())
            .finish()
    }
}

pub(crate) fn write(path: &Path, bytes: &[u8]) -> Result<(), PlotError> {
    cnn_runtime::replace_file(path, |writer| writer.write_all(bytes))
        .map_err(|error| PlotError::File(Box::new(error)))
}
