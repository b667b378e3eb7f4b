// Package wire speaks the line protocol of drivers/README.md.
package wire

import (
	"bufio"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"runtime/debug"
	"sort"
)

const inlineBytesMax = 1024

// Bytes travel as base64; nil is null. What is too long for a line goes out as a digest.
type Bytes []byte

func (b Bytes) MarshalJSON() ([]byte, error) {
	switch {
	case b == nil:
		return []byte("null"), nil
	case len(b) <= inlineBytesMax:
		return json.Marshal(base64.StdEncoding.EncodeToString(b))
	}
	digest := sha256.Sum256(b)
	return json.Marshal("sha256:" + hex.EncodeToString(digest[:]))
}

func (b *Bytes) UnmarshalJSON(text []byte) error {
	var encoded *string
	if err := json.Unmarshal(text, &encoded); err != nil || encoded == nil {
		*b = nil
		return err
	}
	decoded, err := base64.StdEncoding.DecodeString(*encoded)
	*b = decoded
	if *b == nil {
		*b = Bytes{}
	}
	return err
}

// Header is a pair: its name and its value.
type Header struct {
	Name  string
	Value Bytes
}

func (h Header) MarshalJSON() ([]byte, error) { return json.Marshal([]any{h.Name, h.Value}) }

func (h *Header) UnmarshalJSON(text []byte) error {
	return json.Unmarshal(text, &[]any{&h.Name, &h.Value})
}

// Record is one as it is sent, or, with its offset, as it was read.
type Record struct {
	Offset    int64    `json:"offset"`
	Timestamp *int64   `json:"timestamp"`
	Key       Bytes    `json:"key"`
	Value     Bytes    `json:"value"`
	Headers   []Header `json:"headers"`
}

// Part is how much of a partition is to be read, from which offset on.
type Part struct {
	Topic     string `json:"topic"`
	Partition int32  `json:"partition"`
	Offset    int64  `json:"offset"`
	Count     int    `json:"count"`
}

// ConfigOp is one step of an incremental change.
type ConfigOp struct {
	Name  string `json:"name"`
	Op    string `json:"op"`
	Value string `json:"value"`
}

// Args are those of every op; each uses its own.
type Args struct {
	Topic       string             `json:"topic"`
	Broker      string             `json:"broker"`
	Partition   int32              `json:"partition"`
	Partitions  int32              `json:"partitions"`
	Total       int32              `json:"total"`
	Before      int64              `json:"before"`
	Codec       string             `json:"codec"`
	Acks        int                `json:"acks"`
	Idempotent  bool               `json:"idempotent"`
	TimeoutMs   int64              `json:"timeoutMs"`
	Records     []Record           `json:"records"`
	Parts       []Part             `json:"parts"`
	Assignments [][]int32          `json:"assignments"`
	Configs     map[string]*string `json:"configs"`
	Ops         []ConfigOp         `json:"ops"`
	Spec        json.RawMessage    `json:"spec"`

	Producer         string   `json:"producer"`
	TransactionalID  string   `json:"transactionalId"`
	Group            string   `json:"group"`
	Values           []string `json:"values"`
	Isolation        string   `json:"isolation"`
	Count            int      `json:"count"`
	QuietMs          int64    `json:"quietMs"`
	SessionTimeoutMs int64    `json:"sessionTimeoutMs"`
	Protocol         string   `json:"protocol"`
	Batch            int      `json:"batch"`
	In               string   `json:"in"`
	Out              string   `json:"out"`
}

// Timestamp is the time that a request for an offset asks for: a kind's name stands for Kafka's number.
func (a Args) SpecTimestamp() (int64, error) {
	var at int64
	if json.Unmarshal(a.Spec, &at) == nil {
		return at, nil
	}
	var kind string
	if err := json.Unmarshal(a.Spec, &kind); err != nil {
		return 0, err
	}
	at, known := map[string]int64{"latest": -1, "earliest": -2, "maxTimestamp": -3, "earliestLocal": -4, "latestTiered": -5}[kind]
	if !known {
		return 0, fmt.Errorf("no kind of offset is called %s", kind)
	}
	return at, nil
}

// Node is a broker of the cluster.
type Node struct {
	ID   int32  `json:"id"`
	Host string `json:"host"`
	Port int32  `json:"port"`
}

// Partition is one as a topic's description has it.
type Partition struct {
	Partition int32   `json:"partition"`
	Leader    int32   `json:"leader"`
	Replicas  []int32 `json:"replicas"`
	ISR       []int32 `json:"isr"`
}

// Config is one value of a topic or broker.
type Config struct {
	Value     *string `json:"value"`
	IsDefault bool    `json:"isDefault"`
	ReadOnly  bool    `json:"readOnly"`
}

// Offsets wraps what a producer was told; nil stands for one that it was not.
func Offsets(offsets []*int64) any { return map[string]any{"offsets": offsets} }

// Op answers one command.
type Op func(Args) (any, error)

// Failure is an error with Kafka's code.
type Failure struct {
	Code    int16
	Message string
}

func (f Failure) Error() string { return f.Message }

type request struct {
	Op   string `json:"op"`
	Args Args   `json:"args"`
}

// Version is that of a module that this program was built with.
func Version(module string) string {
	info, _ := debug.ReadBuildInfo()
	for _, dependency := range info.Deps {
		if dependency.Path == module {
			return dependency.Version[1:]
		}
	}
	return "unknown"
}

// Serve answers commands until stdin ends. codeOf finds Kafka's code in the client's own errors, or 0.
func Serve(version string, ops map[string]Op, codeOf func(error) int16) {
	names := make([]string, 0, len(ops))
	for name := range ops {
		names = append(names, name)
	}
	sort.Strings(names)
	ops["hello"] = func(Args) (any, error) { return map[string]any{"version": version, "ops": names}, nil }
	in, out := bufio.NewReader(os.Stdin), json.NewEncoder(os.Stdout)
	for {
		line, err := in.ReadBytes('\n')
		if err != nil {
			return
		}
		var asked request
		var result any
		if err = json.Unmarshal(line, &asked); err == nil {
			result, err = ops[asked.Op](asked.Args)
		}
		if err == nil {
			err = out.Encode(map[string]any{"result": result})
		} else {
			failure := Failure{Code: codeOf(err), Message: err.Error()}
			errors.As(err, &failure)
			err = out.Encode(map[string]any{"error": map[string]any{"code": failure.Code, "message": failure.Message}})
		}
		if err != nil {
			panic(err)
		}
	}
}
