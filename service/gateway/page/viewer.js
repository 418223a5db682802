// The stage: a canvas in which one shape is looked at, with mouse, touch and keyboard.

import { Camera } from "./camera.js";
import { Renderer } from "./renderer.js";

const TURN = 0.0075; // radians a pixel
const KEY_TURN = 0.12;
const KEY_PAN = 0.06;

export const LIGHT_LOOK = {
  clay: [0.86, 0.815, 0.77],
  ink: [0.16, 0.13, 0.11, 0.22],
  outline: [0.62, 0.23, 0.11, 0.5],
  shadow: 0.5,
};
export const DARK_LOOK = {
  clay: [0.8, 0.755, 0.71],
  ink: [0.05, 0.04, 0.04, 0.28],
  outline: [1, 0.6, 0.46, 0.55],
  shadow: 0.75,
};

export function currentLook() {
  return matchMedia("(prefers-color-scheme: dark)").matches ? DARK_LOOK : LIGHT_LOOK;
}

export class Viewer {
  constructor(canvas) {
    this.canvas = canvas;
    this.renderer = Renderer.on(canvas);
    this.camera = new Camera();
    this.result = null;
    this.input = null;
    this.shown = "result";
    this.wireframe = false;
    this.pointers = new Map();
    if (!this.renderer) return;
    this.#listen();
    new ResizeObserver(() => this.#fit()).observe(canvas);
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => this.redraw());
  }

  get works() {
    return this.renderer !== null;
  }

  /** Show a mesh; `anew` looks at all of it and turns it into view. Null clears the stage. */
  show(mesh, { anew = false } = {}) {
    if (!this.works) return;
    this.result = this.#replaced(this.result, mesh);
    if (mesh) this.camera.frame(mesh);
    if (mesh && anew) {
      this.camera.fit();
      this.#turnIn();
    }
    this.redraw();
  }

  /** The upload that the result was made from, to be compared with; null for none. */
  compare(mesh) {
    if (!this.works) return;
    this.input = this.#replaced(this.input, mesh);
    this.shown = mesh ? this.shown : "result";
    this.redraw();
  }

  setShown(what) {
    this.shown = what;
    this.redraw();
  }

  setWireframe(on) {
    this.wireframe = on;
    this.redraw();
  }

  home() {
    this.camera.home();
    this.redraw();
  }

  redraw() {
    if (!this.works || this.waiting) return;
    this.waiting = requestAnimationFrame(() => {
      this.waiting = 0;
      this.#draw();
    });
  }

  #draw() {
    const solid = this.shown === "input" ? this.input : this.result;
    let outline = this.wireframe ? solid : null;
    if (this.shown === "both") outline = this.input;
    this.renderer.draw({ solid, outline, camera: this.camera, look: currentLook() });
  }

  #replaced(old, mesh) {
    if (old) this.renderer.release(old);
    return mesh && this.renderer.upload(mesh);
  }

  #fit() {
    const sharpness = Math.min(devicePixelRatio, 2);
    this.canvas.width = Math.max(1, Math.round(this.canvas.clientWidth * sharpness));
    this.canvas.height = Math.max(1, Math.round(this.canvas.clientHeight * sharpness));
    cancelAnimationFrame(this.waiting);
    this.waiting = 0;
    this.#draw();
  }

  #turnIn() {
    if (matchMedia("(prefers-reduced-motion: reduce)").matches) return;
    const began = performance.now();
    const turning = (this.turning = Symbol("turn"));
    let left = 0.5;
    this.camera.orbit(left, 0);
    const step = (now) => {
      if (this.turning !== turning) return;
      const part = Math.min(1, (now - began) / 900);
      const rest = 0.5 * (1 - part) ** 3;
      this.camera.orbit(rest - left, 0);
      left = rest;
      this.redraw();
      if (part < 1) requestAnimationFrame(step);
    };
    requestAnimationFrame(step);
  }

  #listen() {
    const { canvas } = this;
    canvas.addEventListener("pointerdown", (event) => {
      this.turning = null;
      canvas.setPointerCapture(event.pointerId);
      this.pointers.set(event.pointerId, event);
    });
    canvas.addEventListener("pointermove", (event) => this.#drag(event));
    for (const end of ["pointerup", "pointercancel", "lostpointercapture"])
      canvas.addEventListener(end, (event) => this.pointers.delete(event.pointerId));
    canvas.addEventListener("contextmenu", (event) => event.preventDefault());
    canvas.addEventListener("dblclick", () => this.home());
    canvas.addEventListener("keydown", (event) => this.#press(event));
    canvas.addEventListener(
      "wheel",
      (event) => {
        event.preventDefault();
        this.camera.magnify(Math.exp(-event.deltaY * (event.deltaMode ? 0.04 : 0.0015)));
        this.redraw();
      },
      { passive: false },
    );
    canvas.addEventListener("webglcontextlost", (event) => event.preventDefault());
    canvas.addEventListener("webglcontextrestored", () => this.#restore());
  }

  #drag(event) {
    const before = this.pointers.get(event.pointerId);
    if (!before) return;
    const height = this.canvas.clientHeight;
    const right = event.clientX - before.clientX;
    const down = event.clientY - before.clientY;
    if (this.pointers.size === 1) {
      if (event.buttons & 6 || event.shiftKey) this.camera.pan(right / height, -down / height);
      else this.camera.orbit(right * TURN, down * TURN);
    } else {
      const [other] = [...this.pointers.values()].filter((p) => p.pointerId !== event.pointerId);
      const apart = (p) => Math.hypot(p.clientX - other.clientX, p.clientY - other.clientY) || 1;
      this.camera.magnify(apart(event) / apart(before));
      this.camera.pan(right / 2 / height, -down / 2 / height);
    }
    this.pointers.set(event.pointerId, event);
    this.redraw();
  }

  #press(event) {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const arrows = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, 1], ArrowDown: [0, -1] };
    const arrow = arrows[event.key];
    if (arrow && event.shiftKey) this.camera.pan(arrow[0] * KEY_PAN, arrow[1] * KEY_PAN);
    else if (arrow) this.camera.orbit(-arrow[0] * KEY_TURN, arrow[1] * KEY_TURN);
    else if (event.key === "+" || event.key === "=") this.camera.magnify(1.15);
    else if (event.key === "-") this.camera.magnify(1 / 1.15);
    else if (event.key === "0" || event.key === "Home") this.camera.home();
    else return;
    this.turning = null;
    event.preventDefault();
    this.redraw();
  }

  #restore() {
    const meshes = [this.result?.mesh, this.input?.mesh];
    this.renderer = Renderer.on(this.canvas);
    [this.result, this.input] = meshes.map((mesh) => mesh && this.renderer.upload(mesh));
    this.redraw();
  }
}
