// Command inprocess loads and renders a chart with Helm's own packages, as often as it is told, and prints the CPU time
// of a render: what `cargo run --profile dist -p gitops-helm --example again CHART TIMES load` is compared with.
package main

import (
	"fmt"
	"os"
	"sort"
	"strconv"
	"syscall"

	"helm.sh/helm/v3/pkg/chart/loader"
	"helm.sh/helm/v3/pkg/chartutil"
	"helm.sh/helm/v3/pkg/engine"
	"helm.sh/helm/v3/pkg/releaseutil"
)

func cpu() float64 {
	var u syscall.Rusage
	syscall.Getrusage(0, &u)
	return float64(u.Utime.Sec+u.Stime.Sec)*1e3 + float64(u.Utime.Usec+u.Stime.Usec)/1e3
}

func render(path string) int {
	c, err := loader.Load(path)
	if err != nil {
		panic(err)
	}
	vals := map[string]interface{}{}
	if err := chartutil.ProcessDependenciesWithMerge(c, vals); err != nil {
		panic(err)
	}
	caps := chartutil.DefaultCapabilities.Copy()
	caps.KubeVersion = chartutil.KubeVersion{Version: "v1.34.0", Major: "1", Minor: "34"}
	v, err := chartutil.ToRenderValues(c, vals, chartutil.ReleaseOptions{Name: "release-name", Namespace: "demo", Revision: 1, IsInstall: true}, caps)
	if err != nil {
		panic(err)
	}
	files, err := engine.Render(c, v)
	if err != nil {
		panic(err)
	}
	for k := range files {
		if len(k) > 9 && k[len(k)-9:] == "NOTES.txt" {
			delete(files, k)
		}
	}
	_, m, err := releaseutil.SortManifests(files, nil, releaseutil.InstallOrder)
	if err != nil {
		panic(err)
	}
	n := 0
	for _, x := range m {
		n += len(x.Content)
	}
	return n
}

func main() {
	times, _ := strconv.Atoi(os.Args[2])
	var all []float64
	n := 0
	for i := 0; i < times; i++ {
		a := cpu()
		n = render(os.Args[1])
		all = append(all, cpu()-a)
	}
	sort.Float64s(all)
	fmt.Printf("median %.1f ms, %d bytes of manifests\n", all[len(all)/2], n)
}
