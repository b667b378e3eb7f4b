// Transactions of franz-go: the ops that drivers/README.md lists under their name. A second argument of `v1` keeps it from
// the newer way, in which a Produce adds its partitions.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kversion"

	"millrace.invalid/compat/wire"
)

const callLimit = 30 * time.Second

var isolations = map[string]kgo.IsolationLevel{
	"read_committed":   kgo.ReadCommitted(),
	"read_uncommitted": kgo.ReadUncommitted(),
}

var producers = map[string]*kgo.Client{}

func base() []kgo.Opt {
	options := []kgo.Opt{kgo.SeedBrokers(os.Args[1]), kgo.RecordPartitioner(kgo.ManualPartitioner())}
	if len(os.Args) > 2 && os.Args[2] == "v1" {
		options = append(options, kgo.MaxVersions(kversion.V3_8_0()))
	}
	return options
}

func transactional(args wire.Args) []kgo.Opt {
	timeout := time.Duration(args.TimeoutMs) * time.Millisecond
	return append(base(), kgo.TransactionalID(args.TransactionalID), kgo.TransactionTimeout(timeout))
}

// limited is for calls that wait for the broker.
func limited(act func(context.Context) error) error {
	ctx, cancel := context.WithTimeout(context.Background(), callLimit)
	defer cancel()
	return act(ctx)
}

func open(args wire.Args) (any, error) {
	client, err := kgo.NewClient(transactional(args)...)
	if err != nil {
		return nil, err
	}
	producers[args.Producer] = client
	return nil, limited(func(ctx context.Context) error {
		_, _, err := client.ProducerID(ctx)
		return err
	})
}

func begin(args wire.Args) (any, error) { return nil, producers[args.Producer].BeginTransaction() }

func send(args wire.Args) (any, error) {
	var records []*kgo.Record
	for _, value := range args.Values {
		records = append(records, &kgo.Record{Topic: args.Topic, Partition: args.Partition, Value: []byte(value)})
	}
	return nil, limited(func(ctx context.Context) error {
		return producers[args.Producer].ProduceSync(ctx, records...).FirstErr()
	})
}

func end(how kgo.TransactionEndTry) wire.Op {
	return func(args wire.Args) (any, error) {
		return nil, limited(func(ctx context.Context) error {
			return producers[args.Producer].EndTransaction(ctx, how)
		})
	}
}

func closeProducer(args wire.Args) (any, error) {
	producers[args.Producer].Close()
	delete(producers, args.Producer)
	return nil, nil
}

// read goes on until `count` records have come, and `quietMs` longer.
func read(args wire.Args) (any, error) {
	from := map[int32]kgo.Offset{}
	parts := make([][][2]any, args.Partitions)
	for partition := range parts {
		from[int32(partition)] = kgo.NewOffset().AtStart()
		parts[partition] = [][2]any{}
	}
	client, err := kgo.NewClient(append(base(),
		kgo.FetchIsolationLevel(isolations[args.Isolation]),
		kgo.FetchMaxWait(100*time.Millisecond),
		kgo.ConsumePartitions(map[string]map[int32]kgo.Offset{args.Topic: from}))...)
	if err != nil {
		return nil, err
	}
	defer client.Close()
	ctx, cancel := context.WithTimeout(context.Background(), time.Duration(args.TimeoutMs)*time.Millisecond)
	defer cancel()
	for seen, quiet := 0, false; ctx.Err() == nil; {
		if !quiet && seen >= args.Count {
			quiet = true
			ctx, cancel = context.WithTimeout(context.Background(), time.Duration(args.QuietMs)*time.Millisecond)
			defer cancel()
		}
		fetches := client.PollFetches(ctx)
		for _, failed := range fetches.Errors() {
			if ctx.Err() == nil {
				return nil, failed.Err
			}
		}
		fetches.EachRecord(func(record *kgo.Record) {
			parts[record.Partition] = append(parts[record.Partition], [2]any{record.Offset, string(record.Value)})
			seen++
		})
	}
	return map[string]any{"parts": parts}, nil
}

// loop consumes, produces what it made of it to the same partition and commits both, until it is killed.
func loop(args wire.Args) (any, error) {
	for {
		// Whatever cannot be aborted needs a new producer, and a consumer that begins from what is committed.
		fmt.Fprintln(os.Stderr, "begins anew after", session(args))
	}
}

func session(args wire.Args) error {
	options := append(transactional(args),
		kgo.ConsumerGroup(args.Group),
		kgo.ConsumeTopics(args.In),
		kgo.FetchIsolationLevel(kgo.ReadCommitted()),
		kgo.RequireStableFetchOffsets(),
		kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()),
		kgo.FetchMaxWait(100*time.Millisecond))
	if args.Protocol == "consumer" {
		options = append(options, kgo.ServerSideBalancer())
	} else {
		options = append(options, kgo.HeartbeatInterval(300*time.Millisecond),
			kgo.SessionTimeout(time.Duration(args.SessionTimeoutMs)*time.Millisecond))
	}
	both, err := kgo.NewGroupTransactSession(options...)
	if err != nil {
		return err
	}
	defer both.Close()
	for turns := 1; ; turns++ {
		fetches := both.PollRecords(context.Background(), args.Batch)
		if failed := fetches.Errors(); len(failed) > 0 {
			return failed[0].Err
		}
		if fetches.NumRecords() == 0 {
			continue
		}
		if err := both.Begin(); err != nil {
			return err
		}
		fetches.EachRecord(func(record *kgo.Record) {
			made := append([]byte("did "), record.Value...)
			both.Produce(context.Background(), &kgo.Record{Topic: args.Out, Partition: record.Partition, Value: made}, nil)
		})
		// What was not produced makes the session abort, whatever it is asked.
		how := kgo.TryCommit
		if turns%5 == 0 {
			how = kgo.TryAbort
		}
		if err := limited(func(ctx context.Context) error {
			_, err := both.End(ctx, how)
			return err
		}); err != nil {
			return err
		}
	}
}

func codeOf(err error) int16 {
	var known *kerr.Error
	if errors.As(err, &known) {
		return known.Code
	}
	return 0
}

func main() {
	wire.Serve(wire.Version("github.com/twmb/franz-go"), map[string]wire.Op{
		"open":   open,
		"begin":  begin,
		"send":   send,
		"commit": end(kgo.TryCommit),
		"abort":  end(kgo.TryAbort),
		"close":  closeProducer,
		"read":   read,
		"loop":   loop,
	}, codeOf)
}
