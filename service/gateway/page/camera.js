// A camera on a sphere around what it looks at.

import { add, cross, lookAt, normalize, perspective, scale, subtract } from "./matrix.js";

const FIELD_OF_VIEW = 0.5;
const STEEPEST = Math.PI / 2 - 0.02;
const HOME = { yaw: 0.65, pitch: 0.32 };

export class Camera {
  constructor() {
    this.center = [0, 0, 0];
    this.radius = 1;
    this.home();
  }

  /** Fit a mesh into the picture, as far turned, moved and magnified as the last one was. */
  frame({ center, radius }) {
    const moved = scale(subtract(this.target, this.center), (radius || 1) / this.radius);
    this.center = center;
    this.radius = radius || 1;
    this.target = add(center, moved);
  }

  /** See all of it again, from the side that is seen. */
  fit() {
    this.target = [...this.center];
    this.zoom = 1;
  }

  home() {
    Object.assign(this, HOME);
    this.fit();
  }

  orbit(right, up) {
    this.yaw -= right;
    this.pitch = Math.max(-STEEPEST, Math.min(STEEPEST, this.pitch + up));
  }

  /** Shift by parts of the height of the picture. */
  pan(right, up) {
    const back = this.back();
    const side = normalize(cross([0, 1, 0], back));
    const top = cross(back, side);
    const size = (2 * this.radius) / this.zoom;
    this.target = add(this.target, add(scale(side, -right * size), scale(top, -up * size)));
  }

  magnify(factor) {
    this.zoom = Math.max(0.2, Math.min(40, this.zoom * factor));
  }

  /** From the target to the camera. */
  back() {
    const flat = Math.cos(this.pitch);
    return [flat * Math.sin(this.yaw), Math.sin(this.pitch), flat * Math.cos(this.yaw)];
  }

  /** What shaders need to know, for a picture of this aspect (width by height). */
  matrices(aspect) {
    const narrow = Math.min(1, aspect);
    const angle = Math.atan(Math.tan(FIELD_OF_VIEW / 2) * narrow);
    const distance = (this.radius * 1.08) / Math.sin(angle) / this.zoom;
    const eye = add(this.target, scale(this.back(), distance));
    const reach = distance + Math.hypot(...subtract(this.target, this.center));
    const near = Math.max(reach * 0.002, distance - this.radius * 2.5);
    const far = reach + this.radius * 4;
    return {
      eye,
      near,
      far,
      view: lookAt(eye, this.target, [0, 1, 0]),
      projection: perspective(FIELD_OF_VIEW, aspect, near, far),
    };
  }
}
