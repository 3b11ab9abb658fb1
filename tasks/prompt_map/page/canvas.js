/** The same points by a 2D canvas, where there is no WebGL. Bigger points lie under smaller ones. */
export class CanvasPoints {
  constructor(canvas) {
    this.canvas = canvas;
    this.pen = canvas.getContext("2d");
  }

  /** Points are sorted into batches of one colour and about one size, dimmed ones first. */
  load(points) {
    const { colours, diameters, places } = points;
    const batches = new Map();
    diameters.forEach((diameter, row) => {
      const [red, green, blue, alpha] = colours.subarray(4 * row, 4 * row + 4);
      if (!alpha) return;
      const level = Math.round(-2 * Math.log2(diameter));
      const key = `${alpha === 255 ? 1 : 0} ${String(level + 100).padStart(4, "0")} ${red},${green},${blue}`;
      if (!batches.has(key)) batches.set(key, { colour: `rgb(${red},${green},${blue})`, rows: [] });
      batches.get(key).rows.push(row);
    });
    this.batches = [...batches.keys()].sort().map((key) => batches.get(key));
    this.points = points;
    this.screen = new Float32Array(places.length);
  }

  draw(camera, background, resolution) {
    const { canvas, pen, screen } = this;
    const [width, height] = [camera.width, camera.height].map((side) => Math.round(side * resolution));
    if (canvas.width !== width || canvas.height !== height) [canvas.width, canvas.height] = [width, height];
    pen.setTransform(resolution, 0, 0, resolution, 0, 0);
    pen.fillStyle = `rgb(${background})`;
    pen.fillRect(0, 0, camera.width, camera.height);
    camera.project(this.points.places, screen);
    const scale = camera.scale(camera.distance) / 2;
    for (const { colour, rows } of this.batches) {
      pen.fillStyle = colour;
      pen.beginPath();
      for (const row of rows) {
        const [x, y] = [screen[3 * row], screen[3 * row + 1]];
        const radius = Math.max(1, this.points.diameters[row] * scale);
        if (x < -radius || y < -radius || x > camera.width + radius || y > camera.height + radius) continue;
        pen.moveTo(x + radius, y);
        pen.arc(x, y, radius, 0, 2 * Math.PI);
      }
      pen.fill();
    }
  }
}
