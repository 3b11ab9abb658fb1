const STEP = 40; // pixels that an arrow key turns or moves
const CLICK = 4; // pixels a pointer may tremble in a click

/**
 * Mouse, touch and pen on the map. One pointer turns (Shift or the right button: moves), two pinch, the wheel zooms.
 * @param {{turn, move, zoom, hover, leave, click, lasso: {isOn, begin, add, end}}} on
 */
export function listenToPointers(surface, on) {
  const down = new Map();
  let travelled = 0;
  const place = (event) => {
    const box = surface.getBoundingClientRect();
    return [event.clientX - box.left, event.clientY - box.top];
  };
  surface.addEventListener("contextmenu", (event) => event.preventDefault());
  surface.addEventListener("pointerdown", (event) => {
    surface.setPointerCapture(event.pointerId);
    down.set(event.pointerId, place(event));
    if (down.size === 1) travelled = 0;
    if (on.lasso.isOn()) on.lasso.begin(place(event));
  });
  surface.addEventListener("pointermove", (event) => {
    const now = place(event);
    const before = down.get(event.pointerId);
    if (!before) return on.hover(...now);
    const [dx, dy] = [now[0] - before[0], now[1] - before[1]];
    travelled += Math.hypot(dx, dy);
    if (on.lasso.isOn()) on.lasso.add(now);
    else if (down.size === 2) {
      const [other] = [...down].filter(([id]) => id !== event.pointerId).map(([, at]) => at);
      const [apart, was] = [now, before].map(([x, y]) => Math.hypot(x - other[0], y - other[1]));
      on.zoom(apart / Math.max(1, was), (before[0] + other[0]) / 2, (before[1] + other[1]) / 2);
      on.move(dx / 2, dy / 2);
    } else if (event.shiftKey || event.buttons === 2) on.move(dx, dy);
    else on.turn(dx, dy);
    down.set(event.pointerId, now);
  });
  const up = (event) => {
    if (!down.delete(event.pointerId)) return;
    if (on.lasso.isOn()) on.lasso.end();
    else if (event.type === "pointerup" && travelled < CLICK) on.click(...place(event));
  };
  surface.addEventListener("pointerup", up);
  surface.addEventListener("pointercancel", up);
  surface.addEventListener("pointerleave", on.leave);
  surface.addEventListener("wheel", (event) => {
    event.preventDefault();
    const pixels = event.deltaY * (event.deltaMode === 1 ? 16 : 1);
    on.zoom(Math.exp(-Math.max(-120, Math.min(120, pixels)) * 0.002), ...place(event));
  }, { passive: false });
}

/** @param {{turn, zoom, reset, search, escape}} on */
export function listenToKeys(on) {
  const arrows = { ArrowLeft: [-STEP, 0], ArrowRight: [STEP, 0], ArrowUp: [0, -STEP], ArrowDown: [0, STEP] };
  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    if (event.key === "Escape") return on.escape();
    if (event.target.closest("input, select, textarea, #panel, #controls")) return;
    if (event.key in arrows) on.turn(...arrows[event.key]);
    else if (event.key === "+" || event.key === "=") on.zoom(1.25);
    else if (event.key === "-") on.zoom(0.8);
    else if (event.key === "0" || event.key === "Home") on.reset();
    else if (event.key === "/") on.search();
    else return;
    event.preventDefault();
  });
}
