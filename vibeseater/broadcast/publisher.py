"""The publisher: after each commit, one message a topic, in the order of commits.

It never fails a writer and never makes one wait: what Redis can't take is dropped and counted, and watchers read it
from PostgreSQL by position. In a cluster each node has a lane of its own, so that a dead node delays only its topics.
"""

from __future__ import annotations

from collections.abc import Sequence

from vibeseater.broadcast.connection import REDIS_LOST, Redis, RedisCluster, make_patient_client
from vibeseater.broadcast.frames import frames_of
from vibeseater.broadcast.lane import Lane
from vibeseater.broadcast.sending import ClusterSender, DirectSender, Sender
from vibeseater.inputs import EventDraft
from vibeseater.models import Event
from vibeseater.settings import Settings

__all__ = ["Publisher"]

PIECE = 500
"""Events of a large commit that are queued at a time."""


class Publisher:
    """Sorts a commit's events into messages, and messages into lanes."""

    def __init__(self, client: Redis | RedisCluster, settings: Settings) -> None:
        self._client = client
        self._settings = settings
        self._lanes: dict[str, Lane] = {}  # by node of a cluster; "" for a single server
        self.events = 0  # that were handed over, since the beginning

    @property
    def queued(self) -> int:
        """Messages that wait to be sent."""
        return sum(lane.queued for lane in self._lanes.values())

    def publish(self, created: Sequence[tuple[EventDraft, Event]]) -> None:
        """Queue the messages of one commit. Returns at once."""
        self.events += len(created)
        for topic, message in frames_of(created):
            self._lane(topic).put(topic, message)

    async def publish_paced(self, created: Sequence[tuple[EventDraft, Event]]) -> None:
        """Queue the messages of a large commit piece by piece, waiting while much is queued."""
        for first in range(0, len(created), PIECE):
            self.publish(created[first : first + PIECE])
            for lane in list(self._lanes.values()):
                await lane.room()

    def announce(self, channel: str, message: bytes) -> None:
        """Queue a message that is no event's, on a channel of its own. Returns at once."""
        self._lane(channel).put(channel, message)

    async def send(self, topic: str, message: bytes) -> None:
        """Queue one message, waiting while much is queued."""
        lane = self._lane(topic)
        lane.put(topic, message)
        await lane.room()

    async def close(self) -> None:
        """Send what is queued, for two seconds at most."""
        for lane in list(self._lanes.values()):
            await lane.close()

    def _lane(self, topic: str) -> Lane:
        node = ""
        if isinstance(self._client, RedisCluster):
            try:
                found = self._client.get_node_from_key(topic)
                node = str(found.name) if found is not None else ""
            except REDIS_LOST:
                pass  # the client does not know now; its pipeline finds out, or fails
        lane = self._lanes.get(node)
        if lane is None:
            lane = self._lanes[node] = Lane(self._sender())
        return lane

    def _sender(self) -> Sender:
        if isinstance(self._client, RedisCluster):
            return ClusterSender(self._client)
        return DirectSender(make_patient_client(self._settings), self._settings.connect_timeout)
