/** The Frechet distance of two sets of features, each taken as a normal distribution; in float64. */

/** @returns the mean, and the covariance (of n - 1) row by row. */
export function momentsOf(rows) {
  const size = rows[0].length;
  const mean = new Float64Array(size);
  for (const row of rows) {
    for (let i = 0; i < size; i++) mean[i] += row[i] / rows.length;
  }
  const covariance = squareOf(size, () => 0);
  for (const row of rows) {
    for (let i = 0; i < size; i++) {
      const scaled = (row[i] - mean[i]) / (rows.length - 1);
      for (let j = 0; j < size; j++) covariance[i][j] += scaled * (row[j] - mean[j]);
    }
  }
  return { mean, covariance };
}

/** |m1 - m2|^2 + tr(C1 + C2 - 2 (C1 C2)^(1/2)), where the root has the trace of (R C2 R)^(1/2) with R^2 = C1. */
export function frechet(a, b) {
  const apart = a.mean.reduce((sum, x, i) => sum + (x - b.mean[i]) ** 2, 0);
  const root = rootOf(a.covariance);
  const { values } = eigen(product(product(root, b.covariance), root));
  const shared = values.reduce((sum, x) => sum + Math.sqrt(Math.max(x, 0)), 0);
  return apart + trace(a.covariance) + trace(b.covariance) - 2 * shared;
}

const squareOf = (size, at) =>
  Array.from({ length: size }, (_, i) => Float64Array.from({ length: size }, (_, j) => at(i, j)));

const trace = (matrix) => matrix.reduce((sum, row, i) => sum + row[i], 0);

function product(a, b) {
  return squareOf(a.length, (i, j) => a[i].reduce((sum, x, k) => sum + x * b[k][j], 0));
}

function rootOf(matrix) {
  const { values, vectors } = eigen(matrix);
  const roots = values.map((x) => Math.sqrt(Math.max(x, 0)));
  return squareOf(roots.length, (i, j) =>
    roots.reduce((sum, root, k) => sum + vectors[i][k] * root * vectors[j][k], 0),
  );
}

/** Of a symmetric matrix, by Jacobi's rotations; vectors are columns. */
function eigen(symmetric) {
  const size = symmetric.length;
  const a = squareOf(size, (i, j) => (symmetric[i][j] + symmetric[j][i]) / 2);
  const vectors = squareOf(size, (i, j) => (i === j ? 1 : 0));
  const turn = (p, q, c, s) => {
    for (const row of [...a, ...vectors]) {
      [row[p], row[q]] = [c * row[p] - s * row[q], s * row[p] + c * row[q]];
    }
    for (let k = 0; k < size; k++) {
      [a[p][k], a[q][k]] = [c * a[p][k] - s * a[q][k], s * a[p][k] + c * a[q][k]];
    }
  };
  const beside = () =>
    a.reduce((sum, row, i) => row.reduce((s, x, j) => (i === j ? s : s + x * x), sum), 0);
  const enough = 1e-24 * beside();
  while (beside() > enough) {
    for (let p = 0; p < size; p++) {
      for (let q = p + 1; q < size; q++) {
        if (a[p][q] === 0) continue;
        const angle = 0.5 * Math.atan2(2 * a[p][q], a[q][q] - a[p][p]);
        turn(p, q, Math.cos(angle), Math.sin(angle));
      }
    }
  }
  return { values: Float64Array.from(a, (row, i) => row[i]), vectors };
}
