const FIELD = Math.tan((20 * Math.PI) / 180); // half the field of view
const AT_REST = 3.1;
const CLOSEST = 0.08;
const FARTHEST = 12;
const NEAR = 0.02;
const FILLED = 0.84; // of the frame, at first
const SHRINKING = 0.6; // points grow slower than distances when zooming in, so that they come apart

/** A camera that orbits a target. Flat: it looks straight down on the plane z = 0 and does not turn. */
export class Camera {
  constructor(flat) {
    this.flat = flat;
    this.width = this.height = 1;
  }

  /** The first view: all places in the frame. */
  reset(places) {
    this.isFirst = true;
    [this.yaw, this.pitch] = this.flat ? [0, Math.PI / 2] : [-0.7, 0.35];
    this.target = [0, 0, 0];
    this.distance = AT_REST;
    this.aim();
    for (let round = 0; round < 3; round++) this.fit(places);
    this.isFirst = true;
  }

  /** Come nearer to where the box around all places fills the frame. */
  fit(places) {
    const screen = this.project(places, new Float32Array(places.length));
    const [low, high] = [[Infinity, Infinity], [-Infinity, -Infinity]];
    for (let at = 0; at < screen.length; at++) {
      if (at % 3 === 2) continue;
      low[at % 3] = Math.min(low[at % 3], screen[at]);
      high[at % 3] = Math.max(high[at % 3], screen[at]);
    }
    const [x, y] = [0, 1].map((axis) => (low[axis] + high[axis]) / 2);
    this.move(this.width / 2 - x, this.height / 2 - y);
    this.zoom(Math.min(FILLED * this.width / (high[0] - low[0] + 1), FILLED * this.height / (high[1] - low[1] + 1), 2));
  }

  /** Right, up and forward as unit vectors. */
  aim() {
    const [cy, sy, cp, sp] = [Math.cos(this.yaw), Math.sin(this.yaw), Math.cos(this.pitch), Math.sin(this.pitch)];
    this.right = [cy, sy, 0];
    this.up = [-sy * sp, cy * sp, cp];
    this.forward = [-sy * cp, cy * cp, -sp];
  }

  /** Pixels a unit at distance 1. The narrower side decides, so that the whole map is in view at rest. */
  get focal() {
    return Math.min(this.width, this.height * 1.15) / 2 / FIELD;
  }

  /** @param {number} dx pixels dragged */
  turn(dx, dy) {
    if (this.flat) return this.move(dx, dy);
    this.isFirst = false;
    this.yaw -= dx * 0.008;
    this.pitch = Math.min(1.55, Math.max(-1.55, this.pitch + dy * 0.008));
    this.aim();
  }

  move(dx, dy) {
    this.isFirst = false;
    const scale = this.distance / this.focal;
    this.target = this.target.map((at, axis) => at + scale * (dy * this.up[axis] - dx * this.right[axis]));
  }

  /** Come nearer by a factor; what is under the pixel (from the middle) stays there. */
  zoom(factor, x = 0, y = 0) {
    const before = this.distance;
    this.distance = Math.min(FARTHEST, Math.max(CLOSEST, before / factor));
    const share = this.distance / before - 1;
    this.move((x * share * before) / this.distance, (y * share * before) / this.distance);
  }

  /** Look at a place [x, y, z], at least so near. */
  look(place, distance = 0.9) {
    this.isFirst = false;
    this.target = [...place];
    this.distance = Math.min(this.distance, distance);
  }

  /** Pixels of a unit-sized point at a depth. */
  scale(depth) {
    return (this.focal / AT_REST) * (AT_REST / depth) ** SHRINKING;
  }

  get shrinking() {
    return { atRest: AT_REST, power: SHRINKING, near: NEAR };
  }

  /**
   * Where points stand on the screen.
   * @param {Float32Array} places [n, 3]
   * @param {Float32Array} out [n, 3]: x, y in pixels and depth; depth 0 behind the camera
   */
  project(places, out) {
    const { right: r, up: u, forward: f, target: t, distance, focal } = this;
    const [cx, cy] = [this.width / 2, this.height / 2];
    for (let at = 0; at < places.length; at += 3) {
      const x = places[at] - t[0];
      const y = places[at + 1] - t[1];
      const z = places[at + 2] - t[2];
      const depth = x * f[0] + y * f[1] + z * f[2] + distance;
      const scale = focal / depth;
      out[at] = cx + scale * (x * r[0] + y * r[1] + z * r[2]);
      out[at + 1] = cy - scale * (x * u[0] + y * u[1] + z * u[2]);
      out[at + 2] = depth > NEAR ? depth : 0;
    }
    return out;
  }
}
