// What is known of a shape, and what can be taken away of it.

import { addressOf } from "./api.js";
import { byId, copy, element, save } from "./dom.js";
import { Lineage, ancestry } from "./lineage.js";
import { curlOf, keptLevel, pythonOf, whyNoRecipe } from "./recipe.js";
import { count, duration, shapeName } from "./words.js";

const FILES = [
  ["GLB", "mesh", "glb"],
  ["OBJ", "mesh", "obj"],
  ["PLY", "mesh", "ply"],
  ["STL", "mesh", "stl"],
  ["Latents", "latents", "safetensors"],
];

export class ShapePanel {
  constructor(api, onProblem) {
    this.api = api;
    this.onProblem = onProblem;
    this.recipes = {};
    this.lineage = new Lineage();
    byId("copy").addEventListener("click", () => this.#copy());
    for (const input of document.querySelectorAll("input[name=recipe]"))
      input.addEventListener("change", () => this.#showRecipe());
  }

  hide() {
    byId("shape").hidden = true;
    this.#hideFamily();
  }

  #hideFamily() {
    byId("family").hidden = true;
    byId("trail").replaceChildren();
  }

  /** parent: the record of what it is a variant of; fileName: of the upload it was made from. */
  show(shape, parent, fileName) {
    byId("shape").hidden = false;
    byId("shape-title").textContent = shapeName(shape);
    byId("shape-id").textContent = shape.id;
    if (!this.lineage.has(shape.id)) this.#hideFamily();
    const kept = keptLevel(shape, parent);
    byId("descent").textContent = descentOf(shape, kept);
    byId("facts").replaceChildren(...factsOf(shape).flatMap(fact));
    byId("downloads").replaceChildren(...FILES.map((file) => this.#download(shape, ...file)));
    this.#setRecipes(shape, kept, fileName);
  }

  /** own: the shape's tree; family: that of its oldest ancestor. */
  showFamily(own, family) {
    const line = ancestry(own);
    byId("family").hidden = family.nodes.length < 2;
    this.lineage.show(own, family);
    const steps = line.map((node) => {
      const name = node.parents.length ? "Variant" : shapeName(node);
      const current = node.id === own.id;
      return element("a", { href: `#${node.id}`, "aria-current": current ? "page" : null }, name);
    });
    byId("trail").replaceChildren(...(steps.length > 1 ? steps : []));
  }

  #download(shape, word, kind, format) {
    const path = `shapes/${shape.id}/${kind}`;
    const link = element("a", { href: addressOf(path, { format }).href, download: "" }, word);
    // Fetched, since a link can neither send a key nor wait for a mesh that must be made first.
    link.addEventListener("click", async (event) => {
      event.preventDefault();
      if (link.getAttribute("aria-busy")) return;
      link.setAttribute("aria-busy", "true");
      try {
        save(await this.api.file(path, { format }), `${shape.id}.${format}`);
      } catch (problem) {
        this.onProblem(problem);
      } finally {
        link.removeAttribute("aria-busy");
      }
    });
    return link;
  }

  #setRecipes(shape, kept, fileName) {
    const none = whyNoRecipe(shape, kept);
    byId("copy").hidden = none !== null;
    this.recipes = {
      curl: none ?? curlOf(shape, kept, fileName, this.api.key !== null),
      python: none ?? pythonOf(shape, kept, fileName),
    };
    this.#showRecipe();
  }

  #showRecipe() {
    const chosen = document.querySelector("input[name=recipe]:checked").value;
    byId("recipe").textContent = this.recipes[chosen] ?? "";
  }

  async #copy() {
    const done = await copy(byId("recipe").textContent);
    byId("copy").textContent = done ? "Copied" : "Select and copy it by hand";
    byId("announcement").textContent = byId("copy").textContent;
    setTimeout(() => (byId("copy").textContent = "Copy"), 1600);
  }
}

function fact([name, value]) {
  const wide = value.length > 9 ? "wide" : null;
  return [element("div", { class: wide }, element("dt", {}, name), element("dd", {}, value))];
}

/** What a variant has of its parent. */
function descentOf({ parents, metrics }, kept) {
  if (!parents.length) return "";
  const shared = { 3: "same level 3", 2: "same levels 3 and 2" }[kept];
  const distance = metrics?.parent_distance;
  const apart = distance === undefined ? null : `${distance.toFixed(3)} from its parent`;
  return ["Variant", shared, apart].filter(Boolean).join(", ");
}

function factsOf(shape) {
  const { mesh, metrics, seed, time } = shape;
  const open = mesh.boundary_edges ? `no, ${count(mesh.boundary_edges)} open edges` : "no";
  const facts = [
    ["Faces", count(mesh.faces)],
    ["Vertices", count(mesh.vertices)],
    ["Watertight", mesh.watertight ? "yes" : open],
    ["Pieces", count(mesh.components)],
    ["Resolution", `${mesh.resolution}³`],
  ];
  if (time) facts.push(["Time", duration(time)]);
  if (time === null) facts.push(["Time", "reused"]);
  if (metrics?.chamfer !== undefined) facts.push(["Chamfer", metrics.chamfer.toFixed(4)]);
  if (metrics?.f_score !== undefined) facts.push(["F-score", metrics.f_score.toFixed(3)]);
  if (seed !== null) facts.push(["Seed", String(seed)]);
  return facts;
}
