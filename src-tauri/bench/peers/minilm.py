"""all-MiniLM-L6-v2 as an ONNX graph, built from the same safetensors file that Anteroom reads.

LayerNormalization and Gelu are single operators here, as onnxruntime would fuse them from an export. Mean pooling and the
scaling to unit length are in the graph, so that the peer does no arithmetic in Python.
"""

import os

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper
from safetensors.numpy import load_file

HEADS, SIZE, LAYERS, EPSILON = 12, 384, 6, 1e-12


def onnx_file(folder, path):
    """The path of the ONNX file, made on the first call."""
    if not os.path.exists(path):
        onnx.save(build(load_file(os.path.join(folder, "model.safetensors"))), path + ".part")
        os.replace(path + ".part", path)
    return path


def build(w):
    nodes, weights = [], []

    def const(name, value):
        weights.append(numpy_helper.from_array(np.ascontiguousarray(value), name))
        return name

    def op(kind, inputs, **attributes):
        name = f"{kind.lower()}_{len(nodes)}"
        nodes.append(helper.make_node(kind, inputs, [name], **attributes))
        return name

    def linear(x, name):
        product = op("MatMul", [x, const(name + ".w", w[name + ".weight"].T)])
        return op("Add", [product, const(name + ".b", w[name + ".bias"])])

    def norm(x, name):
        scale, bias = const(name + ".s", w[name + ".weight"]), const(name + ".o", w[name + ".bias"])
        return op("LayerNormalization", [x, scale, bias], axis=-1, epsilon=EPSILON)

    def ints(name, *values):
        return const(name, np.array(values, np.int64))

    e = "embeddings."
    shape = op("Shape", ["ids"])
    length = op("Slice", [shape, ints("c1", 1), ints("c2", 2), ints("c0", 0)])
    words = op("Gather", [const("words", w[e + "word_embeddings.weight"]), "ids"])
    places = op("Slice", [const("places", w[e + "position_embeddings.weight"]), ints("z", 0), length, ints("z0", 0)])
    x = op("Add", [words, const("kind", w[e + "token_type_embeddings.weight"][0])])
    x = norm(op("Add", [x, places]), e + "LayerNorm")
    split, joined = ints("split", 0, 0, HEADS, SIZE // HEADS), ints("joined", 0, 0, SIZE)
    scale = const("scale", np.float32(1.0 / np.sqrt(SIZE / HEADS)))
    for i in range(LAYERS):
        p = f"encoder.layer.{i}."
        a = p + "attention."

        def heads(name, perm):
            return op("Transpose", [op("Reshape", [linear(x, a + "self." + name), split])], perm=perm)

        q, k, v = heads("query", [0, 2, 1, 3]), heads("key", [0, 2, 3, 1]), heads("value", [0, 2, 1, 3])
        scores = op("Softmax", [op("Mul", [op("MatMul", [q, k]), scale])], axis=-1)
        mixed = op("Transpose", [op("MatMul", [scores, v])], perm=[0, 2, 1, 3])
        y = linear(op("Reshape", [mixed, joined]), a + "output.dense")
        x = norm(op("Add", [x, y]), a + "output.LayerNorm")
        y = op("Gelu", [linear(x, p + "intermediate.dense")])
        x = norm(op("Add", [x, linear(y, p + "output.dense")]), p + "output.LayerNorm")
    mean = op("ReduceMean", [x, ints("tokens", 1)], keepdims=0)
    nodes.append(helper.make_node("LpNormalization", [mean], ["embedding"], axis=-1, p=2))
    graph = helper.make_graph(
        nodes,
        "minilm",
        [helper.make_tensor_value_info("ids", TensorProto.INT64, [1, "tokens_n"])],
        [helper.make_tensor_value_info("embedding", TensorProto.FLOAT, [1, SIZE])],
        weights,
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=10)
    onnx.checker.check_model(model)
    return model
