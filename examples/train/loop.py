"""A training loop of NumPy and a stock onnxruntime, around what graftc compiled:

graftc artifacts examples/digits/model.onnx examples/train/hyena-x.graft examples/train/recipe.graft -o artifacts
python examples/train/loop.py artifacts/stage1 examples/digits/data.npz learned.safetensors
graftc examples/digits/model.onnx examples/train/hyena-x.graft --weights learned.safetensors -o out.onnx
"""

import json
import sys

import numpy as np
import onnxruntime
from safetensors.numpy import load_file, save_file

folder, data, out = sys.argv[1:4]
plan = json.load(open(f"{folder}/training.json"))
recipe, inputs = plan["recipe"], plan["optimizer"]["inputs"]
steps = int(sys.argv[4]) if len(sys.argv) > 4 else recipe["length"]["steps"]
training = onnxruntime.InferenceSession(f"{folder}/training_model.onnx")
optimizer = onnxruntime.InferenceSession(f"{folder}/optimizer_model.onnx")
weights = load_file(f"{folder}/checkpoint.safetensors")
states = {i["name"]: np.zeros(i["shape"], np.float32) for i in inputs if i["role"] == "state"}
images, labels = (np.load(data)[name] for name in "xy")
rng = np.random.default_rng(0)

for step in range(steps):
    some = rng.integers(0, len(images), recipe["batch"])
    x = images[some].astype(np.float32) / 127.5 - 1
    drop = rng.random(len(some)) < recipe["labelDrop"]
    batch = {
        "x": x,
        "t": rng.integers(0, 1000, len(some)),
        "y": np.where(drop, 10, labels[some]).astype(np.int64),
        "noise": rng.standard_normal(x.shape, np.float32),
    }
    results = dict(zip((o["name"] for o in plan["outputs"]), training.run(None, {**batch, **weights})))
    schedule = recipe["schedule"]
    share = schedule["by"] ** (step // schedule["every"]) if schedule["kind"] == "step" else 1
    lr = recipe["lr"] * share * min(1, (step + 1) / max(recipe["warmup"], 1))
    values = {"learning_rate": np.float32(lr), "step": np.int64(step + 1), **weights, **states, **results}
    updated = optimizer.run(None, {i["name"]: np.asarray(values[i["name"]]) for i in inputs})
    for output, value in zip(plan["optimizer"]["outputs"], updated):
        (weights if output["role"] == "parameter" else states)[output["of"]] = value
    print(f"step {step + 1}: loss {results['loss']:.4f}, lr {lr:.2e}")

# Files of weights are [out, in], as PyTorch has them.
turned = {i["name"] for i in plan["inputs"] if i.get("layout") == "in,out"}
save_file({k: np.ascontiguousarray(w.T) if k in turned else w for k, w in weights.items()}, out)
