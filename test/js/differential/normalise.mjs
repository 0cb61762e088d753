// Transcripts of two runs are equal when what must differ from run to run is named instead: session ids, socket ids, message ids and
// times, each numbered in the order in which it comes. The words that go with a code are for people.
export class Names {
  #known = new Map();

  // normalise gives a plain JSON value.
  normalise(value) {
    return JSON.parse(this.#text(JSON.stringify(plain(value))));
  }

  #text(json) {
    return json
      .replace(/(\\?"sid\\?":\\?")([\w.-]+)/g, (_, key, id) => key + this.#name("sid", id))
      .replace(/("(?:at|expiresAt)":)(\d{10,13})\b/g, (_, key) => `${key}"<time>"`)
      .replace(/(\\*"message\\*":\\*")(?:[^"\\]|\\+[^u])*?(\\*",\\*"data\\*":\{\\*"code)/g, "$1<for people>$2")
      .replace(/(\\*"code\\*":\\*"\w+\\*",\\*"message\\*":\\*")(?:[^"\\]|\\+[^u])*?(\\*"\})/g, "$1<for people>$2")
      .replace(/("id":")([^"]+)/g, (_, key, id) => key + this.#name("id", id));
  }

  #name(kind, id) {
    const key = `${kind} ${id}`;
    if (!this.#known.has(key)) {
      const count = [...this.#known.keys()].filter((k) => k.startsWith(`${kind} `)).length;
      this.#known.set(key, `<${kind} ${count + 1}>`);
    }
    return this.#known.get(key);
  }
}

// plain writes what JSON has no word for.
function plain(value) {
  if (value === undefined) {
    return "<undefined>";
  }
  if (value instanceof ArrayBuffer || ArrayBuffer.isView(value)) {
    return `<binary ${Buffer.from(value).toString("hex")}>`;
  }
  if (Array.isArray(value)) {
    return value.map(plain);
  }
  return value && typeof value === "object" ? Object.fromEntries(Object.entries(value).map(([k, v]) => [k, plain(v)])) : value;
}
