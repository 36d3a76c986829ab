"""The history as mmscand-api keeps and serves it."""

import os
import pwd
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any

from fastapi import APIRouter, Query
from pydantic import Field

from mmscand.api.models import Answer, Error
from mmscand.control.causes import cannot
from mmscand.control.client import ControlClient
from mmscand.control.wire import NotThere
from mmscand.errors import MmscandError, UsageError
from mmscand.history.packing import EVERY_S
from mmscand.history.periods import time_of
from mmscand.history.poller import Poller
from mmscand.history.reader import reading, step_for
from mmscand.history.writer import HistoryWriter
from mmscand.observe.groups import Groups

_FOLDER_MODE = 0o2750
"""Files in it have its group, whose members may read them."""
Words = Annotated[
    str, Query(max_length=40, description="yesterday, 3h, 14:00, 2026-05-31T14:00, Unix time.")
]


class HistorySample(Answer):
    """How things stood at a time."""

    time: int = Field(description="Unix time in seconds.")
    status: dict[str, Any] = Field(description="Numbers of the daemon, as /v1/status has them.")
    groups: dict[str, dict[str, Any]] = Field(
        description="By rule, or name where no rule matches, at most 20 and `other`: number of "
        "`processes`, what they have `now`, and `sums` since mmscand-api was started. What is 0 is "
        "left out."
    )


class HistoryChange(Answer):
    """Something is another than before."""

    time: int = Field(description="Unix time in seconds.")
    kind: str = Field(description="setting, switch, start, version, away or back.")
    words: str = Field(description="What, in words.")


class History(Answer):
    """A period of the past."""

    since: int = Field(description="Begin, Unix time in seconds.")
    until: int = Field(description="End, not part of it.")
    step: int = Field(description="Seconds between two samples; the last one of each step is here.")
    samples: list[HistorySample] = Field(description="At most 720, in order.")
    changes: list[HistoryChange] = Field(description="At most the last 1000, in order.")


def history_routes(file: Path | None) -> APIRouter:
    """Reads the file again for each request; without one, each request is refused."""
    router = APIRouter(prefix="/v1", tags=["status"])
    refusals: dict[int | str, dict[str, Any]] = {
        404: {"model": Error, "description": "No history is kept."},
        422: {"model": Error, "description": "That is no period."},
    }

    @router.get("/history", operation_id="history", responses=refusals)
    def history(
        since: Words = "1h",
        until: Words = "now",
        step: Annotated[
            int, Query(ge=EVERY_S, le=86_400, description="Seconds; more for a long period.")
        ] = EVERY_S,
    ) -> History:
        """Samples and changes of a period."""
        if file is None:
            raise NotThere("no history is kept", hint="start mmscand-api without --no-history")
        now = time.time()
        begin, end = time_of(since, now), time_of(until, now)
        if begin >= end:
            raise UsageError("since is not before until", hint="swap them")
        step = step_for(begin, end, step)
        with reading(file) as reader:
            samples = [
                HistorySample(time=each.time, **each.sample)
                for each in reader.samples(begin, end, step)
            ]
            changes = [
                HistoryChange(time=each.time, kind=each.kind, words=each.words)
                for each in reader.changes(begin, end)
            ]
        return History(since=begin, until=end, step=step, samples=samples, changes=changes)

    return router


def prepare_folder(file: Path, user: str, gid: int) -> None:
    """As root: make the folder of a history, of the user that mmscand-api becomes.

    A folder that is there stays unchanged. UsageError for an unknown user.
    """
    folder = file.parent
    try:
        account = pwd.getpwnam(user)
    except (KeyError, ValueError):
        return  # api.rights complains
    try:
        folder.mkdir(mode=0o700)
        os.chown(folder, account.pw_uid, gid)
        folder.chmod(_FOLDER_MODE)
    except FileExistsError:
        pass
    except OSError as error:
        raise cannot("make", folder, error) from None


@contextmanager
def kept(
    file: Path | None,
    client: ControlClient,
    say: Callable[[str], None],
    also: Sequence[Groups],
    *,
    must: bool,
) -> Iterator[Path | None]:
    """Write it until the end of the context; gives the file, None where it cannot be written.

    MmscandError where it cannot and `must` be.
    """
    if file is None:
        yield None
        return
    before = os.umask(0o027)  # SQLite gives the files beside it the same mode
    try:
        writer: HistoryWriter | None = HistoryWriter(file)
    except MmscandError as error:
        if must:
            raise
        say(f"no history is kept: {error}")
        writer = None
    finally:
        os.umask(before)
    if writer is None:
        yield None
        return
    with writer:
        if writer.set_aside:
            say(f"{file} was broken and is {file.name}.broken now")
        with Poller(client, writer, say, also=also):
            yield file
