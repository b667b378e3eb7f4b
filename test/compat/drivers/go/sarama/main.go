// sarama's clients as a driver: SyncProducer, Consumer by partition, ClusterAdmin.
package main

import (
	"context"
	"errors"
	"net"
	"os"
	"strconv"
	"sync"
	"time"

	"github.com/IBM/sarama"

	"millrace.invalid/compat/wire"
)

var codecs = map[string]sarama.CompressionCodec{
	"none":   sarama.CompressionNone,
	"gzip":   sarama.CompressionGZIP,
	"snappy": sarama.CompressionSnappy,
	"lz4":    sarama.CompressionLZ4,
	"zstd":   sarama.CompressionZSTD,
}

var brokers = []string{os.Args[1]}

func config() *sarama.Config {
	config := sarama.NewConfig()
	// The newest protocol that this version speaks, where it would otherwise speak the oldest that serves its user.
	config.Version = sarama.MaxVersion
	return config
}

func produce(args wire.Args) (any, error) {
	config := config()
	config.Producer.Compression = codecs[args.Codec]
	config.Producer.RequiredAcks = sarama.RequiredAcks(args.Acks)
	config.Producer.Partitioner = sarama.NewManualPartitioner
	config.Producer.Return.Successes = true
	config.Producer.MaxMessageBytes = 1_048_576
	if args.Idempotent {
		config.Producer.Idempotent = true
		config.Net.MaxOpenRequests = 1
	}
	producer, err := sarama.NewSyncProducer(brokers, config)
	if err != nil {
		return nil, err
	}
	defer producer.Close()
	messages := make([]*sarama.ProducerMessage, len(args.Records))
	for i, sent := range args.Records {
		messages[i] = &sarama.ProducerMessage{Topic: args.Topic, Partition: args.Partition}
		if sent.Key != nil {
			messages[i].Key = sarama.ByteEncoder(sent.Key)
		}
		if sent.Value != nil {
			messages[i].Value = sarama.ByteEncoder(sent.Value)
		}
		for _, header := range sent.Headers {
			messages[i].Headers = append(messages[i].Headers, sarama.RecordHeader{Key: []byte(header.Name), Value: header.Value})
		}
		if sent.Timestamp != nil {
			messages[i].Timestamp = time.UnixMilli(*sent.Timestamp)
		}
	}
	if err := producer.SendMessages(messages); err != nil {
		return nil, err
	}
	offsets := make([]*int64, len(messages))
	if args.Acks != 0 {
		for i, message := range messages {
			offsets[i] = &message.Offset
		}
	}
	return wire.Offsets(offsets), nil
}

func fetch(args wire.Args) (any, error) {
	config := config()
	config.Consumer.Return.Errors = true
	consumer, err := sarama.NewConsumer(brokers, config)
	if err != nil {
		return nil, err
	}
	defer consumer.Close()
	ctx, cancel := context.WithTimeout(context.Background(), time.Duration(args.TimeoutMs)*time.Millisecond)
	defer cancel()
	partitions := make([]sarama.PartitionConsumer, len(args.Parts))
	for i, part := range args.Parts {
		if partitions[i], err = consumer.ConsumePartition(part.Topic, part.Partition, part.Offset); err != nil {
			return nil, err
		}
		defer partitions[i].AsyncClose()
	}
	// All at once: a partition that is not drained holds up the others of its broker.
	parts := make([][]wire.Record, len(args.Parts))
	failures := make([]error, len(args.Parts))
	var reading sync.WaitGroup
	for i, part := range args.Parts {
		reading.Add(1)
		go func() {
			defer reading.Done()
			parts[i], failures[i] = drain(ctx, partitions[i], part.Count)
		}()
	}
	reading.Wait()
	return map[string]any{"parts": parts}, errors.Join(failures...)
}

// drain answers with what came before the time was over.
func drain(ctx context.Context, partition sarama.PartitionConsumer, count int) ([]wire.Record, error) {
	records := []wire.Record{}
	for len(records) < count {
		select {
		case message := <-partition.Messages():
			at := message.Timestamp.UnixMilli()
			read := wire.Record{Offset: message.Offset, Timestamp: &at, Key: message.Key, Value: message.Value, Headers: []wire.Header{}}
			for _, header := range message.Headers {
				read.Headers = append(read.Headers, wire.Header{Name: string(header.Key), Value: header.Value})
			}
			records = append(records, read)
		case failed := <-partition.Errors():
			return nil, failed
		case <-ctx.Done():
			return records, nil
		}
	}
	return records, nil
}

func call(run func(sarama.ClusterAdmin, wire.Args) (any, error)) wire.Op {
	return func(args wire.Args) (any, error) {
		admin, err := sarama.NewClusterAdmin(brokers, config())
		if err != nil {
			return nil, err
		}
		defer admin.Close()
		return run(admin, args)
	}
}

func createTopic(admin sarama.ClusterAdmin, args wire.Args) (any, error) {
	detail := &sarama.TopicDetail{NumPartitions: args.Partitions, ReplicationFactor: 1, ConfigEntries: args.Configs}
	if args.Assignments != nil {
		detail.NumPartitions, detail.ReplicationFactor = -1, -1
		detail.ReplicaAssignment = map[int32][]int32{}
		for partition, replicas := range args.Assignments {
			detail.ReplicaAssignment[int32(partition)] = replicas
		}
	}
	return nil, admin.CreateTopic(args.Topic, detail, false)
}

func listTopics(admin sarama.ClusterAdmin, _ wire.Args) (any, error) {
	topics, err := admin.ListTopics()
	names := []string{}
	for name := range topics {
		names = append(names, name)
	}
	return map[string]any{"topics": names}, err
}

func describeTopic(admin sarama.ClusterAdmin, args wire.Args) (any, error) {
	topics, err := admin.DescribeTopics([]string{args.Topic})
	if err != nil {
		return nil, err
	}
	if topics[0].Err != sarama.ErrNoError {
		return nil, topics[0].Err
	}
	partitions := []wire.Partition{}
	for _, p := range topics[0].Partitions {
		partitions = append(partitions, wire.Partition{Partition: p.ID, Leader: p.Leader, Replicas: p.Replicas, ISR: p.Isr})
	}
	return map[string]any{"partitions": partitions}, nil
}

func describeCluster(admin sarama.ClusterAdmin, _ wire.Args) (any, error) {
	found, controller, err := admin.DescribeCluster()
	nodes := []wire.Node{}
	for _, broker := range found {
		host, port, err := net.SplitHostPort(broker.Addr())
		if err != nil {
			return nil, err
		}
		number, err := strconv.ParseInt(port, 10, 32)
		if err != nil {
			return nil, err
		}
		nodes = append(nodes, wire.Node{ID: broker.ID(), Host: host, Port: int32(number)})
	}
	return map[string]any{"nodes": nodes, "controller": controller}, err
}

func resource(args wire.Args) sarama.ConfigResource {
	if args.Topic != "" {
		return sarama.ConfigResource{Type: sarama.TopicResource, Name: args.Topic}
	}
	return sarama.ConfigResource{Type: sarama.BrokerResource, Name: args.Broker}
}

func describeConfigs(admin sarama.ClusterAdmin, args wire.Args) (any, error) {
	entries, err := admin.DescribeConfig(resource(args))
	configs := map[string]wire.Config{}
	for i, entry := range entries {
		configs[entry.Name] = wire.Config{Value: &entries[i].Value, IsDefault: entry.Source == sarama.SourceDefault, ReadOnly: entry.ReadOnly}
	}
	return map[string]any{"configs": configs}, err
}

var operations = map[string]sarama.IncrementalAlterConfigsOperation{
	"set":      sarama.IncrementalAlterConfigsOperationSet,
	"delete":   sarama.IncrementalAlterConfigsOperationDelete,
	"append":   sarama.IncrementalAlterConfigsOperationAppend,
	"subtract": sarama.IncrementalAlterConfigsOperationSubtract,
}

func incrementalAlterConfigs(admin sarama.ClusterAdmin, args wire.Args) (any, error) {
	entries := map[string]sarama.IncrementalAlterConfigsEntry{}
	for i, op := range args.Ops {
		entries[op.Name] = sarama.IncrementalAlterConfigsEntry{Operation: operations[op.Op], Value: &args.Ops[i].Value}
	}
	return nil, admin.IncrementalAlterConfig(sarama.TopicResource, args.Topic, entries, false)
}

func alterConfigs(admin sarama.ClusterAdmin, args wire.Args) (any, error) {
	return nil, admin.AlterConfig(sarama.TopicResource, args.Topic, args.Configs, false)
}

func createPartitions(admin sarama.ClusterAdmin, args wire.Args) (any, error) {
	return nil, admin.CreatePartitions(args.Topic, args.Total, nil, false)
}

// deleteRecords answers with no low watermark: sarama does not pass it on.
func deleteRecords(admin sarama.ClusterAdmin, args wire.Args) (any, error) {
	return map[string]any{}, admin.DeleteRecords(args.Topic, map[int32]int64{args.Partition: args.Before})
}

// listOffsets is the client's own, which every version has; it passes no timestamp on.
func listOffsets(args wire.Args) (any, error) {
	at, err := args.SpecTimestamp()
	if err != nil {
		return nil, err
	}
	client, err := sarama.NewClient(brokers, config())
	if err != nil {
		return nil, err
	}
	defer client.Close()
	offset, err := client.GetOffset(args.Topic, args.Partition, at)
	return map[string]any{"offset": offset}, err
}

func deleteTopic(admin sarama.ClusterAdmin, args wire.Args) (any, error) {
	return nil, admin.DeleteTopic(args.Topic)
}

func codeOf(err error) int16 {
	var code sarama.KError
	if errors.As(err, &code) {
		return int16(code)
	}
	return 0
}

func main() {
	wire.Serve(wire.Version("github.com/IBM/sarama"), map[string]wire.Op{
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
		"deleteTopic":             call(deleteTopic),
		"listOffsets":             listOffsets,
		"listOffsets.earliest":    listOffsets,
		"listOffsets.latest":      listOffsets,
	}, codeOf)
}
