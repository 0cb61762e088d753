// Keyed keeps the children of an element in step with a list, reusing the child of each key. Only what
// differs is touched: focus, selection and scroll position survive.
export class Keyed<T> {
  private children = new Map<string, HTMLElement>();
  private readonly parent: HTMLElement;
  private readonly create: (item: T) => HTMLElement;
  private readonly update: (child: HTMLElement, item: T) => void;

  constructor(parent: HTMLElement, create: (item: T) => HTMLElement, update: (child: HTMLElement, item: T) => void) {
    this.parent = parent;
    this.create = create;
    this.update = update;
  }

  child(key: string): HTMLElement | undefined {
    return this.children.get(key);
  }

  // Keys must be unique.
  show(items: readonly T[], keyOf: (item: T) => string): void {
    const before = this.children;
    this.children = new Map();
    for (const item of items) {
      const key = keyOf(item);
      const child = before.get(key) ?? this.create(item);
      this.update(child, item);
      this.children.set(key, child);
    }
    for (const [key, child] of before) {
      if (!this.children.has(key)) {
        child.remove();
      }
    }
    this.arrange();
  }

  private arrange(): void {
    let next = this.parent.firstElementChild;
    for (const child of this.children.values()) {
      if (child === next) {
        next = next.nextElementSibling;
      } else {
        this.parent.insertBefore(child, next);
      }
    }
  }
}
