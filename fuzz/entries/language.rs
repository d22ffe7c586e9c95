//! Descriptions of networks.

use cnn_dsl::plan::Plan;

/// Texts to begin with.
pub const SEEDS: &[&[u8]] = &[
    include_bytes!("../../examples/lenet5.cnn"),
    include_bytes!("../../cnn-dsl/tests/plan/networks/mobilenet_v1.cnn"),
    b"network A { const W = 2 * (3 + 1); block b(n, k = 3 x 3) { conv2d(n, k, padding = same); relu; }
      image: input(8x8x2); meta: input(W); stem: b(W, from = image); repeat 2 { b(W); dropout(0.1); } flat: global_avg_pool2d;
      told: dense(W, from = meta); both: multiply(flat, told); kind: dense(3, activation = softmax); size: dense(1, from = both);
      expose(stem, both); output(kind, size); train { loss = [kind = categorical_crossentropy, size = mse(weight = 0.5)];
      metrics = [kind = accuracy]; optimizer = adamw(cosine_decay(1e-3, 100, warmup_steps = 10)); } }",
    b"network A { input(2); repeat 2 { repeat 3 { repeat 4 { relu; } } } }",
    b"network A { const A = [1, 2]; const B = [A, A]; const C = 2 x 3; const D = C x C; input(D); dense(B, activation = f(A, B)); }",
    b"network A { block a { b; b; } block b { c; c; } block c { d; d; } block d { e; e; } block e { relu; relu; } input(2); a; a; a; a; }",
    b"network A { input(18446744073709551615x18446744073709551615x3); conv2d(4294967295, 4294967295x4294967295); dense(18446744073709551615); }",
    b"network A { input(2); dense(((((((((((((((((((((1))))))))))))))))))))) - -1 * 2 % 0); { { { [ [ ( } ] ) a { b { c { d {",
    b"network A { input(65535x65535x1); zero_padding2d(2147483647); cropping2d(4294967295); upsampling2d(4294967296x4294967296); flatten; }",
];

/// Checks `bytes` as a text, plans the network if it is one, and shows what is wrong if it is not.
pub fn run(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    match cnn_dsl::check(&text) {
        Ok(network) => {
            let _ = (network.summary(), network.flops());
            let _ = Plan::new(&network);
        }
        Err(diagnostics) => {
            assert!(diagnostics.has_errors());
            let _ = diagnostics.render(&text, "fuzz.cnn");
        }
    }
}
