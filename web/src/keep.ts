// The part of sessionStorage and localStorage that the page needs.
export interface Keep {
  getItem(key: string): string | null;
  setItem(key: string, value: string): void;
}

// This tab's or this browser's storage, or a stand-in as long as the page lives where storage is forbidden.
export function storage(kind: "sessionStorage" | "localStorage"): Keep {
  try {
    const real = window[kind];
    real.getItem("");
    return real;
  } catch {
    const items = new Map<string, string>();
    return { getItem: (key) => items.get(key) ?? null, setItem: (key, value) => void items.set(key, value) };
  }
}
