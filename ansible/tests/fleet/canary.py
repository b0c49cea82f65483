"""The canary of checkbox, as the scenarios need it."""

from asks import LISTING
from client import Client
from lab import Lab, eventually


def settle(lab: Lab) -> str:
    """Waits until the canary is admitted where the traffic is, and nothing but a first request is missing elsewhere.

    Returns the active balancer. A canary that was out is admitted by the success of one client's request, so there have
    to be some.
    """
    active = lab.active()
    client = Client(lab.address)

    def settled() -> bool:
        assert not (answer := client.ask(LISTING)).wrong, answer
        others = [lab.reasons(name) for name in lab.hosts("balancers") if name != active]
        return lab.admitted(active) and all(reasons in ([], ["trial"]) for reasons in others)

    eventually("the canary is admitted", settled, within=180)
    client.close()
    return active
