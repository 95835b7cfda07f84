"""The program on a person's own device: trains, adapts and keeps what must not leave."""

from kinefed.client.config import ClientConfig
from kinefed.client.store import ClientStore, FolderStore

__all__ = ["ClientConfig", "ClientStore", "FolderStore"]
