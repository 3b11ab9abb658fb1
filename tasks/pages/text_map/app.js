import { medoids } from "./data.js";
import { listenToKeys, listenToPointers } from "./gestures.js";
import { Labels } from "./labels.js";
import { PromptMap } from "./map.js";
import { pointColours } from "./colours.js";
import { Asked } from "./asked.js";
import { Panel } from "./reading.js";
import { listResults, Search } from "./search.js";
import { count } from "./text.js";
import { Tip } from "./tip.js";

const LABELS = 200;
const SVG = "http://www.w3.org/2000/svg";
const POINT = { light: [140, 168, 222], dark: [84, 112, 172] };
const part = (id) => document.getElementById(id);
const say = (text) => (part("live").textContent = text);

const answer = await fetch("/api/map");
if (answer.ok) start(await answer.json());
else part("counts").textContent = "The map could not be loaded. Reload the page.";

/** Places as the shared map draws them: [n, 3], the third 0. */
function inSpace(places) {
  const flat = new Float32Array(3 * places.length);
  places.forEach(([x, y], row) => flat.set([x, y], 3 * row));
  return flat;
}

function start(given) {
  const flat = inSpace(given.places);
  const data = {
    n: given.ids.length,
    ids: given.ids,
    prompts: given.titles,
    flat,
    solid: flat,
    cluster: Int16Array.from(given.cluster),
    clusters: given.clusters,
  };
  const toMap = ([x, y]) => [x * given.half + given.middle[0], y * given.half + given.middle[1]];
  const labels = new Labels(part("labels"), data.clusters, LABELS);
  const ring = part("overlay").appendChild(document.createElementNS(SVG, "circle"));
  ring.classList.add("asked");
  const lines = drawContours(part("density").firstElementChild, given.contours);
  const map = new PromptMap(part("points"), data, follow);
  map.show("flat");
  const search = new Search(data);
  const tip = new Tip(part("tip"));
  const rows = medoids(flat, data.cluster, data.clusters.length);
  const chosen = { theme: matchMedia("(prefers-color-scheme: dark)").matches ? "dark" : "light", hits: null, at: null, id: null };
  const panel = new Panel(part("panel"), { open: openDocument, close });
  const asked = new Asked({
    answer: (said, done) => panel.showAnswer(said, done),
    error: (message) => (panel.showError(message), say(message)),
    done: (said) => say(`Text: ${said.text_generation_result.title}`),
  });

  /** Everything over the points follows them. */
  function follow() {
    const { camera } = map;
    const scale = camera.focal / camera.distance;
    const [left, top] = [camera.width / 2 - scale * camera.target[0], camera.height / 2 + scale * camera.target[1]];
    lines.setAttribute("transform", `matrix(${scale} 0 0 ${-scale} ${left} ${top})`);
    part("labels").hidden = map.isCoarse;
    if (!map.isCoarse) labels.place(map.screen, rows, map.colours, camera);
    ring.setAttribute("r", chosen.at ? 9 : 0);
    if (chosen.at) {
      ring.setAttribute("cx", left + scale * chosen.at[0]);
      ring.setAttribute("cy", top - scale * chosen.at[1]);
    }
    document.documentElement.dataset.frames = Number(document.documentElement.dataset.frames ?? 0) + 1;
  }

  function paint() {
    document.documentElement.dataset.theme = chosen.theme;
    const ground = getComputedStyle(part("stage")).backgroundColor.match(/\d+/g).slice(0, 3).map(Number);
    const isLit = (row) => !chosen.hits || chosen.hits[row] === 1;
    map.paint(pointColours(data.n, () => POINT[chosen.theme], () => false, isLit, chosen.theme), ground);
  }

  /** The place under a pixel, in the square. */
  function under(x, y) {
    const { camera } = map;
    const scale = camera.focal / camera.distance;
    return [camera.target[0] + (x - camera.width / 2) / scale, camera.target[1] - (y - camera.height / 2) / scale];
  }

  function ask(square) {
    chosen.at = square;
    chosen.id = null;
    panel.wait();
    say("Writing a text");
    const [x, y] = toMap(square);
    asked.ask({ x, y, method: part("method").value });
    map.invalidate();
  }

  /** A document is asked for by its own place: its text is written of its own embedding. */
  function openDocument(id, goThere) {
    const row = data.ids.indexOf(id);
    if (row < 0) return;
    if (goThere) map.look(row, 0.9);
    panel.showDocument(id);
    chosen.id = id;
    chosen.at = [flat[3 * row], flat[3 * row + 1]];
    const [x, y] = given.coordinates[row];
    asked.ask({ x, y, method: part("method").value });
    map.invalidate();
  }

  function close() {
    asked.stop();
    chosen.at = chosen.id = null;
    panel.close();
    part("points").focus({ preventScroll: true });
    map.invalidate();
  }

  function hover(row, x = 0, y = 0) {
    part("points").classList.toggle("over", row >= 0);
    if (row >= 0) tip.show(data.prompts[row], x, y, map.camera);
    else tip.hide();
  }

  part("query").oninput = () => {
    const hits = search.find(part("query").value);
    const found = hits ? data.prompts.flatMap((_, row) => (hits[row] ? [row] : [])) : [];
    chosen.hits = hits;
    part("found").textContent = hits ? `${count(found.length, "document")} found` : "";
    say(part("found").textContent);
    part("results").hidden = !found.length;
    listResults(part("results"), found, data, (row) => openDocument(data.ids[row], true));
    paint();
  };
  part("query").onkeydown = ({ key }) => {
    if (key === "Enter") part("results").querySelector("button")?.click();
  };
  part("method").onchange = () => {
    if (chosen.id) openDocument(chosen.id, false);
    else if (chosen.at) ask(chosen.at);
  };
  part("contours").onclick = () => {
    const on = part("contours").getAttribute("aria-pressed") !== "true";
    part("contours").setAttribute("aria-pressed", on);
    part("density").style.display = on ? "" : "none";
  };
  part("reset").onclick = () => map.reset();
  part("theme").onclick = () => {
    chosen.theme = chosen.theme === "dark" ? "light" : "dark";
    paint();
  };
  listenToPointers(part("points"), {
    turn: (...drag) => (hover(-1), map.turn(...drag)),
    move: (...drag) => (hover(-1), map.move(...drag)),
    zoom: (...how) => (hover(-1), map.zoom(...how)),
    hover: (x, y) => hover(map.pick(x, y), x, y),
    leave: () => hover(-1),
    click: (x, y) => {
      const row = map.pick(x, y);
      if (row >= 0) openDocument(data.ids[row], false);
      else ask(under(x, y));
    },
    lasso: { isOn: () => false },
  });
  listenToKeys({
    turn: (dx, dy) => {
      part("crosshair").hidden = false;
      map.turn(-dx, -dy);
    },
    zoom: (factor) => map.zoom(factor),
    reset: () => map.reset(),
    search: () => part("query").focus(),
    escape: () => (chosen.at ? close() : ((part("query").value = ""), part("query").oninput())),
  });
  document.addEventListener("keydown", ({ key, target }) => {
    if (key !== "Enter" || target.closest("button, input, select, #panel")) return;
    if (part("crosshair").hidden && target !== part("points")) return;
    part("crosshair").hidden = false;
    ask(under(map.camera.width / 2, map.camera.height / 2));
  });
  part("points").addEventListener("pointerdown", () => (part("crosshair").hidden = true));
  if (!given.writer) {
    part("method").querySelector("[value=vec2text]").disabled = true;
    part("method").value = "llm_synthesis";
  }
  part("counts").textContent = `${count(data.n, "document")}: click anywhere for a text`;
  paint();
  requestAnimationFrame(() => {
    document.documentElement.dataset.ready = Math.round(performance.now());
  });
}

/** Lines of equal density as one group, whose transform follows the camera. */
function drawContours(group, contours) {
  for (const { level, lines } of contours) {
    const path = group.appendChild(document.createElementNS(SVG, "path"));
    path.setAttribute("d", lines.map((line) => `M${line.map((at) => at.join(",")).join("L")}`).join(""));
    path.style.opacity = 0.3 + 0.5 * level;
  }
  return group;
}
