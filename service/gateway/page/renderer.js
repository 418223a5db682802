// Draws meshes with WebGL: on a canvas of any size, one picture at a time.

import { edgesOf } from "./mesh.js";
import * as shaders from "./shaders.js";

const SHADOW_SIZE = 256;
const SHADOW_SPAN = 1.5; // of the mesh's extent, so that the blur has room

export class Renderer {
  /** Null where the browser has no WebGL. */
  static on(canvas) {
    const gl = canvas.getContext("webgl2", { alpha: true, antialias: true });
    return gl && new Renderer(gl);
  }

  constructor(gl) {
    this.gl = gl;
    this.clay = program(gl, shaders.CLAY_VERTEX, shaders.CLAY_FRAGMENT);
    this.depth = program(gl, shaders.CLAY_VERTEX, shaders.DEPTH_FRAGMENT);
    this.line = program(gl, shaders.CLAY_VERTEX, shaders.LINE_FRAGMENT);
    this.shadow = program(gl, shaders.SHADOW_VERTEX, shaders.SHADOW_FRAGMENT);
    this.blur = program(gl, shaders.SCREEN_VERTEX, shaders.BLUR_FRAGMENT);
    this.ground = program(gl, shaders.GROUND_VERTEX, shaders.GROUND_FRAGMENT);
    this.depths = null;
    gl.enable(gl.DEPTH_TEST);
  }

  /** A mesh on the graphics card, to be given to `draw`, and at last to `release`. */
  upload(mesh) {
    const { gl } = this;
    const buffers = [buffer(gl, mesh.positions), buffer(gl, mesh.normals)];
    const faces = vertexArray(gl, buffers, mesh.indices);
    const loaded = { mesh, buffers, faces, lines: null, shadow: null };
    loaded.shadow = this.#castShadow(loaded);
    return loaded;
  }

  release({ buffers, faces, lines, shadow }) {
    const { gl } = this;
    for (const held of buffers) gl.deleteBuffer(held);
    for (const array of [faces, lines].filter(Boolean)) {
      gl.deleteBuffer(array.indices);
      gl.deleteVertexArray(array.vao);
    }
    gl.deleteTexture(shadow.texture);
  }

  /**
   * Draw one picture.
   *
   * solid: a loaded mesh, as clay. outline: a loaded mesh whose edges are drawn, over the solid
   * where there is one. look: {clay, ink, outline, shadow}, colours from 0 to 1.
   */
  draw({ solid, outline, camera, look }) {
    const { gl } = this;
    const { width, height } = gl.canvas;
    const seen = camera.matrices(width / height);
    seen.pixels = (height / 2) * seen.projection[5];
    if (solid) this.#drawDepths(solid, seen, width, height);
    gl.bindFramebuffer(gl.FRAMEBUFFER, null);
    gl.viewport(0, 0, width, height);
    gl.clearColor(0, 0, 0, 0);
    gl.clear(gl.COLOR_BUFFER_BIT | gl.DEPTH_BUFFER_BIT);
    if (solid) this.#drawClay(solid, seen, camera.radius, look);
    if (outline) this.#drawLines(outline, seen, outline === solid ? look.ink : look.outline);
    const standing = solid ?? outline;
    if (standing && seen.eye[1] > standing.shadow.base[1]) this.#drawGround(standing, seen, look);
  }

  #drawDepths(solid, seen, width, height) {
    const { gl } = this;
    if (this.depths?.width !== width || this.depths?.height !== height) {
      if (this.depths) {
        gl.deleteTexture(this.depths.texture);
        gl.deleteFramebuffer(this.depths.framebuffer);
      }
      this.depths = depthTarget(gl, width, height);
    }
    gl.bindFramebuffer(gl.FRAMEBUFFER, this.depths.framebuffer);
    gl.viewport(0, 0, width, height);
    gl.clear(gl.DEPTH_BUFFER_BIT);
    this.depth.use({ view: seen.view, projection: seen.projection });
    solid.faces.draw(gl.TRIANGLES);
  }

  #drawClay(solid, seen, radius, { clay }) {
    const { gl } = this;
    gl.activeTexture(gl.TEXTURE0);
    gl.bindTexture(gl.TEXTURE_2D, this.depths.texture);
    gl.enable(gl.POLYGON_OFFSET_FILL);
    gl.polygonOffset(1, 1);
    this.clay.use({ ...seen, radius, clay, depths: 0 });
    solid.faces.draw(gl.TRIANGLES);
    gl.disable(gl.POLYGON_OFFSET_FILL);
  }

  #drawLines(loaded, seen, ink) {
    const { gl } = this;
    loaded.lines ??= vertexArray(gl, loaded.buffers, edgesOf(loaded.mesh.indices));
    gl.enable(gl.BLEND);
    gl.blendFunc(gl.ONE, gl.ONE_MINUS_SRC_ALPHA);
    this.line.use({ view: seen.view, projection: seen.projection, ink });
    loaded.lines.draw(gl.LINES);
    gl.disable(gl.BLEND);
  }

  #drawGround({ shadow }, seen, look) {
    const { gl } = this;
    gl.activeTexture(gl.TEXTURE0);
    gl.bindTexture(gl.TEXTURE_2D, shadow.texture);
    gl.enable(gl.BLEND);
    gl.blendFunc(gl.ONE, gl.ONE_MINUS_SRC_ALPHA);
    gl.depthMask(false);
    const { base, span } = shadow;
    this.ground.use({ ...seen, base, span, image: 0, strength: look.shadow });
    gl.bindVertexArray(null);
    gl.drawArrays(gl.TRIANGLE_STRIP, 0, 4);
    gl.depthMask(true);
    gl.disable(gl.BLEND);
  }

  /** The soft shadow of a mesh on the ground beneath it. */
  #castShadow({ mesh, faces }) {
    const { gl } = this;
    const { low, high, center } = mesh;
    const base = [center[0], low[1], center[2]];
    const span = (Math.max(high[0] - low[0], high[2] - low[2]) / 2 || 1) * SHADOW_SPAN;
    const height = high[1] - low[1] || 1;
    const [first, second] = [colorTarget(gl, SHADOW_SIZE), colorTarget(gl, SHADOW_SIZE)];
    gl.disable(gl.DEPTH_TEST);
    gl.viewport(0, 0, SHADOW_SIZE, SHADOW_SIZE);
    gl.bindFramebuffer(gl.FRAMEBUFFER, first.framebuffer);
    gl.clearColor(0, 0, 0, 0);
    gl.clear(gl.COLOR_BUFFER_BIT);
    gl.enable(gl.BLEND);
    gl.blendEquation(gl.MAX);
    this.shadow.use({ base, span, height });
    faces.draw(gl.TRIANGLES);
    gl.blendEquation(gl.FUNC_ADD);
    gl.disable(gl.BLEND);
    gl.bindVertexArray(null);
    gl.activeTexture(gl.TEXTURE0);
    const step = 1.6 / SHADOW_SIZE;
    for (const [from, to, stride] of [[first, second, [step, 0]], [second, first, [0, step]]]) {
      gl.bindFramebuffer(gl.FRAMEBUFFER, to.framebuffer);
      gl.bindTexture(gl.TEXTURE_2D, from.texture);
      this.blur.use({ image: 0, stride });
      gl.drawArrays(gl.TRIANGLES, 0, 3);
    }
    gl.enable(gl.DEPTH_TEST);
    for (const { framebuffer } of [first, second]) gl.deleteFramebuffer(framebuffer);
    gl.deleteTexture(second.texture);
    return { texture: first.texture, base, span };
  }
}

function program(gl, vertexSource, fragmentSource) {
  const handle = gl.createProgram();
  for (const [kind, source] of [[gl.VERTEX_SHADER, vertexSource], [gl.FRAGMENT_SHADER, fragmentSource]]) {
    const shader = gl.createShader(kind);
    gl.shaderSource(shader, source);
    gl.compileShader(shader);
    gl.attachShader(handle, shader);
  }
  gl.bindAttribLocation(handle, 0, "position");
  gl.bindAttribLocation(handle, 1, "normal");
  gl.linkProgram(handle);
  if (!gl.getProgramParameter(handle, gl.LINK_STATUS) && !gl.isContextLost())
    throw new Error(`A shader does not link: ${gl.getProgramInfoLog(handle)}`);
  const uniforms = uniformsOf(gl, handle);
  const use = (values) => {
    gl.useProgram(handle);
    for (const [name, set] of uniforms) set(values[name]);
  };
  return { use };
}

function uniformsOf(gl, handle) {
  const setters = {
    [gl.FLOAT]: (at) => (value) => gl.uniform1f(at, value),
    [gl.FLOAT_VEC2]: (at) => (value) => gl.uniform2fv(at, value),
    [gl.FLOAT_VEC3]: (at) => (value) => gl.uniform3fv(at, value),
    [gl.FLOAT_VEC4]: (at) => (value) => gl.uniform4fv(at, value),
    [gl.FLOAT_MAT4]: (at) => (value) => gl.uniformMatrix4fv(at, false, value),
    [gl.SAMPLER_2D]: (at) => (value) => gl.uniform1i(at, value),
  };
  const count = gl.getProgramParameter(handle, gl.ACTIVE_UNIFORMS);
  return Array.from({ length: count }, (_, i) => {
    const { name, type } = gl.getActiveUniform(handle, i);
    return [name, setters[type](gl.getUniformLocation(handle, name))];
  });
}

function buffer(gl, data, target = gl.ARRAY_BUFFER) {
  const handle = gl.createBuffer();
  gl.bindBuffer(target, handle);
  gl.bufferData(target, data, gl.STATIC_DRAW);
  return handle;
}

function vertexArray(gl, attributes, data) {
  const vao = gl.createVertexArray();
  gl.bindVertexArray(vao);
  for (const [index, held] of attributes.entries()) {
    gl.bindBuffer(gl.ARRAY_BUFFER, held);
    gl.enableVertexAttribArray(index);
    gl.vertexAttribPointer(index, 3, gl.FLOAT, false, 0, 0);
  }
  const indices = buffer(gl, data, gl.ELEMENT_ARRAY_BUFFER);
  gl.bindVertexArray(null);
  const draw = (mode) => {
    gl.bindVertexArray(vao);
    gl.drawElements(mode, data.length, gl.UNSIGNED_INT, 0);
  };
  return { vao, indices, draw };
}

function colorTarget(gl, size) {
  const texture = gl.createTexture();
  gl.bindTexture(gl.TEXTURE_2D, texture);
  gl.texStorage2D(gl.TEXTURE_2D, 1, gl.RGBA8, size, size);
  smoothly(gl, gl.LINEAR);
  return { texture, framebuffer: framebuffer(gl, gl.COLOR_ATTACHMENT0, texture) };
}

function depthTarget(gl, width, height) {
  const texture = gl.createTexture();
  gl.bindTexture(gl.TEXTURE_2D, texture);
  gl.texStorage2D(gl.TEXTURE_2D, 1, gl.DEPTH_COMPONENT24, width, height);
  smoothly(gl, gl.NEAREST);
  return { width, height, texture, framebuffer: framebuffer(gl, gl.DEPTH_ATTACHMENT, texture) };
}

function smoothly(gl, filter) {
  gl.texParameteri(gl.TEXTURE_2D, gl.TEXTURE_MIN_FILTER, filter);
  gl.texParameteri(gl.TEXTURE_2D, gl.TEXTURE_MAG_FILTER, filter);
  gl.texParameteri(gl.TEXTURE_2D, gl.TEXTURE_WRAP_S, gl.CLAMP_TO_EDGE);
  gl.texParameteri(gl.TEXTURE_2D, gl.TEXTURE_WRAP_T, gl.CLAMP_TO_EDGE);
}

function framebuffer(gl, attachment, texture) {
  const handle = gl.createFramebuffer();
  gl.bindFramebuffer(gl.FRAMEBUFFER, handle);
  gl.framebufferTexture2D(gl.FRAMEBUFFER, attachment, gl.TEXTURE_2D, texture, 0);
  return handle;
}
