"""The client's store and settings."""

import pytest
from flwr.app import Context, RecordDict

from kinefed.client import ClientConfig, FolderStore
from kinefed.client.errors import ClientConfigError, ClientError


def test_a_name_is_read_back_listed_and_replaced(tmp_path):
    store = FolderStore(tmp_path / "store")
    assert store.read("personal/round-1/walk.npy") is None
    store.write("personal/round-1/walk.npy", b"one")
    store.write("personal/round-1/walk.npy", b"two")
    store.write("estimates/fedavg.npy", b"three")
    assert store.read("personal/round-1/walk.npy") == b"two"
    assert store.names("personal/") == ["personal/round-1/walk.npy"]
    assert len(store.names()) == 2


@pytest.mark.parametrize(
    "name", ["../out", "/etc/passwd", "a/../b", "", ".hidden", "a//b", "x.new"]
)
def test_a_name_that_could_climb_out_is_refused(tmp_path, name):
    with pytest.raises(ClientError):
        FolderStore(tmp_path).write(name, b"x")
    assert not list(tmp_path.iterdir())


def context(**node):
    return Context(run_id=1, node_id=2, node_config=node, state=RecordDict(), run_config={})


def test_settings_come_from_the_node_config():
    config = ClientConfig.from_context(context(data="d", subject="P1", store="s", key="pseudonym"))
    assert (str(config.data), config.subject, config.key) == ("d", "P1", "pseudonym")


def test_settings_come_from_the_run_file_by_partition(tmp_path, monkeypatch):
    path = tmp_path / "run.toml"
    path.write_text('[client]\ndata = "d"\nstore = "s"\nsubjects = ["A", "B"]\n')
    monkeypatch.setenv("KINEFED_RUN", str(path))
    config = ClientConfig.from_context(context(**{"partition-id": 1, "num-partitions": 2}))
    assert (config.subject, str(config.store)) == ("B", "s/B")
    with pytest.raises(ClientConfigError, match="partition 2"):
        ClientConfig.from_context(context(**{"partition-id": 2}))


def test_a_node_without_data_is_told_what_to_do(monkeypatch):
    monkeypatch.delenv("KINEFED_RUN", raising=False)
    with pytest.raises(ClientConfigError, match="--node-config"):
        ClientConfig.from_context(context())
