"""LiteRT (once TensorFlow Lite) with XNNPACK, one model for each batch size, converted from Keras.

The conversion runs in a process of its own, so that TensorFlow is not in the one that is timed:

    python peer_litert.py NETWORK FOLDER BATCH…
"""

import os
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

from peer import Peer, serve


def convert(network: str, folder: Path, batches: list[int]):
    """Writes `batch-N.tflite` for each batch size."""
    # First, because it says what Keras runs on.
    import keras_model  # isort: skip
    import tensorflow as tf
    from safetensors.numpy import load_file
    from tensorflow.python.framework import convert_to_constants

    model = keras_model.build(network, load_file(folder / "weights.safetensors"), predicts=True)
    for batch in batches:
        signature = tf.TensorSpec((batch, *model.input_shape[1:]), tf.float32)
        function = tf.function(model).get_concrete_function(signature)
        # Weights as constants: XNNPACK leaves convolutions alone that read a variable.
        frozen = convert_to_constants.convert_variables_to_constants_v2(function)
        converter = tf.lite.TFLiteConverter.from_concrete_functions([frozen])
        (folder / f"batch-{batch}.tflite").write_bytes(converter.convert())


class LiteRt(Peer):
    def version(self):
        return version("ai-edge-litert")

    def load(self, network, folder, weights, images, targets):
        self.folder, self.images = folder, images
        batches = [batch for batch in os.environ["PEER_BATCHES"].split(",") if batch]
        if not all((folder / f"batch-{batch}.tflite").exists() for batch in batches):
            subprocess.run([sys.executable, __file__, network, folder, *batches], check=True)

    def infer_step(self, batch):
        from ai_edge_litert.interpreter import Interpreter

        path = self.folder / f"batch-{batch}.tflite"
        interpreter = Interpreter(str(path), num_threads=self.threads)
        interpreter.allocate_tensors()
        source = interpreter.get_input_details()[0]["index"]
        result = interpreter.get_output_details()[0]["index"]
        count = len(self.images) // batch
        batches = [self.images[i * batch : (i + 1) * batch] for i in range(count)]

        def step(i):
            interpreter.set_tensor(source, batches[i])
            interpreter.invoke()
            return interpreter.get_tensor(result)

        return step


if __name__ == "__main__":
    if len(sys.argv) > 1:
        convert(sys.argv[1], Path(sys.argv[2]), [int(batch) for batch in sys.argv[3:]])
    else:
        serve(LiteRt)
