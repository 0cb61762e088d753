import { h, setText } from "../dom.ts";
import { Keyed } from "../views/keyed.ts";
import { panel, Tile } from "./parts.ts";
import type { Behind, Cut, Lately, Node, Now, Revocation } from "./protocol.ts";
import { type Rates, refusals } from "./rates.ts";
import { bytes, clock, count, duration, plural, rate } from "./words.ts";

// The numbers that come first.
export class Tiles {
  private readonly connections = new Tile("Connections", "tile-connections");
  private readonly events = new Tile("Events a second", "tile-events");
  private readonly deliveries = new Tile("Deliveries a second", "tile-deliveries");
  private readonly refused = new Tile("Refused a minute", "tile-refused");
  private readonly waiting = new Tile("Waits for clients", "tile-waiting");
  readonly element = h(
    "dl",
    { class: "tiles", "aria-label": "Now" },
    ...[this.connections, this.events, this.deliveries, this.refused, this.waiting].map((tile) => tile.element),
  );

  show(now: Now, rates: Rates): void {
    const events = rates.speeds((then) => then.events);
    const deliveries = rates.speeds((then) => then.deliveries);
    const refused = rates.speeds((then) => refusals(then));
    const failed = rates.grown((then) => then.failed);
    this.connections.show(count(now.connections), `${plural(now.sockets, "socket")}; ${now.pending === 0 ? "all have signed in" : `${count(now.pending)} not signed in`}`, rates.levels((then) => then.connections));
    this.events.show(rate(events.at(-1) ?? 0), failed > 0 ? `${count(failed)} failed in the last minute` : "none failed in the last minute", events);
    this.deliveries.show(rate(deliveries.at(-1) ?? 0), `${plural(now.rooms, "room")} with members`, deliveries);
    this.refused.show(count(rates.grown((then) => refusals(then))), `${count(refusals(now))} since the start`, refused);
    this.waiting.show(bytes(now.outboxBytes), `of ${bytes(now.outboxTotal)} that may`, rates.levels((then) => then.outboxBytes));
  }
}

// A list of sentences, or one that says that there is nothing.
class Sentences<T> {
  readonly empty: HTMLElement;
  readonly list = h("ul", { class: "rows plain" });
  private readonly rows: Keyed<T>;

  constructor(nothing: string, say: (item: T) => [string, string]) {
    this.empty = h("p", { class: "soft" }, nothing);
    this.rows = new Keyed<T>(
      this.list,
      () => h("li", {}, h("span", { class: "row-name" }), h("span", { class: "row-count" })),
      (row, item) => {
        const [name, note] = say(item);
        setText(row.children[0] as Element, name);
        setText(row.children[1] as Element, note);
      },
    );
  }

  show(items: T[], keyOf: (item: T) => string): void {
    this.empty.hidden = items.length > 0;
    this.rows.show(items, keyOf);
  }
}

// Clients that do not read as fast as they are sent to.
export class SlowPanel {
  private readonly now = new Sentences<Behind>("Everybody keeps up.", (one) => [`${one.user || "somebody"} in ${one.namespace}`, one.eighths >= 8 ? "full" : `${Math.round((one.eighths / 8) * 100)} % full`]);
  private readonly before = new Sentences<Cut>("Nobody has been cut lately.", (one) => [
    `${one.user || "somebody"}${one.namespaces?.length ? ` in ${one.namespaces.join(", ")}` : ""}, from ${one.address}`,
    `${clock(one.at)}, ${one.cause}`,
  ]);
  private readonly all = h("span", { class: "soft" });
  readonly element = panel("Slow to read", "slow", h("h3", {}, "Behind now"), this.now.empty, this.now.list, h("h3", {}, "Cut lately ", this.all), this.before.empty, this.before.list);

  show(now: Now): void {
    const cuts = now.cuts.Full + now.cuts.Age + now.cuts.Total;
    setText(this.all, cuts > 0 ? `(${count(cuts)} since the start)` : "");
  }

  behind(all: Behind[]): void {
    this.now.show(all, (one) => one.namespace + one.socket);
  }

  lately(news: Lately): void {
    const cuts = (news.cuts ?? []).toReversed();
    this.before.show(cuts, (one) => one.at + one.address + one.user);
  }
}

// The other nodes, and what they meet in.
export class NodesPanel {
  private readonly redis = h("p", { testid: "redis" });
  private readonly cluster = h("p", {});
  private readonly nodes = new Sentences<Node>("", (one) => [one.name, `${one.version ? `version ${one.version}, ` : ""}for ${duration(Date.now() - Date.parse(one.started))}`]);
  readonly element = panel("Nodes and Redis", "nodes", this.redis, this.cluster, this.nodes.list);

  show({ redis, cluster }: Now): void {
    setText(this.redis, redis === undefined ? "This server uses no Redis." : redis.up ? "Redis takes writes." : `Redis takes no writes: ${redis.error}`);
    this.redis.classList.toggle("bad", redis?.up === false);
    setText(this.cluster, cluster === undefined ? "This server runs alone: it shares its rooms with nobody." : clusterWords(cluster));
    this.cluster.classList.toggle("bad", cluster?.alone === true);
    this.nodes.show(cluster?.nodes ?? [], (one) => one.id);
  }
}

function clusterWords(cluster: NonNullable<Now["cluster"]>): string {
  if (cluster.alone) {
    return `This node goes on alone until Redis answers; ${plural(cluster.backlog, "operation")} wait for the others.`;
  }
  return `${plural(cluster.nodes.length, "node")} (${cluster.mode}), ${cluster.lagMs < 1000 ? "none is behind" : `${duration(cluster.lagMs)} behind`}. The numbers here are this node's.`;
}

// Sockets of each namespace.
export class NamespacesPanel {
  private readonly list = new Sentences<[string, number]>("Nobody is in a namespace.", ([name, n]) => [name, plural(n, "socket")]);
  private readonly rest = h("p", { class: "soft" });
  readonly element = panel("Namespaces", "namespaces", this.list.empty, this.list.list, this.rest);

  show(now: Now): void {
    const all = Object.entries(now.namespaces).sort((a, b) => b[1] - a[1] || a[0].localeCompare(b[0]));
    const used = all.filter(([, n]) => n > 0);
    const shown = used.slice(0, 20);
    this.list.show(shown, ([name]) => name);
    setText(this.rest, [used.length > shown.length ? `${count(used.length - shown.length)} more have fewer.` : "", all.length > used.length ? `${plural(all.length - used.length, "namespace is", "namespaces are")} empty.` : ""].join(" ").trim());
  }
}

// Whom the server keeps out.
export class RevokedPanel {
  private readonly list = new Sentences<Revocation>("Nobody's sign-in is revoked.", (one) => [whose(one), `${clock(one.at)}, until ${clock(one.until)}${one.reason ? `: ${one.reason}` : ""}`]);
  private readonly more = h("p", { class: "soft" });
  readonly element = panel("Revoked", "revoked", this.list.empty, this.list.list, this.more);

  show(now: Now): void {
    setText(this.more, now.revocations > 50 ? `The newest of ${count(now.revocations)}.` : "");
  }

  lately({ revocations }: Lately): void {
    this.list.show(revocations, (one) => JSON.stringify([one.subject, one.tokenId, one.session, one.issuer]));
  }
}

function whose(one: Revocation): string {
  const of = one.issuer ? ` of ${one.issuer}` : "";
  if (one.subject) {
    return `${one.subject}${of}, on all devices`;
  }
  return one.session ? `the login ${one.session}${of}` : `the token ${one.tokenId}${of}`;
}
