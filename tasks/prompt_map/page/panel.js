import { count, element, foreign, oneLine, visible } from "./text.js";

/**
 * Everything about one prompt, its nearest neighbours as buttons.
 * @param {import("./data.js").MapData} data
 */
export function showPanel(panel, row, data, weight, onNeighbour, onClose) {
  const cluster = data.clusters[data.cluster[row]];
  const rarer = data.densities.reduce((sum, density) => sum + (density > data.density[row]), 0) / data.densities.length;
  const facts = [
    ["Source", foreign(visible(data.sources[data.source[row]].name))],
    ["Density", data.density[row].toFixed(3)],
    ["Weight", `${weight.toFixed(2)} × the mean`],
    ["Rarer than", `${Math.round(100 * rarer)} % of prompts`],
    ...(cluster ? [["Region", foreign(visible(cluster.join(" · ")))]] : []),
    ...(data.reward && Number.isFinite(data.reward[row]) ? [["Reward", data.reward[row].toFixed(3)]] : []),
    ["Id", foreign(visible(data.ids[row]))],
  ];
  const prompt = data.prompts[row];
  const heading = element("h2", { tabIndex: -1 }, "Prompt");
  const neighbours = Array.from({ length: data.k }, (_, at) => {
    const other = data.neighbour[row * data.k + at];
    return element(
      "li", {},
      element(
        "button.result", { type: "button", onclick: () => onNeighbour(other) },
        element("b", { title: "cosine similarity" }, (data.cosine[row * data.k + at] / 255).toFixed(2)),
        foreign(oneLine(data.prompts[other], 140)),
      ),
    );
  });
  const isCut = data.lengths[row] > Array.from(prompt).length;
  panel.replaceChildren(
    element("header", {}, heading, element("button.close", { type: "button", onclick: onClose, "aria-label": "Close" }, "×")),
    element("p.prompt", { dir: "auto" }, visible(prompt)),
    ...(isCut ? [element("p.note", {}, `Cut: the whole prompt has ${count(data.lengths[row], "character")}.`)] : []),
    element("dl", {}, ...facts.flatMap(([name, value]) => [element("dt", {}, name), element("dd", {}, value)])),
    ...(neighbours.length ? [element("h3", {}, "Nearest prompts"), element("ol", {}, ...neighbours)] : []),
  );
  panel.hidden = false;
  panel.scrollTop = 0;
  heading.focus({ preventScroll: true });
}
