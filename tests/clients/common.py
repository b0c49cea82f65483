"""What the programs of this directory share: events as lines of JSON, commands from standard input, scenarios."""

import argparse
import asyncio
import json
import os
import ssl
import sys
import threading


def parser(description, example):
    return argparse.ArgumentParser(description=description, epilog=f"example:\n  {example}",
                                   formatter_class=argparse.RawDescriptionHelpFormatter)


def tell(**event):
    """Prints an event. Whoever started this program reads it at once."""
    sys.stdout.write(json.dumps(event, sort_keys=True) + "\n")
    sys.stdout.flush()


def listen_arguments(arguments):
    arguments.add_argument("--host", default="127.0.0.1", help="address to listen on; the port is any free one")
    arguments.add_argument("--cert", help="PEM chain; with it the server speaks TLS")
    arguments.add_argument("--key", help="PEM key of --cert")


def address(host, port):
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def server_tls(arguments):
    if not arguments.cert:
        return None
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(arguments.cert, arguments.key)
    return context


def follow_commands(obey):
    """Gives each line of standard input, as JSON, to `obey` in this loop. Ends the process with the input: whoever
    started it is gone then, however that ended."""
    loop = asyncio.get_running_loop()

    def read():
        for line in sys.stdin:
            asyncio.run_coroutine_threadsafe(obey(json.loads(line)), loop).result()
        os._exit(0)

    threading.Thread(target=read, daemon=True).start()


def scenario_arguments(arguments, scenarios):
    arguments.add_argument("scenarios", nargs="*", metavar="SCENARIO",
                           help=f"of {', '.join(scenarios)}; all of them when none is named")
    arguments.add_argument("--limit", type=float, default=30, help="seconds that a scenario may take (30)")


def chosen(arguments, parsed, scenarios):
    for name in parsed.scenarios:
        if name not in scenarios:
            arguments.error(f"no scenario {name}")
    return parsed.scenarios or list(scenarios)


async def run_scenarios(scenarios, subject, names, limit):
    """Runs each scenario by its name, on `subject`, and prints what it gives. A scenario raises when it did not go as
    it should. Gives the exit code."""
    failed = 0
    for name in names:
        try:
            facts = await asyncio.wait_for(scenarios[name](subject), limit) or {}
            tell(scenario=name, ok=True, **facts)
        except Exception as error:  # whatever it is, it is the scenario's result
            failed = 1
            tell(scenario=name, ok=False, error=f"{type(error).__name__}: {error}")
    return failed


def expect(actual, wanted, what):
    if actual != wanted:
        raise AssertionError(f"{what}: {actual!r:.200} instead of {wanted!r:.200}")
