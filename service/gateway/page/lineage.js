// A shape's family as a small tree of dots, each a link to its shape.

import { drawn } from "./dom.js";
import { shapeName } from "./words.js";

const ACROSS = 22;
const DOWN = 34;
const EDGE = 12;

/** tree: the family of its oldest member; current: the id of the shape that is looked at. */
export function drawTree(tree, current) {
  const nodes = new Map(tree.nodes.map((node) => [node.id, node]));
  const places = new Map();
  let columns = 0;
  let rows = 0;
  const place = (id, row) => {
    if (places.has(id) || !nodes.has(id)) return null;
    places.set(id, null); // seen
    const below = nodes.get(id).children.map((child) => place(child, row + 1)).filter(Boolean);
    const x = below.length ? (below[0].x + below.at(-1).x) / 2 : EDGE + ACROSS * columns++;
    const spot = { x, y: EDGE + DOWN * row };
    rows = Math.max(rows, row + 1);
    places.set(id, spot);
    return spot;
  };
  place(tree.id, 0);
  const width = Math.max(1, columns - 1) * ACROSS + EDGE * 2;
  const height = (rows - 1) * DOWN + EDGE * 2;
  const picture = drawn("svg", { viewBox: `0 0 ${width} ${height}`, width, height });
  for (const [id, { x, y }] of places)
    for (const child of nodes.get(id).children) {
      const end = places.get(child);
      if (!end || end.y <= y) continue;
      const middle = (y + end.y) / 2;
      const d = `M${x} ${y}C${x} ${middle} ${end.x} ${middle} ${end.x} ${end.y}`;
      picture.append(drawn("path", { d }));
    }
  for (const [id, spot] of places) picture.append(dot(nodes.get(id), spot, id === current));
  return picture;
}

function dot(node, { x, y }, current) {
  const circle = drawn("circle", { cx: x, cy: y, r: current ? 6.5 : 4.5 });
  if (node.expired) return drawn("g", { class: "gone" }, circle);
  const seed = node.seed === null || node.seed === undefined ? "" : `, seed ${node.seed}`;
  const name = `${shapeName(node)}${seed}`;
  const attributes = { href: `#${node.id}`, "aria-label": name, "aria-current": current ? "true" : null };
  const reach = drawn("circle", { cx: x, cy: y, r: 11, class: "reach" });
  return drawn("a", attributes, reach, circle, drawn("title", {}, name));
}

/** The ids from the oldest ancestor to a shape, along first parents. */
export function ancestry(tree) {
  const nodes = new Map(tree.nodes.map((node) => [node.id, node]));
  const line = [];
  for (let id = tree.id; nodes.has(id) && !line.includes(nodes.get(id)); id = nodes.get(id).parents[0])
    line.unshift(nodes.get(id));
  return line;
}
