"""Ask the API one question and print one field of the answer.

Exit status 1, with one line on stderr, when there is no such answer.
"""

import argparse
import json
import sys
from urllib.error import HTTPError, URLError
from urllib.request import ProxyHandler, build_opener

TIMEOUT_S = 10


def ask(url: str) -> dict[str, object]:
    """Fetch a JSON object, or the ``content_type`` and ``size`` of anything else.

    Raises
    ------
    OSError
        Nobody answers, or the answer's status is an error.
    ValueError
        The answer's JSON is no object, or no JSON at all.
    """
    # The API is on this machine: a proxy from the environment could not reach it.
    opener = build_opener(ProxyHandler({}))
    with opener.open(url, timeout=TIMEOUT_S) as response:
        body = response.read()
        content_type = response.headers.get_content_type()
    if content_type != "application/json":
        return {"content_type": content_type, "size": len(body)}
    answer = json.loads(body)
    if not isinstance(answer, dict):
        raise ValueError(f"not a JSON object: {answer!r}")
    return answer


def main() -> int:
    """Print one field of the answer that the command line asks for."""
    parser = argparse.ArgumentParser(description="Print one field of a JSON answer.")
    parser.add_argument("url")
    parser.add_argument("field")
    asked = parser.parse_args()
    try:
        print(ask(asked.url)[asked.field])
    except HTTPError as error:
        print(f"{asked.url}: {error.code} {error.read().decode(errors='replace')}", file=sys.stderr)
    except URLError as error:
        print(f"{asked.url}: {error.reason}", file=sys.stderr)
    except KeyError:
        print(f"{asked.url}: the answer has no field {asked.field!r}", file=sys.stderr)
    except (OSError, ValueError) as error:
        print(f"{asked.url}: {error}", file=sys.stderr)
    else:
        return 0
    return 1


if __name__ == "__main__":
    sys.exit(main())
