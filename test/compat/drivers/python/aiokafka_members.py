"""Members of groups of aiokafka, told and heard by the lines of drivers/README.md."""

import asyncio
import sys

from aiokafka import AIOKafkaConsumer, ConsumerRebalanceListener, TopicPartition
from aiokafka.coordinator.assignors.range import RangePartitionAssignor
from aiokafka.coordinator.assignors.roundrobin import RoundRobinPartitionAssignor
from aiokafka.coordinator.assignors.sticky.sticky_assignor import StickyPartitionAssignor

import members

ASSIGNORS = {
    "range": RangePartitionAssignor,
    "roundrobin": RoundRobinPartitionAssignor,
    "sticky": StickyPartitionAssignor,
}


class Member(members.Member, ConsumerRebalanceListener):
    """Its loop runs whenever it polls, commits or closes: so often that heartbeats go out in time."""

    def open(self):
        self.loop = asyncio.new_event_loop()
        asyncio.set_event_loop(self.loop)
        self.loop.run_until_complete(self.join_group())

    async def join_group(self):
        self.consumer = AIOKafkaConsumer(
            bootstrap_servers=sys.argv[1],
            client_id=self.id,
            group_id=self.args["group"],
            enable_auto_commit=False,
            auto_offset_reset="earliest",
            partition_assignment_strategy=[ASSIGNORS[self.args["assignor"]]],
            session_timeout_ms=self.args["sessionTimeoutMs"],
            heartbeat_interval_ms=500,
            metadata_max_age_ms=1_000,
            retry_backoff_ms=100,
        )
        self.consumer.subscribe([self.args["topic"]], listener=self)
        await self.consumer.start()

    async def on_partitions_assigned(self, assigned):
        self.assigned(assigned)

    async def on_partitions_revoked(self, revoked):
        # What was processed is committed by then, or could not be: nothing is polled meanwhile.
        self.gone("revoked", revoked)

    def poll(self):
        polled = self.loop.run_until_complete(self.consumer.getmany(timeout_ms=100, max_records=20))
        return {tuple(one): [[record.offset, record.value.decode()] for record in read] for one, read in polled.items()}

    def send_commit(self, pending):
        offsets = {TopicPartition(*one): at for one, at in pending.items()}
        self.loop.run_until_complete(self.consumer.commit(offsets))

    def close(self):
        self.loop.run_until_complete(self.consumer.stop())


members.serve(Member)
