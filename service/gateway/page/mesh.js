// Triangles in memory: positions (3 numbers a vertex), indices (3 a face), and what follows of them.

export class MeshProblem extends Error {}

/** Corners of the bounding box, its centre, and the radius of the ball around it. */
function extent(positions) {
  const low = [Infinity, Infinity, Infinity];
  const high = [-Infinity, -Infinity, -Infinity];
  for (let i = 0; i < positions.length; i++) {
    const axis = i % 3;
    if (positions[i] < low[axis]) low[axis] = positions[i];
    if (positions[i] > high[axis]) high[axis] = positions[i];
  }
  const center = low.map((value, axis) => (value + high[axis]) / 2);
  const radius = Math.hypot(...high.map((value, axis) => value - low[axis])) / 2;
  return { low, high, center, radius };
}

/** Normals of vertices: the mean of their faces', by area. */
function smoothNormals(positions, indices) {
  const normals = new Float32Array(positions.length);
  for (let f = 0; f < indices.length; f += 3) {
    const a = indices[f] * 3;
    const b = indices[f + 1] * 3;
    const c = indices[f + 2] * 3;
    const ux = positions[b] - positions[a];
    const uy = positions[b + 1] - positions[a + 1];
    const uz = positions[b + 2] - positions[a + 2];
    const vx = positions[c] - positions[a];
    const vy = positions[c + 1] - positions[a + 1];
    const vz = positions[c + 2] - positions[a + 2];
    const nx = uy * vz - uz * vy;
    const ny = uz * vx - ux * vz;
    const nz = ux * vy - uy * vx;
    for (const corner of [a, b, c]) {
      normals[corner] += nx;
      normals[corner + 1] += ny;
      normals[corner + 2] += nz;
    }
  }
  for (let i = 0; i < normals.length; i += 3) {
    const length = Math.hypot(normals[i], normals[i + 1], normals[i + 2]) || 1;
    normals[i] /= length;
    normals[i + 1] /= length;
    normals[i + 2] /= length;
  }
  return normals;
}

/** A mesh to draw. Throws MeshProblem where there is nothing to, or an index leads nowhere. */
export function makeMesh(positions, indices) {
  const vertices = positions.length / 3;
  if (indices.length < 3) throw new MeshProblem("The file has no faces.");
  for (let i = 0; i < indices.length; i++)
    if (!(indices[i] < vertices)) throw new MeshProblem("A face names a vertex that is not there.");
  const size = extent(positions);
  if (!Number.isFinite(size.radius)) throw new MeshProblem("A vertex has no finite place.");
  return { positions, indices, normals: smoothNormals(positions, indices), ...size };
}

/** Indices of the lines along the faces' edges, two each. */
export function edgesOf(indices) {
  const lines = new Uint32Array(indices.length * 2);
  for (let f = 0, l = 0; f < indices.length; f += 3) {
    for (const [from, to] of [[0, 1], [1, 2], [2, 0]]) {
      lines[l++] = indices[f + from];
      lines[l++] = indices[f + to];
    }
  }
  return lines;
}
