"""A small DigitalOcean: the calls that provisioning makes, with the shapes of the real answers, on loopback.

Faults are asked for by method and path: `faults.append(("POST", "/v2/droplets", 500))` breaks the next such call. With
"after" in place of the status the call takes effect and its answer is lost as a 500.
"""

import base64
import hashlib
import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, unquote, urlsplit

TOKEN = "dop_v1_test"


class DigitalOcean:
    """The account, and the server in front of it."""

    def __init__(self):
        self.droplets, self.firewalls, self.keys, self.reserved, self.tags = {}, {}, {}, {}, set()
        self.calls, self.faults, self.page = [], [], 200
        self.number = 100
        self.lock = threading.Lock()
        self.server = ThreadingHTTPServer(("127.0.0.1", 0), type("Bound", (Calls,), {"account": self}))
        self.url = f"http://127.0.0.1:{self.server.server_port}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def close(self):
        self.server.shutdown()
        self.server.server_close()

    def count(self, method, path):
        return sum(1 for call in self.calls if call == (method, path))

    def empty(self):
        return not (self.droplets or self.firewalls or self.keys or self.reserved or self.tags)

    def next(self):
        self.number += 1
        return self.number

    # Each call returns a status and a body.

    def get_droplets(self, query):
        tag = query.get("tag_name")
        found = [d for d in self.droplets.values() if not tag or tag in d["tags"]]
        for droplet in found:
            droplet["asked"] += 1
            if droplet["asked"] > 1 and droplet["status"] == "new":
                droplet["status"] = "active"
                droplet["networks"]["v4"] = [
                    {"ip_address": f"10.114.0.{droplet['id'] % 250}", "netmask": "255.255.240.0", "type": "private"},
                    {"ip_address": f"127.0.1.{droplet['id'] % 250}", "netmask": "255.255.240.0", "type": "public"},
                ]
        return self.listed("droplets", found, query)

    def post_droplets(self, body):
        unknown = [key for key in body["ssh_keys"] if key not in self.keys]
        if unknown:
            return 422, {"id": "unprocessable_entity", "message": f"{unknown} are invalid key identifiers"}
        droplet = {
            "id": self.next(),
            "name": body["name"],
            "memory": 2048,
            "vcpus": 1,
            "disk": 50,
            "locked": True,
            "status": "new",
            "created_at": "2026-01-01T00:00:00Z",
            "features": ["droplet_agent", "private_networking"],
            "size_slug": body["size"],
            "networks": {"v4": [], "v6": []},
            "region": {"slug": body["region"], "name": "Frankfurt 1"},
            "image": {"slug": body["image"]},
            "tags": body["tags"],
            "asked": 0,
            "user_data": body["user_data"],
        }
        self.tags.update(body["tags"])
        self.droplets[droplet["id"]] = droplet
        return 202, {"droplet": droplet, "links": {"actions": [{"id": self.next(), "rel": "create"}]}}

    def delete_droplets(self, of):
        return (204, None) if self.droplets.pop(int(of), None) else self.unknown()

    def get_firewalls(self, query):
        return self.listed("firewalls", list(self.firewalls.values()), query)

    def post_firewalls(self, body, of=None):
        if of is None and any(f["name"] == body["name"] for f in self.firewalls.values()):
            return 409, {"id": "conflict", "message": "duplicate name"}
        named = body["tags"] + [t for rule in body["inbound_rules"] for t in rule["sources"].get("tags", [])]
        if set(named) - self.tags:
            return 422, {"id": "unprocessable_entity", "message": "tag does not exist"}
        of = of or f"bb4b2611-3d72-467b-8602-{self.next():012d}"
        self.firewalls[of] = {"id": of, "status": "waiting", "droplet_ids": [], "pending_changes": [], **body}
        # The API lists rules in an order of its own.
        self.firewalls[of]["inbound_rules"] = body["inbound_rules"][::-1]
        return 202, {"firewall": self.firewalls[of]}

    def put_firewalls(self, body, of):
        return (200, self.post_firewalls(body, of)[1]) if of in self.firewalls else self.unknown()

    def delete_firewalls(self, of):
        return (204, None) if self.firewalls.pop(of, None) else self.unknown()

    def get_account_keys(self, query, of):
        return (200, {"ssh_key": self.keys[of]}) if of in self.keys else self.unknown()

    def post_account_keys(self, body):
        digest = hashlib.md5(base64.b64decode(body["public_key"].split()[1])).hexdigest()
        fingerprint = ":".join(digest[at : at + 2] for at in range(0, 32, 2))
        if fingerprint in self.keys:
            return 422, {"id": "unprocessable_entity", "message": "SSH Key is already in use on your account"}
        self.keys[fingerprint] = {"id": self.next(), "fingerprint": fingerprint, **body}
        return 201, {"ssh_key": self.keys[fingerprint]}

    def delete_account_keys(self, of):
        return (204, None) if self.keys.pop(of, None) else self.unknown()

    def get_reserved_ips(self, query):
        return self.listed("reserved_ips", list(self.reserved.values()), query)

    def post_reserved_ips(self, body):
        ip = f"203.0.113.{self.next() % 250}"
        droplet = self.droplets[body["droplet_id"]]
        self.reserved[ip] = {"ip": ip, "droplet": droplet, "region": droplet["region"], "locked": False}
        return 202, {"reserved_ip": self.reserved[ip], "links": {"droplets": [], "actions": []}}

    def delete_reserved_ips(self, of):
        return (204, None) if self.reserved.pop(of, None) else self.unknown()

    def post_tags(self, body):
        self.tags.add(body["name"])
        return 201, {"tag": {"name": body["name"], "resources": {"count": 0, "droplets": {"count": 0}}}}

    def delete_tags(self, of):
        self.tags.discard(of)
        return 204, None

    def listed(self, key, things, query):
        page, per = int(query.get("page", 1)), min(int(query.get("per_page", 20)), self.page)
        shown = things[(page - 1) * per : page * per]
        pages = {}
        if page * per < len(things):
            pages = {"next": f"{self.url}/v2/{key}?page={page + 1}&per_page={per}"}
        return 200, {key: shown, "links": {"pages": pages}, "meta": {"total": len(things)}}

    def unknown(self):
        return 404, {"id": "not_found", "message": "The resource you were accessing could not be found."}


class Calls(BaseHTTPRequestHandler):
    """Finds the method of the account for a call: `GET /v2/account/keys/ID` is get_account_keys(query, ID)."""

    account = None
    protocol_version = "HTTP/1.1"

    def call(self):
        url = urlsplit(self.path)
        body = json.loads(self.rfile.read(int(self.headers.get("Content-Length") or 0)) or "null")
        parts = url.path.removeprefix("/v2/").split("/")
        of = [unquote(parts.pop())] if len(parts) > 1 and parts != ["account", "keys"] else []
        account, name = self.account, f"{self.command.lower()}_{'_'.join(parts)}"
        given = {
            "GET": [{key: values[0] for key, values in parse_qs(url.query).items()}],
            "DELETE": [],
        }.get(self.command, [body])
        with account.lock:
            account.calls.append((self.command, url.path))
            if self.headers.get("Authorization") != f"Bearer {TOKEN}":
                return self.answer(401, {"id": "unauthorized", "message": "Unable to authenticate you"})
            for fault in account.faults:
                if fault[:2] == (self.command, url.path):
                    account.faults.remove(fault)
                    if fault[2] == "after":
                        getattr(account, name)(*given, *of)
                    status = 500 if fault[2] == "after" else fault[2]
                    return self.answer(status, {"id": "server_error", "message": "Unexpected server-side error"})
            if not hasattr(account, name):
                return self.answer(404, {"id": "not_found", "message": name})
            return self.answer(*getattr(account, name)(*given, *of))

    do_GET = do_POST = do_PUT = do_DELETE = call

    def answer(self, status, body):
        text = b"" if body is None else json.dumps(body).encode()
        self.send_response(status)
        if status == 429:
            self.send_header("Retry-After", "1")
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)

    def log_message(self, *_):
        pass
