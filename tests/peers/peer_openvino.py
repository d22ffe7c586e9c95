"""OpenVINO on the CPU, from an ONNX file of each batch size, tuned for the latency of one request."""

import numpy as np
import openvino

import onnx_model
from peer import Peer, serve


class OpenVino(Peer):
    def __init__(self, threads):
        super().__init__(threads)
        self.core = openvino.Core()

    def version(self):
        return openvino.__version__.split("-")[0]

    def load(self, network, folder, weights, images, targets):
        self.network, self.folder, self.weights = network, folder, weights
        self.images = onnx_model.channels_first(images)

    def infer_step(self, batch):
        path = self.folder / f"batch-{batch}.onnx"
        onnx_model.write(self.network, self.weights, batch, path)
        options = {
            "PERFORMANCE_HINT": "LATENCY",
            "INFERENCE_NUM_THREADS": self.threads,
            # It rounds to 16 bits where the processor multiplies those faster.
            "INFERENCE_PRECISION_HINT": "f32",
        }
        request = self.core.compile_model(path, "CPU", options).create_infer_request()
        count = len(self.images) // batch
        images = [
            openvino.Tensor(self.images[i * batch : (i + 1) * batch], shared_memory=True)
            for i in range(count)
        ]
        output = request.get_output_tensor()

        def step(i):
            request.set_input_tensor(images[i])
            request.infer()
            return np.array(output.data)

        return step


if __name__ == "__main__":
    serve(OpenVino)
