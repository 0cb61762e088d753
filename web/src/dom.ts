// Building the page. Text becomes text nodes and nothing else: no string ever turns into markup.
//
// Test ids (data-testid) that the browser tests rely on, with the attributes that tell the state:
//
//   sign in        signin, signin-form, signin-name, signin-submit, signin-error,
//                  signin-token-toggle, signin-token-form, signin-token, signin-token-submit
//   frame          chat, skip-link, announcer, notice, theme-toggle [data-theme-choice=system|light|dark],
//                  me-name, sign-out, rooms-toggle, members-toggle, to-lab (also on the sign-in page)
//   connection     connection-state [data-state=connecting|connected|waiting|offline|refused,
//                  data-transport=polling|websocket], connection-notice, connection-retry
//   refusal        refusal [data-code], refusal-title, refusal-text, refusal-retry, refusal-signin
//   rooms          room-list, room-item [data-room, data-active, data-phase=left|joining|joined|refused],
//                  room-open, room-leave, room-unread, room-create-form, room-create-name,
//                  room-create-submit, room-create-error
//   a room         room-title, member-count, copy-link, empty-room, room-refused, room-retry
//   messages       message-list, message [data-id, data-nonce, data-own,
//                  data-status=queued|sending|sent|delivered|failed], message-sender, message-text,
//                  message-time, message-status, message-error, message-retry, message-edit,
//                  message-discard, day, gap, show-earlier, show-later, new-messages, typing
//   composer       composer, composer-text, composer-send, composer-error
//   members        member-list, member [data-user], member-more

type Child = Node | string | undefined | false;

type Props = {
  class?: string;
  testid?: string;
  on?: { [K in keyof HTMLElementEventMap]?: (event: HTMLElementEventMap[K]) => void };
} & Record<string, unknown>;

// An element with attributes, listeners and children. `true` is an attribute without value; undefined
// and false leave it out.
export function h<K extends keyof HTMLElementTagNameMap>(tag: K, props: Props = {}, ...children: Child[]): HTMLElementTagNameMap[K] {
  const element = document.createElement(tag);
  const { on, testid, ...attributes } = props;
  for (const [name, value] of Object.entries({ ...attributes, "data-testid": testid })) {
    setAttribute(element, name, value);
  }
  for (const [type, listener] of Object.entries(on ?? {})) {
    element.addEventListener(type, listener as EventListener);
  }
  element.append(...children.filter((child) => child !== undefined && child !== false));
  return element;
}

export function setAttribute(element: Element, name: string, value: unknown): void {
  if (value === undefined || value === false || value === null) {
    element.removeAttribute(name);
  } else if (element.getAttribute(name) !== String(value === true ? "" : value)) {
    element.setAttribute(name, value === true ? "" : String(value));
  }
}

// Text is only written when it differs: screen readers repeat what is written.
export function setText(element: Element, text: string): void {
  if (element.textContent !== text) {
    element.textContent = text;
  }
}

const shapes = {
  gate: "M5 28V13a11 11 0 0 1 22 0v15M11 28V15a5 5 0 0 1 10 0v13M3 28h26",
  menu: "M5 9h22M5 16h22M5 23h22",
  people: "M12 15a5 5 0 1 0 0-10 5 5 0 0 0 0 10ZM3 27c0-5 4-8 9-8s9 3 9 8M21 6a5 5 0 0 1 0 9M25 27c0-3-1-5-3-7",
  send: "M16 26V6M7 15l9-9 9 9",
  leave: "M9 9l14 14M23 9L9 23",
  plus: "M16 7v18M7 16h18",
  link: "M13 19l6-6M11 15l-3 3a5 5 0 0 0 7 7l3-3M21 17l3-3a5 5 0 0 0-7-7l-3 3",
  down: "M16 6v20M7 17l9 9 9-9",
  out: "M13 27H7a2 2 0 0 1-2-2V7a2 2 0 0 1 2-2h6M21 22l6-6-6-6M27 16H12",
  system: "M5 6h22v15H5zM11 27h10M16 21v6",
  light: "M16 22a6 6 0 1 0 0-12 6 6 0 0 0 0 12ZM16 3v3M16 26v3M3 16h3M26 16h3M7 7l2 2M23 23l2 2M7 25l2-2M23 9l2-2",
  dark: "M27 18A11 11 0 1 1 14 5a9 9 0 0 0 13 13Z",
  clock: "M16 28a12 12 0 1 0 0-24 12 12 0 0 0 0 24ZM16 9v7l5 3",
  tick: "M7 17l6 6L26 9",
  key: "M11 21a6 6 0 1 0 0-12 6 6 0 0 0 0 12ZM17 15h12v6M24 15v4",
  alert: "M16 4l13 23H3zM16 13v6M16 23v.5",
} as const;

export type Icon = keyof typeof shapes;

const svg = "http://www.w3.org/2000/svg";

// Decoration beside words, or inside a control that has a label of its own.
export function icon(name: Icon): SVGSVGElement {
  const element = document.createElementNS(svg, "svg");
  const path = document.createElementNS(svg, "path");
  for (const [key, value] of Object.entries({ class: "icon", viewBox: "0 0 32 32", "aria-hidden": "true" })) {
    element.setAttribute(key, value);
  }
  path.setAttribute("d", shapes[name]);
  element.append(path);
  return element;
}

// The first letters of a name on a colour that belongs to it.
export function avatar(user: string, name: string): HTMLElement {
  const words = name.trim().split(/\s+/);
  const letters = [words[0], words.length > 1 ? words.at(-1) : ""].map((word) => [...(word ?? "")][0] ?? "");
  return h("span", { class: "avatar", "data-hue": hueOf(user), "aria-hidden": "true" }, letters.join("").toUpperCase());
}

export const hues = 10;

export function hueOf(user: string): number {
  let sum = 7;
  for (const char of user) {
    sum = (sum * 31 + (char.codePointAt(0) ?? 0)) >>> 0;
  }
  return sum % hues;
}
