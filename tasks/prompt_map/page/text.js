/**
 * Text with its control and formatting characters (such as right-to-left marks) as signs that can be seen; line
 * breaks and tabs stay. Those below 32 become Unicode's control pictures, others their number in brackets.
 */
export function visible(text) {
  return text.replace(/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/gu, (sign) => {
    const code = sign.codePointAt(0);
    if (sign === "\n" || sign === "\t") return sign;
    return code < 32 ? String.fromCodePoint(0x2400 + code) : `⟨U+${code.toString(16).toUpperCase().padStart(4, "0")}⟩`;
  });
}

/** One line of at most so many characters. */
export function oneLine(text, longest) {
  const line = text.slice(0, 2 * longest).replace(/\s+/g, " ").trim();
  return visible(line.length > longest ? `${line.slice(0, longest - 1)}…` : line);
}

export const count = (number, what) => `${number.toLocaleString("en")} ${what}${number === 1 ? "" : "s"}`;

/**
 * An element with properties and children; strings become text nodes, so no text is ever markup.
 * @param {string} tag with classes: "button.link"
 */
export function element(tag, properties = {}, ...children) {
  const [name, ...classes] = tag.split(".");
  const made = document.createElement(name);
  made.classList.add(...classes);
  for (const [key, value] of Object.entries(properties)) {
    if (key.includes("-") || key === "role") made.setAttribute(key, value);
    else made[key] = value;
  }
  made.append(...children);
  return made;
}

/** Someone else's text, whose direction stays its own. */
export const foreign = (text) => element("bdi", {}, text);
