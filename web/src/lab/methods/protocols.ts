import { bare, connect } from "../connect.ts";
import { credentials } from "../credentials.ts";
import { base64url } from "../mask.ts";
import { method } from "../method.ts";
import type { Outcome } from "../outcome.ts";
import type { Wire } from "../wire.ts";

const namespace = "/lab/subprotocol";
const real = "gatehouse.lab"; // the protocol beside the token

const where = "Browsers and all others, WebSocket only";

const config = `auth:
  methods: [token, subprotocol]`;

const entry = (token: string) => `base64url.bearer.authorization.gatehouse.${base64url(token)}`;

export const kubernetes = method({
  id: "subprotocol-kubernetes",
  title: "Subprotocol, as Kubernetes does it",
  where,
  lead: "Sec-WebSocket-Protocol is the one header that a page can set. It was made to agree on a protocol; the token goes beside one.",
  code: `const socket = io("${namespace}", {
  transports: ["websocket"],
  protocols: ["${real}",
    "base64url.bearer.authorization.gatehouse." + base64url(token)],
});`,
  danger:
    "Proxies log this header, because it was never meant to be secret. The server answers with the real protocol, never with the token. Polling sends no protocols: without transports: [\"websocket\"] nobody brings a token.",
  config,
  tries: [
    {
      id: "connect",
      label: "Connect with socket.io-client",
      expect: "admitted",
      why: "One entry of the offer was a token in unpadded base64url, another a protocol to answer with.",
      run: async (wire) => {
        const { token } = await credentials(wire);
        return offer(wire, ["websocket"], [real, entry(token)]);
      },
    },
    {
      id: "polling",
      label: "With the default transports",
      expect: "refused",
      why: "The handshake was a polling request, which has no protocols. What would come along with the upgrade never changes who somebody is.",
      run: async (wire) => {
        const { token } = await credentials(wire);
        return offer(wire, ["polling", "websocket"], [real, entry(token)]);
      },
    },
  ],
});

function offer(wire: Wire, transports: string[], protocols: string[]): Promise<Outcome> {
  const headers = transports[0] === "websocket" ? [`Sec-WebSocket-Protocol: ${protocols.join(", ")}`] : [];
  return connect(wire, { namespace, headers, options: { transports, protocols } });
}

export const appsync = method({
  id: "subprotocol-appsync",
  title: "Subprotocol, as AWS AppSync does it",
  where,
  lead: "A whole header in one entry: JSON with Authorization in it, in base64url. This card uses a bare WebSocket and no library.",
  code: `const header = base64url(JSON.stringify({ Authorization: token }));
const ws = new WebSocket(url, ["${real}", "header-" + header]);`,
  danger: "As above. And the token must not stand alone: there would be no protocol left to answer with, and a browser closes a connection whose answer selects nothing.",
  config: `${config}
subprotocol:
  forms: [appsync]   # the default is kubernetes, appsync`,
  tries: [
    {
      id: "connect",
      label: "Connect with a bare WebSocket",
      expect: "admitted",
      why: "The entry header-… held JSON with a good token.",
      run: async (wire) => {
        const { token } = await credentials(wire);
        return bare(wire, namespace, [real, header(token)]);
      },
    },
    {
      id: "alone",
      label: "The token alone",
      expect: "refused",
      why: "Nothing was offered beside the token, and the answer must never be the token.",
      run: async (wire) => {
        const { token } = await credentials(wire);
        return bare(wire, namespace, [header(token)]);
      },
    },
  ],
});

const header = (token: string) => `header-${base64url(JSON.stringify({ Authorization: token }))}`;

export const plain = method({
  id: "subprotocol-plain",
  title: "Subprotocol, the plain pair",
  where,
  lead: "A protocol and the token as it is. It works for tokens made of characters that a protocol may have; a JWT is.",
  code: `const ws = new WebSocket(url, ["${real}", token]);`,
  danger: "As above. Whatever stands second counts as a token, so this form has to be switched on with the name that stands first.",
  config: `${config}
subprotocol:
  forms: [plain]
  plain: ${real}`,
  tries: [
    {
      id: "connect",
      label: "Connect with a bare WebSocket",
      expect: "admitted",
      why: `The first entry is the configured protocol, so the second is the token; the answer is ${real}.`,
      run: async (wire) => {
        const { token } = await credentials(wire);
        return bare(wire, namespace, [real, token]);
      },
    },
    {
      id: "expired",
      label: "With an expired token",
      expect: "refused",
      why: "The WebSocket opens, because the protocols are in order. The namespace then refuses the token.",
      run: async (wire) => {
        const { expired } = await credentials(wire);
        return bare(wire, namespace, [real, expired]);
      },
    },
  ],
});
