import { element, foreign, visible } from "./text.js";

const MOST = 24;
const GAP = 6;

/** Names of clusters at their middles; of those that would overlap the larger cluster's is shown. */
export class Labels {
  constructor(layer, clusters, most = MOST) {
    this.labels = clusters.slice(0, most).map((keywords) => element("span", {}, foreign(visible(keywords.join(" · ")))));
    layer.replaceChildren(...this.labels);
  }

  /** Once after fonts or widths change. */
  measure() {
    this.boxes = this.labels.map((label) => [label.offsetWidth, label.offsetHeight]);
  }

  /**
   * @param {Float32Array} screen where points stand
   * @param {Uint32Array} rows the point of each label
   * @param {Uint8Array} colours
   */
  place(screen, rows, colours, camera) {
    if (!this.boxes) this.measure();
    const taken = [];
    this.labels.forEach((label, of) => {
      const row = rows[of];
      const [width, height] = this.boxes[of];
      const [x, y] = [Math.round(screen[3 * row] - width / 2), Math.round(screen[3 * row + 1] - height / 2)];
      const shown =
        screen[3 * row + 2] > 0 && colours[4 * row + 3] === 255 && x > 0 && y > 0 &&
        x + width < camera.width && y + height < camera.height &&
        !taken.some(([l, t, w, h]) => x < l + w + GAP && l < x + width + GAP && y < t + h + GAP && t < y + height + GAP);
      const visibility = shown ? "visible" : "hidden";
      if (label.style.visibility !== visibility) label.style.visibility = visibility;
      if (!shown) return;
      taken.push([x, y, width, height]);
      label.style.transform = `translate(${x}px, ${y}px)`;
    });
  }
}
