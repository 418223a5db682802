// What can be asked for: the three forms, as far as the deployment can do what they ask.

import { byId, element } from "./dom.js";
import { capitalized } from "./words.js";

const RESOLUTIONS = [64, 128, 256, 512];

export class Forms {
  /** The callbacks get what was asked for: a query, and for `encode` the file too. */
  constructor({ generate, resample, encode }) {
    this.generate = byId("generate");
    this.resample = byId("resample");
    this.encode = byId("encode");
    this.busy = false;
    this.able = {};
    onSubmit(this.generate, () => generate(queryOf(this.generate)));
    onSubmit(this.resample, (button) => resample({ ...queryOf(this.resample), keep_level: button.value }));
    onSubmit(this.encode, () => {});
    this.file = this.encode.elements.file;
    this.file.addEventListener("change", () => {
      if (this.file.files.length) encode(this.file.files[0], this.#resolution());
      this.file.value = ""; // so that the same file can be chosen again
    });
    this.#dropAnywhere((file) => encode(file, this.#resolution()));
    this.setBusy(false);
  }

  /** Offer what a model can do. */
  offer({ can, categories, defaults }) {
    this.able = Object.fromEntries(["generate", "encode", "resample"].map((name) => [name, can.includes(name)]));
    const chosen = this.generate.elements.category?.value ?? categories[0] ?? "";
    byId("categories").replaceChildren(...[...categories, ""].map((name) => chip(name, name === chosen)));
    const others = RESOLUTIONS.filter((size) => size !== defaults.resolution);
    const options = [
      element("option", { value: "" }, String(defaults.resolution)),
      ...others.map((size) => element("option", { value: size }, String(size))),
    ];
    options.sort((a, b) => Number(a.textContent) - Number(b.textContent));
    byId("resolution").replaceChildren(...options);
    byId("resolution").value = "";
    this.setBusy(this.busy);
  }

  setBusy(busy) {
    this.busy = busy;
    for (const name of ["generate", "encode", "resample"]) {
      const unable = this.able[name] === false;
      for (const button of this[name].querySelectorAll("button, input[type=file]"))
        button.disabled = busy || !this.able[name];
      const word = this[name].querySelector(".unable");
      word.hidden = !unable;
      word.textContent = unable ? `The loaded model cannot ${name}.` : "";
    }
  }

  #resolution() {
    return { resolution: byId("resolution").value };
  }

  #dropAnywhere(take) {
    let depth = 0;
    const show = (on) => (byId("dropping").hidden = !on);
    const carriesFile = (event) => event.dataTransfer?.types.includes("Files");
    addEventListener("dragenter", (event) => carriesFile(event) && show(++depth > 0));
    addEventListener("dragleave", (event) => carriesFile(event) && show(--depth > 0));
    addEventListener("dragover", (event) => carriesFile(event) && event.preventDefault());
    addEventListener("drop", (event) => {
      if (!carriesFile(event)) return;
      event.preventDefault();
      show((depth = 0) > 0);
      if (!this.file.disabled && event.dataTransfer.files.length) take(event.dataTransfer.files[0]);
    });
  }
}

function onSubmit(form, act) {
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    act(event.submitter ?? form.querySelector("[type=submit]"));
  });
}

const queryOf = (form) => Object.fromEntries(new FormData(form));

function chip(name, checked) {
  const input = element("input", { type: "radio", name: "category", value: name });
  input.checked = checked;
  return element("label", {}, input, element("span", {}, name ? capitalized(name) : "Any"));
}
