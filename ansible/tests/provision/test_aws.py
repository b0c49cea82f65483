"""AWS, played by a moto server."""

import base64

from few_machines import NAMES, OPERATORS

FLEET = [{"Name": "tag:coalmine-fleet", "Values": ["coalmine"]}]
CREATES = ("RunInstances", "CreateSecurityGroup", "ImportKeyPair", "AllocateAddress", "AuthorizeSecurityGroupIngress")


def machines(ec2):
    return {
        next(tag["Value"] for tag in machine["Tags"] if tag["Key"] == "Name"): machine
        for reservation in ec2.describe_instances(Filters=FLEET)["Reservations"]
        for machine in reservation["Instances"]
        if machine["State"]["Name"] != "terminated"
    }


def rules(ec2, group):
    """{(protocol, port): sources} of a group of machines; a source is a network, or the name of a group."""
    groups = ec2.describe_security_groups(Filters=FLEET)["SecurityGroups"]
    names = {of["GroupId"]: of["GroupName"].removeprefix("coalmine-coalmine-") for of in groups}
    mine = next(of for of in groups if names[of["GroupId"]] == group)
    return {
        (rule["IpProtocol"], rule.get("FromPort")): sorted(
            [net["CidrIp"] for net in rule["IpRanges"]]
            + [net["CidrIpv6"] for net in rule["Ipv6Ranges"]]
            + [names[of["GroupId"]] for of in rule["UserIdGroupPairs"]]
        )
        for rule in mine["IpPermissions"]
    }


def test_a_fleet_is_created_once_listed_and_destroyed_without_a_trace(moto, aws):
    ec2 = moto.client()
    groups_before = len(ec2.describe_security_groups()["SecurityGroups"])
    moto.faults += [("RunInstances", 503), ("CreateSecurityGroup", 500), ("DescribeInstances", 503)]
    aws.ok("provision")
    assert moto.faults == [], "an answer of 500 and of 503 was retried"
    made = machines(ec2)
    assert sorted(made) == NAMES

    redis = rules(ec2, "redis")
    assert redis == {("tcp", 22): sorted(OPERATORS), ("tcp", 6379): ["all"], ("tcp", 26379): ["all"]}
    assert rules(ec2, "checkbox_canary")[("tcp", 80)] == sorted(["balancers", *OPERATORS])
    balancers = rules(ec2, "balancers")
    assert balancers[("tcp", 80)] == balancers[("tcp", 443)] == ["0.0.0.0/0", "::/0"]
    assert next(sources for (protocol, _), sources in balancers.items() if protocol == "112") == ["balancers"]
    assert not [port for (_, port), sources in balancers.items() if "0.0.0.0/0" in sources and port not in (80, 443)]

    attribute = ec2.describe_instance_attribute(InstanceId=made["lb1"]["InstanceId"], Attribute="userData")
    text = base64.b64decode(attribute["UserData"]["Value"]).decode()
    public = next(line for line in aws.known_hosts().splitlines() if line.startswith("lb1.coalmine ")).split()[2]
    assert public in text and "ssh_pwauth: false" in text
    addresses = ec2.describe_addresses()["Addresses"]
    assert [address["InstanceId"] for address in addresses] == [made["lb1"]["InstanceId"]]

    before = len(moto.calls)
    again = aws.ok("provision")
    assert [call for call in moto.calls[before:] if call in CREATES] == []
    assert "changed=0" in again

    listed = aws.listed()
    assert sorted(listed["balancers"]["hosts"]) == ["lb1", "lb2"]
    assert listed["_meta"]["hostvars"]["redis1"]["fleet_address"] == addresses[0]["PublicIp"]
    assert listed["_meta"]["hostvars"]["redis1"]["fleet_ip"] == made["redis1"]["PrivateIpAddress"]
    assert "redis1" in aws.ok("machines")

    refused = aws.play("destroy")
    assert refused.returncode != 0 and "-e confirm=coalmine" in refused.stdout and sorted(machines(ec2)) == NAMES
    aws.ok("destroy", "-e", "confirm=coalmine")
    assert machines(ec2) == {} and ec2.describe_addresses()["Addresses"] == []
    assert len(ec2.describe_security_groups()["SecurityGroups"]) == groups_before
    assert ec2.describe_key_pairs()["KeyPairs"] == []
