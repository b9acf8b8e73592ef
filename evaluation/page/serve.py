"""Serve the page until it is interrupted; what was brought to it is deleted then."""

import os
import signal
import socket
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from ipaddress import ip_address
from pathlib import Path

import uvicorn
from fastapi import FastAPI
from fastapi.middleware.trustedhost import TrustedHostMiddleware

from common.cli import UserError
from evaluation.page.listening import Listening
from evaluation.page.models import models_of
from evaluation.page.recording import LARGEST


@contextmanager
def application(folders: list[Path], cases: Path, hosts: list[str]) -> Iterator[FastAPI]:
    """The page as an application; at the end its processes are ended and its files deleted.

    Args:
        folders: Hand-off folders.
        cases: Folder that recordings are kept in when somebody asks for it.
        hosts: Names by which it may be called; any, if there are none.

    Raises:
        UserError: There is nothing to listen to.
    """
    models = models_of(folders)
    with tempfile.TemporaryDirectory(prefix="page-") as home, Listening(models, cases) as listening:
        # Read as the library is imported: where it puts what is uploaded, and that it asks nobody.
        os.environ["GRADIO_TEMP_DIR"] = home
        os.environ["GRADIO_ANALYTICS_ENABLED"] = "False"
        import gradio

        from evaluation.page.app import Page
        from evaluation.page.layout import build, look

        app = FastAPI(openapi_url=None)
        if hosts:  # a page from elsewhere whose name turns into this address gets nothing
            app.add_middleware(TrustedHostMiddleware, allowed_hosts=hosts)
        yield gradio.mount_gradio_app(
            app,
            build(Page(listening, Path(home)), models),
            path="/",
            allowed_paths=[home],
            footer_links=[],
            run_history=False,
            max_file_size=LARGEST,
            ssr_mode=False,
            enable_monitoring=False,
            mcp_server=False,
            **look(),
        )


def server_of(app: FastAPI) -> uvicorn.Server:
    """What serves an application; visitors do not keep it from ending, nor does it say that."""
    return uvicorn.Server(uvicorn.Config(app, log_level="critical", timeout_graceful_shutdown=1))


def serve(folders: list[Path], cases: Path, address: str, port: int) -> None:
    """Serve at an address of this machine until interrupted.

    Raises:
        UserError: There is nothing to listen to, or the address cannot be had.
    """
    listener, local = bound(address, port), ip_address(address).is_loopback
    with listener, application(folders, cases, [address, "localhost"] if local else []) as app:
        signal.signal(signal.SIGTERM, lambda *_: sys.exit())  # the server raises it again
        print(f"open http://{address}:{port} in a browser; Ctrl-C ends the page", file=sys.stderr)
        if not local:
            print(
                f"whoever reaches {address}:{port} can send recordings and use this machine's time;"
                " there is no password",
                file=sys.stderr,
            )
        with suppress(KeyboardInterrupt):
            server_of(app).run(sockets=[listener])


def bound(address: str, port: int) -> socket.socket:
    """A socket that listens.

    Raises:
        UserError: It is no address of this machine, or the port is taken.
    """
    try:
        family = socket.AF_INET6 if ip_address(address).version == 6 else socket.AF_INET
        return socket.create_server((address, port), family=family)
    except ValueError:
        raise UserError(f"--open-to takes an IP address such as 0.0.0.0, not {address}") from None
    except (OSError, OverflowError) as error:
        raise UserError(f"{address}:{port} cannot be had ({error}); give another --port") from error
