"""Members of groups of kafka-python 2, told and heard by the lines of drivers/README.md."""

import sys

from kafka import ConsumerRebalanceListener, KafkaConsumer, TopicPartition
from kafka.coordinator.assignors.range import RangePartitionAssignor
from kafka.coordinator.assignors.roundrobin import RoundRobinPartitionAssignor
from kafka.coordinator.assignors.sticky.sticky_assignor import StickyPartitionAssignor
from kafka.structs import OffsetAndMetadata

import members

ASSIGNORS = {
    "range": RangePartitionAssignor,
    "roundrobin": RoundRobinPartitionAssignor,
    "sticky": StickyPartitionAssignor,
}


class Member(members.Member, ConsumerRebalanceListener):
    def open(self):
        self.consumer = KafkaConsumer(
            bootstrap_servers=sys.argv[1],
            # Otherwise a broker that is silent for two seconds is none.
            api_version_auto_timeout_ms=30_000,
            client_id=self.id,
            group_id=self.args["group"],
            enable_auto_commit=False,
            auto_offset_reset="earliest",
            partition_assignment_strategy=[ASSIGNORS[self.args["assignor"]]],
            session_timeout_ms=self.args["sessionTimeoutMs"],
            heartbeat_interval_ms=500,
            metadata_max_age_ms=1_000,
            reconnect_backoff_max_ms=200,
            max_poll_records=20,
        )
        self.consumer.subscribe([self.args["topic"]], listener=self)

    def on_partitions_assigned(self, assigned):
        self.assigned(assigned)

    def on_partitions_revoked(self, revoked):
        if not revoked:
            return
        # The heartbeat's thread forgets who the member was once the group has put it out; no public call tells.
        if self.consumer._coordinator._generation.member_id == "":
            self.gone("lost", revoked)
        else:
            self.revoked(revoked)

    def poll(self):
        for one, records in self.consumer.poll(100).items():
            self.read[tuple(one)] = [[record.offset, record.value.decode()] for record in records]

    def send_commit(self, pending):
        self.consumer.commit({TopicPartition(*one): OffsetAndMetadata(at, "") for one, at in pending.items()})

    def close(self):
        self.give_up()
        self.consumer.close()


members.serve(Member)
