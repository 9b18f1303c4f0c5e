/** Draws digits with a model by DDIM and scores them by a classifier's features. */
import { readFileSync } from "node:fs";
import * as ort from "onnxruntime-node";
import { frechet, momentsOf } from "./frechet.mjs";

const folder = new URL("../examples/digits/", import.meta.url);
const side = 16;
const size = side * side;
const classes = 10;
const batch = 250;

/** The last alpha product of each step, of 1000 betas from 1e-4 to 0.02. */
const alphas = [];
for (let t = 0, product = 1; t < 1000; t++) {
  product *= 1 - (1e-4 + (t * (0.02 - 1e-4)) / 999);
  alphas.push(product);
}

/** Normal numbers of a seed (mulberry32, Box and Muller). */
function normals(seed, count) {
  let state = seed;
  const uniform = () => {
    state = (state + 0x6d2b79f5) | 0;
    let x = Math.imul(state ^ (state >>> 15), 1 | state);
    x = (x + Math.imul(x ^ (x >>> 7), 61 | x)) ^ x;
    return (((x ^ (x >>> 14)) >>> 0) + 0.5) / 2 ** 32;
  };
  const pair = () => Math.sqrt(-2 * Math.log(uniform())) * Math.cos(2 * Math.PI * uniform());
  return Float32Array.from({ length: count }, pair);
}

const whole = (values) =>
  new ort.Tensor("int64", BigInt64Array.from(values, BigInt), [values.length]);

/** A batch: `steps` steps evenly spaced from 999 to 0, no guidance, each sample clipped to [-1, 1]. */
async function draw(model, labels, steps, seed) {
  const count = labels.length;
  const x = normals(seed, count * size);
  const times = Array.from({ length: steps }, (_, i) => Math.round((i * 999) / (steps - 1)));
  for (const [i, t] of [...times.entries()].reverse()) {
    const [here, before] = [alphas[t], i > 0 ? alphas[times[i - 1]] : 1];
    const { out } = await model.run({
      x: new ort.Tensor("float32", x, [count, 1, side, side]),
      t: whole(labels.map(() => t)),
      y: whole(labels),
    });
    for (let n = 0; n < count; n++) {
      for (let k = 0; k < size; k++) {
        const at = n * size + k;
        const noise = out.data[2 * n * size + k];
        const clean = (x[at] - Math.sqrt(1 - here) * noise) / Math.sqrt(here);
        const clipped = Math.min(1, Math.max(-1, clean));
        const rest = (x[at] - Math.sqrt(here) * clipped) / Math.sqrt(1 - here);
        x[at] = Math.sqrt(before) * clipped + Math.sqrt(1 - before) * rest;
      }
    }
  }
  return x;
}

/**
 * @param path of a model like examples/digits/model.onnx.
 * @returns the Frechet distance to the training images, and the share of samples that show the
 * digit that was asked for.
 */
export async function score(path, { samples = 1500, steps = 25, threads = 0 } = {}) {
  const options = { intraOpNumThreads: threads };
  const model = await ort.InferenceSession.create(path, options);
  const judge = await ort.InferenceSession.create(
    new Uint8Array(readFileSync(new URL("features.onnx", folder))),
    options,
  );
  const features = [];
  let right = 0;
  for (let first = 0; first < samples; first += batch) {
    const count = Math.min(batch, samples - first);
    const labels = Array.from({ length: count }, (_, i) => (first + i) % classes);
    const x = await draw(model, labels, steps, 1000 + first);
    const judged = await judge.run({ x: new ort.Tensor("float32", x, [count, 1, side, side]) });
    const { data, dims } = judged.features;
    labels.forEach((label, n) => {
      features.push(data.subarray(n * dims[1], (n + 1) * dims[1]));
      const logits = [...judged.logits.data.subarray(n * classes, (n + 1) * classes)];
      if (logits.indexOf(Math.max(...logits)) === label) right++;
    });
  }
  return { distance: frechet(reference(), momentsOf(features)), accuracy: right / samples };
}

/** Moments of all 60,000 training images, float64. */
function reference() {
  const bytes = readFileSync(new URL("reference.safetensors", folder));
  const start = 8 + Number(bytes.readBigUInt64LE(0));
  const header = JSON.parse(bytes.toString("utf8", 8, start));
  const read = (name) => {
    const [from, to] = header[name].data_offsets;
    return new Float64Array(
      bytes.buffer.slice(bytes.byteOffset + start + from, bytes.byteOffset + start + to),
    );
  };
  const mean = read("mu");
  const sigma = read("sigma");
  const covariance = Array.from(mean, (_, i) =>
    sigma.subarray(i * mean.length, (i + 1) * mean.length),
  );
  return { mean, covariance };
}
