// Binary glTF: the positions and indices of its triangles, with the transforms of their nodes.
// Plain buffers only, as the service writes them: no compression, no sparse accessors.

import { identity, multiply, placement } from "./matrix.js";
import { makeMesh, MeshProblem } from "./mesh.js";

const MAGIC = 0x46546c67;
const JSON_CHUNK = 0x4e4f534a;
const BINARY_CHUNK = 0x004e4942;
const TRIANGLES = 4;
const ARRAYS = { 5121: Uint8Array, 5123: Uint16Array, 5125: Uint32Array, 5126: Float32Array };
const COMPONENTS = { SCALAR: 1, VEC3: 3 };

/** The mesh of a GLB file. Throws MeshProblem where it is none, or holds what is not read here. */
export function readGlb(buffer) {
  const { document, binary } = chunksOf(buffer);
  const parts = [];
  const roots = document.scenes?.[document.scene ?? 0]?.nodes ?? [];
  for (const root of roots) collect(document, root, identity(), parts, 0);
  if (parts.length === 0) throw new MeshProblem("The file has no triangles.");
  return joined(parts.map((part) => triangles(document, binary, part)));
}

function chunksOf(buffer) {
  const view = new DataView(buffer);
  if (view.byteLength < 20 || view.getUint32(0, true) !== MAGIC)
    throw new MeshProblem("This is no GLB file.");
  if (view.getUint32(4, true) !== 2) throw new MeshProblem("Only version 2 of GLB is read here.");
  const chunks = {};
  for (let at = 12; at + 8 <= view.byteLength; ) {
    const length = view.getUint32(at, true);
    if (at + 8 + length > view.byteLength) throw new MeshProblem("The GLB file is cut short.");
    chunks[view.getUint32(at + 4, true)] ??= new Uint8Array(buffer, at + 8, length);
    at += 8 + length;
  }
  if (!chunks[JSON_CHUNK] || !chunks[BINARY_CHUNK]) throw new MeshProblem("The GLB lacks a chunk.");
  const document = JSON.parse(new TextDecoder().decode(chunks[JSON_CHUNK]));
  return { document, binary: chunks[BINARY_CHUNK] };
}

function collect(document, index, above, parts, depth) {
  if (depth > 64) throw new MeshProblem("The file's nodes are nested without end.");
  const node = document.nodes[index];
  const own = node.matrix
    ? new Float32Array(node.matrix)
    : placement(node.translation ?? [0, 0, 0], node.rotation ?? [0, 0, 0, 1], node.scale ?? [1, 1, 1]);
  const matrix = multiply(above, own);
  for (const primitive of document.meshes?.[node.mesh]?.primitives ?? [])
    if ((primitive.mode ?? TRIANGLES) === TRIANGLES) parts.push({ primitive, matrix });
  for (const child of node.children ?? []) collect(document, child, matrix, parts, depth + 1);
}

function triangles(document, binary, { primitive, matrix }) {
  const local = accessor(document, binary, primitive.attributes.POSITION);
  const positions = new Float32Array(local.length);
  for (let i = 0; i < local.length; i += 3)
    for (let row = 0; row < 3; row++)
      positions[i + row] =
        matrix[row] * local[i] +
        matrix[4 + row] * local[i + 1] +
        matrix[8 + row] * local[i + 2] +
        matrix[12 + row];
  const indices =
    primitive.indices === undefined
      ? Uint32Array.from({ length: positions.length / 3 }, (_, i) => i)
      : Uint32Array.from(accessor(document, binary, primitive.indices));
  return { positions, indices };
}

function accessor(document, binary, index) {
  const { componentType, type, count, byteOffset = 0, bufferView, sparse } = document.accessors[index];
  const View = ARRAYS[componentType];
  const view = document.bufferViews?.[bufferView];
  if (!View || !COMPONENTS[type] || !view || sparse || document.buffers?.[view.buffer]?.uri)
    throw new MeshProblem("The file's buffers are of a kind that is not read here.");
  const width = COMPONENTS[type];
  const stride = view.byteStride || width * View.BYTES_PER_ELEMENT; // 0 would let a count be of any size
  const start = (view.byteOffset ?? 0) + byteOffset;
  if (count > 0 && start + stride * (count - 1) + width * View.BYTES_PER_ELEMENT > binary.byteLength)
    throw new MeshProblem("The GLB file is cut short.");
  const values = new View(count * width);
  const bytes = new Uint8Array(values.buffer);
  const size = width * View.BYTES_PER_ELEMENT;
  if (stride === size) bytes.set(binary.subarray(start, start + size * count));
  else
    for (let i = 0; i < count; i++)
      bytes.set(binary.subarray(start + i * stride, start + i * stride + size), i * size);
  return values;
}

function joined(parts) {
  if (parts.length === 1) return makeMesh(parts[0].positions, parts[0].indices);
  const total = (name) => parts.reduce((sum, part) => sum + part[name].length, 0);
  const positions = new Float32Array(total("positions"));
  const indices = new Uint32Array(total("indices"));
  let vertex = 0;
  let index = 0;
  for (const part of parts) {
    positions.set(part.positions, vertex * 3);
    indices.set(part.indices.map((corner) => corner + vertex), index);
    vertex += part.positions.length / 3;
    index += part.indices.length;
  }
  return makeMesh(positions, indices);
}
