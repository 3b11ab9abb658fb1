import { oneLine } from "./text.js";

const LONGEST = 240;

/** Text beside the pointer, held within the map. Its first child holds the text. */
export class Tip {
  constructor(element) {
    this.element = element;
  }

  /** @param {{width: number, height: number}} camera @param {string} text */
  show(text, x, y, { width, height }) {
    const { element } = this;
    element.firstElementChild.textContent = oneLine(text, LONGEST);
    element.hidden = false;
    element.style.left = `${Math.max(8, Math.min(x + 14, width - element.offsetWidth - 8))}px`;
    element.style.top = `${y + 18 + element.offsetHeight > height ? y - element.offsetHeight - 12 : y + 18}px`;
  }

  hide() {
    this.element.hidden = true;
  }
}
