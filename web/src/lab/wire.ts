import { Mask, type Part } from "./mask.ts";

export type Direction = "out" | "in" | "note";

// Line is one message, or a remark.
export interface Line {
  direction: Direction;
  parts: Part[];
}

// Wire records what one try sent and got, masked before it is kept.
export class Wire {
  readonly mask = new Mask();
  readonly lines: Line[] = [];

  // One message: a packet, or a request's first line with the headers that count.
  out(...rows: string[]): void {
    this.add("out", rows);
  }

  in(...rows: string[]): void {
    this.add("in", rows);
  }

  // A remark of the page, such as what the browser keeps from it.
  note(text: string): void {
    this.add("note", [text]);
  }

  private add(direction: Direction, rows: string[]): void {
    this.lines.push({ direction, parts: this.mask.parts(rows.join("\n")) });
  }
}
