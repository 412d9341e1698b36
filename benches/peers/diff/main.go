// Runs the inputs of the diff benchmarks through what Argo CD and kubectl are made of, and prints one JSON line per row.
package main

import (
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"sort"
	"syscall"
	"time"

	openapi_v2 "github.com/google/gnostic-models/openapiv2"
	"google.golang.org/protobuf/proto"

	"github.com/argoproj/argo-cd/gitops-engine/pkg/diff"
	"github.com/argoproj/argo-cd/gitops-engine/pkg/diff/testdata"
	gescheme "github.com/argoproj/argo-cd/gitops-engine/pkg/utils/kube/scheme"
	appsv1 "k8s.io/api/apps/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/util/managedfields"
	"k8s.io/apimachinery/pkg/util/strategicpatch"
	openapiproto "k8s.io/kube-openapi/pkg/util/proto"
	"sigs.k8s.io/structured-merge-diff/v6/typed"
)

var dir = flag.String("objects", "", "the folder of the inputs")
var budget = flag.Duration("budget", time.Second, "CPU time per row")
var asOracle = flag.Bool("oracle", false, "answer questions from the standard input")
var long = flag.Bool("long", false, "measure 10,000 objects too")

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

func readFile(name string) []byte { return must(os.ReadFile(filepath.Join(*dir, name))) }

func object(name string) *unstructured.Unstructured {
	u := &unstructured.Unstructured{}
	if err := json.Unmarshal(readFile(name), &u.Object); err != nil {
		panic(err)
	}
	return u
}

func objects(name string, count int) []*unstructured.Unstructured {
	var out []*unstructured.Unstructured
	for len(out) < count {
		var maps []map[string]any
		if err := json.Unmarshal(readFile(name), &maps); err != nil {
			panic(err)
		}
		for _, m := range maps {
			if len(out) < count {
				out = append(out, &unstructured.Unstructured{Object: m})
			}
		}
	}
	return out
}

// CPU time of the whole process: the garbage collector runs on threads of its own.
func cpu() time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		panic(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

func row(name string, run func()) {
	run()
	runtime.GC()
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	var times []time.Duration
	runs := 0
	for start := cpu(); cpu()-start < *budget || runs < 3; {
		batch := 1
		from := cpu()
		run()
		// Short rows are timed in batches: the clock of the process is coarse.
		for cpu()-from < 20*time.Millisecond && cpu()-start < 2**budget {
			run()
			batch++
		}
		times = append(times, (cpu()-from)/time.Duration(batch))
		runs += batch
		if *budget < cpu()-start && runs >= 1 && (cpu()-from) > *budget {
			break
		}
	}
	runtime.ReadMemStats(&after)
	sort.Slice(times, func(i, j int) bool { return times[i] < times[j] })
	out := map[string]any{
		"row": name, "ns": times[len(times)/2].Nanoseconds(),
		"bytes":  (after.TotalAlloc - before.TotalAlloc) / uint64(runs),
		"allocs": (after.Mallocs - before.Mallocs) / uint64(runs),
	}
	fmt.Println(string(must(json.Marshal(out))))
}

func main() {
	flag.Parse()
	if *asOracle {
		oracle()
		return
	}
	for _, name := range []string{"deployment", "service", "statefulset", "servicemonitor", "crd-200k", "configmap-500k"} {
		desired, live, drifted := object(name+".desired.json"), object(name+".live.json"), object(name+".live-drifted.json")
		row("three-way/"+name, func() { must(diff.Diff(desired, live)) })
		row("three-way-drifted/"+name, func() { must(diff.Diff(desired, drifted)) })
	}
	document := &openapi_v2.Document{}
	if err := proto.Unmarshal(testdata.OpenAPIV2Doc, document); err != nil {
		panic(err)
	}
	parser := must(managedfields.NewGVKParser(must(openapiproto.NewOpenAPIData(document)), false))
	desired, ssa := object("deployment.desired.json"), object("deployment.live-ssa.json")
	row("structured/deployment", func() {
		must(diff.Diff(desired, ssa, diff.WithStructuredMergeDiff(true), diff.WithGVKParser(parser), diff.WithManager("argocd-controller")))
	})
	meta := must(strategicpatch.NewPatchMetaFromStruct(appsv1.Deployment{}))
	live := object("deployment.live-drifted.json")
	last := []byte(live.GetAnnotations()["kubectl.kubernetes.io/last-applied-configuration"])
	desiredJSON, liveJSON := must(json.Marshal(desired)), must(json.Marshal(live))
	row("strategic-patch/deployment", func() {
		must(strategicpatch.CreateThreeWayMergePatch(last, desiredJSON, liveJSON, meta, true))
	})
	ty := gescheme.StaticParser().Type("io.k8s.api.apps.v1.Deployment")
	config, now := must(ty.FromUnstructured(desired.Object, typed.AllowDuplicates)), must(ty.FromUnstructured(ssa.Object, typed.AllowDuplicates))
	row("typed-merge/deployment", func() { must(now.Merge(config)) })
	row("typed-compare/deployment", func() { must(now.Compare(config)) })
	counts := []int{1000}
	if *long {
		counts = append(counts, 10000)
	}
	for _, count := range counts {
		desired, live := objects("desired.json", count), objects("live.json", count)
		row(fmt.Sprintf("diff-array/%d", count), func() { must(diff.DiffArray(desired, live)) })
	}
}
