import { connect } from "../connect.ts";
import { withSession } from "../credentials.ts";
import { method } from "../method.ts";

const namespace = "/lab/cookie";
const header = (cookie: string) => `Cookie: ${cookie}=…`;

export const cookie = method({
  id: "cookie",
  title: "Session cookie",
  where: "Browsers",
  lead: "The browser adds the cookie of the site by itself. A token that only a page of this site can have, the CSRF token, goes along in the first message.",
  code: `const socket = io("/lab/cookie", {
  auth: { csrf },   // from an answer that only this site's pages can read
});`,
  danger:
    "Any page can open a WebSocket to your server, and the browser sends the cookie along: CORS does not apply. So the Origin must be listed, and the CSRF token must belong to this session. Cookies do not cross domains; a ticket does.",
  config: `auth:
  methods: [cookie]
cookie:
  csrf_secret: …   # openssl rand -base64 48
origins:
  allow: [self]`,
  tries: [
    {
      id: "connect",
      label: "Sign in, connect",
      expect: "admitted",
      why: "The cookie is of this session, the request came from a page of this site, and the CSRF token was made for this cookie. The lab takes the cookie away again.",
      run: (wire) => withSession(wire, ({ cookie: name, csrf }) => connect(wire, { namespace, headers: [header(name)], options: { auth: { csrf } } })),
    },
    {
      id: "no-csrf",
      label: "Without the CSRF token",
      expect: "refused",
      why: "The cookie is good, but any page could have caused this request. Only one that can read this site's answers has the token.",
      run: (wire) => withSession(wire, ({ cookie: name }) => connect(wire, { namespace, headers: [header(name)] })),
    },
  ],
});
