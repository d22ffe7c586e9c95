//! Pictures in a folder for each class: `root/class/picture.png`.

use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};

use ndarray::Array4;

use super::{Form, ImageError, LazyFolder, MAX_PIXELS, Resize, SCALE, open, read_file};
use crate::data::Examples;
use crate::error::Error;
use crate::kernels::thread_pool::for_each;
use crate::thread_count::threads;

/// A folder with a folder of PNG and JPEG files for each class, and how they are read.
///
/// Classes are the folders' names, sorted, and pictures are sorted by name within their class, so the order of examples is
/// the same everywhere. Files are pictures if they end in `.png`, `.jpg` or `.jpeg`, in upper or lower case; others, hidden
/// ones and folders in the folder of a class are passed over.
///
/// A symbolic link is followed where it leads to something in the folder, and else is [`ImageError::Link`].
///
/// ```no_run
/// use cnn::data::images::Folder;
///
/// let flowers = Folder::open("flowers")?.size(64, 64); // flowers/daisy/1.jpg, flowers/rose/1.jpg, …
/// println!("{:?}", flowers.classes());
/// let examples = flowers.read()?; // [N, 64, 64, 3], from 0 to 1
/// # let _ = examples;
/// # Ok::<(), cnn::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct Folder {
    root: PathBuf,
    classes: Vec<String>,
    /// Each picture and its class.
    pictures: Vec<(PathBuf, u32)>,
    size: Option<[usize; 2]>,
    channels: usize,
    resize: Resize,
    max_pixels: u64,
}

impl Folder {
    /// Lists the classes and the pictures. None is opened yet.
    ///
    /// # Errors
    ///
    /// [`Error::Io`] of a folder that cannot be listed, [`Error::Image`] of one without pictures or with a link that leads
    /// out of it.
    pub fn open(root: impl AsRef<Path>) -> Result<Self, Error> {
        let root = root.as_ref();
        let inside = fs::canonicalize(root).map_err(|source| io_error(root, source))?;
        let mut classes = Vec::new();
        let mut pictures = Vec::new();
        for (name, path) in list(root, &inside)? {
            if !path.is_dir() {
                continue;
            }
            let class = classes.len() as u32;
            classes.push(name.to_string_lossy().into_owned());
            let files = list(&path, &inside)?.into_iter();
            let files = files.filter(|(_, path)| is_picture(path) && path.is_file());
            pictures.extend(files.map(|(_, path)| (path, class)));
        }
        if pictures.is_empty() {
            return Err(ImageError::NoPictures.in_file(root));
        }
        Ok(Self {
            root: root.to_path_buf(),
            classes,
            pictures,
            size: None,
            channels: 3,
            resize: Resize::default(),
            max_pixels: MAX_PIXELS,
        })
    }

    /// The height and width to which all pictures are resized. Without it, all must have the same.
    #[must_use]
    pub fn size(mut self, height: usize, width: usize) -> Self {
        self.size = Some([height, width]);
        self
    }

    /// The channels of the inputs: 1 of grey, 3 of red, green and blue (the default), or 4 with alpha. Pictures of another
    /// number are converted.
    #[must_use]
    pub fn channels(mut self, channels: usize) -> Self {
        self.channels = channels;
        self
    }

    /// How pictures are resized, by default [`Resize::Bilinear`].
    #[must_use]
    pub fn resize(mut self, resize: Resize) -> Self {
        self.resize = resize;
        self
    }

    /// The most pixels of a picture, by default [`MAX_PIXELS`]. A header that says more is [`ImageError::TooLarge`].
    #[must_use]
    pub fn max_pixels(mut self, max_pixels: u64) -> Self {
        self.max_pixels = max_pixels;
        self
    }

    /// The names of the classes: label 0 is the first.
    pub fn classes(&self) -> &[String] {
        &self.classes
    }

    /// The file and the label of each picture, in the order of the examples.
    pub fn files(&self) -> impl ExactSizeIterator<Item = (&Path, usize)> {
        let files = self.pictures.iter();
        files.map(|(path, class)| (path.as_path(), *class as usize))
    }

    /// Reads all pictures into memory, a byte for each sample, with [`threads`](crate::threads) threads. Inputs are
    /// `[N, H, W, C]`, from 0 to 1.
    ///
    /// # Errors
    ///
    /// [`Error::Io`] and [`Error::Image`], which name the file.
    pub fn read(&self) -> Result<Examples<'static>, Error> {
        let form = self.form()?;
        let length = form.height * form.width * form.channels;
        let pictures = self.pictures.len();
        let memory = || ImageError::Memory { pictures }.in_file(&self.root);
        let mut bytes: Vec<u8> = Vec::new();
        let total = pictures.checked_mul(length).ok_or_else(memory)?;
        bytes.try_reserve_exact(total).map_err(|_| memory())?;
        bytes.resize(total, 0);
        let rows = bytes.chunks_exact_mut(length).zip(&self.pictures);
        let mut rows: Vec<_> = rows.map(|(row, picture)| (row, picture, Ok(()))).collect();
        for_each(threads(), &mut rows, |_, (row, (path, _), result)| {
            *result = self.read_into(path, form, row);
        });
        rows.into_iter().try_for_each(|(_, _, result)| result)?;
        let shape = [pictures, form.height, form.width, form.channels];
        let images = Array4::from_shape_vec(shape, bytes);
        let images = images.expect("a byte for each place of the shape");
        Ok(Examples::labelled(images, self.labels())?.scaled(SCALE))
    }

    /// The same examples without reading any: each picture is read whenever it is asked for. With
    /// [`read_ahead`](crate::data::Dataset::read_ahead), another thread reads the pictures of the next steps.
    ///
    /// # Errors
    ///
    /// Those of [`read`](Self::read) for the first picture, where no size is given.
    pub fn lazy(self) -> Result<LazyFolder, Error> {
        let form = self.form()?;
        LazyFolder::new(self, form)
    }

    /// The label of each picture.
    pub(super) fn labels(&self) -> impl Iterator<Item = u32> {
        self.pictures.iter().map(|(_, class)| *class)
    }

    /// The number of pictures.
    pub(super) fn count(&self) -> usize {
        self.pictures.len()
    }

    /// Writes the samples of a picture, `[H, W, C]`.
    pub(super) fn read_picture(
        &self,
        index: usize,
        form: Form,
        row: &mut [u8],
    ) -> Result<(), Error> {
        self.read_into(&self.pictures[index].0, form, row)
    }

    fn read_into(&self, path: &Path, form: Form, row: &mut [u8]) -> Result<(), Error> {
        if self.size.is_none() {
            let picture = open(path, self.max_pixels)?;
            let (expected, found) = ([form.height, form.width], [picture.height, picture.width]);
            if expected != found {
                return Err(ImageError::Size { expected, found }.in_file(path));
            }
            row.copy_from_slice(&form.of(picture).map_err(|source| source.in_file(path))?);
            return Ok(());
        }
        row.copy_from_slice(&read_file(path, self.max_pixels, form)?);
        Ok(())
    }

    /// What every picture becomes.
    fn form(&self) -> Result<Form, Error> {
        let refused = |error: ImageError| Err(error.in_file(&self.root));
        if ![1, 3, 4].contains(&self.channels) {
            let asked = self.channels;
            return refused(ImageError::Channels { asked });
        }
        let [height, width] = match self.size {
            Some(size) => size,
            None => {
                let first = open(&self.pictures[0].0, self.max_pixels)?;
                [first.height, first.width]
            }
        };
        if height == 0 || width == 0 {
            return refused(ImageError::Empty);
        }
        let pixels = height.checked_mul(width);
        if pixels.is_none_or(|pixels| pixels as u64 > self.max_pixels) {
            return refused(ImageError::TooLarge {
                found: [height as u64, width as u64],
                limit: self.max_pixels,
            });
        }
        Ok(Form {
            height,
            width,
            channels: self.channels,
            resize: self.resize,
        })
    }
}

fn io_error(path: &Path, source: std::io::Error) -> Error {
    Error::Io {
        path: path.to_path_buf(),
        source,
    }
}

/// What is in a folder, sorted by name, without hidden files. Links lead to something below `inside`.
fn list(folder: &Path, inside: &Path) -> Result<Vec<(OsString, PathBuf)>, Error> {
    let failed = |source| io_error(folder, source);
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).map_err(failed)? {
        let entry = entry.map_err(failed)?;
        let (name, path) = (entry.file_name(), entry.path());
        if name.as_encoded_bytes().starts_with(b".") {
            continue;
        }
        let kind = entry
            .file_type()
            .map_err(|source| io_error(&path, source))?;
        if kind.is_symlink() {
            let target = fs::canonicalize(&path).map_err(|source| io_error(&path, source))?;
            if !target.starts_with(inside) {
                return Err(ImageError::Link.in_file(&path));
            }
        }
        found.push((name, path));
    }
    found.sort();
    Ok(found)
}

fn is_picture(path: &Path) -> bool {
    let extension = path.extension().and_then(|extension| extension.to_str());
    extension.is_some_and(|extension| {
        let names = ["png", "jpg", "jpeg"];
        names
            .iter()
            .any(|name| extension.eq_ignore_ascii_case(name))
    })
}
