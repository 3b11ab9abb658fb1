import { css } from "./colours.js";
import { element, foreign, visible } from "./text.js";

/**
 * A list of buttons, one a group, pressed or not.
 * @param {{name: string, count: number}[]} groups
 * @param {(group: number) => void} onClick
 */
export class Legend {
  constructor(list, groups, onClick) {
    this.buttons = groups.map(({ name, count }, group) =>
      element(
        "button.group",
        { type: "button", onclick: () => onClick(group), title: visible(name) },
        element("i", { "aria-hidden": "true" }),
        element("span", {}, foreign(visible(name))),
        element("b", {}, count.toLocaleString("en")),
      ),
    );
    list.replaceChildren(...this.buttons.map((button) => element("li", {}, button)));
  }

  /** @param {(group: number) => boolean} isPressed  @param {number[][]|undefined} colours of the groups */
  show(isPressed, colours) {
    this.buttons.forEach((button, group) => {
      button.setAttribute("aria-pressed", isPressed(group));
      button.firstChild.style.background = colours ? css(colours[group]) : "";
    });
  }
}

/** How many points are in each group. */
export function countsOf(groupOf, groups) {
  const counts = new Array(groups).fill(0);
  for (const group of groupOf) if (group >= 0) counts[group] += 1;
  return counts;
}
