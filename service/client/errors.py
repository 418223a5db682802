"""What can go wrong beside the service's own errors.

::

    ClientError
    ├── ServerUnreachable    (also a ConnectionError)  no answer, after all tries
    ├── UnexpectedAnswer     an answer that is not this service's
    └── JobPending           (also a TimeoutError)     the job goes on, the caller's time is up

What the service says itself is raised as it is there: a leaf of ``service.errors.ServiceError``.
"""


class ClientError(Exception):
    """Base of the client's own errors."""


class ServerUnreachable(ClientError, ConnectionError):
    """The server does not answer, or its answers break off, each time it was tried."""


class UnexpectedAnswer(ClientError):
    """An answer that this client cannot read: perhaps of another server, or a proxy."""


class JobPending(ClientError, TimeoutError):
    """The job has not ended within the caller's time; it goes on.

    Attributes:
        job: its id, to ``wait`` or ``watch`` again, or ``cancel``.
    """

    def __init__(self, job: str, seconds: float) -> None:
        super().__init__(
            f"{job} has not ended within {seconds:g} s. It goes on: wait({job!r}) goes on waiting,"
            f" cancel({job!r}) ends it."
        )
        self.job = job
