// Package members tells and hears the lines of drivers/README.md about members of groups.
package members

import (
	"bufio"
	"encoding/json"
	"os"
	"sort"
	"strconv"
	"sync"
	"time"
)

// Command is a line of stdin: op is join or leave.
type Command struct {
	Op               string  `json:"op"`
	Member           string  `json:"member"`
	Group            string  `json:"group"`
	Topic            string  `json:"topic"`
	Regex            string  `json:"regex"`
	Protocol         string  `json:"protocol"`
	Assignor         string  `json:"assignor"`
	InstanceID       *string `json:"instanceId"`
	SessionTimeoutMs int64   `json:"sessionTimeoutMs"`
}

// SessionTimeout is that of classic members; the broker has that of the others.
func (c Command) SessionTimeout() time.Duration {
	return time.Duration(c.SessionTimeoutMs) * time.Millisecond
}

var mu sync.Mutex

// Fields are those of an event beside its name, its member and its time.
type Fields map[string]any

// Emit writes a line at once, so that it is out, or not begun, when the process is killed.
func Emit(event, member string, fields Fields) {
	line := Fields{"event": event, "member": member, "at": time.Now().UnixMilli()}
	for name, value := range fields {
		line[name] = value
	}
	encoded, err := json.Marshal(line)
	if err != nil {
		panic(err)
	}
	mu.Lock()
	defer mu.Unlock()
	os.Stdout.Write(append(encoded, '\n'))
}

// Failed tells an error that no client recovers from by itself.
func Failed(member string, err error) { Emit("failed", member, Fields{"message": err.Error()}) }

// Name is how events write a partition.
func Name(topic string, partition int32) string {
	return topic + "/" + strconv.Itoa(int(partition))
}

// Names are those of a client's partitions by topic, in order.
func Names(partitions map[string][]int32) []string {
	names := []string{}
	for topic, ofTopic := range partitions {
		for _, partition := range ofTopic {
			names = append(names, Name(topic, partition))
		}
	}
	sort.Strings(names)
	return names
}

// Serve joins members until stdin ends. What join returns makes the member leave, and returns once it has left.
func Serve(join func(Command) (leave func(), err error)) {
	leaving := map[string]func(){}
	Emit("ready", "", nil)
	in := bufio.NewScanner(os.Stdin)
	for in.Scan() {
		var command Command
		if err := json.Unmarshal(in.Bytes(), &command); err != nil {
			panic(err)
		}
		if command.Op == "join" {
			leave, err := join(command)
			if err != nil {
				Failed(command.Member, err)
				continue
			}
			leaving[command.Member] = leave
			continue
		}
		leave := leaving[command.Member]
		delete(leaving, command.Member)
		go func() {
			leave()
			Emit("left", command.Member, nil)
		}()
	}
}
