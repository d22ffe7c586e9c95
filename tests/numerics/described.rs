//! Networks without fixtures, each with its description as text.

use cnn::Network as _;
use cnn::runtime::spec::Spec;

/// What generated code knows of a network, and its description.
pub(crate) type Described = (fn() -> &'static Spec, &'static str);

/// Networks without fixtures, and a list of them with their descriptions as text.
macro_rules! described {
    ($list:ident: $($name:ident { $($layers:tt)* })*) => {
        $(cnn::network! { network $name { $($layers)* } })*

        pub(crate) const $list: &[Described] = &[$((
            $name::spec,
            concat!("network ", stringify!($name), " {", stringify!($($layers)*), "}"),
        )),*];
    };
}

// What the plan treats in a way of its own. Dropout that drops nothing is the identity, but runs.
described! {
    UNUSUAL:
    TwoInputs {
        image: input(5x4x2); list: input(3);
        conv2d(3, 2x2, activation = tanh, from = image); seen: flatten;
        told: dense(4, activation = relu, from = list);
        concat(seen, told); dense(3, activation = softmax);
        train { loss = categorical_crossentropy; }
    }
    ThreeOutputs {
        input(5x4x2);
        trunk: conv2d(3, 2x2, padding = same, activation = tanh);
        map: conv2d(2, 1x1, activation = softmax);
        flatten(from = trunk);
        side: dense(2);
        yes: dense(1, activation = sigmoid);
        output(yes, map, side);
        train {
            loss = [map = categorical_crossentropy, yes = binary_crossentropy(weight = 0.25), side = mse(weight = 2)];
        }
    }
    SameInputTwice {
        a: input(3x3x1); b: input(3x3x1);
        batch_normalization(from = b); multiply(a); subtract(b); relu; last: flatten; other: dense(2);
        output(other, last);
        train { loss = [other = mse, last = huber]; }
    }
    InBlocks {
        const WIDTH = 2;
        block residual(filters, act = relu) {
            conv2d(filters, 3x3, padding = same); batch_normalization; activation(act);
            conv2d(filters, 1 x 1); add(input);
        }
        input(4x5x2); residual(WIDTH); repeat 2 { residual(WIDTH, tanh); dropout(1e-9); }
        global_avg_pool2d; dense(WIDTH + 1);
        train { loss = mse; }
    }
    PassedOnGradients {
        input(5x4x2); a: conv2d(3, 3x3, padding = same); b: conv2d(3, 1x1, activation = tanh);
        c: add(a); d: add(a, b, c); tanh; e: dropout(1e-9); f: add(e, e); add(d, a, f); subtract(e); subtract(b);
        flatten; dense(2);
        train { loss = mse; }
    }
    PassedOnBetweenStages {
        input(4x3x2); a: conv2d(3, 2x2, padding = same); b: tanh; c: batch_normalization; add(b); tanh; add(c);
        d: add(a); e: global_avg_pool2d(keepdims = true); add(d, e, a); softsign; flatten; f: dense(12);
        dense(12, activation = softsign); add(f); dropout(1e-9); add(f);
        reshape(2x2x3); g: softsign; add(g, g); conv2d(2, 2x2);
        train { loss = mse; }
    }
    SoftmaxBehindPool {
        input(5x5x2); conv2d(3, 3x3); max_pool2d(3x3); flatten; softmax;
        train { loss = categorical_crossentropy; }
    }
    SoftmaxBehindTanh {
        input(4); dense(3, activation = tanh); softmax;
        train { loss = categorical_crossentropy; }
    }
    SoftmaxBehindLinear {
        input(3x3x1); conv2d(3, 3x3); dropout(1e-9); flatten; softmax;
        train { loss = categorical_crossentropy; }
    }
    SigmoidTwice {
        input(4); dense(3); sigmoid; sigmoid;
        train { loss = binary_crossentropy; }
    }
    Pointwise {
        input(4x3x2); conv2d(5, 1x1); tanh; conv2d(3, 1x1, strides = 2x1, activation = sigmoid);
        avg_pool2d(2x2, padding = same); tanh; flatten; dense(2, use_bias = false);
        train { loss = mse; }
    }
    ActivationsApart {
        input(6x6x2); tanh; max_pool2d(2x2); leaky_relu(0.2); conv2d(4, 2x2); dropout(1e-9); relu;
        flatten; dense(4); dropout(1e-9); tanh; dense(3); relu;
        train { loss = mse; }
    }
    GlobalMaxPool {
        input(7x5x2); conv2d(4, 3x3, activation = tanh); global_max_pool2d; dense(3);
        train { loss = mse; }
    }
    GlobalMaxPoolOfTheInput {
        input(3x4x2); global_max_pool2d; dense(3);
        train { loss = mse; }
    }
    ActivationOfAnInputThatIsNotReadWhole {
        input(7x5x2); tanh; max_pool2d(2x2); flatten; dense(3);
        train { loss = mse; }
    }
    DropoutOfAnInputThatIsNotReadWhole {
        input(7x5x2); dropout(1e-9); avg_pool2d(2x2); flatten; dense(3, activation = softsign);
        train { loss = huber(delta = 0.5); optimizer = nadam; }
    }
    Normalized {
        input(9x8x2); conv2d(4, 3x3); batch_normalization; relu; max_pool2d(2x2); conv2d(3, 2x2, use_bias = false);
        batch_normalization(scale = false, momentum = 0.9); tanh; flatten; dense(5);
        batch_normalization(epsilon = 1e-2); sigmoid; dense(3);
        train { loss = mse; }
    }
    NormalizedFirstAndLast {
        input(5x4x70); batch_normalization(center = false); batch_normalization; conv2d(4, 2x2, strides = 2);
        flatten; dense(3); batch_normalization; softmax;
        train { loss = categorical_crossentropy; }
    }
    NormalizedBySomethingFrozen {
        input(5x5x2); conv2d(3, 2x2); batch_normalization(trainable = false); softsign; max_pool2d(2x2);
        batch_normalization(trainable = false, scale = false); flatten; dense(3);
        train { loss = mse; }
    }
    NormalizedBehindSomethingFrozen {
        input(5x5x2); conv2d(3, 2x2, trainable = false); batch_normalization; leaky_relu(0.1); flatten; dense(3);
        train { loss = huber; }
    }
    NormalizedAlone {
        input(6); dense(5); batch_normalization(scale = false, center = false); tanh; dense(3);
        train { loss = mse; }
    }
    ResidualInStages {
        input(7x6x2); stem: conv2d(4, 3x3, padding = same); batch_normalization; relu;
        conv2d(4, 3x3, padding = same); batch_normalization; add(stem); relu;
        body: dropout(1e-9); conv2d(6, 3x3, strides = 2, padding = same); batch_normalization; main: tanh;
        shortcut: conv2d(6, 1x1, strides = 2, padding = same, from = body);
        add(main, shortcut); relu; flatten; dense(3);
        train { loss = mse; }
    }
    // Additions behind normalizations: what is added has other readers, is normalized too, or is what was normalized.
    ResidualNormalized {
        input(6x5x3); stem: conv2d(5, 3x3, padding = same); n: batch_normalization; add(n, stem); relu;
        around: conv2d(5, 1x1); batch_normalization; add(around); silu; flatten; dense(3);
        train { loss = mse; }
    }
    BothNormalized {
        input(5x4x2); a: conv2d(3, 2x2, activation = tanh); m: batch_normalization;
        conv2d(3, 2x2, from = input); batch_normalization; add(m); add(a); softmax; flatten; dense(3);
        train { loss = huber; }
    }
    ResidualOfDense {
        input(5); dense(4); a: tanh; dense(4); batch_normalization; add(a); b: sigmoid;
        dense(4, trainable = false); batch_normalization(scale = false); add(b); dense(3);
        train { loss = mse; }
    }
    // Max pools behind normalizations: windows apart and overlapping, rows that no window sees, sums behind dropout.
    NormalizedAndPooled {
        input(9x8x2); conv2d(5, 2x2); batch_normalization; relu; max_pool2d(2x2); dropout(1e-9);
        conv2d(9, 2x2, activation = tanh); flatten; dense(3);
        train { loss = mse; }
    }
    NormalizedAndPooledOverlapping {
        input(9x8x2); conv2d(9, 2x2, use_bias = false); batch_normalization(center = false); tanh;
        max_pool2d(3x2, strides = 2); flatten; dense(3);
        train { loss = mse; }
    }
    PooledBesideASum {
        input(7x8x3); batch_normalization; sigmoid; a: max_pool2d(1x2, strides = 3);
        conv2d(3, 3x3, strides = 3, padding = same, from = input);
        batch_normalization(scale = false); max_pool2d(1x1); add(a); concat(a);
        flatten; dense(3); batch_normalization; softmax;
        train { loss = categorical_crossentropy; }
    }
    ResidualChain {
        block residual(filters) { conv2d(filters, 3x3, padding = same); batch_normalization; add(input); }
        input(5x4x17); a: conv2d(17, 1x1); repeat 3 { residual(17); } conv2d(17, 2x2, strides = 2); batch_normalization;
        c: conv2d(17, 2x2, strides = 2, from = a); add(c); relu6; flatten; dense(3);
        train { loss = huber; }
    }
    AddedToTheInput {
        input(5x4x2); batch_normalization; add(input); conv2d(3, 2x2); n: batch_normalization; dropout(1e-9, from = input);
        conv2d(3, 2x2, trainable = false); add(n); gelu; flatten; dense(3);
        train { loss = mse; }
    }
    Separable {
        input(9x8x3); depthwise_conv2d(3x3, strides = 2, padding = same); batch_normalization; relu; conv2d(5, 1x1);
        depthwise_conv2d(2x3, depth_multiplier = 3, activation = tanh, use_bias = false);
        depthwise_conv2d(2, padding = 1, activation = sigmoid); global_avg_pool2d; dense(3);
        train { loss = mse; }
    }
    Transposed {
        input(4x3x3); conv2d_transpose(9, 3x3, strides = 2, padding = same, activation = relu);
        conv2d_transpose(4, 2x2, strides = 2, activation = gelu);
        conv2d_transpose(3, 3x3, padding = same); batch_normalization; tanh; flatten; dense(3);
        train { loss = mse; }
    }
    TransposedOddly {
        input(3x4x2); conv2d_transpose(3, 1x2, strides = 3x2, use_bias = false);
        conv2d_transpose(2, 3x4, strides = 2x3, padding = 1, output_padding = 1x0, activation = softmax);
        conv2d_transpose(2, 2x3, dilation = 2, activation = sigmoid);
        conv2d_transpose(5, 4x3, strides = 2, padding = same, output_padding = 0x1); max_pool2d(3x3);
        flatten; dense(3);
        train { loss = mse; }
    }
    TransposedThatIsNotReadWhole {
        input(4x4x2); a: conv2d(3, 1x1); b: conv2d_transpose(3, 3x3, strides = 2, activation = tanh);
        c: max_pool2d(2x2, strides = 3); d: avg_pool2d(3x3, from = a); e: flatten(from = c); f: flatten(from = d);
        concat(e, f); dense(3);
        train { loss = mse; }
    }
    TransposedLast {
        input(8x6x1); conv2d(4, 3x3, strides = 2, padding = same, activation = tanh);
        conv2d_transpose(8, 3x3, strides = 2, padding = same, trainable = false, activation = silu);
        conv2d_transpose(1, 3x3, padding = same, activation = sigmoid);
        train { loss = binary_crossentropy; }
    }
    Grouped {
        input(7x6x4); conv2d(6, 3x3, groups = 2, padding = same, activation = relu);
        conv2d(9, 2x3, groups = 3, strides = 2x1, use_bias = false, activation = softmax); batch_normalization;
        conv2d(18, 1x1, groups = 9, activation = mish); conv2d(12, 1x1, groups = 6); max_pool2d(2x2); tanh;
        flatten; dense(3);
        train { loss = mse; }
    }
    GroupedThatIsNotReadWhole {
        input(9x8x4); conv2d(4, 3x3, groups = 2, trainable = false, activation = tanh);
        conv2d(8, 2x2, groups = 4); avg_pool2d(4x4); flatten; dense(3);
        train { loss = mse; }
    }
    SeparableInOneLayer {
        input(9x8x3); separable_conv2d(5, 3x3, strides = 2, padding = same, activation = relu);
        separable_conv2d(4, 2x3, depth_multiplier = 3, use_bias = false); batch_normalization; tanh;
        a: separable_conv2d(4, 2, padding = 1, dilation = 2, activation = softmax); max_pool2d(2x2); flatten; dense(3);
        train { loss = mse; }
    }
    SeparableBesideItsName {
        input(6x5x2); a: separable_conv2d(3, 3x3, trainable = false); a_depthwise: tanh; max_pool2d(2x2);
        flatten; dense(3);
        train { loss = mse; }
    }
    Joins {
        input(6x5x2); a: conv2d(3, 2x2, activation = tanh); b: conv2d(3, 2x2, from = input);
        c: conv2d(3, 2x2, from = input, activation = sigmoid);
        p: multiply(a, b, c); q: maximum(a, b, c); r: average(a, b, c); s: subtract(p, q); m: minimum(r, b);
        concat(p, q, r, s, m, a); conv2d(4, 2x2); flatten; dense(3);
        train { loss = mse; }
    }
    SqueezeAndExcite {
        input(6x5x2); conv2d(4, 3x3, padding = same); batch_normalization; image: relu;
        global_avg_pool2d; dense(2, activation = relu); dense(4, activation = hard_sigmoid); multiply(image);
        global_max_pool2d(keepdims = true); conv2d(4, 1x1, activation = sigmoid); multiply(image); flatten; dense(3);
        train { loss = mse; }
    }
    JoinsThatRepeat {
        input(5x6x2); a: conv2d(3, 2x2, activation = tanh); cell: conv2d(1, 2x2, activation = sigmoid, from = input);
        row: max_pool2d(4x1, from = a); column: avg_pool2d(1x5, from = a); flat: global_avg_pool2d(from = a);
        one: dense(1); m: maximum(row, a, column); n: minimum(a, flat, one); s: subtract(flat, a);
        t: average(cell, flat, row); p: multiply(cell, column, one, a); q: add(one, cell); relu;
        concat(m, n, s, t, p, q); conv2d(4, 2x2); flatten; dense(3);
        train { loss = mse; }
    }
    JoinsThatRepeatAndAreNotReadWhole {
        input(7x7x2); a: conv2d(3, 2x2, activation = tanh); line: max_pool2d(1x6, from = a);
        cell: conv2d(1, 2x2, from = input); spread: multiply(line, cell); silu; max_pool2d(2x4); flatten; dense(3);
        train { loss = mse; }
    }
    JoinsOfFlatValues {
        input(6); a: dense(4, activation = tanh); dense(4, from = input); add(a); sigmoid; b: dense(5);
        concat(b, a); c: dense(3); d: dense(3, from = b); subtract(c, d);
        train { loss = mse; }
    }
    JoinsThatAreNotReadWhole {
        input(7x5x2); a: tanh; b: conv2d(2, 1x1, from = input); add(a, b); max_pool2d(2x2); flatten; c: dense(3);
        avg_pool2d(3x2, from = a); flatten; dense(3); add(c);
        train { loss = mse; }
    }
    HandedThroughBehindFlatten {
        input(4x4x2); conv2d(3, 2x2, activation = tanh); a: flatten; b: dropout(1e-9);
        c: batch_normalization(from = a); d: sigmoid(from = a); multiply(a, b, c, d); dense(3);
        train { loss = mse; }
    }
    TheSameTwice {
        input(4); a: dense(3); multiply(a, a); b: tanh; add(b, b);
        train { loss = mse; }
    }
    Upsampled {
        input(5x4x3); conv2d(4, 2x2, activation = tanh); upsampling2d; conv2d(3, 3x3, padding = same);
        a: upsampling2d(3x2, interpolation = bilinear); conv2d(2, 2x2, strides = 3, activation = sigmoid); flatten;
        dense(3);
        train { loss = mse; }
    }
    UpsampledAndNotReadWhole {
        input(4x3x2); a: conv2d(17, 1x1, activation = tanh); upsampling2d(3x2); max_pool2d(4x5); b: flatten;
        upsampling2d(2x3, bilinear, from = a); avg_pool2d(5x4); flatten; c: dense(4);
        avg_pool2d(4x3, from = a); flatten; dense(4); add(c); d: dense(3); dense(3, from = b); add(d);
        train { loss = mse; }
    }
    UpsampledOutput {
        input(3x3x2); conv2d(1, 2x2); upsampling2d(3, bilinear); conv2d(2, 1x1, activation = tanh);
        upsampling2d(1x2, bilinear);
        train { loss = mse; }
    }
    PaddedByZeros {
        input(6x5x2); zero_padding2d(bottom = 1, right = 1); conv2d(4, 3x3, strides = 2, activation = tanh);
        zero_padding2d(2x1); depthwise_conv2d(3x3, use_bias = false); zero_padding2d(top = 1, left = 2); batch_normalization;
        zero_padding2d; max_pool2d(2x2); zero_padding2d(3); conv2d(3, 2x2, padding = same); a: sigmoid;
        zero_padding2d(padding = 1x0, top = 4, from = a); conv2d(3, 3x3, dilation = 2x1); flatten; dense(3);
        train { loss = mse; }
    }
    PaddingWithTwoReaders {
        input(4x4x8); conv2d(16, 1x1, activation = tanh); a: zero_padding2d(1x2); conv2d(16, 3x3); max_pool2d(2x2);
        flatten; b: dense(3); conv2d(2, 1x1, from = a); cropping2d(top = 2, right = 3); flatten; dense(3); add(b);
        train { loss = mse; }
    }
    PaddedWinograd {
        input(9x10x8); zero_padding2d(top = 2, right = 2); conv2d(16, 3x3, activation = tanh);
        zero_padding2d(left = 1, bottom = 2); conv2d(16, 3x3); max_pool2d(2x2); flatten; dense(3);
        train { loss = mse; }
    }
    Cropped {
        input(7x6x2); conv2d(3, 2x2, activation = tanh); a: cropping2d(1x0); conv2d(3, 2x2); b: relu;
        cropping2d(left = 1, right = 1, bottom = 2, from = b); flatten; c: dense(3);
        cropping2d(top = 1, right = 3, from = a); global_avg_pool2d; dense(3); add(c);
        train { loss = mse; }
    }
    CroppedInput {
        input(7x6x2); cropping2d(bottom = 2, right = 1); conv2d(3, 2x2, activation = tanh); flatten; dense(3);
        train { loss = mse; }
    }
    CroppedAtTheEnd {
        input(4x4x2); a: conv2d(3, 2x2, activation = tanh); cropping2d(right = 2); flatten; b: dense(3);
        tanh(from = a); flatten; dense(3); add(b);
        train { loss = mse; }
    }
    ReshapedThereAndBack {
        input(7x6x2); a: conv2d(3, 1x1, activation = tanh); reshape(7x1x18); reshape(7x6x3);
        cropping2d(top = 0, bottom = 1, left = 0, right = 2); flatten; dense(2);
        train { loss = mse; }
    }
    Reshaped {
        input(24); dense(32); reshape(4x4x2); relu; conv2d(3, 2x2, padding = same, activation = tanh);
        reshape(3x4x4); max_pool2d(2x2); reshape(1x2x4); a: conv2d(4, 1x1); reshape(4x2); sigmoid; b: reshape(2x1x4);
        conv2d(3, 2x1); flatten; c: dense(3); flatten(from = b); dense(3); add(c);
        train { loss = mse; }
    }
    ReshapedWithManyReaders {
        input(4x6x2); a: conv2d(4, 1x1, activation = tanh); b: reshape(6x4x4); max_pool2d(2x2); flatten; c: dense(3);
        avg_pool2d(3x4, from = a); flatten; d: dense(3); batch_normalization(from = b); e: dropout(1e-9);
        reshape(96x1x1, from = e); conv2d(2, 3x1, strides = 4); flatten; f: dense(3); reshape(4x6x4, from = e);
        multiply(a); global_avg_pool2d; dense(3); add(c, d, f);
        train { loss = mse; }
    }
    ReshapedAlone {
        input(12); conv: reshape(2x3x2); conv2d(2, 1x1, activation = softmax); reshape(12x1x1); reshape(3x4);
        train { loss = mse; }
    }
    NormalizedRowsOfTwoAxes {
        input(4x3); batch_normalization; dropout(1e-9); a: tanh; b: softmax; concat(a, b); flatten; dense(2);
        train { loss = mse; }
    }
    SoftmaxOfPixels {
        input(3x3x2); conv2d(3, 2x2, activation = softmax); conv2d(2, 1x1); softmax;
        train { loss = mse; }
    }
    LogSoftmaxOfPixels {
        input(3x3x2); conv2d(3, 2x2, activation = log_softmax); conv2d(2, 1x1); log_softmax;
        train { loss = huber; }
    }
    LogSoftmaxBehindAPool {
        input(6x7x2); conv2d(3, 2x2); max_pool2d(2x2); log_softmax; flatten; dense(4, activation = log_softmax);
        train { loss = mse; }
    }
    ClassesOfPixels {
        input(6x5x2); conv2d(4, 3x3, padding = same, activation = relu); conv2d(3, 1x1, activation = softmax);
        train { loss = categorical_crossentropy; }
    }
    ClassesBehindAPool {
        input(6x7x2); conv2d(3, 2x2); max_pool2d(2x2); softmax;
        train { loss = categorical_crossentropy; }
    }
    ClassesBehindTanh {
        input(4x5x2); a: conv2d(3, 2x2, activation = tanh); conv2d(3, 1x1); add(a); softmax;
        train { loss = categorical_crossentropy; }
    }
    ClassesOfNormalizedPixels {
        input(5x4x3); conv2d(4, 2x2, use_bias = false); batch_normalization; softmax;
        train { loss = categorical_crossentropy; }
    }
    AYesOrNoOfEachPixel {
        input(6x5x2); conv2d(4, 3x3, padding = same, activation = relu); conv2d(1, 3x3, activation = sigmoid);
        train { loss = binary_crossentropy; }
    }
    SeveralOfEachPixel {
        input(5x4x2); depthwise_conv2d(2x2, activation = tanh); conv2d(3, 1x1); sigmoid;
        train { loss = binary_crossentropy; }
    }
    ImageOfAnImage {
        input(6x5x2); conv2d(4, 3x3, strides = 2, activation = tanh); conv2d(3, 2x1);
        train { loss = mse; }
    }
    ImageWithoutOutliers {
        input(6x5x2); conv2d(3, 3x2, activation = softsign); batch_normalization;
        train { loss = huber(delta = 0.5); }
    }
}

// Batch normalizations that prediction folds into the layers before them, behind every kind of kernel.
described! {
    FOLDED:
    FoldedIntoDirect {
        input(11x9x2); conv2d(5, 3x2, strides = 2x1, use_bias = false); batch_normalization; relu;
        conv2d(4, 3x3, dilation = 2); batch_normalization(scale = false); flatten; dense(3);
        train { loss = mse; }
    }
    FoldedIntoPooled {
        input(15x13x1); conv2d(8, 3x3); batch_normalization; relu; max_pool2d(2x2);
        conv2d(7, 3x3, padding = same, use_bias = false); batch_normalization(center = false); max_pool2d(2x2); tanh;
        flatten; dense(3);
        train { loss = mse; }
    }
    FoldedIntoTiles {
        input(12x12x3); conv2d(24, 3x3, padding = same); batch_normalization; relu;
        conv2d(32, 3x3, padding = same, use_bias = false); batch_normalization; relu;
        conv2d(32, 3x3); batch_normalization(scale = false, center = false); relu; max_pool2d(2x2); flatten; dense(3);
        train { loss = mse; }
    }
    FoldedIntoDepthwise {
        input(9x7x3); depthwise_conv2d(3x3, padding = same, depth_multiplier = 2); batch_normalization; relu6;
        conv2d(9, 1x1, use_bias = false); batch_normalization; silu;
        depthwise_conv2d(3x2, strides = 2, use_bias = false); batch_normalization; global_avg_pool2d;
        dense(3);
        train { loss = mse; }
    }
    FoldedIntoDense {
        input(7); dense(33, use_bias = false); batch_normalization; relu; dropout(1e-9);
        dense(5); batch_normalization(epsilon = 0.1); softmax;
        train { loss = categorical_crossentropy; }
    }
    FoldedIntoBlock {
        input(8x8x2); conv2d(6, 3x3, padding = same); batch_normalization; a: relu;
        conv2d(6, 3x3, padding = same); b: batch_normalization; add(a, b); relu;
        c: conv2d(4, 1x1, strides = 2); d: batch_normalization; add(c, d); flatten; dense(2);
        train { loss = mse; }
    }
    FoldedWithoutTraining {
        input(8x8x2); conv2d(6, 3x3); batch_normalization; elu; max_pool2d(2x2); flatten; dense(4); batch_normalization;
        sigmoid;
    }
}

/// Networks with an activation wherever it may stand: first, before and behind a pool, behind each layer that takes
/// it along, on its own, of a value with two readers, of an input that is not read whole, and before the softmax of a
/// loss.
macro_rules! everywhere {
    ($list:ident: $($module:ident = [$($activation:tt)+])*) => {
        $(mod $module {
            use super::Described;
            use cnn::Network as _;

            described! {
                NETWORKS:
                BeforeAPool {
                    input(8x7x2); $($activation)+; conv2d(3, 2x2, activation = $($activation)+); max_pool2d(2x2);
                    flatten; dense(3);
                    train { loss = mse; }
                }
                BehindAPool {
                    input(7x7x2); conv2d(3, 3x3); max_pool2d(2x2); $($activation)+; flatten; dense(3);
                    train { loss = mse; }
                }
                OnItsOwn {
                    input(5); dense(4, activation = $($activation)+); dense(4, activation = tanh); $($activation)+;
                    dense(3);
                    train { loss = mse; }
                }
                Normalized {
                    input(6x5x2); conv2d(3, 2x2, use_bias = false); batch_normalization; $($activation)+;
                    avg_pool2d(2x2); flatten; dense(4); batch_normalization(trainable = false); $($activation)+;
                    dense(2);
                    train { loss = mse; }
                }
                BesideAnother {
                    input(5x4x2); depthwise_conv2d(2x2, activation = $($activation)+);
                    a: conv2d(3, 1x1, activation = tanh); b: $($activation)+; multiply(a, b); $($activation)+;
                    flatten; dense(3);
                    train { loss = mse; }
                }
                BeforeASoftmax {
                    input(5x5x2); conv2d(3, 2x2, trainable = false, activation = $($activation)+);
                    batch_normalization; avg_pool2d(2x2); flatten; dense(3, activation = $($activation)+); softmax;
                    train { loss = categorical_crossentropy; }
                }
                OfAPart {
                    input(6x6x2); conv2d(3, 2x2); batch_normalization; tanh; $($activation)+; max_pool2d(2x2);
                    flatten; dense(2); $($activation)+;
                    train { loss = mse; }
                }
            }
        })*

        pub(crate) const $list: &[(&str, &[Described])] = &[$((stringify!($($activation)+), $module::NETWORKS)),*];
    };
}

everywhere! {
    ACTIVATIONS:
    relu6 = [relu6]
    elu = [elu]
    elu_half = [elu(alpha = 0.5)]
    selu = [selu]
    gelu = [gelu]
    gelu_approximate = [gelu(approximate = true)]
    silu = [silu]
    swish = [swish]
    mish = [mish]
    hard_swish = [hard_swish]
    hard_sigmoid = [hard_sigmoid]
    softplus = [softplus]
    softsign = [softsign]
    exponential = [exponential]
}

/// Every network without fixtures that is small, and what to call it.
pub(crate) fn small_networks() -> impl Iterator<Item = (&'static str, &'static Spec, &'static str)>
{
    let everywhere = ACTIVATIONS.iter().flat_map(|(activation, networks)| {
        networks.iter().map(move |network| (*activation, network))
    });
    let unusual = UNUSUAL.iter().map(|network| ("", network));
    unusual
        .chain(everywhere)
        .map(|(activation, (spec, description))| (activation, spec(), *description))
}

described! {
    TUTORIAL:
    Tutorial {
        input(28x28x1);
        conv2d(32, 3x3, activation = relu); max_pool2d(2x2);
        conv2d(64, 3x3, activation = relu); max_pool2d(2x2);
        flatten; dense(64, activation = relu); dense(10, activation = softmax);
        train { loss = categorical_crossentropy; }
    }
}
