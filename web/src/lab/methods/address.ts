import { connect } from "../connect.ts";
import { credentials, ticket } from "../credentials.ts";
import { method } from "../method.ts";

export const ticketInQuery = method({
  id: "ticket-query",
  title: "Ticket in the query",
  standard: true,
  where: "Browsers, Node, native apps: all that can only choose an address",
  lead: "The same ticket as ?ticket= of the address. Long-polling repeats the query with every request and with the upgrade; that is one use, by one session.",
  code: `const socket = io("/lab/ticket", {
  query: { ticket: await ticket() },
});`,
  danger:
    "Addresses end up in the logs of every proxy on the way. That is why a ticket lives for seconds and is used up when it gets there. The query is fixed when the client is made: before a reconnect, give it a new ticket.",
  config: `auth:
  methods: [token, ticket]`,
  tries: [
    {
      id: "connect",
      label: "Connect with ?ticket=",
      expect: "admitted",
      why: "The ticket was redeemed when the namespace was asked for, not when the transport opened. This session may show it again.",
      run: async (wire) => {
        const query = { ticket: await ticket(wire) };
        return connect(wire, { namespace: "/lab/ticket", options: { query }, upgraded: true });
      },
    },
    {
      id: "twice",
      label: "From a second session",
      expect: "refused",
      why: "Only the session that redeemed the ticket may show it again. To everybody else it is used.",
      run: async (wire) => {
        const options = { query: { ticket: await ticket(wire) } };
        await connect(wire, { namespace: "/lab/ticket", options });
        wire.note("A second session with the same address:");
        return connect(wire, { namespace: "/lab/ticket", options });
      },
    },
  ],
});

export const tokenInQuery = method({
  id: "query-token",
  title: "Token in the query",
  where: "Browsers, Node, native apps",
  lead: "The token itself as ?token= of the address. Many servers do it; here it is off.",
  code: `const socket = io("/lab/query-token", {
  query: { token },
});`,
  danger:
    "The address, and the token in it, is kept in access logs, histories and error reports, and the token is good until it expires. The server masks it in its own log, it cannot do so in others. A ticket does the same without the harm.",
  config: `auth:
  methods: [token, query_token]   # the start-up log warns`,
  tries: [
    {
      id: "connect",
      label: "Connect with ?token=",
      expect: "admitted",
      why: "This namespace has the way query_token on, and the token is good.",
      run: async (wire) => {
        const { token } = await credentials(wire);
        return connect(wire, { namespace: "/lab/query-token", options: { query: { token } } });
      },
    },
    {
      id: "off",
      label: "Where it is off",
      expect: "refused",
      why: "The same address for a namespace without this way: the server does not look at ?token= at all, so nobody brought a credential.",
      run: async (wire) => {
        const { token } = await credentials(wire);
        return connect(wire, { namespace: "/lab/token", options: { query: { token } } });
      },
    },
  ],
});
