// A row of shapes to choose from: a parent, and what was made of it.

import { byId, element } from "./dom.js";
import { shapeName } from "./words.js";

export class Strip {
  /** loadMesh: promises the mesh of a shape's record. */
  constructor(thumbnails, loadMesh) {
    this.box = byId("strip");
    this.thumbnails = thumbnails;
    this.loadMesh = loadMesh;
    this.turn = null;
  }

  hide() {
    this.turn = null;
    this.box.hidden = true;
    this.box.replaceChildren();
  }

  /** Empty frames for what a job is about to make. */
  expect(n, parent = null) {
    const turn = this.#begin();
    const frames = Array.from({ length: n }, () => frame(null, "", ""));
    this.#fill(parent ? [this.#card(parent, "parent", turn)] : [], frames);
    this.frames = frames;
  }

  /** A coarse mesh of the job that is awaited. */
  preview(sample, mesh) {
    const canvas = this.frames?.[sample]?.querySelector("canvas");
    if (canvas) this.thumbnails.draw(mesh, canvas);
  }

  /** Finished shapes; the parent is drawn after its members, unless it is what is looked at. */
  show(members, parent = null, looked = null) {
    const turn = this.#begin();
    this.frames = null;
    const parentCard = () => (parent ? [this.#card(parent, "parent", turn)] : []);
    const early = parent?.id === looked ? parentCard() : null;
    const cards = members.map((shape) => this.#card(shape, "member", turn));
    this.#fill(early ?? parentCard(), cards);
  }

  /** Mark the shape that is looked at; whether it is here. */
  mark(id) {
    let found = false;
    for (const card of this.box.querySelectorAll("a")) {
      const current = card.hash === `#${id}`;
      if (current) card.setAttribute("aria-current", "true");
      else card.removeAttribute("aria-current");
      found ||= current;
    }
    if (found) this.#reveal();
    return found;
  }

  #begin() {
    this.pending = Promise.resolve();
    return (this.turn = Symbol("turn"));
  }

  #fill(first, rest) {
    const between = first.length ? [element("span", { class: "strip-rule", "aria-hidden": "true" })] : [];
    this.box.replaceChildren(...first, ...between, ...rest);
    this.box.hidden = first.length + rest.length < 2;
  }

  #reveal() {
    const card = this.box.querySelector("[aria-current]");
    const { left, right } = this.box.getBoundingClientRect();
    const own = card.getBoundingClientRect();
    if (own.left < left) this.box.scrollLeft -= left - own.left + 12;
    if (own.right > right) this.box.scrollLeft += own.right - right + 12;
  }

  #card(shape, role, turn) {
    const distance = shape.metrics?.parent_distance;
    const apart = distance === undefined ? "" : `${distance.toFixed(3)} apart`;
    const caption = role === "parent" ? "parent" : apart || `seed ${shape.seed ?? "none"}`;
    const card = frame(`#${shape.id}`, caption, shapeName(shape));
    if (apart) card.title = `Seed ${shape.seed}. Chamfer distance to the parent: ${distance}`;
    const canvas = card.querySelector("canvas");
    // One after the other, so that the shape that is looked at comes first.
    this.pending = this.pending.then(async () => {
      if (this.turn !== turn) return;
      try {
        const mesh = await this.loadMesh(shape);
        if (this.turn === turn) this.thumbnails.draw(mesh, canvas);
      } catch {
        card.classList.add("unseen"); // opening it tells why
      }
    });
    return card;
  }
}

function frame(href, caption, name) {
  const content = [element("canvas", { "aria-hidden": "true" }), element("span", {}, caption)];
  if (href === null) return element("div", { class: "card awaited" }, ...content);
  return element("a", { class: "card", href, "aria-label": `${name}, ${caption}` }, ...content);
}
