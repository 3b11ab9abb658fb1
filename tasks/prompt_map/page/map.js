import { Camera } from "./camera.js";
import { CanvasPoints } from "./canvas.js";
import { medoids } from "./data.js";
import { WebglPoints } from "./webgl.js";
import { pointAt, pointsWithin } from "./pick.js";

const STILL = 160; // milliseconds without movement after which the map is drawn fine
const SLOW = 24; // milliseconds a frame above which moving frames are drawn coarse
const FINENESS = { still: 2, moving: 1, slow: 0.7 };
const DIAMETER = 0.27; // of a point of weight 1, times the cube root of how many there are
const [THINNEST, THICKEST] = [0.45, 3.2]; // times that diameter

/** The map as it is drawn: two views of the same points, in space and flat; without WebGL the flat one only. */
export class PromptMap {
  /** @param {() => void} onDrawn called after each frame */
  constructor(canvas, data, onDrawn) {
    const webgl = WebglPoints.on(canvas);
    this.hasWebgl = webgl !== null;
    this.painter = webgl ?? new CanvasPoints(canvas);
    this.painter.onRestored = () => this.invalidate();
    this.data = data;
    this.onDrawn = onDrawn;
    this.cameras = { solid: new Camera(false), flat: new Camera(true) };
    this.labelled = Object.fromEntries(
      ["solid", "flat"].map((view) => [view, medoids(data[view], data.cluster, data.clusters.length)]),
    );
    this.screen = new Float32Array(3 * data.n);
    this.colours = new Uint8Array(4 * data.n);
    this.diameters = new Float32Array(data.n).fill(DIAMETER / Math.cbrt(data.n));
    this.show(this.hasWebgl ? "solid" : "flat");
    new ResizeObserver(() => this.resize(canvas)).observe(canvas.parentElement);
    this.resize(canvas);
  }

  get camera() {
    return this.cameras[this.view];
  }

  /** @param {"solid"|"flat"} view */
  show(view) {
    this.view = view;
    this.load();
  }

  /** A point's area follows its weight. @param {Float32Array} weight */
  weigh(weight) {
    const one = DIAMETER / Math.cbrt(weight.length);
    this.diameters = weight.map((of) => one * Math.min(THICKEST, Math.max(THINNEST, Math.sqrt(of))));
    this.load();
  }

  /** @param {Uint8Array} colours [n, 4], alpha 0 hidden, 128 dimmed, 255 shown  @param {number[]} background */
  paint(colours, background) {
    this.colours = colours;
    this.background = background;
    this.load();
  }

  load() {
    const anyDimmed = this.colours.some((value, at) => at % 4 === 3 && value === 128);
    this.painter.load({ places: this.data[this.view], colours: this.colours, diameters: this.diameters, anyDimmed });
    this.invalidate();
  }

  resize(canvas) {
    const { clientWidth, clientHeight } = canvas.parentElement;
    for (const [view, camera] of Object.entries(this.cameras)) {
      [camera.width, camera.height] = [Math.max(1, clientWidth), Math.max(1, clientHeight)];
      if (camera.isFirst !== false) camera.reset(this.data[view]);
    }
    this.invalidate();
  }

  turn(...drag) {
    this.camera.turn(...drag);
    this.invalidate();
  }

  move(...drag) {
    this.camera.move(...drag);
    this.invalidate();
  }

  /** @param {number} x, y the pixel that stays; by default the middle */
  zoom(factor, x = this.camera.width / 2, y = this.camera.height / 2) {
    this.camera.zoom(factor, x - this.camera.width / 2, y - this.camera.height / 2);
    this.invalidate();
  }

  reset() {
    this.camera.reset(this.data[this.view]);
    this.invalidate();
  }

  look(row, distance) {
    for (const view of ["solid", "flat"]) {
      this.cameras[view].look(this.data[view].subarray(3 * row, 3 * row + 3), distance);
    }
    this.invalidate();
  }

  pick(x, y) {
    return pointAt(x, y, this.screen, this.colours, this.diameters, this.camera);
  }

  within(polygon) {
    return pointsWithin(polygon, this.screen, this.colours);
  }

  /** Draw before the next frame: at once, coarse where that is slow, and fine when nothing has moved for a while. */
  invalidate() {
    if (!this.background) return;
    clearTimeout(this.rest);
    this.frame ??= requestAnimationFrame((now) => {
      this.keepPace(now);
      this.draw(this.isSlow ? FINENESS.slow : FINENESS.moving);
      this.rest = setTimeout(() => (this.frame ??= requestAnimationFrame(() => this.draw(FINENESS.still))), STILL);
    });
  }

  /** Whether frames that follow one another are slow; once they were, they stay coarse, so that nothing flickers. */
  keepPace(now) {
    const since = now - (this.drawnAt ?? 0);
    this.drawnAt = now;
    this.pace = since < STILL ? 0.8 * (this.pace ?? since) + 0.2 * since : undefined;
    this.isSlow ||= this.pace > SLOW;
  }

  /** @param {number} fineness canvas pixels a screen pixel */
  draw(fineness) {
    this.frame = null;
    this.isCoarse = fineness === FINENESS.slow; // then without labels, which cost a fifth of a frame
    this.camera.project(this.data[this.view], this.screen);
    this.painter.draw(this.camera, this.background, fineness * Math.min(2, devicePixelRatio));
    this.onDrawn();
  }
}
