"""What a device says of its own faults."""

from flwr.app import Context, Message, RecordDict

from kinefed.client.app import app
from kinefed.personalization.codec import encode
from kinefed.personalization.messages import Hello
from kinefed.server.config import DEFAULT_SETUP
from kinefed.simulations.pool import PoolGrid
from kinefed.simulations.workers import InlinePool

NODE = {"data": "/home/ada/secret-folder", "subject": "ada", "store": "/home/ada/store"}


def test_only_the_kind_of_a_fault_leaves_the_device(caplog):
    PoolGrid(InlinePool(), [NODE])  # a Message needs a run and a node to come from
    order = Message(encode(Hello(DEFAULT_SETUP)), dst_node_id=1000, message_type="query.hello")
    reply = app(order, Context(1, 1000, NODE, RecordDict(), {}))
    assert reply.has_error()
    assert reply.error.reason.isidentifier()
    assert "ada" not in reply.error.reason
    # The device's own log has the whole of it.
    assert "Traceback" in caplog.text
    assert NODE["data"] in caplog.text
