/** Asks for the text of a place and tells what comes, round after round; a new question ends the last one. */
export class Asked {
  /** @param {{answer: (said, done: boolean) => void, error: (message: string) => void, done: (said) => void}} on */
  constructor(on) {
    this.on = on;
  }

  stop() {
    this.running?.abort();
    this.running = null;
  }

  /** @param {{x: number, y: number, method: string}} place in the map's own coordinates */
  async ask(place) {
    this.stop();
    const running = (this.running = new AbortController());
    try {
      const answer = await fetch("/api/text/rounds", {
        method: "POST",
        headers: { "content-type": "application/json" },
        body: JSON.stringify(place),
        signal: running.signal,
      });
      if (!answer.ok) {
        const told = await answer.json().catch(() => ({}));
        return this.on.error(told.detail ?? `The server failed (${answer.status}). Its terminal says why.`);
      }
      let last = null;
      for await (const line of lines(answer.body)) {
        const said = JSON.parse(line);
        if (said.error) return this.on.error(said.error);
        last = said;
        this.on.answer(said, false);
      }
      this.on.answer(last, true);
      this.on.done(last);
    } catch (error) {
      if (error.name !== "AbortError") this.on.error("The server does not answer. Is it still running?");
    }
  }
}

/** Whole lines of a stream. @param {ReadableStream<Uint8Array>} body */
async function* lines(body) {
  const reader = body.pipeThrough(new TextDecoderStream()).getReader();
  let held = "";
  for (;;) {
    const { value, done } = await reader.read();
    if (done) break;
    held += value;
    const parts = held.split("\n");
    held = parts.pop();
    yield* parts.filter(Boolean);
  }
  if (held) yield held;
}
