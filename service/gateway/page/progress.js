// How far a job is, in words, as steps, and as a bar.

import { byId, element } from "./dom.js";
import { stageWords, timeLeft } from "./words.js";

const STEPS = {
  encode: ["preprocess", "encode", "decode"],
  generate: ["denoise_l3", "denoise_l2", "denoise_l1", "decode"],
  resample: ["denoise_l2", "denoise_l1", "decode"],
};
const NAMES = {
  preprocess: "Read",
  encode: "Encode",
  denoise_l3: "Structure",
  denoise_l2: "Major details",
  denoise_l1: "Minor details",
  decode: "Surface",
};
const TICK_MS = 1000;
const WITHIN = { mesh: "decode", export: "decode" };

export class Progress {
  constructor() {
    this.box = byId("progress");
    this.said = "";
    this.ticking = null;
  }

  show(job) {
    this.box.hidden = false;
    const words = stageWords(job);
    byId("progress-words").textContent = words;
    this.#countDown(job);
    byId("progress-bar").value = job.progress;
    byId("cancel").disabled = job.cancel_requested;
    this.#steps(job);
    if (words !== this.said) this.say(words);
  }

  /** The upload, before there is a job. */
  sending(words) {
    clearInterval(this.ticking);
    this.box.hidden = false;
    byId("progress-words").textContent = words;
    byId("progress-time").textContent = "";
    byId("progress-bar").value = 0;
    byId("cancel").disabled = true;
    byId("stages").replaceChildren();
    this.say(words);
  }

  hide() {
    clearInterval(this.ticking);
    this.box.hidden = true;
  }

  /** From what was told last to what is told next. */
  #countDown(job) {
    clearInterval(this.ticking);
    const told = performance.now();
    const show = () => {
      byId("progress-time").textContent = timeLeft(job, (performance.now() - told) / 1000);
    };
    this.ticking = setInterval(show, TICK_MS);
    show();
  }

  /** For those who listen. */
  say(words) {
    this.said = words;
    byId("announcement").textContent = words;
  }

  #steps({ operation, input, stage }) {
    let steps = STEPS[operation] ?? [];
    if (input.keep_level === 2) steps = steps.filter((step) => step !== "denoise_l2");
    const now = steps.indexOf(WITHIN[stage] ?? stage);
    const items = steps.map((step, i) =>
      element("li", { class: i < now ? "past" : i === now ? "now" : null }, NAMES[step]),
    );
    byId("stages").replaceChildren(...items);
  }
}
