"""``python -m service.gateway``: the REST and the gRPC server, set up by ``LAGEM_*`` variables."""

import asyncio
import signal
import sys
from types import FrameType

import structlog
import uvicorn
from pydantic import ValidationError

from service.apikeys import warning_of_short_keys
from service.gateway.app import create_app
from service.gateway.grpc.server import GrpcServer
from service.gateway.protocol import ProblemProtocol
from service.jobqueue.embedded import EmbeddedServerError, redis_server
from service.settings import GatewaySettings, UnknownVariableError
from service.telemetry import configure_logging


class GatewayServer(uvicorn.Server):
    """Tells the app at the first signal that it is to end, so that waiting calls answer at once."""

    def __init__(self, config: uvicorn.Config, draining: asyncio.Event) -> None:
        super().__init__(config)
        self._draining = draining

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:  # noqa: ARG002
        """Begin to drain; a second Ctrl-C ends at once.

        Unlike the base class this does not raise the signal again once all is done: a process
        that was asked to end, and did so in order, has the exit status 0.
        """
        if self.should_exit and sig == signal.SIGINT:
            self.force_exit = True
        self.should_exit = True
        self._draining.set()


def serve(settings: GatewaySettings) -> bool:
    """Serve until a signal ends it; False where it could not start.

    Both skins run on one event loop. No process is forked from here on: gRPC's threads would not
    survive it. The mesh readers are new programs, started without a copy of this one.
    """
    draining = asyncio.Event()
    config = uvicorn.Config(
        create_app(settings, draining, beside=GrpcServer),
        http=ProblemProtocol,
        ws="none",
        host=settings.host,
        port=settings.port,
        log_config=None,
        access_log=False,
        timeout_graceful_shutdown=round(settings.drain_s),
        server_header=False,
    )
    server = GatewayServer(config, draining)
    server.run()
    return server.started


def main() -> int:
    """Serve with the environment's settings; returns the exit status."""
    try:
        settings = GatewaySettings.from_environment()
    except (UnknownVariableError, ValidationError) as error:
        return _fail(error, 2)
    if settings.unguarded:
        cause = f"{settings.host} can be reached from other machines, and there are no API keys"
        way_out = "set LAGEM_API_KEYS (`lagem key` makes one), listen on 127.0.0.1"
        return _fail(f"{cause}: {way_out}, or set LAGEM_INSECURE=1", 2)
    configure_logging(settings.log_level)
    if warning := warning_of_short_keys(settings.api_keys):
        structlog.get_logger("gateway").warning("short_api_keys", detail=warning)
    try:
        with redis_server(settings.redis_url, settings.data_dir) as url:
            return 0 if serve(settings.model_copy(update={"redis_url": url})) else 1
    except EmbeddedServerError as error:
        return _fail(error, 1)


def _fail(cause: object, status: int) -> int:
    sys.stderr.write(f"error: {cause}\n")
    return status


if __name__ == "__main__":
    sys.exit(main())
