// Macros that hand on a path to `network_file!`. Their own paths are relative to this file.

#[allow(unused_macros)]
macro_rules! beside_the_macro {
    () => {
        cnn::network_file!("beside_the_macro.cnn");
    };
}

#[allow(unused_macros)]
macro_rules! handed_on {
    ($path:expr) => {
        cnn::network_file!($path);
    };
}

#[allow(unused_macros)]
macro_rules! in_the_folder {
    ($name:literal) => {
        cnn::network_file!(concat!("nets/", $name, ".cnn"),);
    };
}

#[allow(unused_macros)]
macro_rules! missing {
    ($name:ident) => {
        cnn::network_file!("not_there.cnn");
    };
}
