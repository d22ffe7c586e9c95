//! The optimizer of a `train` block: its rule, its learning rate or schedule, weight decay and clipping.

use std::sync::LazyLock;

use crate::check::arguments::{Bound, Context, Given, Reported};
use crate::check::convert::{self, as_f32};
use crate::diagnostic::suggest::{self, Vocabulary};
use crate::diagnostic::{Code, Diagnostic};
use crate::graph::Optimizer;
use crate::layers::Parameter;
use crate::syntax::{Value, ValueKind};
use cnn_ir::vocabulary::{Range, Word};
use cnn_ir::{Clip, Schedule, UpdateRule};

/// The arguments of each optimizer, in the order of [`UpdateRule::WORDS`].
static ARGUMENTS: LazyLock<Vec<Vec<Parameter>>> = LazyLock::new(|| {
    let words = UpdateRule::WORDS.iter();
    words
        .map(|word| {
            let rule = (word.make)(&convert::defaults(word, false));
            Optimizer::arguments(rule).collect()
        })
        .collect()
});

/// The arguments of an optimizer: the learning rate, those of its rule, then those that every optimizer has.
pub(crate) fn arguments(word: &'static Word<UpdateRule>) -> &'static [Parameter] {
    let mut words = UpdateRule::WORDS.iter().zip(&*ARGUMENTS);
    let found = words.find(|(other, _)| other.name == word.name);
    found.map_or(&[], |(_, arguments)| arguments)
}

impl Context<'_> {
    /// An optimizer: `sgd`, `adam(learning_rate = cosine_decay(1e-3, 10000), clip_norm = 1)`.
    pub(crate) fn optimizer(&mut self, value: &Value) -> Result<Optimizer, Reported> {
        let words = (Vocabulary::Optimizer, UpdateRule::WORDS);
        let (word, named) = self.called(words, ("optimizer", "an optimizer"), value, arguments)?;
        let bound = &named.bound;
        let rule = self.make(word, bound);
        let learning_rate = self.learning_rate(bound.get("learning_rate"));
        let weight_decay = bound.get("weight_decay");
        let weight_decay = self.number("weight_decay", weight_decay, Range::NonNegative);
        let decay_biases = self.boolean("decay_biases", bound.get("decay_biases"));
        let clip = self.clip(bound);
        let ema_momentum = bound.get("ema_momentum");
        let ema_momentum = self.number("ema_momentum", ema_momentum, Range::Fraction);
        let defaults = Optimizer::from(rule?);
        let optimizer = Optimizer {
            learning_rate: learning_rate?.unwrap_or(defaults.learning_rate),
            weight_decay: weight_decay?.unwrap_or(defaults.weight_decay),
            decay_biases: decay_biases?.unwrap_or(defaults.decay_biases),
            clip: clip?,
            ema_momentum: ema_momentum?.unwrap_or(defaults.ema_momentum),
            ..defaults
        };
        if let UpdateRule::Sgd {
            momentum,
            nesterov: true,
        } = optimizer.rule
            && as_f32(momentum) == 0.0
        {
            let place = bound.span("nesterov").unwrap_or(named.span);
            let message = "`nesterov` changes nothing without momentum";
            self.report(
                Diagnostic::new(Code::NesterovWithoutMomentum, place, message)
                    .help("write `momentum = 0.9` beside it"),
            );
        }
        Ok(optimizer)
    }

    /// A learning rate: a number, or a schedule.
    fn learning_rate(&mut self, value: Given<&Value>) -> Given<Schedule> {
        let Some(value) = value? else { return Ok(None) };
        let name = "learning_rate";
        let is_schedule = match &value.kind {
            ValueKind::Call(_) => true,
            ValueKind::Name(name) => {
                let names: Vec<_> = Schedule::WORDS.iter().map(|word| word.name).collect();
                suggest::hint(Vocabulary::Schedule, name, &names).is_some()
            }
            ValueKind::Integer(_)
            | ValueKind::Float(_)
            | ValueKind::Dims(_)
            | ValueKind::List(_)
            | ValueKind::Expression(_)
            | ValueKind::Invalid => false,
        };
        if !is_schedule {
            let expected = "a number or a schedule";
            let number = self.number_called(name, expected, Ok(Some(value)), Range::Positive)?;
            return Ok(number.map(Schedule::from));
        }
        let words = (Vocabulary::Schedule, Schedule::WORDS);
        let (schedule, named) = self.vocabulary(words, (name, "a schedule"), value)?;
        if let Schedule::PiecewiseConstantDecay {
            boundaries, values, ..
        } = schedule
            && values.len() != boundaries.len() + 1
            && let Ok(Some(value)) = named.bound.get("values")
        {
            let needed = boundaries.len() + 1;
            let expected = format!("{needed} numbers, one more than `boundaries`");
            return Err(self.out_of_range("values", &expected, value, None));
        }
        Ok(Some(schedule))
    }

    /// The argument that says how gradients are clipped, of which there may be one.
    fn clip(&mut self, bound: &Bound<'_>) -> Result<Clip, Reported> {
        type Make = fn(f64) -> Clip;
        let kinds: [(&str, Make); 3] = [
            ("clip_value", Clip::Value),
            ("clip_norm", Clip::Norm),
            ("global_clip_norm", Clip::GlobalNorm),
        ];
        let mut clip = Ok(Clip::None);
        let mut first = None;
        for (name, make) in kinds {
            let value = match bound.get(name)? {
                Some(value) if value.kind == ValueKind::Name("none".to_owned()) => continue,
                Some(value) => value,
                None => continue,
            };
            if let Some((other, span)) = first {
                let message = format!("`{name}` and `{other}` cannot both be given");
                let diagnostic = Diagnostic::new(Code::ConflictingArguments, value.span, message)
                    .secondary(span, "the first one");
                clip = Err(self.report(diagnostic));
                continue;
            }
            first = Some((name, value.span));
            let most = self.number(name, Ok(Some(value)), Range::Positive);
            clip = most.map(|most| most.map_or(Clip::None, make));
        }
        clip
    }
}
