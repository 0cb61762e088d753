export interface Piece {
  text: string;
  href?: string; // of a link
}

const candidates = /\bhttps?:\/\/[^\s<>"]+/gi;
// What ends a sentence does not belong to the address in it.
const trailing = /[.,;:!?'"’”»…*_]+$/;

// A text in pieces; put together again they are the text. Only addresses with http and https become links, and a link
// leads where its words say.
export function piecesOf(text: string): Piece[] {
  const pieces: Piece[] = [];
  let done = 0;
  for (const { 0: found, index } of text.matchAll(candidates)) {
    const words = trimmed(found);
    if (!isAddress(words)) {
      continue;
    }
    pieces.push({ text: text.slice(done, index) }, { text: words, href: words });
    done = index + words.length;
  }
  return [...pieces, { text: text.slice(done) }].filter((piece) => piece.text !== "");
}

// Without what follows the address: the end of the sentence, and brackets that were opened before it.
function trimmed(found: string): string {
  let words = found.replace(trailing, "");
  for (const [open, close] of [["(", ")"], ["[", "]"], ["{", "}"]] as const) {
    while (words.endsWith(close) && words.split(close).length > words.split(open).length) {
      words = words.slice(0, -1).replace(trailing, "");
    }
  }
  return words;
}

// Characters that are not seen, or that turn the direction of the text, could show another address. So could a name
// before an @, which is no host.
function isAddress(words: string): boolean {
  if (/[\p{C}\p{Z}]/u.test(words) || !URL.canParse(words)) {
    return false;
  }
  const { protocol, username, password } = new URL(words);
  return (protocol === "http:" || protocol === "https:") && username === "" && password === "";
}
