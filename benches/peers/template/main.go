// Command template measures Go's text/template with sprig on the input of the benchmark.
package main

import (
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"strings"
	"text/template"
	"time"

	"github.com/Masterminds/sprig/v3"
)

func load(text string) *template.Template {
	t := template.New("t").Option("missingkey=zero")
	functions := sprig.TxtFuncMap()
	functions["include"] = func(name string, data any) (string, error) {
		var out strings.Builder
		err := t.ExecuteTemplate(&out, name, data)
		return out.String(), err
	}
	functions["tpl"] = func(text string, data any) (string, error) {
		clone, err := t.Clone()
		if err != nil {
			return "", err
		}
		snippet, err := clone.New("tpl").Parse(text)
		if err != nil {
			return "", err
		}
		var out strings.Builder
		err = snippet.Execute(&out, data)
		return out.String(), err
	}
	return template.Must(t.Funcs(functions).Parse(text))
}

func measure(name string, work func()) {
	work()
	count := 0
	start := time.Now()
	for time.Since(start) < 2*time.Second {
		work()
		count++
	}
	fmt.Printf("%s: %.1f µs\n", name, float64(time.Since(start).Microseconds())/float64(count))
}

func main() {
	print := flag.Bool("print", false, "print what the template gives")
	flag.Parse()
	text, err := os.ReadFile("chart.tpl")
	if err != nil {
		panic(err)
	}
	raw, err := os.ReadFile("data.json")
	if err != nil {
		panic(err)
	}
	var data any
	if err := json.Unmarshal(raw, &data); err != nil {
		panic(err)
	}
	t := load(string(text))
	if *print {
		if err := t.Execute(os.Stdout, data); err != nil {
			panic(err)
		}
		return
	}
	measure("parse", func() { load(string(text)) })
	measure("execute", func() {
		var out strings.Builder
		if err := t.Execute(&out, data); err != nil {
			panic(err)
		}
	})
}
