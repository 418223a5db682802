// The lines that make a shape again, elsewhere: for curl and for the Python client.

import { addressOf } from "./api.js";

/** shape: a record; kept: the coarsest level that a variant shares no more, see keptLevel. */
function requestOf(shape, kept, fileName) {
  const { seed, category, mesh, parents, operation } = shape;
  const { resolution } = mesh;
  if (operation === "encode") return { operation, path: "encode", query: { filename: fileName, resolution } };
  if (operation === "resample")
    return { operation, path: "resample", query: { shape: parents[0], keep_level: kept, seed, resolution } };
  return { operation, path: "generate", query: { category, seed, resolution } };
}

const shellQuoted = (text) => `'${text.replaceAll("'", "'\\''")}'`;

const outputName = (shape) =>
  [shape.category ?? "shape", shape.seed].filter((part) => part !== null && part !== undefined).join("-");

export function curlOf(shape, kept, fileName, withKey) {
  const { operation, path, query } = requestOf(shape, kept, fileName);
  const lines = [`curl -X POST ${shellQuoted(addressOf(path, query).href)}`];
  if (operation === "encode") {
    lines.push(`--data-binary ${shellQuoted(`@${fileName}`)}`);
    lines.push("-H 'Content-Type: application/octet-stream'");
  }
  if (withKey) lines.push('-H "X-API-Key: $LAGEM_API_KEY"');
  lines.push("-H 'Accept: model/gltf-binary'");
  lines.push(`-o ${outputName(shape)}.glb`);
  return lines.join(" \\\n  ");
}

export function pythonOf(shape, kept, fileName) {
  const { operation, query } = requestOf(shape, kept, fileName);
  const { seed, category, resolution } = query;
  const base = JSON.stringify(addressOf(".").href.replace(/\/$/, ""));
  const named = (values) =>
    Object.entries(values)
      .filter(([, value]) => value !== null && value !== undefined)
      .map(([name, value]) => `, ${name}=${value}`)
      .join("");
  const calls = {
    encode: `encode(${JSON.stringify(fileName)}${named({ resolution })})`,
    resample: `resample(${JSON.stringify(query.shape)}${named({ keep_level: kept, seed, resolution })})`,
    generate: `generate(${named({ category: category && JSON.stringify(category), seed, resolution }).slice(2)})`,
  };
  return [
    "from service.client import LagemClient",
    "",
    `with LagemClient(${base}) as lagem:`,
    `    shape = lagem.${calls[operation] ?? calls.generate}`,
    `    shape.mesh.export("${outputName(shape)}.glb")`,
  ].join("\n");
}

/** The lowest level that a variant has in common with its parent; null where there is none. */
export function keptLevel(shape, parent) {
  const shared = (level) =>
    parent?.latents[level] && parent.latents[level].sha256 === shape.latents[level]?.sha256;
  if (!shared("3")) return null;
  return shared("2") ? 2 : 3;
}
