"""The engine of faster-whisper (CTranslate2, int8) with the weights of a ggml Whisper file for English.

The weights are read from the file, made floats, and quantised anew by CTranslate2, which knows no 5-bit form. Features are
Whisper's: 80 mel bands of 30 s, with the filters that the ggml file carries.
"""

import os
import shutil
import struct

import ctranslate2
import numpy as np
from ctranslate2.specs import WhisperSpec

END, START, NO_SPEECH, NO_TIMESTAMPS, FIRST_TIME = 50256, 50257, 50361, 50362, 50363
SPECIAL = {
    END: "<|endoftext|>",
    START: "<|startoftranscript|>",
    50357: "<|translate|>",
    50358: "<|transcribe|>",
    50359: "<|startoflm|>",
    50360: "<|startofprev|>",
    NO_SPEECH: "<|nospeech|>",
    NO_TIMESTAMPS: "<|notimestamps|>",
}
BLANK = 220
SAMPLES, FFT, HOP = 480_000, 400, 160


def floats(data, kind, n):
    """A tensor's values: ggml types F32, F16 and Q5_1 (blocks of 32: scale, least, fifth bits, four bits)."""
    if kind == 0:
        return np.frombuffer(data, "<f4")
    if kind == 1:
        return np.frombuffer(data, "<f2").astype(np.float32)
    assert kind == 7, f"ggml type {kind}"
    block = np.dtype([("d", "<f2"), ("m", "<f2"), ("high", "<u4"), ("low", "u1", 16)])
    b = np.frombuffer(data, block)
    bits = (b["high"][:, None] >> np.arange(32, dtype=np.uint32)) & 1
    low = np.concatenate([b["low"] & 15, b["low"] >> 4], axis=1)
    value = (low + 16 * bits).astype(np.float32)
    out = value * b["d"].astype(np.float32)[:, None] + b["m"].astype(np.float32)[:, None]
    assert out.size == n
    return out.reshape(-1)


def read(path):
    with open(path, "rb") as f:
        ints = lambda n: struct.unpack(f"<{n}i", f.read(4 * n))  # noqa: E731
        assert ints(1)[0] == 0x67676D6C
        names = "vocab audio_ctx audio_state audio_head audio_layer text_ctx text_state text_head text_layer mels ftype"
        h = dict(zip(names.split(), ints(11)))
        mels, bins = ints(2)
        filters = np.frombuffer(f.read(4 * mels * bins), "<f4").reshape(mels, bins)
        words = [f.read(ints(1)[0]) for _ in range(ints(1)[0])]
        tensors = {}
        while head := f.read(12):
            dims, length, kind = struct.unpack("<3i", head)
            shape = ints(dims)[::-1]
            name = f.read(length).decode()
            n = int(np.prod(shape))
            size = {0: 4 * n, 1: 2 * n, 7: n // 32 * 24}[kind]
            tensors[name] = floats(f.read(size), kind, n).reshape(shape)
    return h, filters, words, tensors


def convert(h, w, folder):
    spec = WhisperSpec(h["audio_layer"], h["audio_head"], h["text_layer"], h["text_head"])

    def linear(to, *names):
        to.weight = np.concatenate([w[n + ".weight"] for n in names])
        # The key projection has no bias.
        to.bias = np.concatenate([w.get(n + ".bias", np.zeros(len(w[n + ".weight"]), np.float32)) for n in names])

    def norm(to, name):
        to.gamma, to.beta = w[name + ".weight"], w[name + ".bias"]

    def layers(to, side):
        for i, layer in enumerate(to.layer):
            p = f"{side}.blocks.{i}."
            norm(layer.self_attention.layer_norm, p + "attn_ln")
            linear(layer.self_attention.linear[0], p + "attn.query", p + "attn.key", p + "attn.value")
            linear(layer.self_attention.linear[1], p + "attn.out")
            if side == "decoder":
                norm(layer.attention.layer_norm, p + "cross_attn_ln")
                linear(layer.attention.linear[0], p + "cross_attn.query")
                linear(layer.attention.linear[1], p + "cross_attn.key", p + "cross_attn.value")
                linear(layer.attention.linear[2], p + "cross_attn.out")
            norm(layer.ffn.layer_norm, p + "mlp_ln")
            linear(layer.ffn.linear_0, p + "mlp.0")
            linear(layer.ffn.linear_1, p + "mlp.2")
        to.position_encodings.encodings = w[side + ".positional_embedding"]

    for to, name in ((spec.encoder.conv1, "encoder.conv1"), (spec.encoder.conv2, "encoder.conv2")):
        to.weight, to.bias = w[name + ".weight"], w[name + ".bias"].reshape(-1)
    layers(spec.encoder, "encoder")
    norm(spec.encoder.layer_norm, "encoder.ln_post")
    layers(spec.decoder, "decoder")
    norm(spec.decoder.layer_norm, "decoder.ln")
    spec.decoder.embeddings.weight = w["decoder.token_embedding.weight"]
    spec.decoder.projection.weight = w["decoder.token_embedding.weight"]
    # Only the names of the special ones matter to the engine; the text is put together from the file's own strings.
    spec.register_vocabulary([SPECIAL.get(i, f"t{i}") for i in range(h["vocab"])])
    spec.config.suppress_ids = [i for i in range(START, h["vocab"])]
    spec.config.suppress_ids_begin = [BLANK, END]
    spec.config.lang_ids = []
    spec.config.alignment_heads = []
    spec.validate()
    spec.optimize(quantization="int8")
    shutil.rmtree(folder, ignore_errors=True)
    os.makedirs(folder)
    spec.save(folder)


class Recogniser:
    def __init__(self, model, folder, threads, beam):
        h, self.filters, self.words, tensors = read(model)
        convert(h, tensors, folder + f".{os.getpid()}")
        self.engine = ctranslate2.models.Whisper(
            folder + f".{os.getpid()}", compute_type="int8", intra_threads=threads, inter_threads=1
        )
        shutil.rmtree(folder + f".{os.getpid()}")
        self.window = np.hanning(FFT + 1)[:-1].astype(np.float32)
        self.beam = beam

    def features(self, x):
        x = np.pad(x[:SAMPLES], (0, SAMPLES - len(x[:SAMPLES])))
        x = np.pad(x, FFT // 2, mode="reflect")
        frames = np.lib.stride_tricks.sliding_window_view(x, FFT)[::HOP][: SAMPLES // HOP]
        power = np.abs(np.fft.rfft(frames * self.window).astype(np.complex64)) ** 2
        mel = np.log10(np.maximum(self.filters @ power.T, 1e-10))
        mel = (np.maximum(mel, mel.max() - 8.0) + 4.0) / 4.0
        return np.ascontiguousarray(mel[None], np.float32)

    def __call__(self, x):
        mel = ctranslate2.StorageView.from_array(self.features(x))
        best = self.engine.generate(mel, [[START, NO_TIMESTAMPS]], beam_size=self.beam, max_length=448)
        ids = best[0].sequences_ids[0]
        return b"".join(self.words[i] for i in ids if i < END).decode("utf-8", "replace").strip()
