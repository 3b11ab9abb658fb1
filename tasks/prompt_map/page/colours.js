/** From common to rare, or from low to high; dark on light, light on dark. */
const SCALES = {
  light: ["#b9c7dd", "#7f9fd0", "#7b6cc0", "#9c3a9a", "#7d0a4c"],
  dark: ["#3a4a6b", "#5a62b5", "#a052b5", "#ef6a7c", "#ffd27a"],
};
const NONE = { light: "#b4b8bf", dark: "#565c66" };
const DIMMED = { light: "#dfe2e7", dark: "#2a2f37" };

const channels = (hex) => [1, 3, 5].map((at) => parseInt(hex.slice(at, at + 2), 16));
const mixed = (from, to, share) => from.map((value, at) => Math.round(value + (to[at] - value) * share));
const luminance = (rgb) => rgb.map((v) => (v / 255) ** 2.2).reduce((sum, v, at) => sum + v * [0.2126, 0.7152, 0.0722][at], 0);
export const css = (rgb) => `rgb(${rgb.join(" ")})`;

/** A source's colour, lighter where it would be lost on a dark ground. */
function onGround(hex, theme) {
  let rgb = channels(hex);
  while (theme === "dark" && luminance(rgb) < 0.2) rgb = mixed(rgb, [255, 255, 255], 0.12);
  return rgb;
}

/** A hue for each cluster, neighbours in size far apart in hue. */
function hue(of, theme) {
  const degrees = (of * 137.508) % 360;
  const [saturation, lightness] = [[0.62, 0.45, 0.75][of % 3], (theme === "dark" ? [0.66, 0.74, 0.6] : [0.45, 0.36, 0.55])[of % 3]];
  const a = saturation * Math.min(lightness, 1 - lightness);
  return [0, 8, 4].map((n) => {
    const k = (n + degrees / 30) % 12;
    return Math.round(255 * (lightness - a * Math.max(-1, Math.min(k - 3, 9 - k, 1))));
  });
}

function onScale(share, theme) {
  const stops = SCALES[theme].map(channels);
  const at = Math.min(stops.length - 1.001, Math.max(0, share * (stops.length - 1)));
  return mixed(stops[Math.floor(at)], stops[Math.floor(at) + 1], at % 1);
}

/**
 * The ways to colour points. Each: groups with names and colours and the group of a point, or a scale from low to high.
 * @param {import("./data.js").MapData} data
 */
export function colouring(by, data, theme) {
  const none = channels(NONE[theme]);
  if (by === "source") {
    const groups = data.sources.map(({ colour }) => onGround(colour, theme));
    return { groups, of: (row) => groups[data.source[row]] };
  }
  if (by === "cluster") {
    const groups = data.clusters.map((_, of) => hue(of, theme));
    return { groups, of: (row) => groups[data.cluster[row]] ?? none };
  }
  const values = data[by];
  const known = values.filter(Number.isFinite).sort();
  const [low, high] = [known[Math.floor(0.01 * known.length)], known[Math.floor(0.99 * (known.length - 1))]];
  const rareIsHigh = by === "density";
  const share = (value) => (high > low ? (value - low) / (high - low) : 0.5);
  return {
    low,
    high,
    stops: Array.from({ length: 9 }, (_, at) => css(onScale(rareIsHigh ? 1 - at / 8 : at / 8, theme))),
    of: (row) => (Number.isFinite(values[row]) ? onScale(rareIsHigh ? 1 - share(values[row]) : share(values[row]), theme) : none),
  };
}

/**
 * Red, green, blue and alpha of each point: alpha 0 hidden, 128 dimmed, 255 shown.
 * @param {(row: number) => boolean} isHidden
 * @param {(row: number) => boolean} isLit
 */
export function pointColours(n, of, isHidden, isLit, theme) {
  const colours = new Uint8Array(4 * n);
  const dimmed = [...channels(DIMMED[theme]), 128];
  for (let row = 0; row < n; row++) {
    if (!isHidden(row)) colours.set(isLit(row) ? [...of(row), 255] : dimmed, 4 * row);
  }
  return colours;
}
