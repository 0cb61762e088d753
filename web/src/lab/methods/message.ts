import { connect } from "../connect.ts";
import { credentials, ticket } from "../credentials.ts";
import { method } from "../method.ts";

export const token = method({
  id: "token",
  title: "Token in the first message",
  standard: true,
  where: "Browsers, Node, native apps",
  lead: "The client connects, and its first message says who it is. Nothing of it is in an address or a header. Give auth as a function: it is asked again at every reconnect.",
  code: `const socket = io("/lab/token", {
  auth: async (send) => send({ token: await token() }),
});`,
  danger:
    "The connection is there before anybody is known. Connections that never speak would eat all places, so each has 10 seconds, their number is limited in all and per address, and the oldest gives way.",
  config: `auth:
  methods: [token]`,
  tries: [
    {
      id: "connect",
      label: "Connect",
      expect: "admitted",
      why: "auth.token held a token. Its signature fits the server's key, its time is not over, nobody has revoked it.",
      run: async (wire) => {
        const made = await credentials(wire);
        return connect(wire, { namespace: "/lab/token", options: { auth: (send) => send({ token: made.token }) } });
      },
    },
    {
      id: "expired",
      label: "With an expired token",
      expect: "refused",
      why: "The signature is right, the time (exp) is over. The code tells the client that a new token will do.",
      run: async (wire) => {
        const made = await credentials(wire);
        return connect(wire, { namespace: "/lab/token", options: { auth: { token: made.expired } } });
      },
    },
  ],
});

export const ticketInMessage = method({
  id: "ticket",
  title: "Ticket in the first message",
  standard: true,
  where: "Browsers, Node, native apps",
  lead: "The page asks an HTTP endpoint for a ticket, which knows the user already (by a token here, by a session elsewhere), and connects with it. A ticket is good once, for 30 seconds.",
  code: `const socket = io("/lab/ticket", {
  auth: async (send) => send({ ticket: await ticket() }),
});`,
  danger:
    "Little: a stolen ticket is worth one connection, and only from the page that asked for it. A client that reconnects needs a new one, so auth must be a function.",
  config: `auth:
  methods: [token, ticket]
tickets:
  ttl: 30s`,
  tries: [
    {
      id: "connect",
      label: "Get a ticket, connect",
      expect: "admitted",
      why: "The ticket was made here, a moment ago, for this page. It is used up now.",
      run: async (wire) => connect(wire, { namespace: "/lab/ticket", options: { auth: { ticket: await ticket(wire) } } }),
    },
    {
      id: "twice",
      label: "Use one ticket twice",
      expect: "refused",
      why: "The first connection has used the ticket. Of any number of tries, also at the same moment, one succeeds.",
      run: async (wire) => {
        const options = { auth: { ticket: await ticket(wire) } };
        await connect(wire, { namespace: "/lab/ticket", options });
        wire.note("A second connection with the same ticket:");
        return connect(wire, { namespace: "/lab/ticket", options });
      },
    },
  ],
});
