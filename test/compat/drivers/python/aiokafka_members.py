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
    """All of it is one task of the loop, and rebalances are told by another: what one of them has seen holds until it
    waits again, so it is told before that. `turns` keeps a rebalance out of a commit that is on its way."""

    def live(self):
        asyncio.run(self.member())

    async def member(self):
        self.turns = asyncio.Lock()
        await self.join_group()
        while not self.leaving:
            polled = await self.consumer.getmany(timeout_ms=100, max_records=20)
            for one, records in polled.items():
                self.read[tuple(one)] = [[record.offset, record.value.decode()] for record in records]
            self.process()
            async with self.turns:
                await self.send_pending()
        self.give_up()
        await self.consumer.stop()

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
        if not revoked:
            return
        async with self.turns:
            # Before it joins again, whom the group has put out forgets who it was; no public call tells.
            lost = self.consumer._coordinator.member_id == ""
            if not lost:
                await self.send_pending()
            self.gone("lost" if lost else "revoked", revoked)

    async def send_pending(self):
        if not self.pending:
            return
        try:
            await self.consumer.commit({TopicPartition(*one): at for one, at in self.pending.items()})
        except Exception as error:  # A rebalance has come between, or the broker is away.
            self.refused(error)
            return
        self.committed()


members.serve(Member)
