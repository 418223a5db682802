// The page: what the parts do together. Its state is the address: #shp_... is a shape that is looked
// at, #job_... a job that is followed.

import { Api, Problem } from "./api.js";
import { byId } from "./dom.js";
import { Forms } from "./forms.js";
import { readGlb } from "./glb.js";
import { askForKey } from "./keydialog.js";
import { drawLevels } from "./levels.js";
import { Library } from "./library.js";
import { ancestry } from "./lineage.js";
import { readMeshFile } from "./meshfile.js";
import { Notice } from "./notice.js";
import { Progress } from "./progress.js";
import { ShapePanel } from "./shapepanel.js";
import { Strip } from "./strip.js";
import { Thumbnails } from "./thumbnail.js";
import { Viewer } from "./viewer.js";
import { plural } from "./words.js";

const ASK_AGAIN_MS = 3000;
const MOST_SIBLINGS = 16;

/** What an address names. */
function idOf(hash) {
  try {
    return decodeURIComponent(hash.slice(1));
  } catch {
    throw new Problem({ detail: "This address names no shape.", suggestion: "Check that the link is whole." });
  }
}

async function bytesOf(file) {
  try {
    return await file.arrayBuffer();
  } catch {
    const suggestion = "Choose a single file, no folder, that may be read.";
    throw new Problem({ detail: `${file.name} cannot be read.`, suggestion });
  }
}

class Studio {
  constructor() {
    this.api = new Api((problem) => askForKey(this.api, problem));
    this.library = new Library(this.api);
    this.viewer = new Viewer(byId("view"));
    this.notice = new Notice();
    this.progress = new Progress();
    this.strip = new Strip(new Thumbnails(), (shape) => this.library.mesh(shape));
    this.panel = new ShapePanel(this.api, (problem) => this.notice.show(problem));
    this.forms = new Forms({
      generate: (query) => this.generate(query),
      resample: (query) => this.resample(query),
      encode: (file, query) => this.encode(file, query),
    });
    this.shape = null; // the record of the shape that is looked at
    this.upload = null; // {name, mesh, shape}: the last file, its mesh here, the id made of it
    this.turn = null; // aborts what is left behind when the address changes
    this.job = null; // the id of the job that is followed
    this.canceled = null; // the id of the job that was canceled here
  }

  async start() {
    byId("no-webgl").hidden = this.viewer.works;
    byId("forget-key").hidden = !this.api.key;
    document.body.classList.toggle("blind", !this.viewer.works);
    byId("cancel").addEventListener("click", () => this.cancel());
    byId("forget-key").addEventListener("click", () => this.forgetKey());
    byId("home").addEventListener("click", () => this.viewer.home());
    byId("wireframe").addEventListener("click", ({ currentTarget: button }) => {
      const on = button.getAttribute("aria-pressed") !== "true";
      button.setAttribute("aria-pressed", String(on));
      this.viewer.setWireframe(on);
    });
    byId("compare").addEventListener("change", (event) => this.viewer.setShown(event.target.value));
    addEventListener("hashchange", () => this.route());
    await Promise.all([this.meetModel(), this.route()]);
  }

  /** Ask what the deployment can do, until there is a worker that tells. */
  async meetModel() {
    try {
      const { models } = await this.api.json("models");
      if (models.length) {
        const [model] = models;
        byId("model").textContent = `${model.name} ${model.version}`;
        byId("levels").replaceChildren(...drawLevels(model.levels));
        const { categories } = await this.api.json("categories");
        this.forms.offer({ ...model, categories: categories.map(({ name }) => name) });
        return;
      }
      byId("model").textContent = "Waiting for a worker";
    } catch (problem) {
      byId("model").textContent = "Not connected";
      this.notice.show(problem);
      if (!problem.retryable) return;
    }
    setTimeout(() => this.meetModel(), ASK_AGAIN_MS);
  }

  forgetKey() {
    this.api.key = null;
    location.hash = "";
    location.reload(); // nothing of what the key showed may stay
  }

  /** Show what the address names. */
  async route() {
    const turn = this.#takeTurn();
    this.#setJob(null);
    this.notice.clear();
    let id = null;
    try {
      id = idOf(location.hash);
      if (id.startsWith("job_"))
        await this.follow(await this.api.json(`jobs/${encodeURIComponent(id)}`), turn);
      else if (id) await this.open(id, turn);
      else this.welcome();
    } catch (problem) {
      if (problem.name === "AbortError" || this.turn !== turn) return;
      if (this.shape?.id !== id) this.welcome(); // what was shown before is not what the address names
      this.notice.show(problem);
    }
  }

  /** Leave behind what was going on; what begins now asks its turn whether it still is. */
  #takeTurn() {
    this.turn?.abort();
    return (this.turn = new AbortController());
  }

  welcome() {
    this.shape = null;
    document.body.classList.add("empty");
    document.title = "lagem";
    this.#showNothing();
    this.#compare(null);
    this.panel.hide();
    this.strip.hide();
  }

  #showNothing() {
    this.viewer.show(null);
    delete byId("view").dataset.shape;
  }

  /** Look at a shape, and at its family. */
  async open(id, { signal }) {
    const record = await this.library.record(id);
    const [parent] = await this.library.recordsOf(record.parents.slice(0, 1));
    signal.throwIfAborted();
    this.shape = record;
    document.body.classList.remove("empty");
    document.title = `${record.category ?? "shape"} ${record.seed ?? ""} · lagem`;
    const uploaded = this.upload?.shape === id;
    this.panel.show(record, parent, uploaded ? this.upload.name : "mesh.glb");
    const among = this.strip.mark(id);
    await Promise.all([this.#showMesh(record, !among, signal), this.#showFamily(record, among, signal)]);
  }

  async #showMesh(record, anew, signal) {
    if (!this.viewer.works) return;
    const mesh = await this.library.mesh(record).catch((problem) => {
      if (!signal.aborted) this.#showNothing();
      throw problem;
    });
    if (signal.aborted) return;
    this.viewer.show(mesh, { anew: anew && !this.previewed });
    this.previewed = false;
    byId("view").dataset.shape = record.id;
  }

  async #showFamily(record, among, signal) {
    const own = await this.library.tree(record.id);
    const [oldest] = ancestry(own);
    const family = oldest.id === own.id || oldest.expired ? own : await this.library.tree(oldest.id);
    if (signal.aborted) return;
    this.panel.showFamily(own, family);
    this.#compare(this.upload?.shape === oldest.id ? this.upload.mesh : null);
    if (!among) await this.#fillStrip(record, own, signal);
  }

  /** A shape's siblings with their parent; of one without a parent, what was made of it. */
  async #fillStrip(record, own, signal) {
    const [parentId] = record.parents;
    const siblings = parentId ? (await this.library.tree(parentId)).children : own.children;
    const near = siblings.filter((id) => id !== record.id).slice(0, MOST_SIBLINGS - 1);
    const [parent] = parentId ? await this.library.recordsOf([parentId]) : [record];
    const members = await this.library.recordsOf(parentId ? [record.id, ...near] : near);
    if (signal.aborted) return;
    this.strip.show(members, parent, record.id);
    this.strip.mark(record.id);
  }

  generate(query) {
    return this.submit(this.forms.generate, "generate", query);
  }

  resample(query) {
    const { resolution } = this.shape.mesh;
    return this.submit(this.forms.resample, "resample", { ...query, shape: this.shape.id, resolution });
  }

  encode(file, query) {
    return this.submit(this.forms.encode, "encode", { ...query, filename: file.name }, file);
  }

  /** The bytes of an upload, which are looked at beside what becomes of them. */
  async #read(file, { signal }) {
    const buffer = await bytesOf(file);
    signal.throwIfAborted();
    this.upload = { name: file.name, mesh: this.viewer.works ? readMeshFile(buffer) : null, shape: null };
    return buffer;
  }

  /** Send a request, with a file where it needs one, follow its job, show what it made. */
  async submit(form, path, query, file = null) {
    const turn = this.#takeTurn();
    this.notice.clear();
    this.forms.setBusy(true);
    document.querySelector(".stage").scrollIntoView();
    this.progress.sending(file ? "Sending the mesh" : "Asking");
    try {
      const body = file ? await this.#read(file, turn) : undefined;
      // Not aborted with the turn: the service may have taken it, and then its job must be told of.
      const job = await this.api.submit(path, query, body);
      if (turn.signal.aborted) this.#tellOf(job);
      turn.signal.throwIfAborted();
      history.pushState(null, "", `#${job.id}`);
      await this.follow(job, turn, form);
    } catch (problem) {
      if (problem.name === "AbortError" || this.turn !== turn) return;
      this.#setJob(null);
      this.notice.show(problem, form);
    }
  }

  /** A job that was accepted after the user had gone on to something else. */
  #tellOf(job) {
    const detail = "What you asked for before goes on.";
    this.notice.show({ detail, link: [`#${job.id}`, "Follow it"] });
  }

  /** Follow a job to its end, as long as it is its turn; `form` is what asked for it. */
  async follow(job, turn, form = null) {
    const { signal } = turn;
    signal.throwIfAborted();
    this.#setJob(job);
    this.#expect(job);
    for await (const { kind, data } of this.api.events(job.id, signal)) {
      signal.throwIfAborted();
      if (kind === "artifact") this.#preview(data, signal);
      else job = data;
      if (kind === "status" || kind === "progress") this.progress.show(job);
    }
    signal.throwIfAborted();
    if (job.state === "succeeded") await this.#finish(job, turn);
    else this.#giveUp(job, turn, form);
  }

  #expect({ operation, input }) {
    document.body.classList.remove("empty");
    this.previewed = false;
    const parent = operation === "resample" && this.shape?.id === input.parents?.[0] ? this.shape : null;
    if (parent || input.n > 1) this.strip.expect(input.n, parent);
    else this.strip.hide();
  }

  /** A coarse mesh of what is to come. */
  async #preview({ url, sample, resolution }, signal) {
    if (!this.viewer.works) return;
    try {
      const mesh = readGlb(await this.api.bytes(url, signal));
      if (signal.aborted || !this.job || (this.finest[sample] ?? 0) > resolution) return;
      this.finest[sample] = resolution;
      this.strip.preview(sample, mesh);
      if (sample > 0) return;
      this.#compare(null);
      this.viewer.show(mesh, { anew: !this.previewed });
      this.previewed = true;
      byId("view").dataset.shape = "preview";
    } catch {
      // It made way for the finer one: nothing is lost.
    }
  }

  async #finish(job, turn) {
    const shapes = this.library.keep(job);
    const [first] = shapes;
    if (job.operation === "encode" && this.upload) this.upload.shape = first.id;
    const [parent] = await this.library.recordsOf(first.parents.slice(0, 1));
    turn.signal.throwIfAborted();
    this.#setJob(null);
    this.progress.say(`Done: ${plural(shapes.length, "shape")}.`);
    if (parent || shapes.length > 1) this.strip.show(shapes, parent);
    else this.strip.hide();
    history.replaceState(null, "", `#${first.id}`);
    await this.open(first.id, turn);
  }

  #giveUp(job, turn, form) {
    this.#setJob(null);
    const back = this.shape;
    history.replaceState(null, "", back ? `#${back.id}` : location.pathname);
    this.strip.hide();
    if (back) this.open(back.id, turn).catch((problem) => turn.signal.aborted || this.notice.show(problem));
    else this.welcome();
    if (job.state === "canceled" && job.id === this.canceled) this.progress.say("Canceled.");
    else this.notice.show({ ...job.error, request_id: null }, form);
  }

  async cancel() {
    const id = this.job;
    if (!id) return;
    byId("cancel").disabled = true;
    this.canceled = id;
    try {
      await this.api.json(`jobs/${id}`, { method: "DELETE" });
    } catch (problem) {
      if (problem.code !== "job_final") this.notice.show(problem);
    }
  }

  #setJob(job) {
    this.job = job?.id ?? null;
    this.finest = {};
    this.forms.setBusy(job !== null);
    if (job) this.progress.show(job);
    else this.progress.hide();
  }

  #compare(mesh) {
    byId("compare").hidden = !mesh;
    if (this.viewer.input?.mesh === mesh || (!mesh && !this.viewer.input)) return;
    this.viewer.compare(mesh);
    this.viewer.setShown("result");
    document.querySelector("input[name=compare][value=result]").checked = true;
  }
}

new Studio().start();
