// What a level is: as many dots as it has latent vectors, spread over a disc.

import { drawn, element } from "./dom.js";

const MOST_DOTS = 900;
const TURN = Math.PI * (3 - Math.sqrt(5));
const NAMES = { 3: "Main structure", 2: "Major details", 1: "Minor details" };

export function drawLevels(levels) {
  return [...levels].sort((a, b) => b.level - a.level).map(drawLevel);
}

function drawLevel({ level, tokens, channels }) {
  const picture = drawn("svg", { viewBox: "-50 -50 100 100" });
  const dots = Math.min(tokens, MOST_DOTS);
  const radius = Math.min(3.2, 15 / Math.sqrt(dots));
  for (let i = 0; i < dots; i++) {
    const far = 46 * Math.sqrt((i + 0.5) / dots);
    const [cx, cy] = [far * Math.cos(i * TURN), far * Math.sin(i * TURN)].map((x) => x.toFixed(2));
    picture.append(drawn("circle", { cx, cy, r: radius.toFixed(2) }));
  }
  const size = element("small", {}, `${tokens} × ${channels}`);
  return element("figure", {}, picture, element("figcaption", {}, NAMES[level] ?? `Level ${level}`, size));
}
