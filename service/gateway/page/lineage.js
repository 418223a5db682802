// A shape's family as lists in lists, each shape a link: the line from its oldest ancestor down to the
// shape that is looked at, that one's siblings, and what was made of it. Long lists are folded.

import { byId, element } from "./dom.js";
import { count, plural, shapeName } from "./words.js";

const MOST_SHOWN = 5;

export class Lineage {
  constructor() {
    this.box = byId("tree");
    this.nodes = new Map();
    this.unfolded = new Set(); // the shapes whose children are all shown
  }

  /** Whether a shape is of the family that was shown last. */
  has(id) {
    return this.nodes.has(id);
  }

  /** own: the tree of the shape that is looked at; family: that of its oldest ancestor. */
  show(own, family) {
    this.nodes = new Map([...family.nodes, ...own.nodes].map((node) => [node.id, node]));
    this.line = ancestry(own).map(({ id }) => id);
    const focused = this.box.contains(document.activeElement);
    const current = this.#draw();
    if (focused) current.focus({ preventScroll: true });
  }

  /** The link of the shape that is looked at, scrolled to: within the box, not on the page. */
  #draw() {
    this.box.replaceChildren(element("ul", {}, this.#member(this.line[0])));
    const current = this.box.querySelector("[aria-current]");
    const middle = (this.box.clientHeight - current.clientHeight) / 2;
    this.box.scrollTop += current.getBoundingClientRect().top - this.box.getBoundingClientRect().top - middle;
    return current;
  }

  #member(id) {
    const depth = this.line.indexOf(id);
    const node = { children: [], children_count: 0, parents: [null], ...this.nodes.get(id), id };
    const current = depth === this.line.length - 1;
    if (depth < 0) return element("li", {}, label(node, current, node.children_count));
    return element("li", {}, label(node, current), ...this.#childrenOf(node, depth));
  }

  /** Many of the shape that is looked at, and of its parent; of older ones only those of the line. */
  #childrenOf(node, depth) {
    const next = this.line[depth + 1];
    const known = node.children.includes(next) || !next ? node.children : [next, ...node.children];
    if (!known.length) return [];
    const most = depth < this.line.length - 2 ? 1 : MOST_SHOWN;
    const whole = this.unfolded.has(node.id) || known.length <= most + 1;
    const shown = whole ? known : around(known, next, most);
    const items = shown.map((id) => this.#member(id));
    const unlisted = node.children_count - known.length;
    if (!whole) items.push(element("li", {}, this.#unfold(node, known.length - shown.length)));
    else if (unlisted > 0) items.push(element("li", { class: "gone" }, `and ${count(unlisted)} older ones`));
    return [element("ul", {}, ...items)];
  }

  #unfold(node, n) {
    const button = element("button", { type: "button", class: "plain" }, `and ${count(n)} more`);
    button.addEventListener("click", () => {
      const before = new Set([...this.box.querySelectorAll("a")].map(({ hash }) => hash));
      this.unfolded.add(node.id);
      this.#draw();
      const added = [...this.box.querySelectorAll("a")].find(({ hash }) => !before.has(hash));
      added?.focus();
    });
    return button;
  }
}

/** So many neighbours of one, itself among them; the first, where there is no one. */
function around(ids, one, most) {
  const first = Math.max(0, ids.indexOf(one) - Math.floor(most / 2));
  const begin = Math.min(first, ids.length - most);
  return ids.slice(begin, begin + most);
}

function label(node, current, variants = 0) {
  if (node.expired) return element("span", { class: "gone" }, "no longer kept");
  const name = shapeName(node);
  const seed = node.seed === null || node.seed === undefined ? "" : String(node.seed);
  const told = (number) =>
    [number && `seed ${number}`, variants && plural(variants, "variant")].filter(Boolean).join(", ");
  const attributes = {
    href: `#${node.id}`,
    title: `${name}, ${told(seed)}`,
    "aria-label": `${name}, ${told(seed)}`,
    "aria-current": current ? "page" : null,
  };
  return element("a", attributes, element("span", {}, name), element("small", {}, told(shortened(seed))));
}

/** Seeds in a row differ at their end. */
const shortened = (seed) => (seed.length > 12 ? `${seed.slice(0, 5)}…${seed.slice(-5)}` : seed);

/** The nodes from the oldest ancestor to a shape, along first parents. */
export function ancestry(tree) {
  const nodes = new Map(tree.nodes.map((node) => [node.id, node]));
  const line = [];
  for (let id = tree.id; nodes.has(id) && !line.includes(nodes.get(id)); id = nodes.get(id).parents[0])
    line.unshift(nodes.get(id));
  return line;
}
