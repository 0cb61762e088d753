// A TLS listener of the server's own: client certificates and passwords.
import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { promisify } from "node:util";
import { modes, refusal } from "../js/support/client.mjs";
import { mint, secret } from "../js/support/token.mjs";
import { enter, nameOf } from "./support/client.mjs";
import { password, startServer } from "./support/server.mjs";

const run = promisify(execFile);
const device = "spiffe://ours.example/device/7";
const issuer = "https://id.example";

// authority makes a certificate authority with openssl and gives a function that issues with it.
async function authority(dir, name) {
  const at = (file) => join(dir, `${name}-${file}`);
  const key = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"];
  await run("openssl", ["req", "-x509", ...key, "-keyout", at("ca.key"), "-out", at("ca.pem"), "-days", "1", "-subj", `/CN=${name}`]);
  return async (file, subject, extensions) => {
    await writeFile(at(`${file}.ext`), extensions);
    await run("openssl", ["req", ...key, "-keyout", at(`${file}.key`), "-out", at(`${file}.csr`), "-subj", subject]);
    const signed = ["-CA", at("ca.pem"), "-CAkey", at("ca.key"), "-CAcreateserial", "-days", "1", "-extfile", at(`${file}.ext`)];
    await run("openssl", ["x509", "-req", "-in", at(`${file}.csr`), "-out", at(`${file}.pem`), ...signed]);
    return { cert: at(`${file}.pem`), key: at(`${file}.key`), ca: at("ca.pem") };
  };
}

describe("TLS", () => {
  let dir, target, ca, known, stranger;
  before(async () => {
    dir = await mkdtemp(join(tmpdir(), "gatehouse-tls-"));
    const ours = await authority(dir, "ours");
    const server = await ours("server", "/CN=gatehouse", "subjectAltName=IP:127.0.0.1\nextendedKeyUsage=serverAuth\n");
    const client = "extendedKeyUsage=clientAuth\n";
    known = await pair(await ours("client", "/CN=somebody", `subjectAltName=URI:${device}\n${client}`));
    stranger = await pair(await (await authority(dir, "theirs"))("client", "/CN=somebody", `subjectAltName=URI:${device}\n${client}`));
    ca = await readFile(server.ca);
    target = await startServer({
      auth: { ways: ["token", "certificate", "basic"] },
      tls: { cert_file: server.cert, key_file: server.key, client_ca_file: server.ca, client_auth: "request" },
      trusted_proxies: [],
      jwt: { hmac_secret: secret, issuer }, // the home issuer: the users of the others have it before their subject
    });
  });
  after(async () => {
    await target.stop();
    await rm(dir, { recursive: true });
  });

  const pair = async ({ cert, key }) => ({ cert: await readFile(cert), key: await readFile(key) });

  for (const mode of modes) {
    test(`a client certificate signs in over ${mode}`, async (t) => {
      assert.equal(await nameOf(await enter(t, target, mode, { ca, ...known })), `@CN=ours/${device}`);
    });

    test(`without one there is nobody over ${mode}`, async (t) => {
      const err = await refusal(t, target, "/chat", mode, { ca });
      assert.equal(err.data.code, "unauthenticated");
    });

    test(`a certificate of another authority opens nothing over ${mode}`, async (t) => {
      const err = await refusal(t, target, "/chat", mode, { ca, ...stranger });
      assert.equal(err.data, undefined, "TLS itself refuses it");
    });

    test(`a token and a password work over TLS and ${mode}`, async (t) => {
      assert.equal(await nameOf(await enter(t, target, mode, { ca, auth: { token: mint("ada", { iss: issuer }) } })), "ada");
      const extraHeaders = { Authorization: `Basic ${Buffer.from(`ada:${password}`).toString("base64")}` };
      assert.equal(await nameOf(await enter(t, target, mode, { ca, extraHeaders })), "@/ada");
    });
  }
});
