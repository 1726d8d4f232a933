"""What a webhook is answered, and under which reason it is counted. The texts are fixed: nothing of a request is said back."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import NamedTuple


class Reason(StrEnum):
    """A closed list, for it is a label of metrics."""

    taken = "taken"
    rejected = "rejected"
    unknown = "unknown"
    method = "method"
    content_type = "content_type"
    encoding = "encoding"
    gzip = "gzip"
    size = "size"
    slow = "slow"
    gone = "gone"
    rate = "rate"
    secret = "secret"
    unsigned = "unsigned"
    signature = "signature"
    time = "time"
    expired = "expired"
    broker = "broker"
    busy = "busy"
    failed = "failed"


class Reply(NamedTuple):
    status: int
    text: str


REPLIES: Mapping[Reason, Reply] = {
    Reason.taken: Reply(202, "taken"),
    Reason.rejected: Reply(202, "taken; some or all of it could not be read: see crossdesk rejected"),
    Reason.unknown: Reply(404, "no source of this name takes webhooks: the path is /hooks/ and the source's name"),
    Reason.method: Reply(405, "send webhooks by POST"),
    Reason.content_type: Reply(415, "send JSON, with content type application/json or one that ends with +json"),
    Reason.encoding: Reply(415, "send the body as it is, or with content encoding gzip"),
    Reason.gzip: Reply(400, "the body is not the one whole gzip stream that its content encoding says"),
    Reason.size: Reply(413, "the body may have 1 MiB, also when it is unpacked: send less at once"),
    Reason.slow: Reply(408, "the body came too slowly"),
    Reason.gone: Reply(499, "the sender went away before the body had come"),
    Reason.rate: Reply(429, "too many webhooks of this source: wait, then send again"),
    Reason.secret: Reply(401, "no secret is set for this source: name files with hook_secret_files"),
    Reason.unsigned: Reply(401, "the signature is missing: set the secret in the sender"),
    Reason.signature: Reply(401, "the signature is wrong: is the secret here that of the sender?"),
    Reason.time: Reply(401, "the time of the signature cannot be read"),
    Reason.expired: Reply(401, "signed more than five minutes ago or ahead: are the clocks right?"),
    Reason.broker: Reply(503, "the broker does not acknowledge: send again"),
    Reason.busy: Reply(503, "too many webhooks wait: send again"),
    Reason.failed: Reply(503, "it could not be stored, see the log of the intake: send again"),
}
FORGERIES = frozenset({Reason.unsigned, Reason.signature, Reason.time, Reason.expired})


class Refusal(Exception):
    """Nothing of the request is taken. ``wait``: seconds after which to send again, None where that helps nothing."""

    def __init__(self, reason: Reason, wait: float | None = None) -> None:
        super().__init__(reason.value)
        self.reason, self.wait = reason, wait
