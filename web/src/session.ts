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

// What remembers who this is: this tab, and the browser for its other tabs.
export interface Places {
  tab: Keep;
  browser: Keep;
}

// Session is who this tab is. A reload keeps it. A new tab begins as who signed in last with a name; it can
// become somebody else, and the others stay who they are. A token that was pasted is known to its tab only.
export class Session {
  private stored: Stored;
  private readonly places: Places;

  private constructor(places: Places, stored: Stored) {
    this.places = places;
    this.stored = stored;
    keep(places.tab, stored);
  }

  static begin(places: Places, stored: Stored): Session {
    if (stored.name !== undefined) {
      keep(places.browser, stored);
    }
    return new Session(places, stored);
  }

  static restore(places: Places): Session | undefined {
    const { tab, browser } = places;
    // A tab that has signed out remembers that.
    const stored = parse(tab.getItem(key) ?? browser.getItem(key));
    return stored && new Session(places, stored);
  }

  // Signs this tab out, and the tabs that are opened from now on.
  static forget({ tab, browser }: Places): void {
    tab.setItem(key, "");
    browser.setItem(key, "");
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
      keep(this.places.tab, this.stored);
      if (parse(this.places.browser.getItem(key))?.name === this.stored.name) {
        keep(this.places.browser, this.stored);
      }
    }
    return login;
  }
}

function keep(place: Keep, stored: Stored): void {
  try {
    place.setItem(key, JSON.stringify(stored));
  } catch {
    // A reload, or another tab, will ask again.
  }
}

function parse(text: string | null): Stored | undefined {
  try {
    const stored = JSON.parse(text || "null") as Stored | null;
    return typeof stored?.token === "string" && stored.token ? stored : undefined;
  } catch {
    return undefined;
  }
}
