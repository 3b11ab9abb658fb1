import { element, foreign, oneLine } from "./text.js";

const LISTED = 50;

/** Finds prompts and ids that contain a text, whatever its case. */
export class Search {
  constructor(data) {
    this.data = data;
  }

  /** @returns {Uint8Array|null} 1 for each hit; null for no query */
  find(query) {
    const wanted = query.trim().toLowerCase();
    if (!wanted) return null;
    this.texts ??= this.data.prompts.map((prompt, row) => `${prompt}\n${this.data.ids[row]}`.toLowerCase());
    return Uint8Array.from(this.texts, (text) => text.includes(wanted));
  }
}

/** The first hits as buttons. @param {number[]} rows */
export function listResults(list, rows, data, onClick) {
  const shown = rows.slice(0, LISTED).map((row) =>
    element("li", {}, element("button.result", { type: "button", onclick: () => onClick(row) }, foreign(oneLine(data.prompts[row], 90)))),
  );
  if (rows.length > LISTED) shown.push(element("li.more", {}, `and ${(rows.length - LISTED).toLocaleString("en")} more`));
  list.replaceChildren(...shown);
}
