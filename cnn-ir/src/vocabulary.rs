//! Words of the language that name a value: one entry for each activation, loss, optimizer, metric, initializer.
//!
//! `vocabulary!` makes an enum of its entries, and for each entry a [`Word`]: its name, its
//! documentation, its parameters with their ranges and defaults, and how to make the value from
//! them. The compiler reads descriptions by these rows and prints the reference page from them; the
//! runtime checks settings by the same ranges. A value's `Debug` form is the Rust expression that
//! makes it: `Activation::LeakyRelu { negative_slope: 0.3 }`.

/// The most parameters of a word.
pub const MOST: usize = 6;

/// A word of the language and the value that it names.
#[derive(Clone, Copy, Debug)]
pub struct Word<T: 'static> {
    /// As it is written in a description: `leaky_relu`.
    pub name: &'static str,
    /// Other names for the same value: `mean_squared_error` beside `mse`.
    pub aliases: &'static [&'static str],
    /// What it is, in the lines of its documentation.
    pub docs: &'static [&'static str],
    /// What it takes, in the order in which arguments stand without names.
    pub parameters: &'static [Parameter],
    /// The value with these settings, one for each parameter.
    pub make: fn(&[Setting]) -> T,
}

impl<T> Word<T> {
    /// Its name, then its other names.
    pub fn names(&self) -> impl Iterator<Item = &'static str> + use<T> {
        [self.name].into_iter().chain(self.aliases.iter().copied())
    }
}

/// A parameter of a word or of a layer.
#[derive(Clone, Copy, Debug)]
pub struct Parameter {
    /// As it is written in a description: `learning_rate`.
    pub name: &'static str,
    /// What it means, in the lines of its documentation.
    pub docs: &'static [&'static str],
    /// What it takes.
    pub kind: Kind,
}

/// What a parameter takes, and what it is where nothing is written.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Kind {
    /// A number.
    Number {
        /// The numbers that make sense.
        range: Range,
        /// As an argument of a value: `activation = leaky_relu`.
        default: f64,
        /// Where the word is a layer of its own: `leaky_relu;`.
        layer_default: f64,
    },
    /// `true` or `false`.
    Switch {
        /// Where nothing is written.
        default: bool,
    },
    /// A word of a few.
    OneOf {
        /// The words.
        words: &'static [&'static str],
        /// Where nothing is written.
        default: &'static str,
    },
    /// Something else, which the layer reads itself; its default as it is written, none where the
    /// argument is needed.
    Other(Option<&'static str>),
}

/// The numbers that make sense for a parameter, both as written and as the `f32` that kernels
/// compute with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Range {
    /// Above 0.
    Positive,
    /// 0 or above.
    NonNegative,
    /// At least 0 and less than 1.
    Fraction,
    /// Any finite number.
    Any,
}

/// A parameter's value.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Setting {
    /// Of [`Kind::Number`].
    Number(f64),
    /// Of [`Kind::Switch`].
    Switch(bool),
    /// Of [`Kind::OneOf`].
    Word(&'static str),
}

impl Range {
    /// Whether `value` lies in it and is finite.
    pub fn contains(self, value: f64) -> bool {
        value.is_finite()
            && match self {
                Self::Positive => value > 0.0,
                Self::NonNegative => value >= 0.0,
                Self::Fraction => (0.0..1.0).contains(&value),
                Self::Any => true,
            }
    }

    /// As messages say it: `at least 0 and less than 1`.
    pub const fn describe(self) -> &'static str {
        match self {
            Self::Positive => "positive",
            Self::NonNegative => "zero or more",
            Self::Fraction => "at least 0 and less than 1",
            Self::Any => "finite",
        }
    }
}

impl Kind {
    /// A number of a range.
    pub const fn number(range: Range, default: f64) -> Self {
        Self::Number {
            range,
            default,
            layer_default: default,
        }
    }

    /// The same with another default where the word is a layer. Keras has two such defaults.
    pub const fn as_layer(self, layer_default: f64) -> Self {
        match self {
            Self::Number { range, default, .. } => Self::Number {
                range,
                default,
                layer_default,
            },
            other => other,
        }
    }

    /// `true` or `false`.
    pub const fn switch(default: bool) -> Self {
        Self::Switch { default }
    }

    /// Whether an argument has to be written.
    pub const fn is_required(self) -> bool {
        matches!(self, Self::Other(None))
    }

    /// The default as a setting; none where the layer reads the argument itself.
    pub const fn default(self, is_layer: bool) -> Option<Setting> {
        match self {
            Self::Number {
                default,
                layer_default,
                ..
            } => Some(Setting::Number(if is_layer {
                layer_default
            } else {
                default
            })),
            Self::Switch { default } => Some(Setting::Switch(default)),
            Self::OneOf { default, .. } => Some(Setting::Word(default)),
            Self::Other(_) => None,
        }
    }
}

impl Kind {
    /// The default as the value of a field; that of the type where the layer reads the argument itself.
    pub(crate) fn value<F: Field>(self) -> F {
        F::from_setting(self.default(false).unwrap_or(Setting::Switch(false)))
    }
}

impl core::fmt::Display for Setting {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        match self {
            Self::Number(number) => write!(f, "{number:?}"),
            Self::Switch(switch) => write!(f, "{switch}"),
            Self::Word(word) => f.write_str(word),
        }
    }
}

/// A type that a field of a word's value may have.
pub trait Field: Copy {
    /// From a setting of the right kind.
    fn from_setting(setting: Setting) -> Self;
    /// As a setting.
    fn to_setting(self) -> Setting;
}

impl Field for f64 {
    fn from_setting(setting: Setting) -> Self {
        match setting {
            Setting::Number(number) => number,
            Setting::Switch(switch) => f64::from(u8::from(switch)),
            Setting::Word(_) => 0.0,
        }
    }

    fn to_setting(self) -> Setting {
        Setting::Number(self)
    }
}

impl Field for f32 {
    fn from_setting(setting: Setting) -> Self {
        f64::from_setting(setting) as f32
    }

    fn to_setting(self) -> Setting {
        Setting::Number(self.into())
    }
}

impl Field for bool {
    fn from_setting(setting: Setting) -> Self {
        match setting {
            Setting::Number(number) => number != 0.0,
            Setting::Switch(switch) => switch,
            Setting::Word(_) => false,
        }
    }

    fn to_setting(self) -> Setting {
        Setting::Switch(self)
    }
}

/// Makes an enum and its rows of entries `name | alias => Variant { field: type = kind } with properties`, and a
/// function of each name that makes the value with its defaults: `Optimizer::adam()`.
///
/// Each entry carries a value of the type behind the enum's name, which the method of that name
/// returns: what the compiler and the runtime have to know of it.
macro_rules! vocabulary {
    (
        $(#[$enum_meta:meta])*
        pub enum $Enum:ident with $property:ident: $Property:ty {
            $(
                $(#[doc = $docs:literal])+
                $name:ident $(| $alias:ident)* => $Variant:ident $({
                    $(
                        $(#[doc = $field_docs:literal])+
                        $field:ident: $type:ty = $kind:expr,
                    )+
                })? with $value:expr;
            )+
        }
    ) => {
        $(#[$enum_meta])*
        #[derive(Clone, Copy, PartialEq)]
        pub enum $Enum {
            $(
                $(#[doc = $docs])+
                $Variant $({
                    $($(#[doc = $field_docs])+ $field: $type,)+
                })?,
            )+
        }

        impl $Enum {
            /// Every word, in the order of the reference page.
            pub const WORDS: &'static [$crate::vocabulary::Word<Self>] = &[
                $($crate::vocabulary::Word {
                    name: stringify!($name),
                    aliases: &[$(stringify!($alias)),*],
                    docs: &[$($docs),+],
                    parameters: &[$($($crate::vocabulary::Parameter {
                        name: stringify!($field),
                        docs: &[$($field_docs),+],
                        kind: $kind,
                    },)+)?],
                    make: |_settings| vocabulary!(@make $Enum $Variant _settings $({ $($field)+ })?),
                },)+
            ];

            /// What makes each of them with its defaults.
            #[cfg(test)]
            pub(crate) const MADE: &'static [fn() -> Self] = &[$(Self::$name),+];

            $(
                #[doc = concat!(
                    "[`", stringify!($Enum), "::", stringify!($Variant), "`], the `", stringify!($name),
                    "` of a description", $(vocabulary!(@defaults $($field)+),)? ".",
                )]
                pub fn $name() -> Self {
                    Self::$Variant $({ $($field: $crate::vocabulary::Kind::value($kind),)+ })?
                }
            )+

            /// The word that names it.
            pub fn word(&self) -> &'static $crate::vocabulary::Word<Self> {
                enum Place { $($Variant,)+ }
                let place = match self {
                    $(Self::$Variant $({ $($field: _,)+ })? => Place::$Variant,)+
                };
                &Self::WORDS[place as usize]
            }

            /// Its name in a description.
            pub fn name(&self) -> &'static str {
                self.word().name
            }

            /// Its settings, one for each of the word's parameters; what lies behind means nothing.
            pub fn settings(&self) -> [$crate::vocabulary::Setting; $crate::vocabulary::MOST] {
                let mut _settings = [$crate::vocabulary::Setting::Switch(false); $crate::vocabulary::MOST];
                match self {
                    $(Self::$Variant $({ $($field,)+ })? => {
                        let mut _place = _settings.iter_mut();
                        $($(
                            if let Some(place) = _place.next() {
                                *place = $crate::vocabulary::Field::to_setting(*$field);
                            }
                        )+)?
                    })+
                }
                _settings
            }

            #[doc = concat!("Its [`", stringify!($Property), "`].")]
            pub const fn $property(&self) -> $Property {
                match self {
                    $(Self::$Variant $({ $($field: _,)+ })? => $value,)+
                }
            }
        }

        impl core::fmt::Debug for $Enum {
            fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
                match self {
                    $(Self::$Variant $({ $($field,)+ })? => vocabulary!(
                        @debug f, concat!(stringify!($Enum), "::", stringify!($Variant)) $(, $($field)+)?
                    ),)+
                }
            }
        }
    };
    (@defaults $($field:ident)+) => { ", with its defaults" };
    (@make $Enum:ident $Variant:ident $settings:ident) => { $Enum::$Variant };
    (@make $Enum:ident $Variant:ident $settings:ident { $($field:ident)+ }) => {{
        let mut settings = $settings.iter().copied();
        $Enum::$Variant {
            $($field: $crate::vocabulary::Field::from_setting(
                settings.next().unwrap_or($crate::vocabulary::Setting::Switch(false)),
            ),)+
        }
    }};
    (@debug $f:ident, $path:expr) => { $f.write_str($path) };
    (@debug $f:ident, $path:expr, $($field:ident)+) => {
        $f.debug_struct($path)$(.field(stringify!($field), $field))+.finish()
    };
}
pub(crate) use vocabulary;

#[cfg(test)]
mod tests {
    use crate::{Activation, Initializer, Loss, Metric, Optimizer};

    /// The functions make what a description makes where nothing is written of the settings.
    #[test]
    fn constructors_have_the_defaults_of_the_language() {
        fn check<T: Copy + PartialEq + core::fmt::Debug>(
            words: &[super::Word<T>],
            made: &[fn() -> T],
            name: fn(&T) -> &'static str,
        ) {
            assert_eq!(words.len(), made.len());
            for (word, make) in words.iter().zip(made) {
                let made = make();
                let mut settings = [super::Setting::Switch(false); super::MOST];
                for (setting, parameter) in settings.iter_mut().zip(word.parameters) {
                    *setting = parameter.kind.default(false).expect("a default");
                }
                assert_eq!(made, (word.make)(&settings));
                assert_eq!(name(&made), word.name);
            }
        }
        check(Optimizer::WORDS, Optimizer::MADE, Optimizer::name);
        check(Loss::WORDS, Loss::MADE, Loss::name);
        check(Metric::WORDS, Metric::MADE, Metric::name);
        check(Activation::WORDS, Activation::MADE, Activation::name);
        check(Initializer::WORDS, Initializer::MADE, Initializer::name);
    }
}
