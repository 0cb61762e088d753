import { h, setText } from "../dom.ts";
import { facts, panel } from "./parts.ts";
import type { Found, SocketInfo } from "./protocol.ts";
import { Refused, type Server } from "./stream.ts";
import { clock, duration, plural } from "./words.ts";

export interface Choice {
  namespace: string;
  socket: string;
  button: HTMLButtonElement;
}

// One user looked up, with the sockets that they have on all nodes.
export class PersonPanel {
  private readonly input = h("input", { id: "subject", name: "subject", testid: "user-subject", autocomplete: "off", spellcheck: "false", autocapitalize: "none", required: true, maxlength: 500 });
  private readonly said = h("p", { class: "soft", role: "status", testid: "user-said" });
  private readonly list = h("ul", { class: "sockets", testid: "user-sockets" });
  readonly element: HTMLElement;
  private readonly server: Server;
  private readonly watch: (choice: Choice) => void;

  constructor(server: Server, watch: (choice: Choice) => void) {
    this.server = server;
    this.watch = watch;
    const form = h("form", { class: "lookup", testid: "user-form" }, this.input, h("button", { class: "primary", testid: "user-submit" }, "Look up"));
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      void this.lookUp(this.input.value);
    });
    const note = h("p", { class: "soft" }, "The name that the credential has for them, such as the token's sub. The log says that somebody looked.");
    this.element = panel("One user", "user", h("label", { for: "subject" }, "Who"), form, note, this.said, this.list);
  }

  private async lookUp(subject: string): Promise<void> {
    setText(this.said, "Looking…");
    try {
      this.show(subject, await this.server.ask<Found>(`/admin/api/user?subject=${encodeURIComponent(subject)}`));
    } catch (err) {
      this.list.replaceChildren();
      setText(this.said, err instanceof Refused ? err.message : String(err));
    }
  }

  private show(subject: string, { namespaces, missing = [] }: Found): void {
    const all = namespaces.flatMap(({ namespace, sockets }) => sockets.map((socket) => ({ namespace, socket })));
    const lost = missing.length > 0 ? ` ${missing.join(", ")} did not answer.` : "";
    setText(this.said, (all.length === 0 ? `${subject} is not here.` : `${subject} has ${plural(all.length, "socket")}.`) + lost);
    this.list.replaceChildren(...all.map(({ namespace, socket }) => this.row(namespace, socket)));
  }

  private row(namespace: string, socket: SocketInfo): HTMLElement {
    const rooms = socket.rooms.filter((room) => room !== socket.id);
    const watch = h("button", { type: "button", class: "quiet", testid: "socket-watch", "aria-label": `Watch the frames of ${socket.id}` }, "Watch");
    watch.addEventListener("click", () => this.watch({ namespace, socket: socket.id, button: watch }));
    return h(
      "li",
      { testid: "socket-row", "data-socket": socket.id },
      h("div", { class: "socket-head" }, h("h3", {}, namespace), socket.address !== undefined && watch),
      facts(
        ["Socket", socket.id],
        ["Name", socket.name],
        ["Issuer", socket.issuer],
        ["Signed in by", socket.method],
        ["From", socket.address],
        ["For", socket.since && duration(Date.now() - Date.parse(socket.since))],
        ["Sign-in ends", socket.expiresAt && clock(socket.expiresAt)],
        ["Rooms", rooms.join(", ") || "none"],
      ),
      socket.address === undefined && h("p", { class: "soft" }, "On another node: its own page shows the frames."),
    );
  }
}
