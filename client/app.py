"""The Flower ClientApp: the same program on the pool, on ray and on a SuperNode.

Every answer leaves through :func:`reply`, which sends only the types listed in
``personalization.messages.OUTBOUND``.
"""

from __future__ import annotations

import json
import logging
import zlib
from collections.abc import Callable
from functools import lru_cache
from typing import TypeVar

import numpy as np
from flwr.app import Context, Error, Message
from flwr.clientapp import ClientApp
from flwr.common.constant import ErrorCode

from kinefed.client.config import ClientConfig
from kinefed.client.data import LocalData, local_data
from kinefed.client.errors import ClientError, ClientReason, NothingToLearnError
from kinefed.client.personal import personal_rows
from kinefed.client.store import FolderStore
from kinefed.models import (
    TorqueNetwork,
    from_vector,
    schema_hash,
    to_vector,
    train_steps,
)
from kinefed.personalization import cluster_sums, descriptor_sums, standardised
from kinefed.personalization.codec import decode, encode
from kinefed.personalization.messages import (
    OUTBOUND,
    Absent,
    ClusterReply,
    ClusterTask,
    DescriptorTask,
    Hello,
    Outbound,
    PersonaliseTask,
    PersonalScores,
    Presence,
    Statistics,
    StatisticsTask,
    TrainTask,
    Update,
)
from kinefed.personalization.setup import ModelSetup, build_network, unpack_scaling

app = ClientApp()
log = logging.getLogger("kinefed.client")

T = TypeVar("T", Hello, StatisticsTask, DescriptorTask, ClusterTask, TrainTask, PersonaliseTask)
Answer = Callable[[T, LocalData, ClientConfig], Outbound]


def reply(message: Message, payload: Outbound) -> Message:
    """Answer a message; the one way out of this device."""
    if not isinstance(payload, OUTBOUND):
        raise ClientError(ClientReason.MODEL, f"{type(payload).__name__} may not leave the device")
    return Message(encode(payload), reply_to=message)


def generator(seed: int, round_: int, key: str, model: str) -> np.random.Generator:
    """Return the random numbers of one client's work in one round, on whatever node it runs."""
    words = [seed, round_, zlib.crc32(key.encode()), zlib.crc32(model.encode())]
    return np.random.default_rng(np.random.SeedSequence(words))


@lru_cache(maxsize=4)
def network(setup_json: str) -> TorqueNetwork:
    """Build the network once per setup; every order overwrites all its weights."""
    return build_network(ModelSetup.from_json(setup_json))


def answers(task_type: type[T]) -> Callable[[Answer[T]], Callable[[Message, Context], Message]]:
    """Turn a function of (order, recordings, config) into a Flower handler."""

    def wrap(function: Answer[T]) -> Callable[[Message, Context], Message]:
        def handle(message: Message, context: Context) -> Message:
            try:
                return reply(message, answer(message, context))
            except Exception as fault:
                # On a SuperNode Flower would send the text of the exception, which could hold a
                # path or a signal: the text stays in this device's log, its kind alone goes back.
                log.exception("%s failed", message.metadata.message_type)
                kind = type(fault).__name__
                return Message(Error(ErrorCode.CLIENT_APP_RAISED_EXCEPTION, kind), reply_to=message)

        def answer(message: Message, context: Context) -> Outbound:
            config = ClientConfig.from_context(context)
            task = decode(message.content, task_type)
            try:
                local = local_data(config.data, config.subject, task.setup)
            except NothingToLearnError as nothing:
                return Absent(config.key, nothing.what)
            return function(task, local, config)

        return handle

    return wrap


def ordered_network(setup_json: str, schema: str) -> TorqueNetwork:
    """Return the network, refusing an order whose weights are of another one."""
    module = network(setup_json)
    if schema_hash(module) != schema:
        raise ClientError(
            ClientReason.MODEL, f"network schema {schema!r} is not {schema_hash(module)!r}"
        )
    return module


@app.query("hello")
@answers(Hello)
def hello(_task: Hello, local: LocalData, config: ClientConfig) -> Outbound:
    """Say who is here and how much there is to learn from."""
    return Presence(config.key, len(local.windows), len(local.bouts))


@app.query("statistics")
@answers(StatisticsTask)
def statistics(_task: StatisticsTask, local: LocalData, config: ClientConfig) -> Outbound:
    """Send the sums from which the server makes the scaling."""
    return Statistics(config.key, local.sums().reshape(-1))


@app.query("descriptors")
@answers(DescriptorTask)
def descriptors(_task: DescriptorTask, local: LocalData, config: ClientConfig) -> Outbound:
    """Send count, mean and centred squares of the bout descriptors."""
    sums = descriptor_sums(local.descriptors)
    if not sums.count.any():
        return Absent(config.key, "too few bouts to hide one in")
    return Statistics(config.key, np.concatenate([sums.count, sums.mean, sums.m2]))


@app.query("clusters")
@answers(ClusterTask)
def clusters(task: ClusterTask, local: LocalData, config: ClientConfig) -> Outbound:
    """Send the sums of one Lloyd step of federated k-means."""
    if not local.bouts:
        return Absent(config.key, "no bouts")
    z = standardised(local.descriptors, task.z_mean, task.z_std)
    centres = task.centres.reshape(task.clusters, -1)
    sums = cluster_sums(z, centres, min_members=task.min_members)
    return ClusterReply(config.key, sums.sums.reshape(-1), sums.counts, sums.inertia)


@app.train()
@answers(TrainTask)
def train(task: TrainTask, local: LocalData, config: ClientConfig) -> Outbound:
    """Train the model of the order on this person's windows, or on those of one cluster."""
    windows = local.windows
    if task.cluster >= 0:
        of = local.clusters(task.centres, task.z_mean, task.z_std)
        windows = windows.subset(np.flatnonzero(of == task.cluster))
    if not len(windows):
        return Absent(config.key, f"no windows for {task.model}")
    module = ordered_network(task.setup, task.schema)
    from_vector(module, task.vector)
    loss = train_steps(
        module,
        windows,
        unpack_scaling(task.scaling, ModelSetup.from_json(task.setup)),
        steps=task.steps,
        batch=task.batch,
        rate=task.rate,
        weight_decay=task.weight_decay,
        augment=ModelSetup.from_json(task.setup).augment(task.noise, task.offset),
        rng=generator(task.seed, task.round, config.key, task.model),
    )
    return Update(
        config.key,
        task.model,
        task.round,
        len(windows),
        float(loss),
        task.schema,
        to_vector(module),
    )


@app.query("personalise")
@answers(PersonaliseTask)
def personalise(task: PersonaliseTask, local: LocalData, config: ClientConfig) -> Outbound:
    """Adapt to this person, gate, score; weights and estimates stay in the client's store."""
    module = ordered_network(task.setup, task.schema)
    rows = personal_rows(module, task, local, FolderStore(config.store))
    return PersonalScores(config.key, json.dumps(rows))
