import type { Method } from "../method.ts";
import { ticketInQuery, tokenInQuery } from "./address.ts";
import { anonymous, certificate, origin } from "./beneath.ts";
import { cookie } from "./cookie.ts";
import { basic, bearer } from "./headers.ts";
import { ticketInMessage, token } from "./message.ts";
import { appsync, kubernetes, plain } from "./protocols.ts";

export interface Group {
  title: string;
  methods: Method[];
}

export const groups: Group[] = [
  { title: "In the first message", methods: [token, ticketInMessage] },
  { title: "In the address", methods: [ticketInQuery, tokenInQuery] },
  { title: "In a header", methods: [bearer, kubernetes, appsync, plain, cookie, basic] },
  { title: "Around it", methods: [certificate, origin, anonymous] },
];
