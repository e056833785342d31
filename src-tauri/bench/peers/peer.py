"""The peers of the speech benchmarks: one process, a JSON line in for each round, a JSON line out.

Nothing is timed but the peer's own work: files are read and models are loaded before the clock starts.
"""

import importlib.metadata
import importlib.util
import json
import os
import pathlib
import sys
import time
import wave

import numpy as np

# What libraries print goes to standard error; standard output is the protocol's.
out = os.fdopen(os.dup(1), "w")
os.dup2(2, 1)

CHUNK, CONTEXT = 512, 64
models = {}


def clip(path):
    with wave.open(path) as w:
        assert (w.getframerate(), w.getnchannels(), w.getsampwidth()) == (16000, 1, 2)
        return np.frombuffer(w.readframes(w.getnframes()), "<i2").astype(np.float32) / 32768.0


def session(model, threads):
    import onnxruntime as ort

    o = ort.SessionOptions()
    if threads:
        o.intra_op_num_threads = threads
        o.inter_op_num_threads = 1
    return ort.InferenceSession(model, o, providers=["CPUExecutionProvider"])


def versions(_):
    names = ["onnxruntime", "silero-vad", "pywhispercpp", "ctranslate2", "tokenizers", "numpy"]
    return {"python": sys.version.split()[0]} | {n: importlib.metadata.version(n) for n in names}


def vad_load(_):
    # The package's own initialiser wants torch, which the ONNX file does not need.
    folder = pathlib.Path(importlib.util.find_spec("silero_vad").origin).parent
    # As the package itself sets it: one thread.
    models["vad"] = session(str(folder / "data" / "silero_vad.onnx"), 1)
    return {}


def vad(q):
    run = models["vad"].run
    sr = np.array(16000, dtype=np.int64)
    us, probabilities = [], []
    for path in q["clips"]:
        x = clip(path)
        state = np.zeros((2, 1, 128), np.float32)
        context = np.zeros((1, CONTEXT), np.float32)
        here = []
        for i in range(len(x) // CHUNK):
            chunk = x[i * CHUNK : (i + 1) * CHUNK][None]
            t = time.perf_counter()
            audio = np.concatenate([context, chunk], axis=1)
            p, state = run(None, {"input": audio, "state": state, "sr": sr})
            context = audio[:, -CONTEXT:]
            us.append((time.perf_counter() - t) * 1e6)
            here.append(float(p[0, 0]))
        probabilities.append(here)
    return {"us": us, "probabilities": probabilities}


def embed_load(q):
    import minilm
    from tokenizers import Tokenizer

    model = minilm.onnx_file(q["dir"], q["onnx"])
    models["tokenizer"] = Tokenizer.from_file(os.path.join(q["dir"], "tokenizer.json"))
    models["tokenizer"].no_padding()
    models["tokenizer"].enable_truncation(256)
    models["embed-default"] = session(model, 0)
    models["embed-one"] = session(model, 1)
    return {}


def embed(q):
    run = models[q["which"]].run
    ms, vectors = [], []
    for text in q["texts"]:
        t = time.perf_counter()
        ids = np.array([models["tokenizer"].encode(text).ids], np.int64)
        v = run(None, {"ids": ids})[0][0]
        ms.append((time.perf_counter() - t) * 1e3)
        vectors.append(v.tolist())
    return {"ms": ms, "vectors": vectors}


def stt_load(q):
    if q["engine"] == "ctranslate2":
        import ct2

        models[q["name"]] = ct2.Recogniser(q["model"], q["folder"], **q["params"])
        return {}
    from pywhispercpp.model import Model

    quiet = {"print_progress": False, "print_realtime": False}
    m = Model(
        q["model"],
        params_sampling_strategy=q["strategy"],
        redirect_whispercpp_logs_to=None,
        **quiet,
        **q["params"],
    )
    models[q["name"]] = lambda x: "".join(s.text for s in m.transcribe(x)).strip()
    return {}


def stt(q):
    decode = models[q["name"]]
    ms, texts = [], []
    for path in q["clips"]:
        x = clip(path)
        t = time.perf_counter()
        texts.append(decode(x))
        ms.append((time.perf_counter() - t) * 1e3)
    return {"ms": ms, "texts": texts}


def stt_for(q):
    """Decodes clips one after another until the time is up."""
    decode = models[q["name"]]
    audio = [clip(p) for p in q["clips"]]
    start, done, n = time.perf_counter(), 0.0, 0
    while time.perf_counter() - start < q["seconds"]:
        x = audio[n % len(audio)]
        decode(x)
        done += len(x) / 16000
        n += 1
    return {"audio_s": done, "wall_s": time.perf_counter() - start, "decodes": n}


known = {f.__name__: f for f in (versions, vad_load, vad, embed_load, embed, stt_load, stt, stt_for)}
for line in sys.stdin:
    question = json.loads(line)
    try:
        answer = known[question["do"]](question)
    except Exception as e:  # noqa: BLE001: whatever went wrong is told to the benchmark, which stops
        answer = {"error": f"{type(e).__name__}: {e}"}
    out.write(json.dumps(answer) + "\n")
    out.flush()
