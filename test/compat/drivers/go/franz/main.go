// The franz-go client (kgo, and kadm for administration) as a driver.
package main

import (
	"context"
	"errors"
	"os"
	"strconv"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"millrace.invalid/compat/wire"
)

const callLimit = 30 * time.Second

var codecs = map[string]kgo.CompressionCodec{
	"none":   kgo.NoCompression(),
	"gzip":   kgo.GzipCompression(),
	"snappy": kgo.SnappyCompression(),
	"lz4":    kgo.Lz4Compression(),
	"zstd":   kgo.ZstdCompression(),
}

var acks = map[int]kgo.Acks{0: kgo.NoAck(), 1: kgo.LeaderAck(), -1: kgo.AllISRAcks()}

func bootstrap() kgo.Opt { return kgo.SeedBrokers(os.Args[1]) }

func produce(args wire.Args) (any, error) {
	options := []kgo.Opt{
		bootstrap(),
		kgo.ProducerBatchCompression(codecs[args.Codec]),
		kgo.RequiredAcks(acks[args.Acks]),
		kgo.RecordPartitioner(kgo.ManualPartitioner()),
		kgo.ProducerLinger(20 * time.Millisecond),
		kgo.ProducerBatchMaxBytes(1_048_576),
	}
	if !args.Idempotent {
		options = append(options, kgo.DisableIdempotentWrite())
	}
	client, err := kgo.NewClient(options...)
	if err != nil {
		return nil, err
	}
	defer client.Close()
	records := make([]*kgo.Record, len(args.Records))
	for i, sent := range args.Records {
		records[i] = &kgo.Record{Topic: args.Topic, Partition: args.Partition, Key: sent.Key, Value: sent.Value}
		for _, header := range sent.Headers {
			records[i].Headers = append(records[i].Headers, kgo.RecordHeader{Key: header.Name, Value: header.Value})
		}
		if sent.Timestamp != nil {
			records[i].Timestamp = time.UnixMilli(*sent.Timestamp)
		}
	}
	ctx, cancel := context.WithTimeout(context.Background(), callLimit)
	defer cancel()
	offsets := make([]*int64, len(records))
	for i, result := range client.ProduceSync(ctx, records...) {
		if result.Err != nil {
			return nil, result.Err
		}
		if args.Acks != 0 {
			// Results come as they were acknowledged, not as they were sent.
			for j, record := range records {
				if record == result.Record {
					i = j
				}
			}
			offsets[i] = &result.Record.Offset
		}
	}
	return wire.Offsets(offsets), nil
}

func fetch(args wire.Args) (any, error) {
	type key struct {
		topic     string
		partition int32
	}
	starts := map[string]map[int32]kgo.Offset{}
	index := map[key]int{}
	parts := make([][]wire.Record, len(args.Parts))
	missing := 0
	for i, part := range args.Parts {
		if starts[part.Topic] == nil {
			starts[part.Topic] = map[int32]kgo.Offset{}
		}
		starts[part.Topic][part.Partition] = kgo.NewOffset().At(part.Offset)
		index[key{part.Topic, part.Partition}] = i
		parts[i] = []wire.Record{}
		missing += part.Count
	}
	client, err := kgo.NewClient(bootstrap(), kgo.ConsumePartitions(starts), kgo.FetchMaxWait(500*time.Millisecond))
	if err != nil {
		return nil, err
	}
	defer client.Close()
	ctx, cancel := context.WithTimeout(context.Background(), time.Duration(args.TimeoutMs)*time.Millisecond)
	defer cancel()
	for missing > 0 && ctx.Err() == nil {
		fetches := client.PollFetches(ctx)
		for _, failed := range fetches.Errors() {
			if ctx.Err() == nil {
				return nil, failed.Err
			}
		}
		fetches.EachRecord(func(record *kgo.Record) {
			i := index[key{record.Topic, record.Partition}]
			if len(parts[i]) == args.Parts[i].Count {
				return
			}
			at := record.Timestamp.UnixMilli()
			read := wire.Record{Offset: record.Offset, Timestamp: &at, Key: record.Key, Value: record.Value, Headers: []wire.Header{}}
			for _, header := range record.Headers {
				read.Headers = append(read.Headers, wire.Header{Name: header.Key, Value: header.Value})
			}
			parts[i] = append(parts[i], read)
			missing--
		})
	}
	return map[string]any{"parts": parts}, nil
}

// call is one of the administration, within its time.
func call(run func(context.Context, *kadm.Client, wire.Args) (any, error)) wire.Op {
	return func(args wire.Args) (any, error) {
		client, err := kgo.NewClient(bootstrap())
		if err != nil {
			return nil, err
		}
		defer client.Close()
		ctx, cancel := context.WithTimeout(context.Background(), callLimit)
		defer cancel()
		return run(ctx, kadm.NewClient(client), args)
	}
}

// createTopic goes by kadm; explicit assignments are a request of the protocol package, as users of the client do it.
func createTopic(ctx context.Context, admin *kadm.Client, args wire.Args) (any, error) {
	if args.Assignments == nil {
		created, err := admin.CreateTopics(ctx, args.Partitions, 1, args.Configs, args.Topic)
		if err == nil {
			err = created[args.Topic].Err
		}
		return nil, err
	}
	client, err := kgo.NewClient(bootstrap())
	if err != nil {
		return nil, err
	}
	defer client.Close()
	request := kmsg.NewPtrCreateTopicsRequest()
	request.TimeoutMillis = int32(callLimit.Milliseconds())
	topic := kmsg.NewCreateTopicsRequestTopic()
	topic.Topic, topic.NumPartitions, topic.ReplicationFactor = args.Topic, -1, -1
	for partition, replicas := range args.Assignments {
		assignment := kmsg.NewCreateTopicsRequestTopicReplicaAssignment()
		assignment.Partition, assignment.Replicas = int32(partition), replicas
		topic.ReplicaAssignment = append(topic.ReplicaAssignment, assignment)
	}
	request.Topics = append(request.Topics, topic)
	response, err := request.RequestWith(ctx, client)
	if err != nil {
		return nil, err
	}
	return nil, kerr.ErrorForCode(response.Topics[0].ErrorCode)
}

func describeTopic(ctx context.Context, admin *kadm.Client, args wire.Args) (any, error) {
	topics, err := admin.ListTopics(ctx, args.Topic)
	if err != nil {
		return nil, err
	}
	topic := topics[args.Topic]
	if topic.Err != nil {
		return nil, topic.Err
	}
	partitions := []wire.Partition{}
	for _, p := range topic.Partitions.Sorted() {
		partitions = append(partitions, wire.Partition{Partition: p.Partition, Leader: p.Leader, Replicas: p.Replicas, ISR: p.ISR})
	}
	return map[string]any{"partitions": partitions}, nil
}

func listTopics(ctx context.Context, admin *kadm.Client, _ wire.Args) (any, error) {
	topics, err := admin.ListTopics(ctx)
	return map[string]any{"topics": topics.Names()}, err
}

func describeCluster(ctx context.Context, admin *kadm.Client, _ wire.Args) (any, error) {
	metadata, err := admin.BrokerMetadata(ctx)
	nodes := []wire.Node{}
	for _, broker := range metadata.Brokers {
		nodes = append(nodes, wire.Node{ID: broker.NodeID, Host: broker.Host, Port: broker.Port})
	}
	return map[string]any{"nodes": nodes, "controller": metadata.Controller, "clusterId": metadata.Cluster}, err
}

func describeConfigs(ctx context.Context, admin *kadm.Client, args wire.Args) (any, error) {
	var resources kadm.ResourceConfigs
	var err error
	if args.Topic != "" {
		resources, err = admin.DescribeTopicConfigs(ctx, args.Topic)
	} else {
		id, _ := strconv.ParseInt(args.Broker, 10, 32)
		resources, err = admin.DescribeBrokerConfigs(ctx, int32(id))
	}
	if err == nil {
		err = resources[0].Err
	}
	if err != nil {
		return nil, err
	}
	configs := map[string]wire.Config{}
	for _, config := range resources[0].Configs {
		configs[config.Key] = wire.Config{Value: config.Value, IsDefault: config.Source == kmsg.ConfigSourceDefaultConfig}
	}
	return map[string]any{"configs": configs}, nil
}

var incremental = map[string]kadm.IncrementalOp{
	"set": kadm.SetConfig, "delete": kadm.DeleteConfig, "append": kadm.AppendConfig, "subtract": kadm.SubtractConfig,
}

func incrementalAlterConfigs(ctx context.Context, admin *kadm.Client, args wire.Args) (any, error) {
	var changes []kadm.AlterConfig
	for _, op := range args.Ops {
		changes = append(changes, kadm.AlterConfig{Op: incremental[op.Op], Name: op.Name, Value: kadm.StringPtr(op.Value)})
	}
	altered, err := admin.AlterTopicConfigs(ctx, changes, args.Topic)
	if err == nil {
		err = altered[0].Err
	}
	return nil, err
}

func alterConfigs(ctx context.Context, admin *kadm.Client, args wire.Args) (any, error) {
	var state []kadm.AlterConfig
	for name, value := range args.Configs {
		state = append(state, kadm.AlterConfig{Name: name, Value: value})
	}
	altered, err := admin.AlterTopicConfigsState(ctx, state, args.Topic)
	if err == nil {
		err = altered[0].Err
	}
	return nil, err
}

func createPartitions(ctx context.Context, admin *kadm.Client, args wire.Args) (any, error) {
	created, err := admin.UpdatePartitions(ctx, int(args.Total), args.Topic)
	if err == nil {
		err = created[args.Topic].Err
	}
	return nil, err
}

func deleteRecords(ctx context.Context, admin *kadm.Client, args wire.Args) (any, error) {
	before := kadm.Offsets{}
	before.AddOffset(args.Topic, args.Partition, args.Before, -1)
	deleted, err := admin.DeleteRecords(ctx, before)
	if err != nil {
		return nil, err
	}
	result, _ := deleted.Lookup(args.Topic, args.Partition)
	return map[string]any{"lowWatermark": result.LowWatermark}, result.Err
}

// listOffsets is the request itself: kadm asks for all partitions of a topic, and its kinds differ between versions.
func listOffsets(ctx context.Context, _ *kadm.Client, args wire.Args) (any, error) {
	at, err := args.SpecTimestamp()
	if err != nil {
		return nil, err
	}
	client, err := kgo.NewClient(bootstrap())
	if err != nil {
		return nil, err
	}
	defer client.Close()
	request := kmsg.NewPtrListOffsetsRequest()
	topic := kmsg.NewListOffsetsRequestTopic()
	topic.Topic = args.Topic
	partition := kmsg.NewListOffsetsRequestTopicPartition()
	partition.Partition, partition.Timestamp = args.Partition, at
	topic.Partitions = append(topic.Partitions, partition)
	request.Topics = append(request.Topics, topic)
	shard := client.RequestSharded(ctx, request)[0]
	if shard.Err != nil {
		return nil, shard.Err
	}
	found := shard.Resp.(*kmsg.ListOffsetsResponse).Topics[0].Partitions[0]
	return map[string]any{"offset": found.Offset, "timestamp": found.Timestamp}, kerr.ErrorForCode(found.ErrorCode)
}

func describeFeatures(ctx context.Context, _ *kadm.Client, _ wire.Args) (any, error) {
	client, err := kgo.NewClient(bootstrap())
	if err != nil {
		return nil, err
	}
	defer client.Close()
	response, err := kmsg.NewPtrApiVersionsRequest().RequestWith(ctx, client)
	if err != nil {
		return nil, err
	}
	finalized := map[string]int16{}
	for _, feature := range response.FinalizedFeatures {
		finalized[feature.Name] = feature.MaxVersionLevel
	}
	return map[string]any{"finalized": finalized}, kerr.ErrorForCode(response.ErrorCode)
}

func deleteTopic(ctx context.Context, admin *kadm.Client, args wire.Args) (any, error) {
	deleted, err := admin.DeleteTopics(ctx, args.Topic)
	if err == nil {
		err = deleted[args.Topic].Err
	}
	return nil, err
}

func codeOf(err error) int16 {
	var failed *kerr.Error
	if errors.As(err, &failed) {
		return failed.Code
	}
	return 0
}

func main() {
	ops := map[string]wire.Op{
		"produce":                 produce,
		"fetch":                   fetch,
		"createTopic":             call(createTopic),
		"createTopic.assignments": call(createTopic),
		"listTopics":              call(listTopics),
		"describeTopic":           call(describeTopic),
		"describeCluster":         call(describeCluster),
		"describeConfigs":         call(describeConfigs),
		"incrementalAlterConfigs": call(incrementalAlterConfigs),
		"alterConfigs":            call(alterConfigs),
		"createPartitions":        call(createPartitions),
		"deleteRecords":           call(deleteRecords),
		"describeFeatures":        call(describeFeatures),
		"deleteTopic":             call(deleteTopic),
	}
	// The version of the request that brought each kind.
	kinds := map[string]int16{"": 1, ".earliest": 1, ".latest": 1, ".maxTimestamp": 7, ".earliestLocal": 8, ".latestTiered": 9}
	for kind, since := range kinds {
		if kmsg.NewPtrListOffsetsRequest().MaxVersion() >= since {
			ops["listOffsets"+kind] = call(listOffsets)
		}
	}
	wire.Serve(wire.Version("github.com/twmb/franz-go"), ops, codeOf)
}
