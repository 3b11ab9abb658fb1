const SVG = "http://www.w3.org/2000/svg";

/** Rings around points, lines to neighbours and the lasso, over the map. */
export class Overlay {
  constructor(svg) {
    [this.lines, this.chosen, this.hovered, this.lasso] = ["path", "circle", "circle", "path"].map((shape) =>
      svg.appendChild(document.createElementNS(SVG, shape)),
    );
    this.lines.classList.add("lines");
    this.chosen.classList.add("chosen");
    this.hovered.classList.add("hovered");
    this.lasso.classList.add("lasso");
  }

  /** @param {number} chosen row or -1  @param {number} hovered row or -1  @param {Iterable<number>} neighbours */
  place(screen, diameters, camera, chosen, hovered, neighbours) {
    for (const [ring, row] of [[this.chosen, chosen], [this.hovered, hovered]]) {
      const there = row >= 0 && screen[3 * row + 2] > 0;
      set(ring, "r", there ? (diameters[row] * camera.scale(screen[3 * row + 2])) / 2 + 4 : 0);
      if (there) ["cx", "cy"].forEach((name, axis) => set(ring, name, screen[3 * row + axis]));
    }
    const at = (row) => `${screen[3 * row].toFixed(1)},${screen[3 * row + 1].toFixed(1)}`;
    const drawn = [...neighbours].filter((row) => screen[3 * row + 2] > 0 && screen[3 * chosen + 2] > 0);
    set(this.lines, "d", drawn.map((row) => `M${at(chosen)}L${at(row)}`).join(""));
  }

  /** @param {[number, number][]} polygon */
  draw(polygon) {
    this.lasso.setAttribute("d", polygon.length ? `M${polygon.map((corner) => corner.join(",")).join("L")}Z` : "");
  }
}

/** Set an attribute where it changes: an untouched overlay is not drawn again. */
function set(shape, name, value) {
  if (shape.getAttribute(name) !== String(value)) shape.setAttribute(name, value);
}
