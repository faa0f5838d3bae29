"""Every setting of the engine, typed.

Values come from ``NURTURE_*`` environment variables and from a ``.env`` file in the working directory; the environment
wins. Nothing is read at import time: call :func:`load_settings`.
"""

from __future__ import annotations

import re
from base64 import b64decode
from datetime import tzinfo
from pathlib import Path
from typing import Literal
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePublicKey
from cryptography.hazmat.primitives.serialization import load_der_public_key
from pydantic import AliasChoices, Field, SecretStr, field_validator
from pydantic_settings import BaseSettings, SettingsConfigDict
from sqlalchemy.engine import make_url
from sqlalchemy.exc import ArgumentError, NoSuchModuleError

LOOPBACK_HOSTS = frozenset({"127.0.0.1", "localhost", "::1"})


SFA_URLS = {
    "hubspot": "hubspot://:TOKEN@api.hubapi.com",
    "salesforce": "salesforce://CLIENT_ID:CLIENT_SECRET@mydomain.my.salesforce.com",
}
"""By scheme: how the URL of an SFA that is no database looks."""


def _reachable_database(value: SecretStr | None, file: str, more: str = "") -> SecretStr | None:
    if value is None:
        return None
    try:
        make_url(value.get_secret_value()).get_dialect().import_dbapi()
    except (ArgumentError, NoSuchModuleError, ModuleNotFoundError):
        raise ValueError(
            f"must be a SQLAlchemy URL whose driver is installed, such as sqlite:///{file} or "
            f"postgresql+psycopg://user@host/database (pip install 'nurture[postgres]'){more}"
        ) from None
    return value


class Settings(BaseSettings):
    """Immutable settings of one run. Field names are the variables' names without ``NURTURE_``."""

    model_config = SettingsConfigDict(
        env_prefix="NURTURE_",
        env_file=".env",
        env_file_encoding="utf-8",
        env_ignore_empty=True,
        frozen=True,
        extra="ignore",
        populate_by_name=True,
    )

    home: Path = Path("var")
    warehouse_file: Path | None = Field(None, validation_alias=AliasChoices("NURTURE_WAREHOUSE", "warehouse_file"))
    ledger_file: Path | None = Field(None, validation_alias=AliasChoices("NURTURE_LEDGER", "ledger_file"))
    published_file: Path | None = Field(None, validation_alias=AliasChoices("NURTURE_PUBLISHED", "published_file"))
    rules: Path = Path("rules/guide")
    sources: Path = Path("sources.yaml")
    timezone: str = "Asia/Tokyo"
    delivery: Literal["off", "allowlist", "live"] = "off"
    allowlist: str = ""
    """Addresses that may be mailed under ``allowlist``, separated by commas; ``@domain`` allows a whole domain."""
    sendgrid_host: str = "https://api.sendgrid.com"
    sendgrid_api_key: SecretStr | None = None
    sendgrid_timeout_seconds: float = 30
    sfa_url: SecretStr | None = None
    sendgrid_webhook_key: str | None = None
    """The public key of SendGrid's event webhook, base64, as its settings page shows it."""
    inbox_url: SecretStr | None = None
    public_url: str = "http://127.0.0.1:8787"
    secret_key: SecretStr | None = None
    old_secret_keys: SecretStr | None = None
    """Keys that signed links already mailed, separated by commas: they are read, and sign nothing."""
    memory_limit: str = "4GB"
    """What DuckDB may use; it spills to disk beyond."""
    lock_timeout_seconds: float = 60
    """How long a step waits for a DuckDB file another process holds."""

    @field_validator("timezone")
    @classmethod
    def _known_zone(cls, value: str) -> str:
        try:
            ZoneInfo(value)
        except (KeyError, ValueError, OSError) as error:
            raise ValueError(f"unknown time zone {value!r}; use an IANA name such as Asia/Tokyo") from error
        return value

    @field_validator("sendgrid_api_key")
    @classmethod
    def _without_spaces(cls, value: SecretStr | None) -> SecretStr | None:
        key = value.get_secret_value().strip() if value else ""  # a secret read from a file often ends in a line break
        return SecretStr(key) if key else None

    @field_validator("memory_limit")
    @classmethod
    def _a_size(cls, value: str) -> str:
        if not re.fullmatch(r"\d+(\.\d+)?\s*([KMGT]i?B|%)", value):
            raise ValueError("must be a size such as 4GB or 512MB, or a share such as 50%")
        return value

    @field_validator("sfa_url")
    @classmethod
    def _reachable_sfa(cls, value: SecretStr | None) -> SecretStr | None:
        form = SFA_URLS.get(value.get_secret_value().partition("://")[0]) if value else None
        if value is None or form is None:
            return _reachable_database(value, "sfa.db", "".join(f", or {form}" for form in SFA_URLS.values()))
        try:
            parts = urlsplit(value.get_secret_value())
        except ValueError:
            parts = urlsplit("")
        if not parts.hostname or not parts.password or (not parts.username and "//:" not in form):
            raise ValueError(f"must look like {form}")
        return value

    @field_validator("inbox_url")
    @classmethod
    def _reachable_inbox(cls, value: SecretStr | None) -> SecretStr | None:
        return _reachable_database(value, "inbox.db")

    @field_validator("sendgrid_webhook_key")
    @classmethod
    def _a_public_key(cls, value: str | None) -> str | None:
        if value is None:
            return None
        try:
            key = load_der_public_key(b64decode("".join(value.split()), validate=True))
        except (ValueError, UnsupportedAlgorithm):
            key = None
        if not isinstance(key, EllipticCurvePublicKey):
            raise ValueError("must be the verification key that SendGrid's event webhook settings show, as it is there")
        return "".join(value.split())

    @field_validator("home")
    @classmethod
    def _a_folder(cls, value: Path) -> Path:
        if value.exists() and not value.is_dir():
            raise ValueError("must be a folder, and is a file")
        return value

    @field_validator("sendgrid_host", "public_url")
    @classmethod
    def _plain_base_url(cls, value: str) -> str:
        parts = urlsplit(value)
        if parts.scheme not in {"http", "https"} or not parts.hostname:
            raise ValueError("must be an http or https URL, such as https://api.sendgrid.com")
        if parts.username or parts.password or parts.query:
            raise ValueError("must not carry a credential or a query")
        return value.rstrip("/")

    @property
    def warehouse(self) -> Path:
        """The working DuckDB file: facts and what is derived from them."""
        return self.warehouse_file or self.home / "warehouse.duckdb"

    @property
    def ledger(self) -> Path:
        """The DuckDB file of what was decided and done."""
        return self.ledger_file or self.home / "ledger.duckdb"

    @property
    def published(self) -> Path:
        """The analysts' DuckDB file."""
        return self.published_file or self.home / "kpi.duckdb"

    @property
    def dashboard(self) -> Path:
        """The dashboard's page."""
        return self.home / "dashboard.html"

    @property
    def sfa(self) -> str:
        """SQLAlchemy URL of the SFA. May hold a credential: never log it."""
        return self.sfa_url.get_secret_value() if self.sfa_url else f"sqlite:///{self.home / 'sfa.db'}"

    @property
    def inbox(self) -> str:
        """SQLAlchemy URL of the inbox. May hold a credential: never log it."""
        return self.inbox_url.get_secret_value() if self.inbox_url else f"sqlite:///{self.home / 'inbox.db'}"

    @property
    def secret_keys(self) -> tuple[str, ...]:
        """The keys whose signatures count, the one that signs first. Never log them."""
        old = self.old_secret_keys.get_secret_value().split(",") if self.old_secret_keys else []
        return tuple(key for key in (self.signing_key, *(key.strip() for key in old)) if key)

    @property
    def signing_key(self) -> str | None:
        """The key that signs; an old one never does. Never log it."""
        return (self.secret_key.get_secret_value() if self.secret_key else "") or None

    @property
    def zone(self) -> tzinfo:
        """The business time zone."""
        return ZoneInfo(self.timezone)

    @property
    def is_sendgrid_loopback(self) -> bool:
        """Whether mail goes to a stand-in on this machine, which cannot reach anyone."""
        return urlsplit(self.sendgrid_host).hostname in LOOPBACK_HOSTS

    @property
    def effective_delivery(self) -> Literal["off", "allowlist", "live"]:
        """``delivery``, but a loopback host counts as live."""
        return "live" if self.is_sendgrid_loopback else self.delivery

    def allows(self, address: str) -> bool:
        """Whether ``allowlist`` names this address or its domain."""
        allowed = {entry.strip().lower() for entry in self.allowlist.split(",") if entry.strip()}
        return address in allowed or "@" + address.rpartition("@")[2] in allowed

    def may_mail(self, address: str) -> bool:
        """Whether delivery to this address is switched on."""
        if self.effective_delivery == "allowlist":
            return self.allows(address)
        return self.effective_delivery == "live"


def load_settings(home: Path | None = None) -> Settings:
    """Read the settings.

    Args:
        home: Overrides ``NURTURE_HOME``, as ``--home`` does.

    Raises:
        pydantic.ValidationError: A value is not allowed.
    """
    return Settings() if home is None else Settings(home=home)
