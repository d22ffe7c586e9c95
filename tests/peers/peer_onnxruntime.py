"""ONNX Runtime on the CPU, with one session for each batch size, input and output bound."""

import onnxruntime

import networks
import onnx_model
from peer import Peer, serve


class OnnxRuntime(Peer):
    def version(self):
        return onnxruntime.__version__

    def load(self, network, folder, weights, images, targets):
        self.network, self.folder, self.weights = network, folder, weights
        self.images = onnx_model.channels_first(images)

    def infer_step(self, batch):
        path = self.folder / f"batch-{batch}.onnx"
        onnx_model.write(self.network, self.weights, batch, path)
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = self.threads
        options.inter_op_num_threads = 1
        options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_ALL
        session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
        shape = [batch, networks.outputs(self.network)]
        bindings = []
        for first in range(0, len(self.images) - batch + 1, batch):
            binding = session.io_binding()
            images = onnxruntime.OrtValue.ortvalue_from_numpy(self.images[first : first + batch])
            binding.bind_ortvalue_input("input", images)
            output = onnxruntime.OrtValue.ortvalue_from_shape_and_type(shape, "float32")
            binding.bind_ortvalue_output("output", output)
            bindings.append((binding, output))

        def step(i):
            binding, output = bindings[i]
            session.run_with_iobinding(binding)
            return output

        return step


if __name__ == "__main__":
    serve(OnnxRuntime)
