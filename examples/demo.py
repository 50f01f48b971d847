"""The demo: a platform from nothing, a real model on it, called, redeployed under load, and its history.

Drives the `slipway` command as a user would, and may be run again on the platform that it leaves running.
Exits with 1 as soon as a step fails, a request fails, or the model says too much that is wrong.
"""

import argparse
import http.client
import json
import shlex
import statistics
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

SOURCE: Final = Path(__file__).parent / "digits"
SLIPWAY: Final = Path(sys.executable).with_name("slipway")
NAME: Final = "digits"
ENDPOINT: Final = "predict-digit"
LOAD_CONNECTIONS: Final = 4
LOAD_PAUSE_SECONDS: Final = 0.02
LOAD_AFTERWARDS_SECONDS: Final = 1.0
TIMEOUT_SECONDS: Final = 5.0
LOWEST_ACCURACY: Final = 0.9


class DemoError(Exception):
    """The demo cannot go on; the message says why."""


@dataclass(frozen=True, kw_only=True)
class Sample:
    """A held-out image and the digit that it shows."""

    image: list[int]
    label: int


@dataclass(kw_only=True)
class Tally:
    """What became of the requests of a load."""

    sent: int = 0
    failures: list[str] = field(default_factory=list)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def count(self, failure: str | None) -> None:
        """Record one request."""
        with self.lock:
            self.sent += 1
            if failure is not None:
                self.failures.append(failure)


class Predictor:
    """One connection to the endpoint, kept open as a client of a service would."""

    def __init__(self, url: str) -> None:
        parts = urlsplit(url)
        self._path = f"{parts.path}/"
        self._connection = http.client.HTTPConnection(parts.netloc, timeout=TIMEOUT_SECONDS)

    def predict(self, sample: Sample) -> int:
        """Return the digit that the model sees.

        Raises:
            OSError, http.client.HTTPException: no answer.
            ValueError, KeyError: another answer than a digit.
        """
        body = json.dumps({"images": [sample.image]})
        self._connection.request("POST", self._path, body, {"Content-Type": "application/json"})
        answer = self._connection.getresponse()
        content = answer.read()
        if answer.status != http.HTTPStatus.OK:
            raise ValueError(f"{answer.status} {content[:200]!r}")
        return int(json.loads(content)["digits"][0])

    def close(self) -> None:
        """Close the connection."""
        self._connection.close()


@dataclass(frozen=True, kw_only=True)
class Platform:
    """The platform of one state folder, through its command line."""

    state: Path

    def run(self, *words: str) -> None:
        """Run a command and let it write to the terminal.

        Raises:
            DemoError: it failed.
        """
        command = (*words, "--state", str(self.state))
        say(f"\n$ {shlex.join(['slipway', *command])}")
        ended = subprocess.run([SLIPWAY, *command], check=False)
        if ended.returncode != 0:
            raise DemoError(f"`slipway {words[0]}` ended with exit code {ended.returncode}.")

    def ask(self, *words: str) -> dict[str, Any]:
        """Return what a command answers as JSON.

        Raises:
            DemoError: it failed.
        """
        command = [str(SLIPWAY), *words, "--json", "--state", str(self.state)]
        ended = subprocess.run(command, check=False, stdout=subprocess.PIPE)
        if ended.returncode != 0:
            raise DemoError(f"`slipway {words[0]}` answered {ended.stdout.decode()}")
        document: dict[str, Any] = json.loads(ended.stdout)
        return document

    def connection(self) -> dict[str, str]:
        """Return where the API is and where its key lies."""
        document: dict[str, str] = json.loads((self.state / "connection.json").read_text())
        return document


def say(text: str) -> None:
    """Write a line at once, so that it stands before what a command writes."""
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


def held_out() -> Sequence[Sample]:
    """Return the images that the model never saw."""
    lines = (SOURCE / "holdout.json").read_text().splitlines()
    return [Sample(**json.loads(line)) for line in lines if line]


def endpoint_url(platform: Platform) -> str:
    """Return where the endpoint answers."""
    endpoints = platform.ask("show", NAME)["endpoints"]
    return next(str(each["url"]) for each in endpoints if each["name"] == ENDPOINT)


def measure_accuracy(url: str, samples: Sequence[Sample]) -> None:
    """Send each image through the gateway, one request each, and compare.

    Raises:
        DemoError: a request failed, or the model is worse than it was when it was trained.
    """
    predictor, seconds, right = Predictor(url), list[float](), 0
    for sample in samples:
        began = time.perf_counter()
        try:
            right += predictor.predict(sample) == sample.label
        except (OSError, http.client.HTTPException, ValueError, KeyError) as error:
            raise DemoError(f"A prediction failed: {error}") from error
        seconds.append(time.perf_counter() - began)
    predictor.close()
    accuracy, median = right / len(samples), statistics.median(seconds) * 1000
    say(f"accuracy: {accuracy:.1%} of {len(samples)} held-out predictions (median answer {median:.1f} ms)")
    if accuracy < LOWEST_ACCURACY:
        raise DemoError(f"The model should be right at least {LOWEST_ACCURACY:.0%} of the time.")


def send_until(stopping: threading.Event, url: str, samples: Sequence[Sample], tally: Tally) -> None:
    """Send one request after the other until told to stop."""
    predictor, number = Predictor(url), 0
    while not stopping.wait(LOAD_PAUSE_SECONDS):
        number += 1
        try:
            predictor.predict(samples[number % len(samples)])
        except (OSError, http.client.HTTPException, ValueError, KeyError) as error:
            predictor.close()
            tally.count(f"{type(error).__name__}: {error}")
        else:
            tally.count(None)
    predictor.close()


def redeploy_under_load(platform: Platform, url: str, samples: Sequence[Sample]) -> None:
    """Redeploy with two replicas while requests run.

    Raises:
        DemoError: the redeploy failed, or one of the requests did.
    """
    stopping, tally = threading.Event(), Tally()
    senders = [
        threading.Thread(target=send_until, args=(stopping, url, samples, tally))
        for _ in range(LOAD_CONNECTIONS)
    ]
    for sender in senders:
        sender.start()
    try:
        platform.run("redeploy", NAME, "--replicas", "2", "--description", "two replicas, under load")
        time.sleep(LOAD_AFTERWARDS_SECONDS)
    finally:
        stopping.set()
        for sender in senders:
            sender.join()
    say(f"sent: {tally.sent}, failed: {len(tally.failures)}")
    if tally.failures:
        raise DemoError(f"Requests failed; the first one: {tally.failures[0]}")


def say_where_to_look(platform: Platform) -> None:
    """Write the URL of the event stream, and how to stop."""
    connection = platform.connection()
    stream = f"{connection['url']}/v1/events?group=default&deployment={NAME}&from=0"
    key = shlex.quote(connection["key_file"])
    say(f"\nevent stream: {stream}")
    say('  curl -N -H "Accept: text/event-stream" \\')
    say(f'    -H "Authorization: Bearer $(cat {key})" {shlex.quote(stream)}')
    say("\nThe platform is still running. Stop it (its data stays):")
    say(f"  {shlex.join([str(SLIPWAY), 'down', '--state', str(platform.state)])}")


def demonstrate(platform: Platform) -> None:
    """Run the demo.

    Raises:
        DemoError: something failed.
    """
    platform.run("up", "--detach")
    platform.run("deploy", str(SOURCE), "--name", NAME, "--description", "demo")
    samples, url = held_out(), endpoint_url(platform)
    say(f"\nendpoint: {url}")
    measure_accuracy(url, samples)
    redeploy_under_load(platform, url, samples)
    platform.run("history", NAME)
    say_where_to_look(platform)


def main() -> int:
    """Return 0 if everything worked, else 1."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0] if __doc__ else None)
    parser.add_argument("--state", type=Path, default=Path(".slipway"), help="state folder of the platform")
    options = parser.parse_args()
    try:
        demonstrate(Platform(state=options.state))
    except DemoError as error:
        sys.stderr.write(f"\nThe demo failed: {error}\n")
        return 1
    except KeyboardInterrupt:
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main())
