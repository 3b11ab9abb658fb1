import { colouring, pointColours } from "./colours.js";
import { readData } from "./data.js";
import { copyIds, downloadIds } from "./export.js";
import { listenToKeys, listenToPointers } from "./gestures.js";
import { Labels } from "./labels.js";
import { countsOf, Legend } from "./legend.js";
import { PromptMap } from "./map.js";
import { Overlay } from "./overlay.js";
import { showPanel } from "./panel.js";
import { listResults, Search } from "./search.js";
import { count, visible } from "./text.js";
import { Tip } from "./tip.js";
import { weigh } from "./weights.js";

const part = (id) => document.getElementById(id);
const say = (text) => (part("live").textContent = text);

/** What the reader has chosen; everything on the page follows from it. */
const chosen = {
  theme: matchMedia("(prefers-color-scheme: dark)").matches ? "dark" : "light",
  by: "source",
  hidden: new Set(), // sources
  cluster: -1,
  hits: null, // of the search, 0 or 1 a row
  selected: null, // by lasso, a set of rows
  row: -1, // in the panel
  hovered: -1,
};

start(await readData(part("data").textContent));

/** @param {import("./data.js").MapData} data */
function start(data) {
  const { weighting } = data;
  const search = new Search(data);
  const labels = new Labels(part("labels"), data.clusters);
  const overlay = new Overlay(part("overlay"));
  const tip = new Tip(part("tip"));
  const map = new PromptMap(part("points"), data, follow);
  let weight;

  const isHidden = (row) => chosen.hidden.has(data.source[row]);
  const isLit = (row) =>
    (!chosen.hits || chosen.hits[row] === 1) &&
    (chosen.cluster < 0 || data.cluster[row] === chosen.cluster) &&
    (!chosen.selected || chosen.selected.has(row));
  const isNarrowed = () => Boolean(chosen.hits || chosen.selected || chosen.cluster >= 0);
  const litRows = () => Array.from(data.ids.keys()).filter((row) => !isHidden(row) && isLit(row));

  const sources = new Legend(
    part("sources"),
    data.sources.map(({ name }, of) => ({ name, count: countsOf(data.source, data.sources.length)[of] })),
    (source) => {
      if (!chosen.hidden.delete(source)) chosen.hidden.add(source);
      paint();
      announce();
    },
  );
  const clusters = new Legend(
    part("clusters"),
    data.clusters.map((words, of) => ({ name: words.join(" · "), count: countsOf(data.cluster, data.clusters.length)[of] })),
    (cluster) => {
      chosen.cluster = chosen.cluster === cluster ? -1 : cluster;
      if (chosen.cluster >= 0) map.look(map.labelled[map.view][cluster], 1.6);
      paint();
      announce();
    },
  );

  /** Labels, rings, lines and the hovered text follow the points. */
  function follow() {
    const neighbours = chosen.row < 0 ? [] : data.neighbour.subarray(chosen.row * data.k, (chosen.row + 1) * data.k);
    part("labels").hidden = map.isCoarse;
    if (!map.isCoarse) labels.place(map.screen, map.labelled[map.view], map.colours, map.camera);
    overlay.place(map.screen, map.diameters, map.camera, chosen.row, chosen.hovered, neighbours);
    document.documentElement.dataset.frames = Number(document.documentElement.dataset.frames ?? 0) + 1;
  }

  function paint() {
    const { theme } = chosen;
    document.documentElement.dataset.theme = theme;
    const colours = colouring(chosen.by, data, theme);
    const ground = getComputedStyle(part("stage")).backgroundColor.match(/\d+/g).slice(0, 3).map(Number);
    map.paint(pointColours(data.n, colours.of, isHidden, isLit, theme), ground);
    sources.show((of) => !chosen.hidden.has(of), colouring("source", data, theme).groups);
    clusters.show((of) => of === chosen.cluster, chosen.by === "cluster" ? colours.groups : undefined);
    part("scale").hidden = !colours.stops;
    if (!colours.stops) return;
    part("ramp").style.background = `linear-gradient(to right, ${colours.stops.join(", ")})`;
    part("low").textContent = colours.low.toFixed(2) + (chosen.by === "density" ? " rare" : "");
    part("high").textContent = colours.high.toFixed(2) + (chosen.by === "density" ? " common" : "");
  }

  /** Say how many points are lit, list them, and offer their ids. */
  function announce() {
    const rows = litRows();
    const what = `${count(rows.length, "prompt")} ${isNarrowed() ? (rows.length === 1 ? "matches" : "match") : "shown"}`;
    part("found").textContent = what;
    say(what);
    part("results").hidden = part("ids").hidden = !isNarrowed();
    listResults(part("results"), isNarrowed() ? rows : [], data, (row) => open(row, true));
  }

  function reweigh() {
    const alpha = Number(part("alpha").value);
    const made = weigh(data.density, data.densities, { ...weighting, alpha });
    weight = made.weight;
    part("alpha-value").textContent = alpha.toFixed(2);
    part("ess").textContent = `Effective sample size ${(100 * made.ess).toFixed(0)} %`;
    map.weigh(weight);
  }

  function open(row, goThere) {
    chosen.row = row;
    hover(-1);
    showPanel(part("panel"), row, data, weight[row], (other) => open(other, true), close);
    if (goThere) map.look(row);
    map.invalidate();
  }

  function close() {
    chosen.row = -1;
    part("panel").hidden = true;
    part("points").focus({ preventScroll: true });
    map.invalidate();
  }

  function hover(row, x = 0, y = 0) {
    part("points").classList.toggle("over", row >= 0);
    if (row >= 0) {
      part("tip").lastElementChild.textContent = visible(data.sources[data.source[row]].name);
      tip.show(data.prompts[row], x, y, map.camera);
    } else tip.hide();
    if (row !== chosen.hovered) {
      chosen.hovered = row;
      follow();
    }
  }

  function view(name) {
    map.show(name);
    part("solid").setAttribute("aria-pressed", name === "solid");
    part("flat").setAttribute("aria-pressed", name === "flat");
    part("drag").textContent = name === "flat" ? "Drag to move" : "Drag to turn, Shift-drag to move";
  }

  const lasso = {
    polygon: [],
    isOn: () => part("lasso").getAttribute("aria-pressed") === "true",
    begin: (place) => (lasso.polygon = [place]),
    add(place) {
      lasso.polygon.push(place);
      overlay.draw(lasso.polygon);
    },
    end() {
      select(new Set(map.within(lasso.polygon)));
      lasso.turn(false);
    },
    turn(on) {
      part("lasso").setAttribute("aria-pressed", on);
      part("points").classList.toggle("drawing", on);
      overlay.draw((lasso.polygon = []));
    },
  };

  function select(rows) {
    chosen.selected = rows?.size ? rows : null;
    paint();
    announce();
  }

  function clear() {
    part("query").value = "";
    Object.assign(chosen, { hits: null, cluster: -1 });
    select(null);
  }

  part("query").oninput = () => {
    chosen.hits = search.find(part("query").value);
    paint();
    announce();
  };
  part("query").onkeydown = ({ key }) => {
    if (key === "Enter") part("results").querySelector("button")?.click();
  };
  part("by").onchange = () => {
    chosen.by = part("by").value;
    paint();
  };
  part("alpha").oninput = reweigh;
  part("solid").onclick = () => view("solid");
  part("flat").onclick = () => view("flat");
  part("reset").onclick = () => map.reset();
  part("lasso").onclick = () => lasso.turn(!lasso.isOn());
  part("theme").onclick = () => {
    chosen.theme = chosen.theme === "dark" ? "light" : "dark";
    paint();
  };
  part("all").onclick = part("none").onclick = (event) => {
    chosen.hidden = new Set(event.target.id === "none" ? data.sources.keys() : []);
    paint();
    announce();
  };
  part("clear").onclick = clear;
  part("download").onclick = () => downloadIds(litRows().map((row) => data.ids[row]));
  part("copy").onclick = async () => {
    const ids = litRows().map((row) => data.ids[row]);
    say((await copyIds(ids)) ? `${count(ids.length, "id")} copied` : "The browser did not allow copying; download the ids.");
    part("found").textContent = part("live").textContent;
  };
  listenToPointers(part("points"), {
    turn: (...drag) => (hover(-1), map.turn(...drag)),
    move: (...drag) => (hover(-1), map.move(...drag)),
    zoom: (...how) => (hover(-1), map.zoom(...how)),
    hover: (x, y) => hover(map.pick(x, y), x, y),
    leave: () => hover(-1),
    click: (x, y) => {
      const row = map.pick(x, y);
      if (row >= 0) open(row, false);
      else if (chosen.row >= 0) close();
    },
    lasso,
  });
  listenToKeys({
    turn: (...drag) => map.turn(...drag),
    zoom: (factor) => map.zoom(factor),
    reset: () => map.reset(),
    search: () => part("query").focus(),
    escape: () => (lasso.isOn() ? lasso.turn(false) : chosen.row >= 0 ? close() : clear()),
  });
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", ({ matches }) => {
    chosen.theme = matches ? "dark" : "light";
    paint();
  });

  if (!data.reward) part("by").querySelector("[value=reward]").remove();
  if (!data.clusters.length) part("by").querySelector("[value=cluster]").remove();
  part("regions").hidden = !data.clusters.length;
  part("solid").disabled = !map.hasWebgl;
  part("no-webgl").hidden = map.hasWebgl;
  part("alpha").max = Math.max(4, 2 * weighting.alpha);
  part("alpha").value = weighting.alpha;
  view(map.view);
  reweigh();
  paint();
  announce();
  requestAnimationFrame(() => {
    document.documentElement.dataset.ready = Math.round(performance.now());
  });
}
