const REACH = 7; // pixels beside a point that still mean it

/**
 * The point under a pixel: of those whose disc covers it the foremost, else the nearest within reach.
 * @param {Float32Array} screen [n, 3] as Camera.project gives it
 * @returns {number} row, or -1
 */
export function pointAt(x, y, screen, colours, diameters, camera) {
  let covering = -1;
  let foremost = Infinity;
  let beside = -1;
  let nearest = REACH * REACH;
  for (let row = 0; row < diameters.length; row++) {
    const depth = screen[3 * row + 2];
    if (!depth || colours[4 * row + 3] < 255) continue;
    const away = (screen[3 * row] - x) ** 2 + (screen[3 * row + 1] - y) ** 2;
    if (away > 2500) continue;
    if (away <= Math.max(1, (diameters[row] * camera.scale(depth)) / 2) ** 2) {
      if (depth < foremost) [covering, foremost] = [row, depth];
    } else if (away < nearest) [beside, nearest] = [row, away];
  }
  return covering >= 0 ? covering : beside;
}

/**
 * Shown points inside a polygon.
 * @param {[number, number][]} polygon corners in pixels
 * @returns {number[]} rows
 */
export function pointsWithin(polygon, screen, colours) {
  const rows = [];
  for (let row = 0; row < screen.length / 3; row++) {
    if (screen[3 * row + 2] && colours[4 * row + 3] === 255 && isWithin(screen[3 * row], screen[3 * row + 1], polygon)) {
      rows.push(row);
    }
  }
  return rows;
}

/** Even-odd rule: a ray to the right crosses the border an odd number of times. */
function isWithin(x, y, polygon) {
  let inside = false;
  polygon.forEach(([x1, y1], corner) => {
    const [x2, y2] = polygon.at(corner - 1);
    if (y1 > y !== y2 > y && x < ((x2 - x1) * (y - y1)) / (y2 - y1) + x1) inside = !inside;
  });
  return inside;
}
