"""Takes Silero VAD's 16 kHz weights out of the published ONNX file, under the names of its published safetensors.

    pip download --no-deps silero-vad==6.2.3 && unzip silero_vad-6.2.3-*.whl
    pip install onnx numpy
    python silero-onnx-to-safetensors.py silero_vad/data/silero_vad_16k_op15.onnx silero_vad_16k.safetensors

The safetensors file inside that wheel holds the weights of another training run than its ONNX and TorchScript files,
which are what everybody runs: on our demonstration calls it decides otherwise in 1 of 100 chunks. The output is the
same, byte for byte, on every run.
"""
import json
import struct
import sys

import numpy as np
import onnx
from onnx import numpy_helper

NAMES = {"model.stft.forward_basis_buffer": "stft_conv.weight"}
for i in range(4):
    for part in ("weight", "bias"):
        NAMES[f"model.encoder.{i}.reparam_conv.{part}"] = f"conv{i + 1}.{part}"
for part in ("weight_ih", "weight_hh", "bias_ih", "bias_hh"):
    NAMES[f"model.decoder.rnn.{part}"] = f"lstm_cell.{part}"
for part in ("weight", "bias"):
    NAMES[f"model.decoder.decoder.2.{part}"] = f"final_conv.{part}"

graph = onnx.load(sys.argv[1]).graph
found = {NAMES[i.name]: numpy_helper.to_array(i).astype("<f4") for i in graph.initializer if i.name in NAMES}
assert len(found) == len(NAMES), sorted(set(NAMES.values()) - set(found))

header, offset = {}, 0
for name in sorted(found):
    end = offset + found[name].nbytes
    header[name] = {"dtype": "F32", "shape": list(found[name].shape), "data_offsets": [offset, end]}
    offset = end
text = json.dumps(header, separators=(",", ":")).encode()
text += b" " * (-len(text) % 8)
with open(sys.argv[2], "wb") as out:
    out.write(struct.pack("<Q", len(text)) + text)
    for name in sorted(found):
        out.write(np.ascontiguousarray(found[name]).tobytes())
