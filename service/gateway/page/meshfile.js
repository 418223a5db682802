// A file that the user chose, read so that it can be drawn beside its reconstruction. The service
// reads more, and decides: what cannot be drawn here can be encoded all the same.

import { readGlb } from "./glb.js";
import { makeMesh, MeshProblem } from "./mesh.js";

/** The mesh in a file, or null where it is of a kind that is not drawn here, or broken. Never throws. */
export function readMeshFile(buffer) {
  const head = new TextDecoder("latin1").decode(new Uint8Array(buffer, 0, Math.min(512, buffer.byteLength)));
  try {
    if (head.startsWith("glTF")) return readGlb(buffer);
    if (head.startsWith("ply")) return readPly(buffer);
    if (/^\s*C?OFF\b/.test(head)) return readOff(text(buffer));
    if (isBinaryStl(buffer)) return readBinaryStl(buffer);
    if (/^\s*solid\b/.test(head)) return readAsciiStl(text(buffer));
    if (/^\s*(#|(v|o|g|mtllib|usemtl|s)\b)/m.test(head)) return readObj(text(buffer));
  } catch {
    // The service will tell what is wrong with it.
  }
  return null;
}

const text = (buffer) => new TextDecoder().decode(buffer);

/** A count that a file claims. No file holds more of anything than it has bytes. */
function counted(value, most) {
  if (!(Number.isInteger(value) && value >= 0 && value <= most))
    throw new MeshProblem("The file counts more than it holds.");
  return value;
}

function soup(corners) {
  const indices = Uint32Array.from({ length: corners.length / 3 }, (_, i) => i);
  return makeMesh(Float32Array.from(corners), indices);
}

function isBinaryStl(buffer) {
  return buffer.byteLength >= 84 && buffer.byteLength === 84 + 50 * new DataView(buffer).getUint32(80, true);
}

function readBinaryStl(buffer) {
  const view = new DataView(buffer);
  const corners = new Float32Array(view.getUint32(80, true) * 9);
  for (let i = 0; i < corners.length; i++)
    corners[i] = view.getFloat32(84 + Math.floor(i / 9) * 50 + 12 + (i % 9) * 4, true);
  return soup(corners);
}

function readAsciiStl(content) {
  const corners = [];
  for (const match of content.matchAll(/vertex\s+(\S+)\s+(\S+)\s+(\S+)/g))
    corners.push(Number(match[1]), Number(match[2]), Number(match[3]));
  return soup(corners);
}

/** Triangles around the first corner of a face. */
function fan(corners, indices) {
  for (let i = 2; i < corners.length; i++) indices.push(corners[0], corners[i - 1], corners[i]);
}

function readObj(content) {
  const positions = [];
  const indices = [];
  for (const line of content.replaceAll("\\\n", " ").split("\n")) {
    const [word, ...rest] = line.trim().split(/\s+/);
    if (word === "v" && rest.length < 3) throw new MeshProblem("A vertex lacks a coordinate.");
    if (word === "v") positions.push(...rest.slice(0, 3).map(Number));
    if (word === "f") {
      const corners = rest.map((corner) => Number.parseInt(corner, 10));
      fan(corners.map((n) => (n < 0 ? positions.length / 3 + n : n - 1)), indices);
    }
  }
  return makeMesh(Float32Array.from(positions), Uint32Array.from(indices));
}

function readOff(content) {
  const numbers = content.replace(/^\s*C?OFF/, "").replace(/#.*/g, "").match(/\S+/g).map(Number);
  const vertices = counted(numbers[0], numbers.length / 3 - 1);
  const faces = counted(numbers[1], numbers.length);
  const positions = numbers.slice(3, 3 + vertices * 3);
  const indices = [];
  for (let at = 3 + vertices * 3, face = 0; face < faces; face++) {
    const corners = counted(numbers[at], numbers.length - at - 1);
    fan(numbers.slice(at + 1, at + 1 + corners), indices);
    at += 1 + corners;
  }
  return makeMesh(Float32Array.from(positions), Uint32Array.from(indices));
}

const PLY_NUMBERS = {
  char: ["getInt8", 1], int8: ["getInt8", 1], uchar: ["getUint8", 1], uint8: ["getUint8", 1],
  short: ["getInt16", 2], int16: ["getInt16", 2], ushort: ["getUint16", 2], uint16: ["getUint16", 2],
  int: ["getInt32", 4], int32: ["getInt32", 4], uint: ["getUint32", 4], uint32: ["getUint32", 4],
  float: ["getFloat32", 4], float32: ["getFloat32", 4], double: ["getFloat64", 8], float64: ["getFloat64", 8],
};

function readPly(buffer) {
  const latin = new TextDecoder("latin1").decode(new Uint8Array(buffer, 0, Math.min(65536, buffer.byteLength)));
  const end = /end_header\r?\n/.exec(latin);
  if (!end) throw new MeshProblem("The PLY file has no header.");
  const lines = latin.slice(0, end.index).split(/\r?\n/).map((line) => line.trim().split(/\s+/));
  const form = lines.find(([word]) => word === "format")?.[1];
  const next = form === "ascii" ? asciiNumbers(buffer, end) : binaryNumbers(buffer, end, form);
  return plyMesh(plyElements(lines, buffer.byteLength), next, buffer.byteLength);
}

function plyElements(lines, most) {
  const elements = [];
  for (const [word, ...rest] of lines) {
    if (word === "element")
      elements.push({ name: rest[0], count: counted(Number(rest[1]), most), properties: [] });
    if (word === "property") elements.at(-1).properties.push(rest);
  }
  return elements.filter(({ properties }) => properties.length > 0);
}

function plyMesh(elements, next, most) {
  const positions = [];
  const indices = [];
  for (const { name, count, properties } of elements)
    for (let i = 0; i < count; i++)
      for (const property of properties) {
        if (property[0] === "list") {
          const corners = Array.from({ length: counted(next(property[1]), most) }, () => next(property[2]));
          if (name === "face" && /^vertex_ind/.test(property[3])) fan(corners, indices);
        } else {
          const value = next(property[0]);
          if (name === "vertex" && "xyz".includes(property[1])) positions.push(value);
        }
      }
  return makeMesh(Float32Array.from(positions), Uint32Array.from(indices));
}

function asciiNumbers(buffer, end) {
  const words = text(buffer.slice(end.index + end[0].length)).match(/\S+/g) ?? [];
  let at = 0;
  return () => {
    if (at === words.length) throw new MeshProblem("The PLY file is cut short.");
    return Number(words[at++]);
  };
}

function binaryNumbers(buffer, end, form) {
  const view = new DataView(buffer);
  let at = end.index + end[0].length;
  return (type) => {
    const [read, size] = PLY_NUMBERS[type];
    const value = view[read](at, form === "binary_little_endian");
    at += size;
    return value;
  };
}
