"""A back end in Python, without a package: it signs people in, and answers what
Gatehouse asks."""
import base64
import hashlib
import hmac
import json
import os
import time
import uuid
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

TOKEN_SECRET = b"an-example-of-a-secret-that-is-no-secret-at-all"
HOOK_SECRET = base64.b64decode("YW4gZXhhbXBsZSB0aGF0IGlzIG5vIHNlY3JldCBhdCBhbGw=")
PAGE = (Path(__file__).parent.parent / "index.html").read_bytes()
orders = {}


def login(name, staff):
    """Gives a token. A real one asks for a password first."""
    def part(value):
        return base64.urlsafe_b64encode(value).rstrip(b"=")
    now = int(time.time())
    claims = {"sub": name, "name": name, "scope": "staff" if staff else "", "iat": now, "exp": now + 3600}
    body = part(b'{"alg":"HS256","typ":"JWT"}') + b"." + part(json.dumps(claims).encode())
    signature = part(hmac.digest(TOKEN_SECRET, body, "sha256"))
    return {"token": (body + b"." + signature).decode()}


def refuse(code, message):
    return {"error": {"code": code, "message": message}}


def handle(event, argument, user):
    """Answers one event of a client: its acknowledgement, and who gets what."""
    staff = "staff" in user.get("scopes", [])
    if event == "order:create":
        order = {"id": str(uuid.uuid4()), "item": str(argument.get("item", "")), "by": user["subject"]}
        orders[order["id"]] = order
        return {"ack": [{"ok": True, "id": order["id"]}], "emit": [{"to": "desk", "event": "order:created", "args": [order]}]}
    if event == "order:done":
        if not staff:
            return refuse("forbidden", "Only staff may do this.")
        order = orders.pop(argument.get("id"), None)
        if order is None:
            return refuse("not_found", "There is no such order.")
        return {"emit": [{"user": order["by"], "event": "order:done", "args": [order]}]}
    if event == "dm:send":
        message = {"from": user["subject"], "text": str(argument.get("text", ""))}
        return {"emit": [{"user": str(argument.get("to")), "event": "dm", "args": [message]}]}
    return refuse("unknown_event", "There is no such event.")


def verified(headers, body):
    """Checks a signature (Standard Webhooks). Libraries exist for it."""
    at = headers.get("webhook-timestamp", "0")
    if abs(time.time() - int(at)) > 300:
        return False  # replayed
    signed = f"{headers.get('webhook-id')}.{at}.".encode() + body
    right = base64.b64encode(hmac.new(HOOK_SECRET, signed, hashlib.sha256).digest()).decode()
    return any(hmac.compare_digest(s, "v1," + right) for s in headers.get("webhook-signature", "").split())


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        self.answer(200, PAGE, "text/html") if self.path == "/" else self.answer(404, b"")

    def do_POST(self):
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        if self.path == "/login":
            self.answer(200, json.dumps(login(**json.loads(body))).encode())
        elif self.path == "/realtime" and verified(self.headers, body):
            e = json.loads(body)
            argument = e["args"][0] if e.get("args") else {}
            self.answer(200, json.dumps(handle(e["event"], argument, e["user"])).encode())
        else:
            self.answer(401, b"")

    def answer(self, status, body, kind="application/json"):
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


print("http://localhost:4000", flush=True)
ThreadingHTTPServer(("127.0.0.1", int(os.environ.get("PORT", 4000))), Handler).serve_forever()
