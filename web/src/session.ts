import { readClaims } from "./claims.ts";
import { type Login, demoLogin } from "./login.ts";
import type { Keep } from "./keep.ts";
import type { Me } from "./rows.ts";

const key = "gatehouse.session";

// A token this close to its end is renewed before it is used.
const margin = 10_000;

interface Stored {
  token: string;
  name?: string; // given when the demo login made the token, and can make another
}

// Session is who this tab is. It lives in sessionStorage: a reload keeps it, and another tab can be
// somebody else.
export class Session {
  private stored: Stored;
  private readonly keep: Keep;

  constructor(keep: Keep, stored: Stored) {
    this.keep = keep;
    this.stored = stored;
    this.save();
  }

  static restore(keep: Keep): Session | undefined {
    try {
      const stored = JSON.parse(keep.getItem(key) ?? "null") as Stored | null;
      return typeof stored?.token === "string" && stored.token ? new Session(keep, stored) : undefined;
    } catch {
      return undefined;
    }
  }

  static forget(keep: Keep): void {
    keep.setItem(key, "");
  }

  // Who the token says this is. A token that says nothing leaves the user unknown until the server names
  // it in a message.
  get me(): Me {
    const { subject, name } = readClaims(this.stored.token);
    return { user: subject ?? "", name: name ?? this.stored.name ?? subject ?? "You" };
  }

  get renewable(): boolean {
    return this.stored.name !== undefined;
  }

  // The token for the next connection, renewed when it is about to expire. Never fails: when no other can
  // be had, the server is asked with the old one, and says what is wrong with it.
  async token(): Promise<string> {
    const { expiresAt } = readClaims(this.stored.token);
    if (expiresAt !== undefined && expiresAt - margin < Date.now()) {
      await this.renew();
    }
    return this.stored.token;
  }

  // Signs in again under the same name. Undefined when the token was not made by the demo login.
  async renew(): Promise<Login | undefined> {
    if (this.stored.name === undefined) {
      return undefined;
    }
    const login = await demoLogin(this.stored.name);
    if (login.kind === "token") {
      this.stored = { ...this.stored, token: login.token };
      this.save();
    }
    return login;
  }

  private save(): void {
    try {
      this.keep.setItem(key, JSON.stringify(this.stored));
    } catch {
      // A reload will ask again.
    }
  }
}
