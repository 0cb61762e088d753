// Makes a configuration file of a few choices. A test runs `gatehouse config check` on what comes out.

export const choices = {
  signIn: ["secret", "publicKey", "keySet"],
  door: ["proxy", "tls", "plain"],
  origin: ["same", "other"],
  nodes: ["one", "several"],
  recovery: ["off", "on"],
  rooms: ["chat", "rules", "backend"],
  operators: ["none", "local"],
} as const;

export type Choices = { [K in keyof typeof choices]: (typeof choices)[K][number] };

export const first: Choices = {
  signIn: "secret", door: "proxy", origin: "same", nodes: "one", recovery: "off", rooms: "chat", operators: "none",
};

// The words of the form.
export const words: { [K in keyof Choices]: { question: string; answers: Record<Choices[K], string> } } = {
  signIn: {
    question: "Who makes the tokens?",
    answers: { secret: "our back end, with a shared secret", publicKey: "somebody whose public key we have", keySet: "an identity provider with a key set" },
  },
  door: {
    question: "What stands in front?",
    answers: { proxy: "a proxy with TLS", tls: "nothing: TLS here", plain: "nothing, for this machine only" },
  },
  origin: { question: "Where do the pages come from?", answers: { same: "the same host", other: "https://app.example.com" } },
  nodes: { question: "How many servers?", answers: { one: "one", several: "several, with Redis" } },
  recovery: { question: "May a connection that breaks go on where it stopped?", answers: { off: "no", on: "yes, for two minutes" } },
  rooms: {
    question: "What is served?",
    answers: { chat: "the built-in chat", rules: "rooms of our own, by rules", backend: "events that our back end answers" },
  },
  operators: { question: "Metrics and the operators' interface?", answers: { none: "no", local: "on this machine" } },
};

const signIn: Record<Choices["signIn"], string> = {
  secret: `jwt:
  hmac_secret_file: /etc/gatehouse/jwt.secret # openssl rand -base64 48
`,
  publicKey: `jwt:
  public_key_file: /etc/gatehouse/issuer.pem
  issuer: https://login.example.com # exactly as in the tokens
  audience: [chat]
`,
  keySet: `jwt:
  jwks_url: https://login.example.com/.well-known/jwks.json
  algorithm: RS256
  issuer: https://login.example.com # exactly as in the tokens
  audience: [chat]
`,
};

const door: Record<Choices["door"], string> = {
  proxy: `addr: 127.0.0.1:3000
trusted_proxies: [127.0.0.1] # whose X-Forwarded-For counts
`,
  tls: `addr: :443
tls:
  cert_file: /etc/gatehouse/server.pem
  key_file: /etc/gatehouse/server.key
`,
  plain: `addr: 127.0.0.1:3000
`,
};

const rooms: Record<Choices["rooms"], string> = {
  chat: "",
  rules: `chat:
  enabled: false
namespaces:
  /app:
    join: ["user:{sub}"]
    rooms:
      - match: "doc:{id}"
        join: id in claims.docs
        send: id in claims.docs
        history: {messages: 100, bytes: 256KiB}
        presence: true
`,
  backend: `chat:
  enabled: false
namespaces:
  /app:
    join: ["user:{sub}"]
    backend: shop
backends:
  shop:
    url: https://shop.example.com/events
    secret: whsec_YW4gZXhhbXBsZSB0aGF0IGlzIG5vIHNlY3JldCBhdCBhbGw= # an example; echo "whsec_$(openssl rand -base64 32)"
`,
};

const several = `redis:
  url: redis://redis.internal:6379
cluster:
  mode: streams
  secret_file: /etc/gatehouse/cluster.secret # the same on all nodes: openssl rand -base64 48
  addr: 10.0.0.1:3002 # this node's, for the other nodes only
`;

export function build(c: Choices): string {
  return [
    "# gatehouse serve --config gatehouse.yaml\n",
    door[c.door],
    signIn[c.signIn],
    c.origin === "other" ? `origins:\n  allow: [self, "https://app.example.com"]\n` : "",
    c.nodes === "several" ? several : "",
    c.recovery === "on" ? "recovery:\n  for: 2m\n" : "",
    rooms[c.rooms],
    c.operators === "local" ? "admin:\n  addr: 127.0.0.1:9090\n" : "",
  ].join("");
}
