#!/usr/bin/env python3
"""Fits the `[search]` figures of assets/clinic/calibration.toml on the golden questions.

    pip install numpy safetensors tokenizers
    python3 assets/golden/calibrate.py MODEL_DIR [--holdout]

The weights and the threshold come from the golden questions alone, cross-validated. Every question variant is also asked as
if it were not there: a harder and larger set that no variant was written for, to judge changes by.

MODEL_DIR holds all-MiniLM-L6-v2 as `anteroom models fetch minilm-l6-v2` leaves it: model.safetensors and
tokenizer.json. The searches are those of the store (FTS5 with the same tokenizer, weights, stop words and coverage;
cosine over every question variant and title, the best of each entry) and the features are those of
src-tauri/reception/src/search.rs, over the question without its asides (src-tauri/reception/src/question.rs). Nothing is
random but the folds, which have a fixed seed.
"""
import collections
import pathlib
import re
import sqlite3
import sys

import numpy as np
from safetensors.numpy import load_file
from tokenizers import Tokenizer

ROOT = pathlib.Path(__file__).resolve().parents[2]
HITS = 20           # of each search, as the appliance takes
BM25_HALF = 12.0
RIDGE = 0.1
FOLDS = 10
THRESHOLDS = (0.6, 0.65, 0.7, 0.75, 0.8)
THRESHOLD = 0.75
CLARIFY = (0.25, 0.3, 0.35, 0.4, 0.45)
MARGIN = 0.3
FEATURES = ("bias", "cosine", "cosine_lead", "bm25", "bm25_lead", "coverage")
TEXT_ONLY = (0, 3, 4, 5)


def entries():
    out = []
    for path in sorted((ROOT / "assets/clinic/knowledge").glob("*.md")):
        text = re.sub(r"<!--.*?-->", "", path.read_text("utf-8"), flags=re.S)
        for line in text.splitlines():
            head = re.match(r"## (.*) \{#([a-z0-9-]+)\}", line)
            if head:
                out.append({"id": head[2], "title": head[1], "questions": [], "answer": ""})
            elif line.startswith("Q: "):
                out[-1]["questions"].append(line[3:])
            elif line and out and not line.startswith(("#", "---", "language:")):
                out[-1]["answer"] = (out[-1]["answer"] + " " + line).strip()
    return out


def golden(name):
    lines = (ROOT / "assets/golden" / name).read_text("utf-8").splitlines()
    return [line.split("\t") for line in lines if line and not line.startswith("#")]


class Asides:
    """reception::question::without_asides, with the phrases of its source."""

    def __init__(self):
        source = (ROOT / "src-tauri/reception/src/question.rs").read_text("utf-8")
        for name in ("HESITATION", "LEADS", "LEADS_BEFORE_PAUSE", "TAILS"):
            at = source.index(f"const {name}: ")
            listed = re.findall(r'"([^"]+)"', source[at:source.index("];", at)])
            setattr(self, name.lower(), [phrase.split(" ") for phrase in listed])

    @staticmethod
    def bare(word):
        return re.sub(r"^[\W_]+|[\W_]+$", "", word).replace("\u2019", "'").lower()

    def lead(self, kept, words):
        if words and not words[0]:
            return 1
        fits = [len(x) for x in self.leads if words[:len(x)] == x]
        fits += [len(x) for x in self.leads_before_pause if words[:len(x)] == x and kept[len(x) - 1][-1] in ",.!?;:-"]
        return max(fits, default=0)

    def without(self, text):
        kept = [w for w in text.split() if [self.bare(w)] not in self.hesitation]
        words = [self.bare(w) for w in kept]
        start, end = 0, len(words)
        while n := self.lead(kept[start:end], words[start:end]):
            start += n
        while n := max((len(x) for x in self.tails if words[start:end][-len(x):] == x), default=0):
            end -= n
        return text if sum(map(bool, words[start:end])) < 2 else " ".join(kept[start:end])


class MiniLM:
    def __init__(self, folder):
        self.w = {k: v.astype(np.float32) for k, v in load_file(f"{folder}/model.safetensors").items() if v.dtype.kind == "f"}
        self.tokenizer = Tokenizer.from_file(f"{folder}/tokenizer.json")
        self.tokenizer.no_padding()
        self.tokenizer.enable_truncation(256)

    def linear(self, x, name):
        return x @ self.w[name + ".weight"].T + self.w[name + ".bias"]

    def norm(self, x, name):
        mean = x.mean(-1, keepdims=True)
        variance = ((x - mean) ** 2).mean(-1, keepdims=True)
        return (x - mean) / np.sqrt(variance + 1e-12) * self.w[name + ".weight"] + self.w[name + ".bias"]

    def embed(self, texts):
        """Unit vectors; texts of equal length go through together."""
        ids = [self.tokenizer.encode(t).ids for t in texts]
        groups = collections.defaultdict(list)
        for i, x in enumerate(ids):
            groups[len(x)].append(i)
        out = np.zeros((len(texts), 384), np.float32)
        for length, members in groups.items():
            for at in range(0, len(members), 64):
                part = members[at:at + 64]
                out[part] = self.forward(np.array([ids[i] for i in part]), length)
        return out

    def forward(self, ids, length):
        n, w = len(ids), self.w
        x = w["embeddings.word_embeddings.weight"][ids] + w["embeddings.position_embeddings.weight"][:length]
        x = self.norm(x + w["embeddings.token_type_embeddings.weight"][0], "embeddings.LayerNorm")
        for i in range(6):
            p = f"encoder.layer.{i}."
            q, k, v = (self.linear(x, f"{p}attention.self.{m}").reshape(n, length, 12, 32).transpose(0, 2, 1, 3)
                       for m in ("query", "key", "value"))
            z = q @ k.transpose(0, 1, 3, 2) / np.float32(np.sqrt(32))
            z = np.exp(z - z.max(-1, keepdims=True))
            z /= z.sum(-1, keepdims=True)
            attended = (z @ v).transpose(0, 2, 1, 3).reshape(n, length, 384)
            x = self.norm(x + self.linear(attended, p + "attention.output.dense"), p + "attention.output.LayerNorm")
            h = self.linear(x, p + "intermediate.dense")
            h = h * np.float32(0.5) * (1 + erf(h / np.float32(np.sqrt(2))))
            x = self.norm(x + self.linear(h, p + "output.dense"), p + "output.LayerNorm")
        e = x.mean(1)
        return e / np.linalg.norm(e, axis=1, keepdims=True)


def erf(x):
    """Abramowitz and Stegun 7.1.26; its error, 1.5e-7, is that of a 32 bit float."""
    s, x = np.sign(x), np.abs(x)
    t = 1 / (1 + np.float32(0.3275911) * x)
    return s * (1 - (((((1.061405429 * t - 1.453152027) * t) + 1.421413741) * t - 0.284496736) * t + 0.254829592) * t * np.exp(-x * x)).astype(np.float32)


class FullText:
    def __init__(self, known):
        source = (ROOT / "src-tauri/store/src/text.rs").read_text("utf-8")
        self.stop = set(re.findall(r'"([a-z]+)"', source[source.index("const EN"):source.index("const DE")]))
        self.ids = [e["id"] for e in known]
        self.db = sqlite3.connect(":memory:")
        self.db.execute("CREATE VIRTUAL TABLE f USING fts5(questions, title, answer, tokenize='porter unicode61 remove_diacritics 2')")
        self.known = known
        for i in range(len(known)):
            self.put(i)

    def put(self, i, without=None):
        e = self.known[i]
        self.db.execute("DELETE FROM f WHERE rowid = ?", (i,))
        self.db.execute("INSERT INTO f(rowid, questions, title, answer) VALUES (?, ?, ?, ?)",
                        (i, "\n".join(q for q in e["questions"] if q != without), e["title"], e["answer"]))

    def content(self, text):
        words = list(dict.fromkeys(w.lower() for w in re.findall(r"[^\W_]+", text)))[:32]
        return [w for w in words if w not in self.stop and (len(w) > 1 or w.isnumeric())] or words

    def search(self, text, without=None):
        """As if the entry `without[0]` did not have the question `without[1]`."""
        if without:
            i = self.ids.index(without[0])
            self.put(i, without[1])
            found = self.search(text)
            self.put(i)
            return found
        words = [f'"{w}"' for w in self.content(text)]
        if not words:
            return []
        rows = self.db.execute("SELECT rowid, -bm25(f, 3.0, 1.5, 1.0) FROM f WHERE f MATCH ? ORDER BY 2 DESC LIMIT ?",
                               (" OR ".join(words), HITS)).fetchall()
        held = collections.Counter(r for w in words for (r,) in self.db.execute("SELECT rowid FROM f WHERE f MATCH ?", (w,)))
        return [(self.ids[r], score, held[r] / len(words)) for r, score in rows]


def lead(values):
    order = np.sort(values)[::-1]
    second = max(order[1], 0.0) if len(order) > 1 else 0.0
    return np.where(values >= order[0], values - second, values - max(order[0], 0.0))


def features(text_hits, vector_hits):
    lowest = min((c for _, c in vector_hits), default=0.0)
    found = {i: [c, 0.0, 0.0] for i, c in vector_hits}
    for i, score, covered in text_hits:
        found.setdefault(i, [lowest, 0.0, 0.0])[1:] = [score, covered]
    ids = list(found)
    if not ids:
        return ["-"], np.zeros((1, 6))
    cosine, bm25, coverage = np.array([found[i] for i in ids]).T
    bm25 = bm25 / (bm25 + BM25_HALF)
    return ids, np.stack([np.ones(len(ids)), cosine, lead(cosine), bm25, lead(bm25), coverage], 1)


def refers(entry):
    """Subjects passed to a person: they compete, but are never spoken (reception::search::REFER_PREFIX)."""
    return entry.startswith("refer-")


def fit(rows, columns):
    x, y = [], []
    for expected, ids, f in rows:
        for i, values in zip(ids, f[:, columns]):
            # Where nothing may be answered it does not matter how well a referral does.
            if not (expected == "-" and refers(i)):
                x.append(values)
                y.append(float(i == expected))
    x, y = np.array(x), np.array(y)
    b, ridge = np.zeros(x.shape[1]), np.eye(x.shape[1]) * RIDGE
    ridge[0, 0] = 1e-6
    for _ in range(100):
        p = 1 / (1 + np.exp(-x @ b))
        step = np.linalg.solve((x * (p * (1 - p) + 1e-9)[:, None]).T @ x + ridge, x.T @ (p - y) + ridge @ b)
        b -= step
        if abs(step).max() < 1e-8:
            break
    return b


def decide(row, b, columns):
    expected, ids, f = row
    p = 1 / (1 + np.exp(-f[:, columns] @ b))
    order = np.argsort(-p, kind="stable")
    second = p[order[1]] if len(order) > 1 else 0.0
    best = ids[order[0]]
    return expected, best, -1.0 if refers(best) else p[order[0]], p[order[0]] - second


def crossed(rows, columns):
    order, out = np.random.RandomState(1).permutation(len(rows)), [None] * len(rows)
    for k in range(FOLDS):
        test = set(order[k::FOLDS])
        b = fit([r for i, r in enumerate(rows) if i not in test], columns)
        for i in test:
            out[i] = decide(rows[i], b, columns)
    return out


def report(name, decided):
    answerable = sum(e != "-" for e, *_ in decided)
    for t in THRESHOLDS:
        said = [(e, best) for e, best, p, ahead in decided if p >= t and ahead >= MARGIN]
        right = sum(e == best for e, best in said)
        answered = sum(e != "-" for e, _ in said)
        print(f"{name:28} threshold {t:.2f}: precision {right / max(1, len(said)):.3f} "
              f"coverage {answered / answerable:.3f} (answered right {right / answerable:.3f}) wrong {len(said) - right}")
    unsure = [(e, best, p) for e, best, p, ahead in decided if p < THRESHOLD or ahead < MARGIN]
    for t in CLARIFY:
        offered = [(e, best) for e, best, p in unsure if p >= t]
        right = sum(e == best for e, best in offered)
        needless = sum(e == "-" for e, _ in offered) / max(1, len(decided) - answerable)
        print(f"{name:28} asks back from {t:.2f}: of the answerable {right / answerable:.3f} with the right entry, "
              f"of the others {needless:.3f} for nothing")


def main():
    model, asides = MiniLM(sys.argv[1]), Asides()
    known = entries()
    variants = [(e["id"], t) for e in known for t in e["questions"] + [e["title"]]]
    matrix, text = model.embed([t for _, t in variants]), FullText(known)

    def rows(questions, vectors=True):
        """Of (question, expected entry, variant to do without): the expected entry, the candidates, their features."""
        out = []
        plain = [asides.without(q) for q, *_ in questions]
        for q, v, (_, expected, without) in zip(plain, model.embed(plain), questions):
            best = {}
            for variant, c in zip(variants, matrix @ v if vectors else ()):
                if variant != without:
                    best[variant[0]] = max(best.get(variant[0], -1.0), float(c))
            near = sorted(best.items(), key=lambda h: -h[1])[:HITS]
            out.append((expected, *features(text.search(q, without), near)))
        return out

    def asked(name):
        return [(q, expected, None) for q, expected, kind in golden(name) if kind != "known"]

    left_out = [(t, "-" if refers(e["id"]) else e["id"], (e["id"], t)) for e in known for t in e["questions"]]
    questions, others = rows(asked("questions.tsv")), rows(left_out)
    everything = list(range(6))
    b = fit(questions, everything)
    print("[search.weights]", *(f"{n} = {v:.4f}" for n, v in zip(FEATURES, b)), sep="\n")
    report("golden, cross-validated", crossed(questions, everything))
    report("golden, as fitted", [decide(r, b, everything) for r in questions])
    report("variants, each left out", [decide(r, b, everything) for r in others])
    columns = list(TEXT_ONLY)
    words = rows(asked("questions.tsv"), vectors=False)
    t = fit(words, columns)
    print("[search.text_only]", *(f"{FEATURES[c]} = {v:.4f}" for c, v in zip(columns, t)), sep="\n")
    report("text only, cross-validated", crossed(words, columns))
    if "--holdout" in sys.argv:
        for name in ("questions-holdout.tsv", "questions-fresh.tsv"):
            report(name, [decide(r, b, everything) for r in rows(asked(name))])


main()
