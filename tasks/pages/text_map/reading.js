import { element, foreign, oneLine, visible } from "./text.js";

/** What is written for a place, and the documents around it; a document's own text where one was asked for. */
export class Panel {
  /** @param {{open: (id: string, goThere: boolean) => void, close: () => void}} on */
  constructor(panel, on) {
    this.panel = panel;
    this.on = on;
  }

  wait() {
    this.document = this.last = this.wanted = null;
    this.show("Text", element("p.note.busy", {}, "Writing"), element("progress", {}));
  }

  showError(message) {
    const error = element("p.error", { role: "alert" }, visible(message));
    this.show(this.document ? "Document" : "Text", ...this.own(), error);
  }

  /** The document at once, what is written of its embedding when that comes; another one asked for meanwhile wins. */
  async showDocument(id) {
    this.document = this.last = null;
    this.wanted = id;
    this.show("Document", element("p.note.busy", {}, "Reading"));
    try {
      const answer = await fetch(`/api/document/${encodeURIComponent(id)}`);
      const read = await answer.json();
      if (this.wanted !== id) return;
      if (!answer.ok) return this.showError(read.detail);
      this.document = read;
    } catch {
      if (this.wanted === id) this.showError("The server does not answer. Is it still running?");
      return;
    }
    if (this.last) this.showAnswer(...this.last);
    else this.show("Document", ...this.own());
  }

  own() {
    if (!this.document) return [];
    const { title, authors, content } = this.document;
    return [
      element("p.title", { dir: "auto" }, visible(title)),
      element("p.note", { dir: "auto" }, visible(authors)),
      element("p.prompt", { dir: "auto" }, visible(content)),
    ];
  }

  /** @param {boolean} done whether it is the last round's */
  showAnswer(said, done) {
    this.last = [said, done];
    const { title, text, method, iterations, distance } = said.text_generation_result;
    const facts = [
      ...(distance === null ? [] : [["Distance", distance.toFixed(3)], ["Rounds", String(iterations)]]),
      ["Confidence", said.confidence.toFixed(2)],
      ...(said.outside ? [["Outside", `${said.outside.toPrecision(3)} beyond the documents`]] : []),
      ["Place", `${said.x.toPrecision(4)}, ${said.y.toPrecision(4)}`],
    ];
    this.show(
      this.document ? "Document" : "Text",
      ...this.own(),
      ...(this.document ? [element("h3", {}, method === "vec2text" ? "Written from its embedding" : "Its neighbours")] : []),
      element(`p.title${done ? "" : ".busy"}`, { dir: "auto" }, visible(title || "(nothing)")),
      ...(text === title ? [] : [element("p.prompt", { dir: "auto" }, visible(text))]),
      ...(done || method !== "vec2text" ? [] : [element("progress", { value: 1 - distance })]),
      element("dl", {}, ...facts.flatMap(([name, value]) => [element("dt", {}, name), element("dd", {}, value)])),
      element("h3", {}, "Nearest documents"),
      element("ol", {}, ...said.neighbours.map((one) => this.neighbour(one))),
    );
  }

  neighbour({ document_id: id, title }) {
    const open = () => this.on.open(id, true);
    return element("li", {}, element("button.result", { type: "button", title: id, onclick: open }, foreign(oneLine(title, 140))));
  }

  show(heading, ...children) {
    const isInside = this.panel.contains(document.activeElement);
    const held = [...this.panel.querySelectorAll("button")].indexOf(document.activeElement);
    const title = element("h2", { tabIndex: -1 }, heading);
    const close = element("button.close", { type: "button", onclick: this.on.close, "aria-label": "Close" }, "×");
    this.panel.replaceChildren(element("header", {}, title, close), ...children);
    const wasHidden = this.panel.hidden;
    this.panel.hidden = false;
    if (held >= 0) (this.panel.querySelectorAll("button")[held] ?? title).focus({ preventScroll: true });
    else if (wasHidden || isInside) title.focus({ preventScroll: true });
  }

  close() {
    this.document = this.last = this.wanted = null;
    this.panel.hidden = true;
  }
}
