"""Commands that answer expected failures with one line and exit code 2."""

from __future__ import annotations

from typing import Any

import click

from model.training.stopping import TrainingStopped


class ExpectedFailure(click.ClickException):
    """A failure that the caller can mend: one line on stderr, exit code 2."""

    exit_code = 2


class OfflineCommand(click.Command):
    """A command whose expected failures reach the user as one line, without a traceback.

    Everything that the model raises on wrong input (meshes, latents, checkpoints, settings) derives
    from `ValueError`, what the file system says from `OSError`; a diverged training is a
    `FloatingPointError`, and one that a signal ended says that its state is saved. Any other
    exception is a bug and keeps its traceback.
    """

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command.

        Raises:
            ExpectedFailure: in place of the exceptions named above.
        """
        try:
            return super().invoke(ctx)
        except BrokenPipeError:
            raise  # click ends quietly when the reader of its output has left
        except TrainingStopped as stopped:
            click.echo(stopped, err=True)
            raise click.exceptions.Exit(128 + stopped.number) from stopped  # as shells have it
        except (ValueError, OSError, FloatingPointError) as error:
            raise ExpectedFailure(" ".join(str(error).split())) from error


class OfflineGroup(click.Group):
    """A group of offline commands."""

    command_class = OfflineCommand
