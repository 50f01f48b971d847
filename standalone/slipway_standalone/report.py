"""What a command tells while it works: steps as they end, with their time when asked for it."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import typer


class Report:
    """Collects the time of each step and passes lines on to whoever shows them."""

    def __init__(self, *, say: Callable[[str], None], verbose: bool = False) -> None:
        self._say = say
        self._verbose = verbose
        self.seconds: dict[str, float] = {}

    def tell(self, line: str) -> None:
        """Show a line."""
        self._say(line)

    @contextmanager
    def step(self, name: str) -> Iterator[None]:
        """Measure a step; steps may overlap."""
        start = time.perf_counter()
        yield
        self.seconds[name] = round(time.perf_counter() - start, 3)
        if self._verbose:
            self._say(f"  {name:<28}{self.seconds[name]:7.3f} s")


def report_to_terminal(*, verbose: bool, quiet: bool) -> Report:
    """One that prints; a quiet one only measures."""
    return Report(say=(lambda _line: None) if quiet else typer.echo, verbose=verbose)
