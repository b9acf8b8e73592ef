"""A process that holds a model: it can be ended at any moment, and its memory is its own.

    worker = Worker("evaluation.page.genai.GenAI", folder)
    for said in worker.ask("hear", audio, settings): ...    # pieces of text, at last the result

The process begins by loading the model: at `begin`, or at the first question, also after `stop`.
"""

import multiprocessing
import signal
from collections.abc import Callable, Iterator
from importlib import import_module
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from typing import Any

from common.cli import UserError

SAID, DONE, REFUSED = "said", "done", "refused"
# Not a fork: the threads of the process that asks would not be in it.
SPAWN = multiprocessing.get_context("spawn")


class Stopped(Exception):
    """The process was ended before it had an answer."""


class Worker:
    """A process for one model.

    Args:
        make: Dotted name of what makes the model, imported in that process alone.
        *arguments: Its arguments.
    """

    def __init__(self, make: str, *arguments: Any) -> None:
        self._make = make
        self._arguments = arguments
        self._process: BaseProcess | None = None
        self._connection: Connection | None = None

    def ask(self, method: str, *arguments: Any) -> Iterator[Any]:
        """What a method of the model says while it works, and at last what it returns.

        Args:
            method: Its name. It takes the arguments, and a function that says something.
            *arguments: Whatever can be pickled.

        Raises:
            UserError: As the method has raised it, or the process has ended by itself.
            Stopped: `stop` was called.
        """
        connection, finished = self.begin(), False
        try:
            connection.send((method, arguments))
            while not finished:
                kind, value = connection.recv()
                finished = kind in (DONE, REFUSED)
                if kind == REFUSED:
                    raise UserError(value)
                yield value
        except (EOFError, OSError) as error:
            if self._process is None:
                raise Stopped from error
            raise UserError(
                "the process that was asked has ended: the terminal says why; if it says nothing,"
                " memory was short"
            ) from error
        finally:
            if not finished:  # nobody waits for the rest
                self.stop()

    def answer(self, method: str, *arguments: Any) -> Any:
        """What a method returns; see `ask`."""
        *_, found = self.ask(method, *arguments)
        return found

    def stop(self) -> None:
        """End the process, whatever it does; from any thread."""
        process, self._process = self._process, None
        if process is not None:
            process.kill()
            process.join()

    def begin(self) -> Connection:
        """Let the process begin, if it has not."""
        if self._process is None or not self._process.is_alive() or self._connection is None:
            self._connection, theirs = SPAWN.Pipe()
            arguments = (theirs, self._make, self._arguments)
            process = SPAWN.Process(target=serve, args=arguments, daemon=True)
            process.start()
            self._process = process
            theirs.close()
        return self._connection


def serve(connection: Connection, make: str, arguments: tuple[Any, ...]) -> None:
    """Make a model and answer questions until nobody is there to ask."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # meant for who asks, and comes to all
    try:
        model, refusal = _named(make)(*arguments), ""
    except UserError as error:
        model, refusal = None, str(error)

    def say(value: Any) -> None:
        connection.send((SAID, value))

    while True:
        try:
            method, given = connection.recv()
        except EOFError:
            return
        try:
            answer = (REFUSED, refusal) if refusal else (DONE, getattr(model, method)(*given, say))
        except UserError as error:
            answer = REFUSED, str(error)
        connection.send(answer)


def _named(name: str) -> Callable[..., Any]:
    module, _, attribute = name.rpartition(".")
    return getattr(import_module(module), attribute)
