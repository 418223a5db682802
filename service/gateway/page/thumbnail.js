// Small pictures of meshes, all drawn by one renderer that is never seen.

import { Camera } from "./camera.js";
import { Renderer } from "./renderer.js";
import { currentLook } from "./viewer.js";

const SIZE = 224;

export class Thumbnails {
  constructor() {
    this.canvas = document.createElement("canvas");
    this.canvas.width = this.canvas.height = SIZE;
    this.renderer = Renderer.on(this.canvas);
  }

  /** Draw a mesh on a canvas of the page. */
  draw(mesh, canvas) {
    if (!this.renderer) return;
    const camera = new Camera();
    camera.frame(mesh);
    const loaded = this.renderer.upload(mesh);
    this.renderer.draw({ solid: loaded, outline: null, camera, look: currentLook() });
    canvas.width = canvas.height = SIZE;
    canvas.getContext("2d").drawImage(this.canvas, 0, 0);
    this.renderer.release(loaded);
    canvas.classList.add("drawn");
  }
}
