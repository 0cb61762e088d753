import { h, icon, setText } from "../dom.ts";
import type { Begin, Frame } from "./protocol.ts";
import type { Choice } from "./person.ts";
import { Refused, type Server } from "./stream.ts";
import { bytes, clock, duration } from "./words.ts";

const kept = 200; // frames

const ends: Record<string, string> = {
  time: "The time is up. Watch again if you need more.",
  socket: "The socket has ended.",
};

// The frames of one socket as they come.
export class FramesPanel {
  private readonly heading = h("h2", { id: "frames-title", tabindex: -1 }, "Frames");
  private readonly said = h("p", { class: "soft", role: "status", testid: "frames-said" });
  private readonly stop = h("button", { type: "button", class: "quiet", testid: "frames-stop" }, "Stop");
  private readonly close = h("button", { type: "button", class: "ghost", "aria-label": "Close the frames", testid: "frames-close" }, icon("leave"));
  private readonly list = h("ol", { class: "frames", testid: "frames-list", tabindex: 0, "aria-label": "Frames, the newest last" });
  readonly element = h(
    "section",
    { class: "panel frames-panel", testid: "frames", "aria-labelledby": "frames-title", hidden: true },
    h("div", { class: "frames-head" }, this.heading, this.stop, this.close),
    this.said,
    this.list,
  );
  private readonly server: Server;
  private choice: Choice | undefined;
  private running: AbortController | undefined;
  private timer: ReturnType<typeof setInterval> | undefined;

  constructor(server: Server) {
    this.server = server;
    this.stop.addEventListener("click", () => (this.running ? this.halt("You have stopped.") : this.choice && void this.watch(this.choice)));
    this.close.addEventListener("click", () => this.leave());
    this.element.addEventListener("keydown", (event) => {
      if (event.key === "Escape") {
        this.leave();
      }
    });
  }

  async watch(choice: Choice): Promise<void> {
    this.running?.abort();
    const running = new AbortController();
    this.choice = choice;
    this.running = running;
    this.element.hidden = false;
    this.list.replaceChildren();
    setText(this.heading, `Frames of a socket in ${choice.namespace}`);
    setText(this.said, "Asking…");
    setText(this.stop, "Stop");
    this.heading.focus();
    this.heading.scrollIntoView({ block: "start" });
    let end = "The server has ended this.";
    try {
      const query = new URLSearchParams({ namespace: choice.namespace, socket: choice.socket });
      for await (const { event, data } of this.server.follow(`/admin/api/frames?${query}`, running.signal)) {
        if (event === "begin") {
          this.begin(data as Begin);
        } else if (event === "frame") {
          this.add(data as Frame);
        } else if (event === "end") {
          end = ends[(data as { reason: string }).reason] ?? end;
        }
      }
    } catch (err) {
      end = err instanceof Refused ? err.message : "The connection to the server is lost.";
    }
    if (this.running === running) {
      this.halt(end);
    }
  }

  private begin({ socket, user, transport, until }: Begin): void {
    const left = () => setText(this.said, `${user || "Somebody"}, ${socket}, over ${transport}. Secrets are masked. Ends by itself in ${duration(Date.parse(until) - Date.now())}.`);
    clearInterval(this.timer);
    this.timer = setInterval(left, 1000);
    left();
  }

  private halt(why: string): void {
    this.running?.abort();
    this.running = undefined;
    clearInterval(this.timer);
    setText(this.said, why);
    setText(this.stop, "Watch again");
  }

  private leave(): void {
    this.halt("");
    this.element.hidden = true;
    this.choice?.button.focus();
  }

  private add(frame: Frame): void {
    const atEnd = this.list.scrollHeight - this.list.scrollTop - this.list.clientHeight < 40;
    if (frame.missed) {
      this.list.append(h("li", { class: "soft" }, `${frame.missed} more were too fast to be shown.`));
    }
    this.list.append(row(frame));
    while (this.list.children.length > kept) {
      this.list.firstElementChild?.remove();
    }
    if (atEnd) {
      this.list.scrollTop = this.list.scrollHeight;
    }
  }
}

function row(frame: Frame): HTMLElement {
  const from = frame.direction === "in" ? "from the client" : "to the client";
  const id = frame.id ? ` #${frame.id}` : "";
  return h(
    "li",
    { testid: "frame", "data-direction": frame.direction },
    h("p", { class: "frame-head" }, h("span", { class: "arrow", "aria-hidden": "true" }, frame.direction === "in" ? "→" : "←"), h("strong", {}, frame.name ?? frame.kind), h("span", { class: "soft" }, `${frame.name ? `${frame.kind}${id}` : id} ${from}, ${bytes(frame.bytes)}, ${clock(frame.at)}`)),
    frame.text !== undefined && frame.text !== "" && h("code", {}, frame.text, frame.cut && " … (cut)"),
    frame.cut === true && !frame.text && h("p", { class: "soft" }, "Too large to be shown."),
  );
}
