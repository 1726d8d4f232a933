"""Debian's dovecot: an IMAP server of a test's own, which is gone with it. Whoever logs in with :data:`PASSWORD` has a mailbox.

Everything of it lies in a folder of its own, and it is no service of the system. Where tests run as root it runs as nobody, for it
gives no mail to root. What was said to it and what it said lies beside the mails, one file each of every connection.
"""

from __future__ import annotations

import grp
import os
import pwd
import shutil
import ssl
import subprocess
import tempfile
import time
from base64 import b64encode
from contextlib import suppress
from imaplib import IMAP4_SSL
from pathlib import Path
from signal import SIGKILL
from typing import Self

import trustme

from deploy.kafka.broker import free_port

HOST = "127.0.0.1"
PASSWORD = 'pä"ss \\wörd'
START_SECONDS = 30.0
STOP_SECONDS = 10.0
VERSION = "2.3."

CONFIGURATION = """
base_dir = {folder}/run
state_dir = {folder}/state
log_path = {folder}/log
protocols = imap
listen = {host}
default_internal_user = {user}
default_internal_group = {group}
default_login_user = {user}
default_vsz_limit = 0
first_valid_uid = 1
auth_failure_delay = 0
ssl = required
ssl_cert = <{folder}/certificate.pem
ssl_key = <{folder}/key.pem
mail_location = maildir:~/Maildir
passdb {{
  driver = static
  args = password={password}
}}
userdb {{
  driver = static
  args = uid={user} gid={group} home={folder}/users/%u
}}
namespace inbox {{
  inbox = yes
  separator = /
}}
protocol imap {{
  rawlog_dir = %h/said
}}
service anvil {{
  chroot =
  unix_listener anvil-auth-penalty {{
    mode = 0
  }}
}}
service imap-login {{
  chroot =
  inet_listener imap {{
    port = {starttls}
  }}
  inet_listener imaps {{
    port = {tls}
    ssl = yes
  }}
}}
service stats {{
  chroot =
}}
"""


class Dovecot:
    """``tls`` and ``starttls`` are its ports, ``ca_file`` is who vouches for it. Use it with ``with``; in between it may be stopped
    and started: mails and ports stay.
    """

    def __init__(self, authority: trustme.CA) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="dovecot-"))
        self.tls, self.starttls = free_port(), free_port()
        self.ca_file = self.folder / "ca.pem"
        self._process: subprocess.Popen[bytes] | None = None
        self._user = pwd.getpwnam("nobody") if os.geteuid() == 0 else pwd.getpwuid(os.geteuid())
        issued = authority.issue_cert(HOST)
        authority.cert_pem.write_to_path(str(self.ca_file))
        issued.private_key_pem.write_to_path(str(self.folder / "key.pem"))
        (self.folder / "certificate.pem").write_bytes(b"".join(blob.bytes() for blob in issued.cert_chain_pems))
        self._settings.write_text(self._configuration())
        for path in (self.folder, *self.folder.iterdir()):
            self._give(path)

    # -- life
    def start(self) -> None:
        program = shutil.which("dovecot", path=f"{os.environ.get('PATH', '')}:/usr/sbin:/usr/local/sbin")
        assert program, "there is no dovecot. On Debian: apt-get install --no-install-recommends dovecot-imapd"
        version = subprocess.run([program, "--version"], capture_output=True, text=True, check=True).stdout
        assert version.startswith(VERSION), f"dovecot {version.split()[0]} wants another configuration than {VERSION}x"
        root = os.geteuid() == 0
        with (self.folder / "output").open("ab") as output:
            self._process = subprocess.Popen(
                [program, "-F", "-c", str(self._settings)],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                start_new_session=True,
                user=self._user.pw_uid if root else None,
                group=self._user.pw_gid if root else None,
                extra_groups=[] if root else None,
            )
        until = time.monotonic() + START_SECONDS
        while not self._answers():
            assert self._process.poll() is None, f"dovecot did not start:\n{self.log}"
            assert time.monotonic() < until, f"dovecot does not answer:\n{self.log}"
            time.sleep(0.05)

    def stop(self) -> None:
        process, self._process = self._process, None
        if process is not None:
            process.terminate()
            try:
                process.wait(STOP_SECONDS)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
            with suppress(ProcessLookupError):  # those who serve a connection would go on for a while
                os.killpg(process.pid, SIGKILL)

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()
        shutil.rmtree(self.folder)

    # -- mailboxes
    def mailbox(self, user: str) -> Path:
        """The maildir of a user who is new, and empty."""
        home = self.folder / "users" / user
        for path in (self.folder / "users", home, home / "said", maildir := home / "Maildir"):
            path.mkdir(exist_ok=True)
            self._give(path)
        return maildir

    def client(self, user: str) -> IMAP4_SSL:
        """Somebody who changes what is in the mailbox."""
        client = IMAP4_SSL(HOST, self.tls, ssl_context=ssl.create_default_context(cafile=str(self.ca_file)))
        client.authenticate("PLAIN", lambda _: f"\0{user}\0{PASSWORD}".encode())
        return client

    def put(self, user: str, folder: str, mails: dict[str, tuple[bytes, float]]) -> None:
        """Many mails at once: by the name of its file what each is, and when it came, in seconds since 1970. ``folder`` as it is
        called on disk: ``.`` is the inbox, ``.Sent`` another. Nobody else may be at it.
        """
        there = self.folder / "users" / user / "Maildir" / folder
        for path in (there, *(there / name for name in ("cur", "new", "tmp"))):
            path.mkdir(exist_ok=True)
            self._give(path)
        for name, (mail, at) in mails.items():
            path = there / "cur" / f"{name}:2,"
            path.write_bytes(mail)
            self._give(path)
            os.utime(path, (at, at))

    def said(self, user: str) -> tuple[bytes, bytes]:
        """All that clients said after their login, and all that they were told."""
        files = sorted((self.folder / "users" / user / "said").iterdir())
        told_us, we_told = ([path.read_bytes() for path in files if path.suffix == end] for end in (".in", ".out"))
        return b"".join(told_us), b"".join(we_told)

    @property
    def log(self) -> str:
        paths = (self.folder / "output", self.folder / "log")
        return "\n".join(path.read_text(errors="replace") for path in paths if path.exists())

    # -- what it is made of
    @property
    def _settings(self) -> Path:
        return self.folder / "dovecot.conf"

    def _configuration(self) -> str:
        return CONFIGURATION.format(
            folder=self.folder,
            host=HOST,
            user=self._user.pw_name,
            group=grp.getgrgid(self._user.pw_gid).gr_name,
            password="{PLAIN.b64}" + b64encode(PASSWORD.encode()).decode(),
            tls=self.tls,
            starttls=self.starttls,
        )

    def _give(self, path: Path) -> None:
        if os.geteuid() == 0:
            os.chown(path, self._user.pw_uid, self._user.pw_gid)

    def _answers(self) -> bool:
        try:
            IMAP4_SSL(HOST, self.tls, ssl_context=ssl.create_default_context(cafile=str(self.ca_file))).shutdown()
        except OSError:
            return False
        return True
