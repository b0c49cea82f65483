"""DigitalOcean, played by a small fake of its API."""

import subprocess

from few_machines import NAMES, OPERATORS
from fake_digitalocean import TOKEN

LISTING = ("GET", "/v2/droplets")


def rules(account, group):
    """{port: sources} of a group's firewall."""
    firewall = next(f for f in account.firewalls.values() if f["name"] == f"coalmine-coalmine-{group}")
    assert firewall["tags"] == [f"coalmine-group:coalmine:{group.replace('-', '_')}"]
    return {
        rule["ports"]: sorted(rule["sources"].get("addresses", []) + rule["sources"].get("tags", []))
        for rule in firewall["inbound_rules"]
    }


def test_a_fleet_is_created_once_listed_and_destroyed_without_a_trace_though_the_provider_has_faults(
    account, digitalocean
):
    account.tags.add("somebody-elses")
    account.post_droplets(
        {"ssh_keys": [], "name": "lb1", "size": "s", "region": "fra1", "image": "i", "tags": ["x"], "user_data": ""}
    )
    stranger = next(iter(account.droplets))

    account.faults += [
        ("GET", "/v2/firewalls", 503),
        ("POST", "/v2/account/keys", "after"),
        ("POST", "/v2/tags", 500),
        ("POST", "/v2/firewalls", "after"),
        ("POST", "/v2/droplets", 429),
        ("POST", "/v2/droplets", 500),
        ("POST", "/v2/droplets", "after"),
        ("POST", "/v2/reserved_ips", 500),
    ]
    digitalocean.ok("provision")
    assert account.faults == [] and len(account.keys) == 1 and len(account.reserved) == 1
    mine = {d["name"]: d for d in account.droplets.values() if d["id"] != stranger}
    assert sorted(mine) == NAMES and len(account.droplets) == len(NAMES) + 1, "no machine was made twice"
    assert "coalmine-group:coalmine:checkbox_canary" in mine["canary1"]["tags"]

    # What reaches a machine is what the flows say, and nothing else.
    redis = rules(account, "redis")
    assert redis["22"] == sorted(OPERATORS)
    assert redis["6379"] == ["coalmine-fleet:coalmine"]
    assert sorted(redis) == ["22", "26379", "6379"]
    assert rules(account, "checkbox-canary")["80"] == sorted(["coalmine-group:coalmine:balancers", *OPERATORS])
    assert "0.0.0.0/0" not in str([f["inbound_rules"] for f in account.firewalls.values()])

    # The machine has the host key that known_hosts knows it by, and no password.
    public = next(l for l in digitalocean.known_hosts().splitlines() if l.startswith("lb1.coalmine ")).split()[2]
    assert public in mine["lb1"]["user_data"] and "ssh_pwauth: false" in mine["lb1"]["user_data"]
    private = digitalocean.home / "given"
    text = mine["lb1"]["user_data"].split("ed25519_private: |\n")[1].split("  ed25519_public")[0]
    private.write_text("".join(line.removeprefix("    ") + "\n" for line in text.splitlines()))
    private.chmod(0o600)
    derived = subprocess.run(["ssh-keygen", "-y", "-f", private], capture_output=True, text=True, check=True).stdout
    assert derived.split()[1] == public

    before = len(account.calls)
    again = digitalocean.ok("provision")
    writes = [call for call in account.calls[before:] if call[0] != "GET"]
    assert writes == [], "the second run created something"
    assert "changed=0" in again

    listed = digitalocean.listed()
    assert listed["balancers"]["hosts"] == ["lb1", "lb2"]
    assert sorted(listed["checkbox"]["children"]) == ["checkbox_canary", "checkbox_stable"]
    lb1 = listed["_meta"]["hostvars"]["lb1"]
    assert lb1["fleet_address"] in account.reserved
    assert lb1["ansible_host"].startswith("127.0.1.") and lb1["fleet_ip"].startswith("10.114.0.")
    assert "redis1" in digitalocean.ok("machines")

    refused = digitalocean.play("destroy")
    assert refused.returncode != 0 and "-e confirm=coalmine" in refused.stdout and len(account.droplets) == len(NAMES) + 1
    account.faults += [
        ("DELETE", f"/v2/droplets/{max(account.droplets)}", 429),
        ("DELETE", f"/v2/droplets/{min(set(account.droplets) - {stranger})}", "after"),
        ("DELETE", f"/v2/reserved_ips/{next(iter(account.reserved))}", 422),
    ]
    digitalocean.ok("destroy", "-e", "confirm=coalmine")
    assert set(account.droplets) == {stranger} and account.faults == []
    account.droplets.clear()
    account.tags -= {"somebody-elses", "x"}
    assert account.empty()
    assert not (digitalocean.home / ".coalmine" / "coalmine").exists()


def test_a_slip_of_the_pen_creates_nothing(account, digitalocean):
    digitalocean.variables["provision_max"] = 3
    refused = digitalocean.play("provision")
    assert refused.returncode != 0 and "provision_max" in refused.stdout
    assert [call for call in account.calls if call != LISTING] == []


def test_a_wrong_token_is_said_at_once(account, digitalocean):
    digitalocean.environment["DO_API_TOKEN"] = "wrong"
    digitalocean.variables["provision_do_token"] = "wrong"
    refused = digitalocean.play("provision")
    assert refused.returncode != 0 and "401" in refused.stdout
    # The inventory has asked once, and the play once.
    assert account.calls == [LISTING, LISTING]


def test_the_inventory_reads_every_page_and_waits_as_long_as_it_is_told(account, digitalocean):
    account.page = 2
    account.keys["k"] = {}
    for number in range(5):
        tags = ["coalmine-fleet:coalmine", "coalmine-group:coalmine:itrust"]
        machine = {"name": f"itrust{number}", "size": "s", "region": "r", "image": "i", "tags": tags, "user_data": ""}
        account.post_droplets({**machine, "ssh_keys": ["k"]})
    account.faults.append(("GET", "/v2/droplets", 429))
    assert digitalocean.listed()["itrust"]["hosts"] == [f"itrust{number}" for number in range(5)]
    assert account.count("GET", "/v2/droplets") == 4
    digitalocean.environment["DO_API_TOKEN"] = ""
    assert "itrust" not in digitalocean.listed()
    assert TOKEN not in str(account.calls)
