//! "Did you mean": from a wrong word to the right one.
//!
//! Words are compared without case and punctuation, so that `Conv2D`, `conv_2d` and `conv2d`
//! are one word. First come the words of Keras and PyTorch, those of layers from their rows, then the edit distance.

/// What kind of word is looked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Vocabulary {
    Layer,
    Argument,
    Setting,
    Activation,
    Padding,
    Interpolation,
    Loss,
    Optimizer,
    Schedule,
    Metric,
    Augment,
    Initializer,
    Regularizer,
    Constraint,
    /// A setting that is one of a few words.
    Word,
    Boolean,
}

/// What is known about a wrong word.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Hint {
    /// This was probably meant.
    Use(&'static str),
    /// A real thing of Keras or PyTorch that the language does not have, and what to do instead.
    Unsupported(Option<&'static str>),
}

impl Hint {
    /// The help line.
    pub(crate) fn help(&self) -> Option<String> {
        match self {
            Hint::Use(word) => Some(format!("did you mean `{word}`?")),
            Hint::Unsupported(instead) => instead.map(str::to_owned),
        }
    }
}

/// What `word` probably means, of `candidates`.
pub(crate) fn hint(
    vocabulary: Vocabulary,
    word: &str,
    candidates: &[&'static str],
) -> Option<Hint> {
    let plain = plain(word);
    if let Some(same) = candidates
        .iter()
        .find(|candidate| self::plain(candidate) == plain)
    {
        return Some(Hint::Use(same));
    }
    let synonym = SYNONYMS
        .iter()
        .find(|(of, from, to)| is_of(vocabulary, *of) && *from == plain && candidates.contains(to));
    if let Some((_, _, to)) = synonym {
        return Some(Hint::Use(to));
    }
    let layer = crate::layers::kinds().find(|kind| kind.other_names.contains(&plain.as_str()));
    if let (Vocabulary::Layer, Some(kind)) = (vocabulary, layer) {
        return Some(Hint::Use(kind.name));
    }
    let known = KNOWN
        .iter()
        .find(|(of, from, _)| *of == vocabulary && *from == plain);
    if let Some((_, _, instead)) = known {
        return Some(Hint::Unsupported((!instead.is_empty()).then_some(instead)));
    }
    closest(&plain, candidates).map(Hint::Use)
}

/// Words to write instead: all of them where there are two, else the first three, as more would be a page of the
/// language reference.
pub(crate) fn suggestion(what: &str, words: &[&str]) -> String {
    match words {
        [a, b] => format!("use `{a}` or `{b}`"),
        [a, b, c, ..] => format!("use {what} such as `{a}`, `{b}` or `{c}`"),
        _ => format!("use `{}`", words.concat()),
    }
}

/// Whether words of a kind may stand where `vocabulary` is asked for: activations are layers too.
fn is_of(vocabulary: Vocabulary, kind: Vocabulary) -> bool {
    kind == vocabulary || (vocabulary == Layer && kind == Activation)
}

/// The word in small letters, without punctuation.
fn plain(word: &str) -> String {
    word.chars()
        .filter(|c| c.is_alphanumeric())
        .flat_map(char::to_lowercase)
        .collect()
}

/// The label that a wrong one probably means.
pub(crate) fn closest_of<'a>(label: &str, labels: &[&'a str]) -> Option<&'a str> {
    closest(&plain(label), labels)
}

/// The candidate with the fewest edits, if they are few for its length.
fn closest<'a>(plain: &str, candidates: &[&'a str]) -> Option<&'a str> {
    // Nobody misspells a name by dozens of letters, and the distance takes quadratic time.
    if plain.len() > 64 {
        return None;
    }
    // `max_pool3d` is no misspelt `max_pool2d`: another number of dimensions is another layer.
    let digits = |word: &str| -> String { word.chars().filter(char::is_ascii_digit).collect() };
    let written = digits(plain);
    candidates
        .iter()
        .filter(|candidate| written.is_empty() || digits(candidate) == written)
        .map(|&candidate| (edits(plain, &self::plain(candidate)), candidate))
        .filter(|&(edits, candidate)| edits <= (candidate.len() / 3).max(1) && edits < plain.len())
        .min_by_key(|&(edits, _)| edits)
        .map(|(_, candidate)| candidate)
}

/// Insertions, deletions, replacements and swaps of neighbours between two words (optimal
/// string alignment).
fn edits(a: &str, b: &str) -> usize {
    let (a, b): (Vec<char>, Vec<char>) = (a.chars().collect(), b.chars().collect());
    let mut rows = vec![vec![0; b.len() + 1]; a.len() + 1];
    for i in 0..=a.len() {
        for j in 0..=b.len() {
            rows[i][j] = if i == 0 || j == 0 {
                i + j
            } else {
                let differs = usize::from(a[i - 1] != b[j - 1]);
                let swapped = i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1];
                let swap = if swapped {
                    rows[i - 2][j - 2] + 1
                } else {
                    usize::MAX
                };
                (rows[i - 1][j] + 1)
                    .min(rows[i][j - 1] + 1)
                    .min(rows[i - 1][j - 1] + differs)
                    .min(swap)
            };
        }
    }
    rows[a.len()][b.len()]
}

use Vocabulary::{
    Activation, Argument, Augment, Boolean, Constraint, Initializer, Interpolation, Layer, Loss,
    Metric, Optimizer, Padding, Regularizer, Schedule, Setting, Word,
};

/// What other libraries call the things of this language, the words in plain form. Those of layers stand in their rows.
const SYNONYMS: &[(Vocabulary, &str, &str)] = &[
    (Argument, "stride", "strides"),
    (Argument, "kernelsize", "kernel"),
    (Argument, "filtersize", "kernel"),
    (Argument, "outchannels", "filters"),
    (Argument, "channels", "filters"),
    (Argument, "poolsize", "size"),
    (Argument, "kernelsize", "size"),
    (Argument, "kernel", "size"),
    (Argument, "outfeatures", "units"),
    (Argument, "dilationrate", "dilation"),
    (Argument, "bias", "use_bias"),
    (Argument, "requiresgrad", "trainable"),
    (Argument, "p", "rate"),
    (Argument, "alpha", "negative_slope"),
    (Argument, "slope", "negative_slope"),
    (Argument, "lr", "learning_rate"),
    (Argument, "alpha", "rho"),
    (Argument, "eps", "epsilon"),
    (Argument, "betas", "beta_1"),
    (Argument, "decay", "weight_decay"),
    (Argument, "maxnorm", "clip_norm"),
    (Argument, "ema", "ema_momentum"),
    (Argument, "warmup", "warmup_steps"),
    (Argument, "numwarmupsteps", "warmup_steps"),
    (Argument, "learningrate", "initial_learning_rate"),
    (Argument, "learningrate", "max_learning_rate"),
    (Argument, "lr", "initial_learning_rate"),
    (Argument, "lr", "max_learning_rate"),
    (Argument, "maxlr", "max_learning_rate"),
    (Argument, "steps", "decay_steps"),
    (Argument, "steps", "first_decay_steps"),
    (Argument, "steps", "total_steps"),
    (Argument, "decaysteps", "first_decay_steps"),
    (Argument, "decaysteps", "total_steps"),
    (Argument, "stepsize", "decay_steps"),
    (Argument, "tmax", "decay_steps"),
    (Argument, "t0", "first_decay_steps"),
    (Argument, "tmult", "t_mul"),
    (Argument, "gamma", "decay_rate"),
    (Argument, "milestones", "boundaries"),
    (Argument, "minlr", "end_learning_rate"),
    (Argument, "nonlinearity", "activation"),
    (Argument, "shape", "size"),
    (Argument, "shape", "target_shape"),
    (Argument, "unflattenedsize", "target_shape"),
    (Argument, "scalefactor", "size"),
    (Argument, "mode", "interpolation"),
    (Argument, "pad", "padding"),
    (Argument, "crop", "cropping"),
    (Argument, "kernelinitializer", "depthwise_initializer"),
    (Argument, "weightinitializer", "kernel_initializer"),
    (Argument, "std", "stddev"),
    (Argument, "val", "value"),
    (Argument, "low", "minval"),
    (Argument, "high", "maxval"),
    (Setting, "epoch", "epochs"),
    (Setting, "batch", "batch_size"),
    (Setting, "accumulation", "accumulate"),
    (Setting, "accumulationsteps", "accumulate"),
    (Setting, "gradientaccumulation", "accumulate"),
    (Setting, "gradientaccumulationsteps", "accumulate"),
    (Setting, "optim", "optimizer"),
    (Setting, "optimiser", "optimizer"),
    (Setting, "criterion", "loss"),
    (Setting, "randomseed", "seed"),
    (Activation, "none", "linear"),
    (Activation, "identity", "linear"),
    (Activation, "lrelu", "leaky_relu"),
    (Activation, "logistic", "sigmoid"),
    (Activation, "exp", "exponential"),
    (Interpolation, "linear", "bilinear"),
    (Padding, "zero", "same"),
    (Padding, "zeros", "same"),
    (Padding, "none", "valid"),
    (Loss, "crossentropy", "categorical_crossentropy"),
    (Loss, "crossentropyloss", "categorical_crossentropy"),
    (
        Loss,
        "sparsecategoricalcrossentropy",
        "categorical_crossentropy",
    ),
    (Loss, "softmaxcrossentropy", "categorical_crossentropy"),
    (Loss, "bce", "binary_crossentropy"),
    (Loss, "bceloss", "binary_crossentropy"),
    (Loss, "bcewithlogitsloss", "binary_crossentropy"),
    (Loss, "mseloss", "mse"),
    (Loss, "l2", "mse"),
    (Loss, "l1", "mae"),
    (Loss, "l1loss", "mae"),
    (Loss, "smoothl1loss", "huber"),
    (Loss, "huberloss", "huber"),
    (Loss, "kldivloss", "kl_divergence"),
    (Loss, "kldiv", "kl_divergence"),
    (Loss, "poissonnllloss", "poisson"),
    (Loss, "cosineembeddingloss", "cosine_similarity"),
    (Loss, "multimarginloss", "categorical_hinge"),
    (Loss, "focal", "categorical_focal_crossentropy"),
    (Loss, "focalloss", "categorical_focal_crossentropy"),
    (Loss, "binaryfocal", "binary_focal_crossentropy"),
    (Argument, "topk", "k"),
    (Argument, "thresholds", "threshold"),
    (Optimizer, "momentum", "sgd"),
    (Optimizer, "nag", "sgd"),
    (Schedule, "step", "piecewise_constant_decay"),
    (Schedule, "steplr", "piecewise_constant_decay"),
    (Schedule, "multisteplr", "piecewise_constant_decay"),
    (Schedule, "piecewise", "piecewise_constant_decay"),
    (Schedule, "piecewiseconstant", "piecewise_constant_decay"),
    (Schedule, "exponential", "exponential_decay"),
    (Schedule, "exponentiallr", "exponential_decay"),
    (Schedule, "linear", "polynomial_decay"),
    (Schedule, "linearlr", "polynomial_decay"),
    (Schedule, "lineardecay", "polynomial_decay"),
    (Schedule, "polynomial", "polynomial_decay"),
    (Schedule, "polynomiallr", "polynomial_decay"),
    (Schedule, "cosine", "cosine_decay"),
    (Schedule, "cosineannealinglr", "cosine_decay"),
    (Schedule, "cosineannealing", "cosine_decay"),
    (
        Schedule,
        "cosineannealingwarmrestarts",
        "cosine_decay_restarts",
    ),
    (Schedule, "cosinerestarts", "cosine_decay_restarts"),
    (Schedule, "sgdr", "cosine_decay_restarts"),
    (Schedule, "onecyclelr", "one_cycle"),
    (Schedule, "inversetime", "inverse_time_decay"),
    (Schedule, "constantlr", "constant"),
    (Metric, "acc", "accuracy"),
    (Metric, "categoricalaccuracy", "accuracy"),
    (Metric, "sparsecategoricalaccuracy", "accuracy"),
    (Metric, "f1", "f1_score"),
    (Metric, "r2", "r2_score"),
    (Metric, "topk", "top_k_accuracy"),
    (Metric, "topkcategoricalaccuracy", "top_k_accuracy"),
    (Metric, "sparsetopkcategoricalaccuracy", "top_k_accuracy"),
    (Metric, "rocauc", "auc"),
    (Metric, "auroc", "auc"),
    (Metric, "iou", "mean_iou"),
    (Metric, "jaccard", "mean_iou"),
    (Setting, "augmentation", "augment"),
    (Setting, "augmentations", "augment"),
    (Setting, "transforms", "augment"),
    (Augment, "randomtranslation", "shift"),
    (Augment, "translation", "shift"),
    (Augment, "translate", "shift"),
    (Augment, "randomrotation", "rotate"),
    (Augment, "rotation", "rotate"),
    (Augment, "randomzoom", "zoom"),
    (Augment, "scale", "zoom"),
    (Augment, "randomflip", "flip"),
    (Augment, "randomhorizontalflip", "flip"),
    (Augment, "randomverticalflip", "flip"),
    (Augment, "hflip", "flip"),
    (Augment, "vflip", "flip"),
    (Augment, "mirror", "flip"),
    (Augment, "elastictransform", "elastic"),
    (Augment, "randomelastictransform", "elastic"),
    (Augment, "randombrightness", "brightness"),
    (Augment, "randomcontrast", "contrast"),
    (Augment, "gaussiannoise", "noise"),
    (Augment, "randomerasing", "cutout"),
    (Augment, "erasing", "cutout"),
    (Argument, "angle", "degrees"),
    (Argument, "angles", "degrees"),
    (Argument, "degree", "degrees"),
    (Argument, "std", "stddev"),
    (Argument, "sigma", "stddev"),
    (Argument, "amount", "factor"),
    (Word, "leftright", "horizontal"),
    (Word, "updown", "vertical"),
    (Word, "horizontalandvertical", "both"),
    (Initializer, "kaimingnormal", "he_normal"),
    (Initializer, "kaiminguniform", "he_uniform"),
    (Initializer, "kaiming", "he_normal"),
    (Initializer, "he", "he_normal"),
    (Initializer, "xaviernormal", "glorot_normal"),
    (Initializer, "xavieruniform", "glorot_uniform"),
    (Initializer, "xavier", "glorot_uniform"),
    (Initializer, "glorot", "glorot_uniform"),
    (Initializer, "lecun", "lecun_normal"),
    (Initializer, "normal", "random_normal"),
    (Initializer, "uniform", "random_uniform"),
    (Initializer, "truncnormal", "truncated_normal"),
    (Initializer, "zero", "zeros"),
    (Initializer, "one", "ones"),
    (Initializer, "fill", "constant"),
    (Regularizer, "lasso", "l1"),
    (Regularizer, "ridge", "l2"),
    (Regularizer, "weightdecay", "l2"),
    (Regularizer, "elasticnet", "l1_l2"),
    (Regularizer, "l1l2", "l1_l2"),
    (Regularizer, "l2l1", "l1_l2"),
    (Constraint, "nonnegative", "non_neg"),
    (Constraint, "positive", "non_neg"),
    (Constraint, "clipnorm", "max_norm"),
    (Constraint, "norm", "max_norm"),
    (Constraint, "normalize", "unit_norm"),
    (Argument, "max", "max_value"),
    (Argument, "min", "min_value"),
    (Word, "fanaverage", "fan_avg"),
    (Word, "normal", "truncated_normal"),
    (Boolean, "0", "false"),
    (Boolean, "1", "true"),
    (Boolean, "yes", "true"),
    (Boolean, "on", "true"),
    (Boolean, "no", "false"),
    (Boolean, "none", "false"),
    (Boolean, "off", "false"),
];

/// Words that other libraries have, each with what to do if this language has no such thing. The words of the language
/// are found before, so a row may stay when its word becomes one.
const KNOWN: &[(Vocabulary, &str, &str)] = &[
    (Layer, "batchnormalization", ""),
    (Layer, "batchnorm", ""),
    (Layer, "batchnorm2d", ""),
    (Layer, "layernormalization", ""),
    (Layer, "layernorm", ""),
    (Layer, "groupnormalization", ""),
    (
        Layer,
        "conv1d",
        "over Nx1xC images a `conv2d` with a kernel of `3x1` does the same",
    ),
    (
        Layer,
        "convolution1d",
        "over Nx1xC images a `conv2d` with a kernel of `3x1` does the same",
    ),
    (
        Layer,
        "maxpool1d",
        "over Nx1xC images a `max_pool2d(2x1)` does the same",
    ),
    (
        Layer,
        "maxpooling1d",
        "over Nx1xC images a `max_pool2d(2x1)` does the same",
    ),
    (
        Layer,
        "avgpool1d",
        "over Nx1xC images an `avg_pool2d(2x1)` does the same",
    ),
    (
        Layer,
        "avgpooling1d",
        "over Nx1xC images an `avg_pool2d(2x1)` does the same",
    ),
    (
        Layer,
        "averagepool1d",
        "over Nx1xC images an `avg_pool2d(2x1)` does the same",
    ),
    (
        Layer,
        "averagepooling1d",
        "over Nx1xC images an `avg_pool2d(2x1)` does the same",
    ),
    (
        Layer,
        "globalaveragepooling1d",
        "over Nx1xC images an `avg_pool2d` as large as its input, then `flatten;` does the same",
    ),
    (
        Layer,
        "globalavgpool1d",
        "over Nx1xC images an `avg_pool2d` as large as its input, then `flatten;` does the same",
    ),
    (
        Layer,
        "globalmaxpooling1d",
        "over Nx1xC images a `max_pool2d` as large as its input, then `flatten;` does the same",
    ),
    (
        Layer,
        "globalmaxpool1d",
        "over Nx1xC images a `max_pool2d` as large as its input, then `flatten;` does the same",
    ),
    (
        Layer,
        "zeropadding1d",
        "over Nx1xC images a `zero_padding2d(1x0)` does the same",
    ),
    (
        Layer,
        "cropping1d",
        "over Nx1xC images a `cropping2d(1x0)` does the same",
    ),
    (
        Layer,
        "upsampling1d",
        "over Nx1xC images an `upsampling2d(2x1)` does the same",
    ),
    (Layer, "zeropadding3d", ""),
    (Layer, "cropping3d", ""),
    (Layer, "upsampling3d", ""),
    (
        Layer,
        "upsamplingbilinear2d",
        "use `upsampling2d(2x2, bilinear)`, whose corners are not aligned",
    ),
    (Layer, "reflectionpad2d", "use `zero_padding2d`"),
    (Layer, "replicationpad2d", "use `zero_padding2d`"),
    (Layer, "permute", ""),
    (Layer, "conv3d", ""),
    (Layer, "convolution3d", ""),
    (Layer, "maxpool3d", ""),
    (Layer, "maxpooling3d", ""),
    (Layer, "avgpool3d", ""),
    (Layer, "avgpooling3d", ""),
    (Layer, "averagepool3d", ""),
    (Layer, "averagepooling3d", ""),
    (Layer, "conv1dtranspose", ""),
    (Layer, "convtranspose1d", ""),
    (Layer, "depthwiseconv1d", ""),
    (Layer, "separableconv1d", ""),
    (
        Layer,
        "globalmaxpooling2d",
        "a `max_pool2d` as large as its input, then `flatten;` does the same",
    ),
    (
        Layer,
        "globalmaxpool2d",
        "a `max_pool2d` as large as its input, then `flatten;` does the same",
    ),
    (Layer, "rescaling", "scale the data before training"),
    (Layer, "normalization", "scale the data before training"),
    (Layer, "embedding", ""),
    (Layer, "lstm", ""),
    (Layer, "gru", ""),
    (Layer, "attention", ""),
    (Layer, "prelu", ""),
    (Layer, "logsigmoid", ""),
    (Layer, "hardtanh", ""),
    (Layer, "glu", ""),
    (Layer, "celu", ""),
    (Argument, "groups", ""),
    (
        Argument,
        "movingmeaninitializer",
        "running means begin as zero",
    ),
    (
        Argument,
        "movingvarianceinitializer",
        "running variances begin as one",
    ),
    (Initializer, "identity", ""),
    (Initializer, "eye", ""),
    (Initializer, "dirac", ""),
    (Initializer, "sparse", ""),
    (Regularizer, "orthogonal", ""),
    (Argument, "activityregularizer", ""),
    (
        Argument,
        "axis",
        "norms are those of the weights of each output",
    ),
    (Argument, "dataformat", "images are always HxWxC"),
    (
        Argument,
        "name",
        "a label stands before the layer: `stem: conv2d(…);`",
    ),
    (
        Argument,
        "inputshape",
        "the network begins with `input(28x28x1);`",
    ),
    (
        Argument,
        "inputdim",
        "the network begins with `input(784);`",
    ),
    (
        Argument,
        "inchannels",
        "the layer above decides what comes in",
    ),
    (
        Argument,
        "infeatures",
        "the layer above decides what comes in",
    ),
    (Argument, "trainable", "it has no parameters"),
    (Argument, "frozen", "write `trainable = false`"),
    (Argument, "freeze", "write `trainable = false`"),
    (Argument, "from", "a layer reads the line above"),
    (
        Argument,
        "inplace",
        "the compiler decides where values live",
    ),
    (
        Argument,
        "weightdecay",
        "it belongs to the optimizer: `optimizer = adamw(weight_decay = 0.004);`",
    ),
    (
        Argument,
        "warmuptarget",
        "the warm-up rises from 0 to the schedule's first learning rate",
    ),
    (
        Argument,
        "useema",
        "it is on where `ema_momentum` is given: `adam(ema_momentum = 0.99)`",
    ),
    (
        Argument,
        "gradientaccumulationsteps",
        "it is a setting of `train`: `accumulate = 4;`",
    ),
    (Argument, "lossscalefactor", ""),
    (Argument, "amsgrad", ""),
    (Argument, "centered", ""),
    (Argument, "axis", "it works over the last axis"),
    (Argument, "dim", "it works over the last axis"),
    (Argument, "noiseshape", ""),
    (Argument, "seed", "the seed stands in `train`"),
    (
        Setting,
        "learningrate",
        "it belongs to the optimizer: `optimizer = rmsprop(learning_rate = 1e-3);`",
    ),
    (
        Setting,
        "lr",
        "it belongs to the optimizer: `optimizer = rmsprop(learning_rate = 1e-3);`",
    ),
    (
        Setting,
        "momentum",
        "it belongs to the optimizer: `optimizer = sgd(momentum = 0.9);`",
    ),
    (
        Setting,
        "weightdecay",
        "it belongs to the optimizer: `optimizer = adamw(weight_decay = 0.004);`",
    ),
    (
        Setting,
        "clipnorm",
        "it belongs to the optimizer: `optimizer = sgd(clip_norm = 1.0);`",
    ),
    (
        Setting,
        "clipvalue",
        "it belongs to the optimizer: `optimizer = sgd(clip_value = 0.5);`",
    ),
    (
        Setting,
        "scheduler",
        "it is the learning rate of the optimizer: `sgd(learning_rate = cosine_decay(0.01, 10000))`",
    ),
    (
        Setting,
        "schedule",
        "it is the learning rate of the optimizer: `sgd(learning_rate = cosine_decay(0.01, 10000))`",
    ),
    (
        Setting,
        "warmupsteps",
        "it belongs to the schedule: `sgd(learning_rate = cosine_decay(0.01, 10000, warmup_steps = 500))`",
    ),
    (
        Setting,
        "validationsplit",
        "`fit` takes the validation data",
    ),
    (Setting, "validationdata", "`fit` takes the validation data"),
    (Setting, "callbacks", ""),
    (Setting, "shuffle", "every epoch is shuffled"),
    (Setting, "verbose", ""),
    (Activation, "prelu", ""),
    (Activation, "logsigmoid", ""),
    (Activation, "hardtanh", ""),
    (Activation, "glu", ""),
    (Activation, "celu", ""),
    (Argument, "aligncorners", "centers are those of half pixels"),
    (Interpolation, "bicubic", ""),
    (Interpolation, "area", ""),
    (Interpolation, "lanczos3", ""),
    (Interpolation, "lanczos5", ""),
    (Padding, "causal", ""),
    (Padding, "reflect", ""),
    (Padding, "full", ""),
    (Loss, "nll", ""),
    (Loss, "ctc", ""),
    (Loss, "dice", ""),
    (Loss, "tversky", ""),
    (Loss, "circle", ""),
    (Optimizer, "amsgrad", "write `adam(amsgrad = true)`"),
    (Optimizer, "lbfgs", ""),
    (Optimizer, "adafactor", ""),
    (Optimizer, "ftrl", ""),
    (Optimizer, "lamb", ""),
    (Optimizer, "radam", ""),
    (
        Schedule,
        "warmup",
        "give a schedule a warm-up: `constant(1e-3, warmup_steps = 500)`",
    ),
    (Schedule, "reducelronplateau", ""),
    (
        Metric,
        "confusionmatrix",
        "`net.confusion_matrix(&examples)` counts the classes",
    ),
    (Metric, "sensitivityatspecificity", ""),
    (Metric, "prauc", ""),
    (Metric, "loss", "the loss is always reported"),
    (
        Augment,
        "randomcrop",
        "`shift` moves the image, with zeros around it",
    ),
    (
        Augment,
        "crop",
        "`shift` moves the image, with zeros around it",
    ),
    (Augment, "cutmix", "`mixup` and `cutout` are there"),
    (Augment, "randaugment", ""),
    (Augment, "autoaugment", ""),
    (
        Augment,
        "colorjitter",
        "`brightness` and `contrast` are there",
    ),
    (Augment, "shear", ""),
    (Augment, "randomshear", ""),
    (Augment, "perspective", ""),
    (Augment, "blur", ""),
    (Augment, "saturation", ""),
    (Augment, "hue", ""),
];

#[cfg(test)]
mod tests {
    use super::*;

    const LAYERS: &[&str] = &[
        "conv2d",
        "max_pool2d",
        "avg_pool2d",
        "dense",
        "flatten",
        "dropout",
        "relu",
        "leaky_relu",
    ];

    #[test]
    fn words_of_other_libraries_and_misspellings_are_recognised() {
        let cases = [
            ("Conv2D", Some(Hint::Use("conv2d"))),
            ("nn_conv", None),
            ("conv2", Some(Hint::Use("conv2d"))),
            ("MaxPooling2D", Some(Hint::Use("max_pool2d"))),
            ("MaxPool2d", Some(Hint::Use("max_pool2d"))),
            ("AveragePooling2D", Some(Hint::Use("avg_pool2d"))),
            ("Linear", Some(Hint::Use("dense"))),
            ("flaten", Some(Hint::Use("flatten"))),
            ("Flatten", Some(Hint::Use("flatten"))),
            ("desne", Some(Hint::Use("dense"))),
            ("BatchNormalization", Some(Hint::Unsupported(None))),
            ("max_pool3d", Some(Hint::Unsupported(None))),
            ("max_pool4d", None),
            ("max_pol2d", Some(Hint::Use("max_pool2d"))),
            ("x", None),
            ("", None),
            ("LReLU", Some(Hint::Use("leaky_relu"))),
            ("transformer", None),
        ];
        let wrong: Vec<_> = cases
            .into_iter()
            .map(|(word, expected)| (word, hint(Layer, word, LAYERS), expected))
            .filter(|(_, found, expected)| found != expected)
            .collect();
        assert!(wrong.is_empty(), "{wrong:#?}");
    }

    #[test]
    fn the_tables_are_in_plain_form() {
        let words = SYNONYMS
            .iter()
            .map(|entry| entry.1)
            .chain(KNOWN.iter().map(|entry| entry.1))
            .chain(crate::layers::kinds().flat_map(|kind| kind.other_names.iter().copied()));
        let wrong: Vec<_> = words.filter(|word| plain(word) != *word).collect();
        assert!(wrong.is_empty(), "{wrong:?}");
    }

    #[test]
    fn edits_are_counted() {
        let cases = [
            ("", "", 0),
            ("a", "", 1),
            ("kitten", "sitting", 3),
            ("ab", "ba", 1),
            ("relu", "reelu", 1),
        ];
        for (a, b, expected) in cases {
            assert_eq!(edits(a, b), expected, "{a} {b}");
            assert_eq!(edits(b, a), expected, "{b} {a}");
        }
    }
}
