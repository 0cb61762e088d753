// What went over the wire is shown, what was secret in it is not. A secret is known by its value, in every
// form that a client sends it in; what merely looks like one is hidden too.

export type Part = { text: string } | { mask: string };

const handshakeId = /(?<=^0\{"sid":")[^"]+|(?<=[?&]sid=)[^&\s]+/;
const anyToken = /eyJ[\w-]{8,}(?:\.[\w-]+){0,2}/;

export class Mask {
  private readonly known = new Map<string, string>(); // what is hidden → what is shown in its place

  // Hides a value from now on. The label says what it is, for people.
  hide(label: string, value: string): void {
    if (value === "") {
      return;
    }
    const shown = `${label}, ${value.length} characters`;
    for (const form of [value, encodeURIComponent(value), JSON.stringify(value).slice(1, -1)]) {
      this.known.set(form, shown);
    }
    for (const form of [value, JSON.stringify({ Authorization: value })]) {
      this.known.set(base64url(form), `${shown} in base64url`);
    }
  }

  // Splits a text into what is shown as it is and what stands for a secret.
  parts(text: string): Part[] {
    const out: Part[] = [];
    let from = 0;
    for (const match of text.matchAll(this.pattern())) {
      out.push({ text: text.slice(from, match.index) }, { mask: this.known.get(match[0]) ?? generic(match[0]) });
      from = match.index + match[0].length;
    }
    out.push({ text: text.slice(from) });
    return out.filter((part) => "mask" in part || part.text !== "");
  }

  // The longest comes first: one secret may be the beginning of another.
  private pattern(): RegExp {
    const known = [...this.known.keys()].sort((a, b) => b.length - a.length).map(escape);
    return new RegExp([...known, handshakeId.source, anyToken.source].join("|"), "gm");
  }
}

function generic(match: string): string {
  return match.startsWith("eyJ") ? `token, ${match.length} characters` : "session id";
}

function escape(text: string): string {
  return text.replace(/[.*+?^${}()|[\]\\]/g, "\\$&");
}

// Unpadded base64url of the text in UTF-8 (RFC 4648, section 5).
export function base64url(text: string): string {
  const bytes = String.fromCharCode(...new TextEncoder().encode(text));
  return btoa(bytes).replaceAll("+", "-").replaceAll("/", "_").replaceAll("=", "");
}
