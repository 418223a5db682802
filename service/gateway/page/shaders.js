// GLSL: clay under a soft light, darker in its corners, on its shadow.

const HEAD = "#version 300 es\nprecision highp float;\n";

export const CLAY_VERTEX = `${HEAD}
in vec3 position;
in vec3 normal;
uniform mat4 view, projection;
out vec3 viewNormal, viewPosition;
out float up;
void main() {
  vec4 seen = view * vec4(position, 1.0);
  viewPosition = seen.xyz;
  viewNormal = mat3(view) * normal;
  up = normal.y;
  gl_Position = projection * seen;
}`;

export const CLAY_FRAGMENT = `${HEAD}
in vec3 viewNormal, viewPosition;
in float up;
uniform vec3 clay;
uniform float near, far, radius, pixels;
uniform sampler2D depths;
out vec4 color;

float distanceAt(vec2 place) {
  float depth = texture(depths, place).r * 2.0 - 1.0;
  return 2.0 * near * far / (far + near - depth * (far - near));
}

// How much of the sky near a point is hidden, from the depths around it.
float hidden(vec3 normal) {
  vec2 size = vec2(textureSize(depths, 0));
  float turn = 6.2832 * fract(52.9829 * fract(dot(gl_FragCoord.xy, vec2(0.0671, 0.00584))));
  float own = -viewPosition.z;
  float reach = 0.22 * radius;
  float sum = 0.0;
  for (int i = 0; i < 14; i++) {
    float part = (float(i) + 0.5) / 14.0;
    float angle = turn + float(i) * 2.4;
    vec2 offset = vec2(cos(angle), sin(angle)) * part * reach;
    vec2 place = (gl_FragCoord.xy + offset * pixels / own) / size;
    float there = distanceAt(place);
    vec3 ray = vec3(offset, own - there);
    float length2 = dot(ray, ray);
    float above = dot(normal, ray) * inversesqrt(length2 + 1e-9);
    sum += max(0.0, above - 0.15) * (1.0 - smoothstep(0.4, 1.0, sqrt(length2) / reach));
  }
  return sum / 14.0;
}

void main() {
  vec3 normal = normalize(viewNormal);
  float side = gl_FrontFacing ? 1.0 : -1.0;
  normal *= side;
  vec3 toEye = normalize(-viewPosition);
  float key = max(dot(normal, normalize(vec3(-0.45, 0.75, 0.55))), 0.0);
  float fill = max(dot(normal, normalize(vec3(0.8, 0.1, 0.45))), 0.0);
  float rim = pow(1.0 - max(dot(normal, toEye), 0.0), 3.0);
  float sky = 0.5 + 0.5 * up * side;
  vec3 ambient = mix(vec3(0.38, 0.355, 0.335), vec3(0.60, 0.61, 0.64), sky);
  vec3 light = ambient + key * vec3(0.50, 0.48, 0.45) + fill * vec3(0.10, 0.11, 0.13);
  float open = clamp(1.0 - 1.7 * hidden(normal), 0.25, 1.0);
  vec3 shade = clay * light * mix(vec3(0.62, 0.50, 0.44), vec3(1.0), open) * mix(0.75, 1.0, open);
  color = vec4(shade + rim * 0.06, 1.0);
}`;

export const DEPTH_FRAGMENT = `${HEAD}
void main() {}`;

export const LINE_FRAGMENT = `${HEAD}
uniform vec4 ink;
out vec4 color;
void main() { color = vec4(ink.rgb * ink.a, ink.a); }`;

// The mesh from above, onto the ground: the nearer to it, the darker.
export const SHADOW_VERTEX = `${HEAD}
in vec3 position;
uniform vec3 base;
uniform float span, height;
out float above;
void main() {
  above = (position.y - base.y) / height;
  gl_Position = vec4((position.x - base.x) / span, (position.z - base.z) / span, 0.0, 1.0);
}`;

export const SHADOW_FRAGMENT = `${HEAD}
in float above;
out vec4 color;
void main() {
  float near = 1.0 - clamp(above, 0.0, 1.0);
  color = vec4(0.18 + 0.82 * near * near * near * near);
}`;

export const SCREEN_VERTEX = `${HEAD}
out vec2 place;
void main() {
  place = vec2(gl_VertexID & 1, gl_VertexID >> 1) * 2.0;
  gl_Position = vec4(place * 2.0 - 1.0, 0.0, 1.0);
}`;

export const BLUR_FRAGMENT = `${HEAD}
in vec2 place;
uniform sampler2D image;
uniform vec2 stride;
out vec4 color;
void main() {
  float sum = 0.0, weights = 0.0;
  for (int i = -8; i <= 8; i++) {
    float weight = exp(-float(i * i) / 28.0);
    sum += weight * texture(image, place + float(i) * stride).r;
    weights += weight;
  }
  color = vec4(sum / weights);
}`;

export const GROUND_VERTEX = `${HEAD}
uniform mat4 view, projection;
uniform vec3 base;
uniform float span;
out vec2 place;
void main() {
  vec2 corner = vec2(gl_VertexID & 1, gl_VertexID >> 1);
  place = corner;
  vec2 flat2 = (corner * 2.0 - 1.0) * span;
  gl_Position = projection * view * vec4(base.x + flat2.x, base.y, base.z + flat2.y, 1.0);
}`;

export const GROUND_FRAGMENT = `${HEAD}
in vec2 place;
uniform sampler2D image;
uniform float strength;
out vec4 color;
void main() { color = vec4(0.0, 0.0, 0.0, texture(image, place).r * strength); }`;
