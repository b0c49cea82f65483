"""What the clients of this fleet ask for."""

import json

from client import Answer, Ask


def _json(answer: Answer) -> str:
    try:
        json.loads(answer.body)
    except ValueError:
        return f"no JSON: {answer.body[:80]!r}"
    return ""


def _version(answer: Answer) -> str:
    return "" if answer.version else "no X-App-Version"


def _login(answer: Answer) -> str:
    return "" if b"iTrust - Login" in answer.body else f"no login page: {answer.body[:80]!r}"


# Reads the database; both tracks share it.
LISTING = Ask("listing", "checkbox.lab", "/api/study/listing", check=lambda answer: _json(answer) or _version(answer))
# A file that nginx has.
PAGE = Ask("page", "checkbox.lab", "/index.html")
LOGIN = Ask("login page", "itrust.lab", "/iTrust/login.jsp", check=_login)
SURVEY = Ask(
    "survey",
    "checkbox.lab",
    "/api/design/survey",
    method="POST",
    body=json.dumps({"markdown": "# Which one?\n\n* this\n* that\n"}).encode(),
    headers={"Content-Type": "application/json"},
)
CHECKBOX = [LISTING, PAGE]
ALL = [LISTING, LOGIN, PAGE]
