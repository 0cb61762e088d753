import { connect } from "../connect.ts";
import { method } from "../method.ts";

const here = location.origin;

export const certificate = method({
  id: "certificate",
  title: "Client certificate",
  where: "Node, native apps, machines; a browser asks its user to choose one",
  lead: "The client proves who it is while TLS is being set up, before a single byte of HTTP. A page has no say in it, so here are the commands: they make an authority, a server and a client certificate, and connect.",
  code: `const [key, cert, ca] = ["client.key", "client.pem", "ca.pem"]
  .map((file) => readFileSync(file));
const socket = io("https://localhost:3443/lab/certificate",
  { key, cert, ca });   // in Node`,
  danger:
    "Taking one away means revoking its subject or waiting for its end. Before TLS 1.3 the holder's name crosses the network in the clear. Only what the TLS stack has verified counts; the name is read from its structured fields.",
  config: `auth:
  methods: [certificate]
certificate:
  identity: uri   # or dns, email, common_name
tls:
  cert_file: server.pem
  key_file: server.key
  client_ca_file: ca.pem
  client_auth: request`,
  commands: [
    {
      label: "Make the certificates",
      text: `openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 1 -subj /CN=lab-ca -keyout ca.key -out ca.pem
openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 1 -subj /CN=localhost -CA ca.pem -CAkey ca.key \\
  -addext subjectAltName=DNS:localhost -addext basicConstraints=CA:FALSE -keyout server.key -out server.pem
openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 1 -subj /CN=client -CA ca.pem -CAkey ca.key \\
  -addext subjectAltName=URI:spiffe://lab/sensor-7 -addext basicConstraints=CA:FALSE -keyout client.key -out client.pem`,
    },
    {
      label: "Start a server that asks for one",
      text: `GATEHOUSE_TLS_CERT_FILE=server.pem GATEHOUSE_TLS_KEY_FILE=server.key \\
GATEHOUSE_TLS_CLIENT_CA_FILE=ca.pem GATEHOUSE_TLS_CLIENT_AUTH=request \\
  gatehouse serve --dev --addr localhost:3443`,
    },
    {
      label: "Connect with it",
      text: `POLL="https://localhost:3443/socket.io/?EIO=4&transport=polling"
SID=$(curl -s "$POLL" --cacert ca.pem --cert client.pem --key client.key | cut -d'"' -f4)
curl -s "$POLL&sid=$SID" --cacert ca.pem --cert client.pem --key client.key -H 'Content-Type: text/plain' -d '40/lab/certificate,'
curl -s "$POLL&sid=$SID" --cacert ca.pem --cert client.pem --key client.key`,
    },
  ],
});

export const origin = method({
  id: "origin",
  title: "Foreign origins",
  standard: true,
  where: "The rule beneath all others, for pages",
  lead: "No way in, but a door before it: a page of another site may not connect at all, with whatever credential. A page cannot claim another Origin than its own, so here is the command that can.",
  code: `// on https://evil.example
new WebSocket("${here.replace("http", "ws")}/socket.io/…");   // 403`,
  danger:
    "CORS alone does not protect a WebSocket: a browser lets any page open one, to any server, with the cookies of that server. Compare whole origins, never parts of them: example.com.evil.example begins like yours.",
  config: `origins:
  allow: [self, "https://app.example.com"]`,
  commands: [
    {
      label: "What a foreign page gets",
      text: `curl -s -w ' %{http_code}' "${here}/socket.io/?EIO=4&transport=polling" -H 'Origin: https://evil.example'`,
    },
  ],
});

export const anonymous = method({
  id: "anonymous",
  title: "Anonymous",
  where: "Everybody",
  lead: "No credential at all, into namespaces that are meant to be open. Every guest is somebody else: the subject is made up for each connection.",
  code: `const socket = io("/lab/anonymous");`,
  danger: "The namespace is open to the whole world. Only where a namespace says so, and always the last of its ways, so that who brings a token is known.",
  config: `auth:
  namespaces:
    - name: /chat
      methods: [token, anonymous]`,
  tries: [
    {
      id: "connect",
      label: "Connect with nothing",
      expect: "admitted",
      why: "This namespace lets everybody in, and no way before found a credential.",
      run: (wire) => connect(wire, { namespace: "/lab/anonymous" }),
    },
    {
      id: "closed",
      label: "Where it is off",
      expect: "refused",
      why: "Every namespace has its own ways. Being let into one opens no other.",
      run: (wire) => connect(wire, { namespace: "/lab/token" }),
    },
  ],
});
