const VERTEX = `#version 300 es
layout(location = 0) in vec3 place;
layout(location = 1) in vec4 colour; // alpha: 0 hidden, about a half dimmed, 1 shown
layout(location = 2) in float diameter;
uniform vec3 right, up, forward, target, background;
uniform vec2 size; // of the canvas, in pixels
uniform float distance_, focal, atRest, power, near, fog;
uniform bool dimmed;
out vec3 shade;
out float rim;
void main() {
  vec3 at = place - target;
  float depth = dot(at, forward) + distance_;
  bool drawn = depth > near && (dimmed ? colour.a > 0.25 && colour.a < 0.75 : colour.a > 0.75);
  gl_Position = drawn
    ? vec4(2.0 * focal * vec2(dot(at, right), dot(at, up)) / size, depth - 2.0 * near, depth)
    : vec4(2.0, 2.0, 2.0, 1.0);
  gl_PointSize = max(2.0, (dimmed ? 0.7 : 1.0) * diameter * focal / atRest * pow(atRest / max(depth, near), power));
  rim = dimmed ? 1.0 : 0.8;
  shade = mix(colour.rgb, background, fog * smoothstep(-0.9, 1.3, depth - distance_));
}`;
const FRAGMENT = `#version 300 es
precision mediump float;
in vec3 shade;
in float rim;
out vec4 pixel;
void main() {
  vec2 at = 2.0 * gl_PointCoord - 1.0;
  float r = dot(at, at);
  if (r > 1.0) discard;
  pixel = vec4(shade * (r > 0.62 ? rim : 1.0), 1.0);
}`;
const UNIFORMS = [
  ...["right", "up", "forward", "target", "background", "size"],
  ...["distance_", "focal", "atRest", "power", "near", "fog", "dimmed"],
];

/** Round, opaque, depth-tested points by WebGL2. */
export class WebglPoints {
  /** @returns {WebglPoints|null} null where there is no WebGL2 */
  static on(canvas) {
    const gl = canvas.getContext("webgl2", { antialias: false, alpha: false, powerPreference: "high-performance" });
    return gl && new WebglPoints(canvas, gl);
  }

  constructor(canvas, gl) {
    this.canvas = canvas;
    this.gl = gl;
    canvas.addEventListener("webglcontextlost", (event) => event.preventDefault());
    canvas.addEventListener("webglcontextrestored", () => {
      this.start();
      this.load(this.points);
      this.onRestored?.();
    });
    this.start();
  }

  start() {
    const { gl } = this;
    const program = gl.createProgram();
    for (const [kind, source] of [[gl.VERTEX_SHADER, VERTEX], [gl.FRAGMENT_SHADER, FRAGMENT]]) {
      const shader = gl.createShader(kind);
      gl.shaderSource(shader, source);
      gl.compileShader(shader);
      gl.attachShader(program, shader);
    }
    gl.linkProgram(program);
    if (!gl.getProgramParameter(program, gl.LINK_STATUS)) throw new Error(gl.getProgramInfoLog(program));
    gl.useProgram(program);
    gl.enable(gl.DEPTH_TEST);
    gl.depthFunc(gl.LEQUAL);
    this.at = Object.fromEntries(UNIFORMS.map((name) => [name, gl.getUniformLocation(program, name)]));
    this.buffers = [3, 4, 1].map((width, location) => {
      const buffer = gl.createBuffer();
      gl.bindBuffer(gl.ARRAY_BUFFER, buffer);
      gl.enableVertexAttribArray(location);
      gl.vertexAttribPointer(location, width, width === 4 ? gl.UNSIGNED_BYTE : gl.FLOAT, width === 4, 0, 0);
      return buffer;
    });
  }

  /** @param {{places: Float32Array, colours: Uint8Array, diameters: Float32Array, anyDimmed: boolean}} points */
  load(points) {
    const { gl } = this;
    [points.places, points.colours, points.diameters].forEach((values, location) => {
      if (this.points?.[location] === values) return;
      gl.bindBuffer(gl.ARRAY_BUFFER, this.buffers[location]);
      gl.bufferData(gl.ARRAY_BUFFER, values, gl.DYNAMIC_DRAW);
    });
    this.points = points;
  }

  /** @param {number} resolution canvas pixels a CSS pixel */
  draw(camera, background, resolution) {
    const { gl, canvas, at, points } = this;
    const [width, height] = [camera.width, camera.height].map((side) => Math.round(side * resolution));
    if (canvas.width !== width || canvas.height !== height) [canvas.width, canvas.height] = [width, height];
    const [red, green, blue] = background.map((value) => value / 255);
    gl.viewport(0, 0, width, height);
    gl.clearColor(red, green, blue, 1);
    for (const name of ["right", "up", "forward", "target"]) gl.uniform3fv(at[name], camera[name]);
    for (const [name, value] of Object.entries(camera.shrinking)) gl.uniform1f(at[name], value);
    gl.uniform3f(at.background, red, green, blue);
    gl.uniform2f(at.size, width, height);
    gl.uniform1f(at.distance_, camera.distance);
    gl.uniform1f(at.focal, camera.focal * resolution);
    gl.uniform1f(at.fog, camera.flat ? 0 : 0.45);
    gl.clear(gl.COLOR_BUFFER_BIT | gl.DEPTH_BUFFER_BIT);
    if (points.anyDimmed) {
      this.pass(true);
      gl.clear(gl.DEPTH_BUFFER_BIT); // what is highlighted stands before what is not
    }
    this.pass(false);
  }

  pass(dimmed) {
    this.gl.uniform1i(this.at.dimmed, dimmed ? 1 : 0);
    this.gl.drawArrays(this.gl.POINTS, 0, this.points.diameters.length);
  }
}
