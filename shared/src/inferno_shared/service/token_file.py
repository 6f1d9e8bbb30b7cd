"""A bearer token from a file, read again when it rotates (Kubernetes replaces projected tokens hourly)."""

from collections.abc import Generator
from pathlib import Path
from typing import Final

import httpx

from inferno_shared.errors import ConfigurationError
from inferno_shared.service.logs import get_logger
from inferno_shared.service.tls.context import version_of

MAX_TOKEN_CHARACTERS: Final = 32_768

log = get_logger(__name__)


class BearerTokenFile(httpx.Auth):
    """Shows the token of `file` with each request; one that cannot be read leaves the one before in force.

    Raises ConfigurationError when there is no usable token at the start.
    """

    def __init__(self, file: Path | str) -> None:
        self._file = Path(file)
        self._version = version_of(self._file)
        self._token = self._read()

    def auth_flow(  # noqa: D102 - inherited
        self, request: httpx.Request
    ) -> Generator[httpx.Request, httpx.Response, None]:
        request.headers["authorization"] = f"Bearer {self.token()}"
        yield request

    def token(self) -> str:
        """Return the token as it is now."""
        version = version_of(self._file)
        if version != self._version:
            self._version = version
            try:
                self._token = self._read()
            except ConfigurationError as error:
                log.warning("token file not usable, the token before stays in force", reason=str(error))
        return self._token

    def _read(self) -> str:
        try:
            token = self._file.read_text(encoding="ascii").strip()
        except (OSError, UnicodeDecodeError) as error:
            raise ConfigurationError(f"{self._file} cannot be read as a bearer token: {error}") from error
        if not token or len(token) > MAX_TOKEN_CHARACTERS or not token.isprintable() or " " in token:
            raise ConfigurationError(f"{self._file} does not hold one bearer token")
        return token
