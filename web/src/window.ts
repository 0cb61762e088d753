// How many messages a room shows when it is opened, and how many more each step adds.
export const pageSize = 150;
// No more than this are in the page at once.
export const mostShown = 450;

// Window is the part of a long list that is in the page: [start, end) of its entries.
export class Window {
  start = 0;
  end = 0;

  // The list has `length` entries now. While `following`, the window holds the newest; otherwise it
  // stays where the reader is, and grows until it is full.
  update(length: number, following: boolean): void {
    if (following) {
      this.end = length;
      if (this.end - this.start > mostShown || this.start >= this.end) {
        this.start = Math.max(0, length - pageSize);
      }
      return;
    }
    this.start = Math.min(this.start, length);
    this.end = Math.max(this.start, Math.min(length, this.start + mostShown));
  }

  latest(length: number): void {
    this.end = length;
    this.start = Math.max(0, length - pageSize);
  }

  earlier(): void {
    this.start = Math.max(0, this.start - pageSize);
    this.end = Math.min(this.end, this.start + mostShown);
  }

  later(length: number): void {
    this.end = Math.min(length, this.end + pageSize);
    this.start = Math.max(this.start, this.end - mostShown);
  }
}
