#!/usr/bin/env python3
"""The inventory of a fleet on DigitalOcean: its machines by their tags, asked at each run.

Environment: DO_API_TOKEN (without it there are no machines), DO_API_URL, COALMINE_FLEET (by default coalmine).
"""

import json
import os
import sys
import time
import urllib.error
import urllib.parse
import urllib.request

ATTEMPTS = 5
PAGES = 50


def ask(url, token):
    """One page, once more after 429 and 5xx as long as the answer says, at most 30 s."""
    for attempt in range(1, ATTEMPTS + 1):
        try:
            request = urllib.request.Request(url, headers={"Authorization": f"Bearer {token}"})
            with urllib.request.urlopen(request, timeout=30) as answer:
                return json.load(answer)
        except urllib.error.HTTPError as error:
            if attempt == ATTEMPTS or not (error.code == 429 or error.code >= 500):
                raise
            after = error.headers.get("Retry-After", "")
            time.sleep(min(int(after) if after.isdigit() else attempt, 30))
    raise AssertionError("the last attempt returns or raises")


def everything(base, path, key, token):
    """All pages of a list. Only the query of a link is followed: the host stays the one that was asked for."""
    found, query = [], "per_page=100"
    for _ in range(PAGES):
        page = ask(f"{base}{path}{'&' if '?' in path else '?'}{query}", token)
        found += page[key]
        following = page.get("links", {}).get("pages", {}).get("next")
        if not following:
            return found
        number = urllib.parse.parse_qs(urllib.parse.urlsplit(following).query)["page"][0]
        query = f"per_page=100&page={int(number)}"
    raise SystemExit(f"more than {PAGES} pages of {key}")


def inventory(droplets, reserved):
    """What Ansible reads: groups, and the variables of each host."""
    ids = {droplet["id"] for droplet in droplets}
    address = next((ip["ip"] for ip in reserved if (ip.get("droplet") or {}).get("id") in ids), "")
    groups, hosts = {}, {}
    for droplet in droplets:
        networks = {net["type"]: net["ip_address"] for net in droplet["networks"]["v4"]}
        group = next((tag.split(":")[2] for tag in droplet["tags"] if tag.startswith("coalmine-group:")), "ungrouped")
        groups.setdefault(group, {"hosts": []})["hosts"].append(droplet["name"])
        hosts[droplet["name"]] = {
            "ansible_host": networks.get("public", ""),
            "fleet_ip": networks.get("private", networks.get("public", "")),
            "fleet_address": address,
            "provision_id": droplet["id"],
        }
    for group in groups.values():
        group["hosts"].sort()
    return {**groups, "_meta": {"hostvars": hosts}}


def main():
    token = os.environ.get("DO_API_TOKEN", "")
    if not token or "--host" in sys.argv:
        print(json.dumps({} if "--host" in sys.argv else {"_meta": {"hostvars": {}}}))
        return
    base = os.environ.get("DO_API_URL", "https://api.digitalocean.com").rstrip("/")
    tag = urllib.parse.quote(f"coalmine-fleet:{os.environ.get('COALMINE_FLEET') or 'coalmine'}")
    droplets = everything(base, f"/v2/droplets?tag_name={tag}", "droplets", token)
    reserved = everything(base, "/v2/reserved_ips", "reserved_ips", token) if droplets else []
    print(json.dumps(inventory(droplets, reserved), indent=2))


if __name__ == "__main__":
    main()
