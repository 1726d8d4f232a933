"""Chats: what one side writes in one session until the other speaks is one reply, at the time of its first message. Pure.

Clocks that wait for an answer stop at the first message of a run; what a session adds to it answers nothing, and breaks no silence.
"""

from __future__ import annotations

from ingest.event import Actor


class Sessions:
    """The sessions of one case; its messages come in their order."""

    def __init__(self) -> None:
        self._asks = False
        self._spoke: set[tuple[str, Actor, str]] = set()

    def interrupt(self) -> None:
        """The case was handed over, solved or opened again: what is said from here on is the first word of who has it now."""
        self._spoke.clear()

    def goes_on(self, session: str, actor: Actor, who: str) -> bool:
        """Whether a public message belongs to the reply before it. ``session`` is empty of what is no chat. Each person of a side
        has a reply of their own: they may be of different departments.
        """
        asks = actor is Actor.requester
        if asks is not self._asks:
            self._asks = asks
            self._spoke.clear()
        if not session:
            return False
        voice = session, actor, who
        if voice in self._spoke:
            return True
        self._spoke.add(voice)
        return False
