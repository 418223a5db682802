// 4x4 matrices as Float32Array of 16, by column, as WebGL takes them; vectors as arrays of 3.

export const add = (a, b) => [a[0] + b[0], a[1] + b[1], a[2] + b[2]];
export const subtract = (a, b) => [a[0] - b[0], a[1] - b[1], a[2] - b[2]];
export const scale = (a, s) => [a[0] * s, a[1] * s, a[2] * s];
export const dot = (a, b) => a[0] * b[0] + a[1] * b[1] + a[2] * b[2];
export const cross = (a, b) => [
  a[1] * b[2] - a[2] * b[1],
  a[2] * b[0] - a[0] * b[2],
  a[0] * b[1] - a[1] * b[0],
];
export const normalize = (a) => scale(a, 1 / (Math.hypot(...a) || 1));

export function identity() {
  return new Float32Array([1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1]);
}

export function multiply(a, b) {
  const product = new Float32Array(16);
  for (let column = 0; column < 4; column++)
    for (let row = 0; row < 4; row++) {
      let sum = 0;
      for (let k = 0; k < 4; k++) sum += a[k * 4 + row] * b[column * 4 + k];
      product[column * 4 + row] = sum;
    }
  return product;
}

export function perspective(fieldOfView, aspect, near, far) {
  const f = 1 / Math.tan(fieldOfView / 2);
  const depth = near - far;
  return new Float32Array([
    f / aspect, 0, 0, 0,
    0, f, 0, 0,
    0, 0, (far + near) / depth, -1,
    0, 0, (2 * far * near) / depth, 0,
  ]);
}

export function lookAt(eye, target, up) {
  const back = normalize(subtract(eye, target));
  const right = normalize(cross(up, back));
  const top = cross(back, right);
  return new Float32Array([
    right[0], top[0], back[0], 0,
    right[1], top[1], back[1], 0,
    right[2], top[2], back[2], 0,
    -dot(right, eye), -dot(top, eye), -dot(back, eye), 1,
  ]);
}

/** Translation, then rotation by a quaternion, then scale, as a node of glTF has them. */
export function placement([x, y, z], [i, j, k, w], [sx, sy, sz]) {
  return new Float32Array([
    (1 - 2 * (j * j + k * k)) * sx, 2 * (i * j + k * w) * sx, 2 * (i * k - j * w) * sx, 0,
    2 * (i * j - k * w) * sy, (1 - 2 * (i * i + k * k)) * sy, 2 * (j * k + i * w) * sy, 0,
    2 * (i * k + j * w) * sz, 2 * (j * k - i * w) * sz, (1 - 2 * (i * i + j * j)) * sz, 0,
    x, y, z, 1,
  ]);
}
