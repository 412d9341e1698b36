// Reads a file of YAML documents as the Go programs do, some number of times, and prints the speed.
//
//	go run . sigs workloads.yaml 20
//
// sigs is sigs.k8s.io/yaml (kubectl, Helm, Argo CD), node is go-yaml v3 to nodes (kustomize's first step),
// any is go-yaml v3 to values, write is sigs.k8s.io/yaml.Marshal.
package main

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"strconv"
	"time"

	yaml3 "go.yaml.in/yaml/v3"
	"sigs.k8s.io/yaml"
)

func must(err error) {
	if err != nil {
		panic(err)
	}
}

func main() {
	task := os.Args[1]
	text, err := os.ReadFile(os.Args[2])
	must(err)
	times, err := strconv.Atoi(os.Args[3])
	must(err)
	documents := bytes.Split(text, []byte("\n---\n"))
	var values []any
	for _, document := range documents {
		var value any
		must(yaml.Unmarshal(document, &value))
		values = append(values, value)
	}
	start := time.Now()
	for range times {
		switch task {
		case "sigs":
			for _, document := range documents {
				var value any
				must(yaml.Unmarshal(document, &value))
			}
		case "node", "any":
			decoder := yaml3.NewDecoder(bytes.NewReader(text))
			for {
				var node yaml3.Node
				var value any
				var into any = &node
				if task == "any" {
					into = &value
				}
				err := decoder.Decode(into)
				if err == io.EOF {
					break
				}
				must(err)
			}
		case "write":
			for _, value := range values {
				_, err := yaml.Marshal(value)
				must(err)
			}
		}
	}
	seconds := time.Since(start).Seconds() / float64(times)
	fmt.Printf("%s: %.1f ms, %.1f MB/s\n", task, seconds*1e3, float64(len(text))/1e6/seconds)
}
