"""What machines and which rules a fleet needs: pure functions, without a provider in them."""

import base64
import hashlib


def provision_machines(counts, names):
    """[{name, group}] of all machines, by the number that each group has."""
    return [
        {"name": f"{names[group]}{number}", "group": group}
        for group, count in counts.items()
        for number in range(1, int(count) + 1)
    ]


def provision_rules(flows, counts, children):
    """{group: [{protocol, port, sources}]} for each group that has machines.

    A source is the name of such a group, or `all`, `world` or `operators`. One rule has one port, and every source of
    it but those that `all` has already; a source that has no machines is left out. Equal flows give equal rules, in equal order.
    """
    groups = [group for group, count in counts.items() if int(count) > 0]

    def leaves(name):
        if name == "all":
            return groups
        return [group for group in children.get(name, [name]) if group in groups]

    def sources(name):
        return [name] if name in ("all", "world", "operators") else leaves(name)

    def without_repetition(sources):
        return sorted(sources & {"all", "world", "operators"} if "all" in sources else sources)

    rules = {group: {} for group in groups}
    for flow in flows:
        key = (flow.get("protocol", "tcp"), int(flow.get("port", 0)))
        for group in leaves(flow["to"]):
            rules[group].setdefault(key, set()).update(sources(flow["from"]))
    return {
        group: [
            {"protocol": protocol, "port": port, "sources": without_repetition(sources)}
            for (protocol, port), sources in sorted(of_group.items())
            if sources
        ]
        for group, of_group in rules.items()
    }


def provision_do_inbound(rules, fleet, operators):
    """A group's rules as DigitalOcean takes them. It knows no protocol beside TCP, UDP and ICMP."""
    inbound = []
    for rule in rules:
        if rule["protocol"] not in ("tcp", "udp"):
            continue
        addresses, tags = [], []
        for source in rule["sources"]:
            if source == "world":
                addresses += ["0.0.0.0/0", "::/0"]
            elif source == "operators":
                addresses += operators
            else:
                tags.append(provision_do_tag(source, fleet))
        sources = {}
        if addresses:
            sources["addresses"] = sorted(set(addresses))
        if tags:
            sources["tags"] = sorted(tags)
        if sources:
            inbound.append({"protocol": rule["protocol"], "ports": str(rule["port"]), "sources": sources})
    return inbound


def provision_do_tag(group, fleet):
    """The tag of a group's machines, or of all: no other fleet of the account has it."""
    return f"coalmine-fleet:{fleet}" if group == "all" else f"coalmine-group:{fleet}:{group}"


def provision_do_firewall(group, fleet):
    """The name of a group's firewall; the API allows no underscore in it."""
    return f"coalmine-{fleet}-{group}".replace("_", "-")


def provision_do_stale(rules, firewalls, fleet, operators):
    """The groups whose firewall is missing, or lets in other things than the rules; the API lists in any order."""

    def plain(inbound):
        return sorted(
            (
                rule["protocol"],
                str(rule["ports"]),
                tuple(sorted(rule["sources"].get("addresses") or [])),
                tuple(sorted(rule["sources"].get("tags") or [])),
            )
            for rule in inbound
        )

    have = {firewall["name"]: plain(firewall["inbound_rules"]) for firewall in firewalls}
    return [
        group
        for group, wanted in rules.items()
        if have.get(provision_do_firewall(group, fleet)) != plain(provision_do_inbound(wanted, fleet, operators))
    ]


def provision_do_machines(droplets):
    """Droplets as every provider's machines are described here."""

    def address(droplet, kind):
        return next((net["ip_address"] for net in droplet["networks"]["v4"] if net["type"] == kind), "")

    def group(droplet):
        return next((tag.split(":")[2] for tag in droplet["tags"] if tag.startswith("coalmine-group:")), "")

    return [
        {
            "name": droplet["name"],
            "group": group(droplet),
            "id": droplet["id"],
            "state": droplet["status"],
            "public": address(droplet, "public"),
            "private": address(droplet, "private"),
        }
        for droplet in droplets
    ]


def provision_aws_rules(rules, ids, operators):
    """A group's rules as amazon.aws takes them; `ids` are the ids of the security groups by name of the group."""
    numbers = {"vrrp": "112"}
    result = []
    for rule in rules:
        ports = {"ports": [rule["port"]]} if rule["protocol"] in ("tcp", "udp") else {"from_port": -1, "to_port": -1}
        base = {"proto": numbers.get(rule["protocol"], rule["protocol"]), **ports}
        for source in rule["sources"]:
            if source == "world":
                result += [{**base, "cidr_ip": "0.0.0.0/0"}, {**base, "cidr_ipv6": "::/0"}]
            elif source == "operators":
                result += [{**base, "cidr_ipv6" if ":" in net else "cidr_ip": net} for net in operators]
            else:
                result.append({**base, "group_id": ids[source]})
    return result


def provision_aws_machines(instances):
    """Instances as every provider's machines are described here."""
    return [
        {
            "name": instance["tags"].get("Name", ""),
            "group": instance["tags"].get("coalmine-group", ""),
            "id": instance["instance_id"],
            "state": "active" if instance["state"]["name"] == "running" else instance["state"]["name"],
            "public": instance.get("public_ip_address") or "",
            "private": instance.get("private_ip_address") or "",
        }
        for instance in instances
    ]


def provision_fingerprint(public_key):
    """MD5 of a public ssh key, with colons: what DigitalOcean finds it by."""
    digest = hashlib.md5(base64.b64decode(public_key.split()[1]), usedforsecurity=False).hexdigest()
    return ":".join(digest[at : at + 2] for at in range(0, len(digest), 2))


class FilterModule:
    """The functions above, under their own names."""

    def filters(self):
        return {name: thing for name, thing in globals().items() if name.startswith("provision_")}
