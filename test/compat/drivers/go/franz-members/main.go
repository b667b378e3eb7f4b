// Members of groups of franz-go.
package main

import (
	"context"
	"fmt"
	"os"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"millrace.invalid/compat/members"
)

var balancers = map[string]kgo.GroupBalancer{
	"range":              kgo.RangeBalancer(),
	"roundrobin":         kgo.RoundRobinBalancer(),
	"sticky":             kgo.StickyBalancer(),
	"uniform":            kgo.StickyBalancer(),
	"cooperative-sticky": kgo.CooperativeStickyBalancer(),
}

func join(command members.Command) (func(), error) {
	id := command.Member
	told := func(event string) func(context.Context, *kgo.Client, map[string][]int32) {
		return func(_ context.Context, client *kgo.Client, partitions map[string][]int32) {
			_, generation := client.GroupMetadata()
			members.Emit(event, id, members.Fields{"partitions": members.Names(partitions), "generation": generation})
		}
	}
	options := []kgo.Opt{
		kgo.SeedBrokers(os.Args[1]),
		kgo.ClientID(id),
		kgo.ConsumerGroup(command.Group),
		kgo.Balancers(balancers[command.Assignor]),
		kgo.SessionTimeout(command.SessionTimeout()),
		kgo.HeartbeatInterval(500 * time.Millisecond),
		kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()),
		kgo.DisableAutoCommit(),
		kgo.BlockRebalanceOnPoll(),
		kgo.MetadataMaxAge(time.Second),
		kgo.MetadataMinAge(200 * time.Millisecond),
		kgo.FetchMaxWait(500 * time.Millisecond),
		kgo.OnPartitionsAssigned(told("assigned")),
		kgo.OnPartitionsRevoked(told("revoked")),
		kgo.OnPartitionsLost(told("lost")),
	}
	if command.Regex != "" {
		options = append(options, kgo.ConsumeTopics(command.Regex), kgo.ConsumeRegex())
	} else {
		options = append(options, kgo.ConsumeTopics(command.Topic))
	}
	if command.Protocol == "consumer" {
		options = append(options, kgo.ServerSideBalancer())
	}
	if command.InstanceID != nil {
		options = append(options, kgo.InstanceID(*command.InstanceID))
	}
	client, err := kgo.NewClient(options...)
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		for ctx.Err() == nil {
			fetches := client.PollRecords(ctx, 20)
			for _, failed := range fetches.Errors() {
				if ctx.Err() == nil {
					members.Emit("warned", id, members.Fields{"message": failed.Err.Error()})
				}
			}
			process(id, fetches)
			commit(client, id, fetches)
			client.AllowRebalance()
		}
	}()
	return func() {
		cancel()
		<-done
		client.Close()
	}, nil
}

func process(id string, fetches kgo.Fetches) {
	fetches.EachPartition(func(partition kgo.FetchTopicPartition) {
		if len(partition.Records) == 0 {
			return
		}
		records := make([][2]any, len(partition.Records))
		for i, record := range partition.Records {
			records[i] = [2]any{record.Offset, string(record.Value)}
		}
		name := members.Name(partition.Topic, partition.Partition)
		members.Emit("processed", id, members.Fields{"partition": name, "records": records})
	})
}

// commit waits for the answer: no rebalance takes a partition away meanwhile.
func commit(client *kgo.Client, id string, fetches kgo.Fetches) {
	next := map[string]map[int32]kgo.EpochOffset{}
	fetches.EachRecord(func(record *kgo.Record) {
		if next[record.Topic] == nil {
			next[record.Topic] = map[int32]kgo.EpochOffset{}
		}
		next[record.Topic][record.Partition] = kgo.EpochOffset{Epoch: record.LeaderEpoch, Offset: record.Offset + 1}
	})
	if len(next) == 0 {
		return
	}
	refused := func(err error) { members.Emit("refused", id, members.Fields{"message": fmt.Sprint(err)}) }
	// Leaving does not cancel a commit of what is processed.
	client.CommitOffsetsSync(context.Background(), next,
		func(_ *kgo.Client, _ *kmsg.OffsetCommitRequest, response *kmsg.OffsetCommitResponse, err error) {
			if err != nil {
				refused(err)
				return
			}
			offsets := map[string]int64{}
			for _, topic := range response.Topics {
				for _, partition := range topic.Partitions {
					if err := kerr.ErrorForCode(partition.ErrorCode); err != nil {
						refused(err)
						continue
					}
					offsets[members.Name(topic.Topic, partition.Partition)] = next[topic.Topic][partition.Partition].Offset
				}
			}
			if len(offsets) > 0 {
				members.Emit("committed", id, members.Fields{"offsets": offsets})
			}
		})
}

func main() { members.Serve(join) }
