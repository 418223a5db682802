// The lines that make a shape again, elsewhere: for curl and for the Python client. They give the same
// latents, meshed at the same resolution as glb. Steps and guidance are those of the shape's job where
// it was followed here; a record does not tell them, so lines of a link are for the model's defaults.
// Whatever a shape tells of itself may come from a stranger's file: all of it is quoted.

import { addressOf } from "./api.js";

/** Why a shape has no lines: a sentence; null where it has. kept: see keptLevel. */
export function whyNoRecipe({ operation }, kept) {
  if (operation === "resample" && kept === null)
    return "There are no lines for this shape: what it is a variant of is gone, or shares no level with it.";
  if (["encode", "generate", "resample"].includes(operation)) return null;
  return "There are no lines for this shape: it was made of latents that were uploaded or mixed.";
}

/** The query of a shape that has a recipe. */
function queryOf(shape, kept, fileName) {
  const { operation, seed, category, mesh, parents, input } = shape;
  const { resolution } = mesh;
  if (operation === "encode") return { filename: fileName, resolution };
  const drawn = { category, seed, steps: input?.steps, guidance: input?.guidance, resolution };
  return operation === "resample" ? { shape: parents[0], keep_level: kept, ...drawn } : drawn;
}

const shellQuoted = (text) => `'${text.replaceAll("'", "'\\''")}'`;

/** A file's name that needs no quotes anywhere: of a-z, 0-9, _ and - before its suffix. */
function outputName({ category, seed }) {
  const plain = (category ?? "").toLowerCase().replace(/[^a-z0-9_]+/g, "-").slice(0, 64);
  const word = plain.replace(/^-+|-+$/g, "") || "shape";
  return seed === null || seed === undefined ? `${word}.glb` : `${word}-${seed}.glb`;
}

export function curlOf(shape, kept, fileName, withKey) {
  const { operation } = shape;
  const { href } = addressOf(operation, queryOf(shape, kept, fileName));
  const lines = [`curl -X POST ${shellQuoted(href)}`];
  if (operation === "encode") {
    lines.push(`--data-binary ${shellQuoted(`@${fileName}`)}`);
    lines.push("-H 'Content-Type: application/octet-stream'");
  }
  if (withKey) lines.push('-H "X-API-Key: $LAGEM_API_KEY"');
  lines.push("-H 'Accept: model/gltf-binary'");
  lines.push(`-o ${shellQuoted(outputName(shape))}`);
  return lines.join(" \\\n  ");
}

export function pythonOf(shape, kept, fileName) {
  const { filename, shape: parent, category, ...numbers } = queryOf(shape, kept, fileName);
  const first = filename ?? parent;
  const told = Object.entries({ category: category && JSON.stringify(category), ...numbers })
    .filter(([, value]) => value !== null && value !== undefined)
    .map(([name, value]) => `${name}=${value}`);
  const words = first === undefined ? told : [JSON.stringify(first), ...told];
  return [
    "from service.client import LagemClient",
    "",
    `with LagemClient(${JSON.stringify(addressOf(".").href.replace(/\/$/, ""))}) as lagem:`,
    `    shape = lagem.${shape.operation}(${words.join(", ")})`,
    `    shape.mesh.export(${JSON.stringify(outputName(shape))})`,
  ].join("\n");
}

/** The lowest level that a variant has in common with its parent; null where there is none. */
export function keptLevel(shape, parent) {
  const shared = (level) =>
    parent?.latents[level] && parent.latents[level].sha256 === shape.latents[level]?.sha256;
  if (!shared("3")) return null;
  return shared("2") ? 2 : 3;
}
