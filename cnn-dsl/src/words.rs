//! The words of a description, and of the language: what an editor completes.
//!
//! A [`Word`] is a name that somebody wrote, with the [`Place`] in which it stands, whether or not it means something
//! there: `con` is a word in the place of a layer. [`entries`] are the words that mean something in a place.

use crate::check::train::SETTINGS;
use crate::check::{objectives, optimizer};
use crate::layers::{self, INTERPOLATIONS, PADDING, PADDINGS};
use crate::syntax::{
    Argument, Call, LayerSyntax, Name, NetworkSyntax, Span, Statement, TrainSyntax, Value,
    ValueKind,
};
use cnn_ir::vocabulary::{self, Parameter};
use cnn_ir::{
    Activation, Augment, Constraint, Flip, Initializer, Loss, Metric, Regularizer, Schedule,
    UpdateRule,
};

/// Where a word stands, which decides what it may be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Place {
    /// At the beginning of a line.
    Layer,
    /// Among the arguments of this layer, optimizer, … .
    Argument(String),
    /// The value of `activation`.
    Activation,
    /// The value of `padding`.
    Padding,
    /// The value of `interpolation`.
    Interpolation,
    /// At the beginning of a line of `train`.
    Setting,
    /// The value of `loss`.
    Loss,
    /// The value of `optimizer`.
    Optimizer,
    /// The value of `learning_rate`.
    Schedule,
    /// In the list of `metrics`.
    Metric,
    /// In the list of `augment`.
    Augment,
    /// The value of `direction`.
    Direction,
    /// The value of `kernel_initializer` and others.
    Initializer,
    /// The value of `kernel_regularizer` and others.
    Regularizer,
    /// The value of `kernel_constraint` and others.
    Constraint,
}

/// A name in a description.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Word {
    /// As it was written.
    pub text: String,
    /// Where.
    pub span: Span,
    /// What it may be there.
    pub place: Place,
}

/// A word that means something in a place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// As it is written.
    pub name: &'static str,
    /// What it is.
    pub docs: String,
    /// The arguments that have to be written.
    pub required: Vec<&'static str>,
}

/// The words of a network that may be completed, in the order of the source.
pub(crate) fn words(network: &NetworkSyntax) -> Vec<Word> {
    let mut words = Words(Vec::new());
    words.body(&network.statements);
    words.0
}

struct Words(Vec<Word>);

impl Words {
    fn name(&mut self, name: &Name, place: Place) {
        self.0.push(Word {
            text: name.text.clone(),
            span: name.span,
            place,
        });
    }

    fn body(&mut self, statements: &[Statement]) {
        for statement in statements {
            match statement {
                Statement::Layer(layer) => self.layer(layer),
                Statement::Block(block) => self.body(&block.body),
                Statement::Repeat(repeat) => self.body(&repeat.body),
                Statement::Train(train) => self.train(train),
                Statement::Constant(_) | Statement::Invalid => {}
            }
        }
    }

    fn layer(&mut self, layer: &LayerSyntax) {
        self.name(&layer.keyword, Place::Layer);
        self.arguments(&layer.keyword.text, &layer.arguments);
    }

    fn arguments(&mut self, of: &str, arguments: &[Argument]) {
        let argument = || Place::Argument(of.to_owned());
        for Argument { name, value } in arguments {
            if let Some(name) = name {
                self.name(name, argument());
            }
            match name.as_ref().map(|name| name.text.as_str()) {
                Some("activation") => self.value(value, &Place::Activation),
                // That of `zero_padding2d` is a number.
                Some("padding") if of != "zero_padding2d" => self.value(value, &Place::Padding),
                Some("interpolation") => self.value(value, &Place::Interpolation),
                Some("learning_rate") => self.value(value, &Place::Schedule),
                Some("direction") => self.value(value, &Place::Direction),
                Some(name) if name.ends_with("_initializer") => {
                    self.value(value, &Place::Initializer);
                }
                Some(name) if name.ends_with("_regularizer") => {
                    self.value(value, &Place::Regularizer);
                }
                Some(name) if name.ends_with("_constraint") => {
                    self.value(value, &Place::Constraint);
                }
                Some(_) => {}
                // Of all layers, `activation(relu)` alone is written with a word.
                None if of == "activation" => self.value(value, &Place::Activation),
                None if of == "flip" => self.value(value, &Place::Direction),
                // The beginning of `strides = …`.
                None => self.value(value, &argument()),
            }
        }
    }

    fn value(&mut self, value: &Value, place: &Place) {
        match &value.kind {
            ValueKind::Name(text) => self.0.push(Word {
                text: text.clone(),
                span: value.span,
                place: place.clone(),
            }),
            ValueKind::Call(Call {
                name, arguments, ..
            }) => {
                self.name(name, place.clone());
                self.arguments(&name.text, arguments);
            }
            ValueKind::List(values) => values
                .iter()
                .for_each(|argument| self.value(&argument.value, place)),
            ValueKind::Integer(_)
            | ValueKind::Float(_)
            | ValueKind::Dims(_)
            | ValueKind::Expression(_)
            | ValueKind::Invalid => {}
        }
    }

    fn train(&mut self, train: &TrainSyntax) {
        for setting in &train.settings {
            self.name(&setting.name, Place::Setting);
            match setting.name.text.as_str() {
                "loss" => self.value(&setting.value, &Place::Loss),
                "optimizer" => self.value(&setting.value, &Place::Optimizer),
                "metrics" => self.value(&setting.value, &Place::Metric),
                "augment" => self.value(&setting.value, &Place::Augment),
                _ => {}
            }
        }
    }
}

/// All places, and the words that mean something there. Arguments are told of everything that has some.
pub fn entries() -> Vec<(Place, Vec<Entry>)> {
    let plain = |name: &'static str, docs: &str| Entry {
        name,
        docs: docs.to_owned(),
        required: Vec::new(),
    };
    let mut layers: Vec<_> = (layers::kinds())
        .map(|kind| Entry {
            name: kind.name,
            docs: kind.docs.trim().to_owned(),
            required: required(kind.parameters),
        })
        .collect();
    layers.push(plain("train", "How the network is trained."));
    let settings = SETTINGS
        .iter()
        .map(|name| plain(name, "A setting of `train`."));
    let paddings = PADDINGS
        .iter()
        .map(|name| plain(name, &PADDING.docs.join("\n")));
    let interpolations = INTERPOLATIONS
        .iter()
        .map(|name| plain(name, "An interpolation."));
    let directions = Flip::WORDS
        .iter()
        .map(|name| plain(name, "Which way an image is mirrored."));
    let mut entries = vec![
        (Place::Layer, layers),
        (Place::Activation, named(Activation::WORDS)),
        (Place::Padding, paddings.collect()),
        (Place::Interpolation, interpolations.collect()),
        (Place::Setting, settings.collect()),
        (Place::Loss, named(Loss::WORDS)),
        (Place::Optimizer, named(UpdateRule::WORDS)),
        (Place::Schedule, named(Schedule::WORDS)),
        (Place::Metric, named(Metric::WORDS)),
        (Place::Augment, named(Augment::WORDS)),
        (Place::Direction, directions.collect()),
        (Place::Initializer, named(Initializer::WORDS)),
        (Place::Regularizer, named(Regularizer::WORDS)),
        (Place::Constraint, named(Constraint::WORDS)),
    ];
    let mut arguments: Vec<(&'static str, &[Parameter])> = (layers::kinds())
        .map(|kind| (kind.name, kind.parameters))
        .collect();
    arguments.extend(of_words(Activation::WORDS));
    arguments.extend(
        Loss::WORDS
            .iter()
            .map(|word| (word.name, objectives::arguments(word))),
    );
    arguments.extend(of_words(Metric::WORDS));
    arguments.extend(of_words(Augment::WORDS));
    arguments.extend(of_words(Initializer::WORDS));
    arguments.extend(of_words(Regularizer::WORDS));
    arguments.extend(of_words(Constraint::WORDS));
    arguments.extend(of_words(Schedule::WORDS));
    let optimizers = UpdateRule::WORDS.iter();
    arguments.extend(optimizers.map(|word| (word.name, optimizer::arguments(word))));
    // An activation is a layer too.
    arguments.sort_by_key(|(name, _)| *name);
    arguments.dedup_by_key(|(name, _)| *name);
    entries.extend(arguments.into_iter().map(|(name, parameters)| {
        let parameters = parameters
            .iter()
            .map(|parameter| plain(parameter.name, parameter.docs.join("\n").trim()));
        (Place::Argument(name.to_owned()), parameters.collect())
    }));
    entries
}

fn required(parameters: &[Parameter]) -> Vec<&'static str> {
    let parameters = parameters.iter();
    parameters
        .filter(|parameter| parameter.kind.is_required())
        .map(|parameter| parameter.name)
        .collect()
}

fn named<T>(words: &'static [vocabulary::Word<T>]) -> Vec<Entry> {
    let entry = |word: &'static vocabulary::Word<T>| Entry {
        name: word.name,
        docs: word.docs.join("\n").trim().to_owned(),
        required: required(word.parameters),
    };
    words.iter().map(entry).collect()
}

fn of_words<T>(
    words: &'static [vocabulary::Word<T>],
) -> impl Iterator<Item = (&'static str, &'static [Parameter])> {
    words.iter().map(|word| (word.name, word.parameters))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Each word of a half-written description stands in the place where it was meant.
    #[test]
    fn half_written_words_have_places() {
        let text = "network Half {
            input(28x28x1);
            con
            max_pool2d(2x2, padding = sa);
            stem: conv2d(8, 3x3, str);
            activation(rel);
            dense(10, activation = leaky_relu(neg = 0.1), kernel_initializer = he_n);
            train {
                loss = categ;
                optimizer = adam(lear = 1e-3, learning_rate = cosi(war), be);
                metrics = [acc];
                augment = [rot, flip(hor), zoom(fac = 0.1)];
                epo
            }
        }";
        let argument = |of: &str| Place::Argument(of.to_owned());
        let expected = [
            ("input", Place::Layer),
            ("con", Place::Layer),
            ("max_pool2d", Place::Layer),
            ("padding", argument("max_pool2d")),
            ("sa", Place::Padding),
            ("conv2d", Place::Layer),
            ("str", argument("conv2d")),
            ("activation", Place::Layer),
            ("rel", Place::Activation),
            ("dense", Place::Layer),
            ("activation", argument("dense")),
            ("leaky_relu", Place::Activation),
            ("neg", argument("leaky_relu")),
            ("kernel_initializer", argument("dense")),
            ("he_n", Place::Initializer),
            ("loss", Place::Setting),
            ("categ", Place::Loss),
            ("optimizer", Place::Setting),
            ("adam", Place::Optimizer),
            ("lear", argument("adam")),
            ("learning_rate", argument("adam")),
            ("cosi", Place::Schedule),
            ("war", argument("cosi")),
            ("be", argument("adam")),
            ("metrics", Place::Setting),
            ("acc", Place::Metric),
            ("augment", Place::Setting),
            ("rot", Place::Augment),
            ("flip", Place::Augment),
            ("hor", Place::Direction),
            ("zoom", Place::Augment),
            ("fac", argument("zoom")),
            ("epo", Place::Setting),
        ];
        let words = crate::analyse(text).outline.words;
        let found: Vec<_> = words
            .iter()
            .map(|word| (word.span.text(text), word.place.clone()))
            .collect();
        assert_eq!(found, expected);
        assert!(words.iter().all(|word| word.text == word.span.text(text)));
    }

    #[test]
    fn every_place_has_words() {
        let entries = entries();
        let of = |place: &Place| {
            let found = entries.iter().find(|(other, _)| other == place);
            found.map(|(_, entries)| entries.iter().map(|entry| entry.name).collect::<Vec<_>>())
        };
        let cases: [(Place, &[&str]); 10] = [
            (Place::Layer, &["conv2d", "flatten", "relu", "train"]),
            (Place::Padding, &["valid", "same"]),
            (Place::Setting, &["loss", "batch_size"]),
            (
                Place::Argument("conv2d".to_owned()),
                &["filters", "strides"],
            ),
            (
                Place::Argument("adam".to_owned()),
                &["learning_rate", "beta_1", "weight_decay", "clip_norm"],
            ),
            (Place::Schedule, &["cosine_decay", "one_cycle"]),
            (Place::Augment, &["shift", "rotate", "mixup"]),
            (Place::Direction, &["horizontal", "vertical", "both"]),
            (
                Place::Argument("brightness".to_owned()),
                &["factor", "clip"],
            ),
            (
                Place::Argument("cosine_decay".to_owned()),
                &["decay_steps", "warmup_steps"],
            ),
        ];
        for (place, words) in cases {
            let found = of(&place).unwrap_or_default();
            assert!(
                words.iter().all(|word| found.contains(word)),
                "{place:?}: {found:?}"
            );
        }
        let (_, layers) = &entries[0];
        let conv2d = layers.iter().find(|entry| entry.name == "conv2d").unwrap();
        assert_eq!(conv2d.required, ["filters", "kernel"]);
    }
}
