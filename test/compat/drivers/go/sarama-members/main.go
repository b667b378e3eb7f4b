// Members of groups of sarama.
package main

import (
	"context"
	"errors"
	"os"
	"sync"
	"time"

	"github.com/IBM/sarama"

	"millrace.invalid/compat/members"
)

var strategies = map[string]func() sarama.BalanceStrategy{
	"range":      sarama.NewBalanceStrategyRange,
	"roundrobin": sarama.NewBalanceStrategyRoundRobin,
	"sticky":     sarama.NewBalanceStrategySticky,
}

// member handles the sessions of one consumer, one after the other; each claim has a goroutine of its own.
type member struct {
	id    string
	group string
	// Commits take turns: their answers are told in the order of their offsets.
	mu     sync.Mutex
	client sarama.Client
}

func (m *member) Setup(session sarama.ConsumerGroupSession) error {
	fields := members.Fields{"partitions": members.Names(session.Claims()), "generation": session.GenerationID()}
	members.Emit("assigned", m.id, fields)
	return nil
}

func (m *member) Cleanup(session sarama.ConsumerGroupSession) error {
	members.Emit("revoked", m.id, members.Fields{"partitions": members.Names(session.Claims())})
	return nil
}

func (m *member) ConsumeClaim(session sarama.ConsumerGroupSession, claim sarama.ConsumerGroupClaim) error {
	name := members.Name(claim.Topic(), claim.Partition())
	for {
		select {
		case <-session.Context().Done():
			return nil
		case message, open := <-claim.Messages():
			if !open {
				return nil
			}
			records := [][2]any{{message.Offset, string(message.Value)}}
			last := message
			// What has come by now goes with it.
			for more := true; more && len(records) < 20; {
				select {
				case message, more = <-claim.Messages():
					if more {
						records = append(records, [2]any{message.Offset, string(message.Value)})
						last = message
					}
				default:
					more = false
				}
			}
			members.Emit("processed", m.id, members.Fields{"partition": name, "records": records})
			session.MarkMessage(last, "")
			m.commit(session, name, last)
		}
	}
}

// commit asks the coordinator itself: the session's Commit does not say how it ended.
func (m *member) commit(session sarama.ConsumerGroupSession, name string, last *sarama.ConsumerMessage) {
	m.mu.Lock()
	defer m.mu.Unlock()
	session.Commit()
	manager, err := sarama.NewOffsetManagerFromClient(m.group, m.client)
	if err != nil {
		return
	}
	defer manager.Close()
	partition, err := manager.ManagePartition(last.Topic, last.Partition)
	if err != nil {
		return
	}
	next, _ := partition.NextOffset()
	partition.AsyncClose()
	if next > last.Offset {
		members.Emit("committed", m.id, members.Fields{"offsets": map[string]int64{name: last.Offset + 1}})
		return
	}
	members.Emit("refused", m.id, members.Fields{"message": "the commit is not there"})
}

func join(command members.Command) (func(), error) {
	config := sarama.NewConfig()
	config.Version = sarama.MaxVersion
	config.ClientID = command.Member
	config.Consumer.Return.Errors = true
	config.Consumer.Offsets.Initial = sarama.OffsetOldest
	config.Consumer.Offsets.AutoCommit.Enable = false
	config.Consumer.Group.Session.Timeout = command.SessionTimeout()
	config.Consumer.Group.Heartbeat.Interval = 500 * time.Millisecond
	config.Consumer.Group.Rebalance.GroupStrategies = []sarama.BalanceStrategy{strategies[command.Assignor]()}
	config.Consumer.MaxWaitTime = 250 * time.Millisecond
	config.Metadata.RefreshFrequency = time.Second
	config.Metadata.Retry.Max = 100
	config.Metadata.Retry.Backoff = 100 * time.Millisecond
	client, err := sarama.NewClient([]string{os.Args[1]}, config)
	if err != nil {
		return nil, err
	}
	group, err := sarama.NewConsumerGroupFromClient(command.Group, client)
	if err != nil {
		return nil, err
	}
	handler := &member{id: command.Member, group: command.Group, client: client}
	ctx, cancel := context.WithCancel(context.Background())
	go func() {
		for err := range group.Errors() {
			members.Emit("warned", command.Member, members.Fields{"message": err.Error()})
		}
	}()
	done := make(chan struct{})
	go func() {
		defer close(done)
		// A session ends with each rebalance, and, while the broker is away, with an error.
		for ctx.Err() == nil {
			err := group.Consume(ctx, []string{command.Topic}, handler)
			if errors.Is(err, sarama.ErrClosedConsumerGroup) {
				return
			}
			if err != nil && ctx.Err() == nil {
				members.Emit("warned", command.Member, members.Fields{"message": err.Error()})
			}
		}
	}()
	return func() {
		cancel()
		<-done
		group.Close()
		client.Close()
	}, nil
}

func main() { members.Serve(join) }
