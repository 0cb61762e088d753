// A part of the page. `update` brings it up to date with what it shows; it is called at most once per frame.
export interface View {
  readonly element: HTMLElement;
  update(): void;
}

// What the parts ask of the page around them.
export interface Frame {
  openRoom(name: string): void;
  togglePanel(panel: "rooms" | "members", opener: HTMLElement): void;
  signOut(): void;
  compose(text: string): void; // back into the composer
  notify(text: string): void;
}
