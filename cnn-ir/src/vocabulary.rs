//! Words of the language that name a value: one entry for each activation, loss, update rule, schedule, metric,
//! augmentation, initializer, regularizer, constraint.
//!
//! `vocabulary!` makes an enum of its entries, and for each entry a [`Word`]: its name, its
//! documentation, its parameters with their ranges and defaults, and how to make the value from
//! them. The compiler reads descriptions by these rows and prints the reference page from them; the
//! runtime checks settings by the same ranges. A value's `Debug` form is the Rust expression that
//! makes it: `Activation::LeakyRelu { negative_slope: 0.3 }`.

/// The most parameters of a word.
pub const MOST: usize = 13;

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
        /// As an argument of a value: `activation = leaky_relu`; none where the argument is needed.
        default: Option<f64>,
        /// Where the word is a layer of its own: `leaky_relu;`.
        layer_default: Option<f64>,
    },
    /// An integer without a sign: a number of steps.
    Count {
        /// The least that makes sense.
        least: u64,
        /// Where nothing is written; none where the argument is needed.
        default: Option<u64>,
    },
    /// A list of integers that ascend, which has to be written.
    Counts,
    /// A list of numbers, which has to be written.
    Numbers(Range),
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
    /// 1 or above.
    AtLeastOne,
}

/// A parameter's value.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Setting {
    /// Of [`Kind::Number`].
    Number(f64),
    /// Of [`Kind::Count`].
    Count(u64),
    /// Of [`Kind::Counts`].
    Counts(&'static [u64]),
    /// Of [`Kind::Numbers`].
    Numbers(&'static [f64]),
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
                Self::AtLeastOne => value >= 1.0,
            }
    }

    /// As messages say it: `at least 0 and less than 1`.
    pub const fn describe(self) -> &'static str {
        match self {
            Self::Positive => "positive",
            Self::NonNegative => "zero or more",
            Self::Fraction => "at least 0 and less than 1",
            Self::Any => "finite",
            Self::AtLeastOne => "1 or more",
        }
    }
}

impl Kind {
    /// A number of a range.
    pub const fn number(range: Range, default: f64) -> Self {
        Self::Number {
            range,
            default: Some(default),
            layer_default: Some(default),
        }
    }

    /// A number of a range, which has to be written.
    pub const fn needed(range: Range) -> Self {
        Self::Number {
            range,
            default: None,
            layer_default: None,
        }
    }

    /// The same with another default where the word is a layer. Keras has two such defaults.
    pub const fn as_layer(self, layer_default: f64) -> Self {
        match self {
            Self::Number { range, default, .. } => Self::Number {
                range,
                default,
                layer_default: Some(layer_default),
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
        match self {
            Self::Number { default, .. } => default.is_none(),
            Self::Count { default, .. } => default.is_none(),
            Self::Counts | Self::Numbers(_) => true,
            Self::Switch { .. } | Self::OneOf { .. } => false,
            Self::Other(default) => default.is_none(),
        }
    }

    /// The default as a setting; none where the argument is needed, or the layer reads it itself.
    pub fn default(self, is_layer: bool) -> Option<Setting> {
        match self {
            Self::Number {
                default,
                layer_default,
                ..
            } => match is_layer {
                true => layer_default.map(Setting::Number),
                false => default.map(Setting::Number),
            },
            Self::Count { default, .. } => default.map(Setting::Count),
            Self::Switch { default } => Some(Setting::Switch(default)),
            Self::OneOf { default, .. } => Some(Setting::Word(default)),
            Self::Counts | Self::Numbers(_) | Self::Other(_) => None,
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
            Self::Count(count) => write!(f, "{count}"),
            Self::Counts(counts) => write!(f, "{counts:?}"),
            Self::Numbers(numbers) => write!(f, "{numbers:?}"),
            Self::Switch(switch) => write!(f, "{switch}"),
            Self::Word(word) => f.write_str(word),
        }
    }
}

/// A type that a field of a word's value may have.
pub trait Field: Copy + core::fmt::Debug {
    /// From a setting of the right kind.
    fn from_setting(setting: Setting) -> Self;
    /// As a setting.
    fn to_setting(self) -> Setting;
    /// Writes the Rust expression that makes it.
    fn write(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        core::fmt::Debug::fmt(self, f)
    }
}

impl Field for f64 {
    fn from_setting(setting: Setting) -> Self {
        match setting {
            Setting::Number(number) => number,
            Setting::Count(count) => count as f64,
            Setting::Switch(switch) => f64::from(u8::from(switch)),
            Setting::Counts(_) | Setting::Numbers(_) | Setting::Word(_) => 0.0,
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
            Setting::Count(count) => count != 0,
            Setting::Switch(switch) => switch,
            Setting::Counts(_) | Setting::Numbers(_) | Setting::Word(_) => false,
        }
    }

    fn to_setting(self) -> Setting {
        Setting::Switch(self)
    }
}

impl Field for u64 {
    fn from_setting(setting: Setting) -> Self {
        match setting {
            Setting::Number(number) => number as u64,
            Setting::Count(count) => count,
            Setting::Switch(switch) => u64::from(switch),
            Setting::Counts(_) | Setting::Numbers(_) | Setting::Word(_) => 0,
        }
    }

    fn to_setting(self) -> Setting {
        Setting::Count(self)
    }
}

impl Field for &'static [u64] {
    fn from_setting(setting: Setting) -> Self {
        match setting {
            Setting::Counts(counts) => counts,
            _ => &[],
        }
    }

    fn to_setting(self) -> Setting {
        Setting::Counts(self)
    }

    fn write(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "&{self:?}")
    }
}

impl Field for &'static [f64] {
    fn from_setting(setting: Setting) -> Self {
        match setting {
            Setting::Numbers(numbers) => numbers,
            _ => &[],
        }
    }

    fn to_setting(self) -> Setting {
        Setting::Numbers(self)
    }

    fn write(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "&{self:?}")
    }
}

/// A field whose `Debug` form is the Rust expression that makes it.
pub(crate) struct Expression<F>(pub(crate) F);

impl<F: Field> core::fmt::Debug for Expression<F> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        self.0.write(f)
    }
}

/// Makes an enum and its rows of entries `name | alias => Variant { field: type = kind } with properties`, and a
/// function of each name that makes the value with its defaults: `Loss::huber()`. Fields without a default stand
/// first, in `needs { … }`, and are arguments of this function: `Schedule::cosine_decay(1e-3, 1000)`.
///
/// Where the enum's name is followed by `with property: Type`, each entry carries a value of that type, which the
/// method of that name returns: what the compiler and the runtime have to know of it.
macro_rules! vocabulary {
    (
        $(#[$enum_meta:meta])*
        pub enum $Enum:ident with $property:ident: $Property:ty {
            $(
                $(#[doc = $docs:literal])+
                $name:ident $(| $alias:ident)* => $Variant:ident $({
                    $(needs {
                        $(
                            $(#[doc = $need_docs:literal])+
                            $need:ident: $need_type:ty = $need_kind:expr,
                        )+
                    })?
                    $(
                        $(#[doc = $field_docs:literal])+
                        $field:ident: $type:ty = $kind:expr,
                    )*
                })? with $value:expr;
            )+
        }
    ) => {
        vocabulary! {
            $(#[$enum_meta])*
            pub enum $Enum {
                $(
                    $(#[doc = $docs])+
                    $name $(| $alias)* => $Variant $({
                        $(needs {
                            $($(#[doc = $need_docs])+ $need: $need_type = $need_kind,)+
                        })?
                        $($(#[doc = $field_docs])+ $field: $type = $kind,)*
                    })?;
                )+
            }
        }

        impl $Enum {
            #[doc = concat!("Its [`", stringify!($Property), "`].")]
            pub const fn $property(&self) -> $Property {
                match self {
                    $(Self::$Variant $({ $($($need: _,)+)? $($field: _,)* })? => $value,)+
                }
            }
        }
    };
    (
        $(#[$enum_meta:meta])*
        pub enum $Enum:ident {
            $(
                $(#[doc = $docs:literal])+
                $name:ident $(| $alias:ident)* => $Variant:ident $({
                    $(needs {
                        $(
                            $(#[doc = $need_docs:literal])+
                            $need:ident: $need_type:ty = $need_kind:expr,
                        )+
                    })?
                    $(
                        $(#[doc = $field_docs:literal])+
                        $field:ident: $type:ty = $kind:expr,
                    )*
                })?;
            )+
        }
    ) => {
        $(#[$enum_meta])*
        #[derive(Clone, Copy, PartialEq)]
        pub enum $Enum {
            $(
                $(#[doc = $docs])+
                $Variant $({
                    $($($(#[doc = $need_docs])+ $need: $need_type,)+)?
                    $($(#[doc = $field_docs])+ $field: $type,)*
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
                    parameters: &[$(
                        $($($crate::vocabulary::Parameter {
                            name: stringify!($need),
                            docs: &[$($need_docs),+],
                            kind: $need_kind,
                        },)+)?
                        $($crate::vocabulary::Parameter {
                            name: stringify!($field),
                            docs: &[$($field_docs),+],
                            kind: $kind,
                        },)*
                    )?],
                    make: |_settings| vocabulary!(
                        @make $Enum $Variant _settings $({ $($($need)+)? $($field)* })?
                    ),
                },)+
            ];

            $(
                #[doc = concat!(
                    "[`", stringify!($Enum), "::", stringify!($Variant), "`], the `", stringify!($name),
                    "` of a description", $(vocabulary!(@defaults $($field)*),)? ".",
                )]
                pub fn $name($($($($need: $need_type),+)?)?) -> Self {
                    Self::$Variant $({
                        $($($need,)+)?
                        $($field: $crate::vocabulary::Kind::value($kind),)*
                    })?
                }
            )+

            /// The word that names it.
            pub fn word(&self) -> &'static $crate::vocabulary::Word<Self> {
                enum Place { $($Variant,)+ }
                let place = match self {
                    $(Self::$Variant $({ $($($need: _,)+)? $($field: _,)* })? => Place::$Variant,)+
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
                    $(Self::$Variant $({ $($($need,)+)? $($field,)* })? => {
                        let mut _place = _settings.iter_mut();
                        $(
                            $($(
                                if let Some(place) = _place.next() {
                                    *place = $crate::vocabulary::Field::to_setting(*$need);
                                }
                            )+)?
                            $(
                                if let Some(place) = _place.next() {
                                    *place = $crate::vocabulary::Field::to_setting(*$field);
                                }
                            )*
                        )?
                    })+
                }
                _settings
            }
        }

        impl core::fmt::Debug for $Enum {
            fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
                match self {
                    $(Self::$Variant $({ $($($need,)+)? $($field,)* })? => vocabulary!(
                        @debug f, concat!(stringify!($Enum), "::", stringify!($Variant))
                        $(, $($($need)+)? $($field)*)?
                    ),)+
                }
            }
        }
    };
    (@defaults) => { "" };
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
        $f.debug_struct($path)
            $(.field(stringify!($field), &$crate::vocabulary::Expression(*$field)))+
            .finish()
    };
}
pub(crate) use vocabulary;

#[cfg(test)]
mod tests {
    use crate::{
        Activation, Augment, Constraint, Initializer, Loss, Metric, Regularizer, Schedule,
        UpdateRule,
    };

    /// A value comes back from its settings, and has the name of its word.
    #[test]
    fn settings_make_the_value_again() {
        fn check<T: Copy + PartialEq + core::fmt::Debug>(
            words: &[super::Word<T>],
            name: fn(&T) -> &'static str,
            settings: fn(&T) -> [super::Setting; super::MOST],
        ) {
            for word in words {
                assert!(word.parameters.len() <= super::MOST, "{}", word.name);
                let mut made = [super::Setting::Switch(true); super::MOST];
                for (place, (setting, parameter)) in
                    made.iter_mut().zip(word.parameters).enumerate()
                {
                    *setting = match parameter.kind {
                        super::Kind::Number { .. } => super::Setting::Number(place as f64 + 0.5),
                        super::Kind::Count { .. } => super::Setting::Count(place as u64),
                        super::Kind::Counts => super::Setting::Counts(&[1, 2]),
                        super::Kind::Numbers(_) => super::Setting::Numbers(&[0.5, 0.25]),
                        super::Kind::Switch { .. } => super::Setting::Switch(true),
                        super::Kind::OneOf { words, .. } => super::Setting::Word(words[0]),
                        super::Kind::Other(_) => unreachable!("words have settings"),
                    };
                }
                let value = (word.make)(&made);
                assert_eq!(name(&value), word.name);
                let count = word.parameters.len();
                assert_eq!(settings(&value)[..count], made[..count], "{value:?}");
            }
        }
        check(UpdateRule::WORDS, UpdateRule::name, UpdateRule::settings);
        check(Schedule::WORDS, Schedule::name, Schedule::settings);
        check(Initializer::WORDS, Initializer::name, Initializer::settings);
        check(Regularizer::WORDS, Regularizer::name, Regularizer::settings);
        check(Constraint::WORDS, Constraint::name, Constraint::settings);
        check(Loss::WORDS, Loss::name, Loss::settings);
        check(Metric::WORDS, Metric::name, Metric::settings);
        check(Augment::WORDS, Augment::name, Augment::settings);
        check(Activation::WORDS, Activation::name, Activation::settings);
    }

    /// The functions make what a description makes where nothing is written of the settings.
    #[test]
    fn constructors_have_the_defaults_of_the_language() {
        fn default<T: Copy>(word: &super::Word<T>) -> T {
            let mut settings = [super::Setting::Switch(false); super::MOST];
            for (setting, parameter) in settings.iter_mut().zip(word.parameters) {
                *setting = parameter.kind.default(false).expect("a default");
            }
            (word.make)(&settings)
        }
        assert_eq!(default(Loss::huber().word()), Loss::huber());
        let leaky_relu = Activation::leaky_relu();
        assert_eq!(default(leaky_relu.word()), leaky_relu);
        for rule in [
            UpdateRule::sgd(),
            UpdateRule::rmsprop(),
            UpdateRule::adam(),
            UpdateRule::adagrad(),
        ] {
            assert_eq!(default(rule.word()), rule);
        }
    }
}
