//! A network of one tensor, for tests of what changes parameters.

use crate::spec::{Gradient, Parameter, Spec, Workspace};
use cnn_ir::{Initializer, Role};

/// Three weights of three outputs: `[3, 3]`.
pub(super) const KERNEL: [f32; 9] = [3.0, -0.1, 0.0, -4.0, 0.2, 0.0, 0.5, -0.3, 0.0];

/// A network with that tensor alone.
pub(super) fn spec() -> &'static Spec {
    static SPEC: Spec = Spec {
        name: "Kernel",
        input: &[3],
        output: &[3],
        inputs: &[],
        outputs: &[],
        layers: &[],
        parameters: &[Parameter {
            name: "kernel",
            shape: &[3, 3],
            offset: 0,
            role: Role::Weight,
            initializer: Initializer::Zeros,
            gradient: Gradient::Frozen,
        }],
        parameter_count: KERNEL.len(),
        forward: |_| {},
        workspace: Workspace {
            per_example: 0,
            single: 0,
            batch: 0,
        },
        packed: &[],
        exposed: &[],
        training: None,
        description: "",
    };
    &SPEC
}
