/**
 * Operators in the place of attention on a long sequence: what each adds to the projections around
 * it, in CPU seconds of a pass on one thread, the least of several, taken in turn.
 */
import { execFileSync } from "node:child_process";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import ort from "onnxruntime-node";

export const size = { depth: 1, width: 384, heads: 6, tokens: 4096 };

/** The projections of attention with nothing between them. */
const projections = `operator projections() for attn {
  layer qkv  = linear(D, 3 * D) from host.qkv
  layer proj = linear(D, D) from host.out
  q, k, v = split(qkv(x), 3)
  return proj(q + k + v)
}
`;
const operators = ["mha", "swa", "swa(window: 64)", "linear_attention", "mamba2", "hyena_x"];

/** @returns rows of a table, its head first. */
export async function longSequences({ folder, graftc, runs }) {
  const seconds = await secondsOf(folder, graftc, runs);
  const own = (name) => seconds.get(name) - seconds.get("projections");
  return [
    ["instead of attention", "without projections", "times faster"],
    ...operators.map((name) => [
      name,
      `${(1000 * own(name)).toFixed(1)} ms`,
      (own("mha") / own(name)).toFixed(1),
    ]),
  ];
}

async function secondsOf(folder, graftc, runs) {
  const model = join(folder, "long.onnx");
  const run = (...words) => execFileSync(graftc[0], [...graftc.slice(1), ...words]);
  run("new", "dit-s/2", ...Object.entries(size).flatMap(([k, v]) => [`--${k}`, v]), "-o", model);
  const sessions = new Map();
  for (const [i, name] of ["projections", ...operators].entries()) {
    const [edits, out] = ["graft", "onnx"].map((end) => join(folder, `long-${i}.${end}`));
    const declared = name === "projections" ? projections : "";
    writeFileSync(edits, `${declared}replace blocks[0].attn with ${name} init fresh\n`);
    run(model, edits, "-o", out);
    sessions.set(name, await ort.InferenceSession.create(out, { intraOpNumThreads: 1 }));
  }
  const feeds = inputsOf(sessions.get("mha"));
  const seconds = new Map();
  for (let round = 0; round <= Math.max(runs, 5); round++) {
    for (const [name, session] of sessions) {
      const before = process.cpuUsage();
      await session.run(feeds);
      const { user, system } = process.cpuUsage(before);
      if (round > 0) seconds.set(name, Math.min(seconds.get(name) ?? 1e9, (user + system) / 1e6));
    }
  }
  return seconds;
}

function inputsOf({ inputMetadata }) {
  return Object.fromEntries(
    inputMetadata.map(({ name, type, shape }) => {
      const dims = shape.map((dim) => (typeof dim === "number" ? dim : 1));
      const data = new (type === "int64" ? BigInt64Array : Float32Array)(
        dims.reduce((a, b) => a * b, 1),
      );
      if (type !== "int64") for (let i = 0; i < data.length; i++) data[i] = Math.sin(i);
      return [name, new ort.Tensor(type, data, dims)];
    }),
  );
}
