package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"sort"

	jsonpatch "github.com/evanphx/json-patch/v5"
	"github.com/itchyny/gojq"

	openapi_v2 "github.com/google/gnostic-models/openapiv2"
	"google.golang.org/protobuf/proto"

	"github.com/argoproj/argo-cd/gitops-engine/pkg/diff"
	"github.com/argoproj/argo-cd/gitops-engine/pkg/diff/testdata"
	gescheme "github.com/argoproj/argo-cd/gitops-engine/pkg/utils/kube/scheme"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	utiljson "k8s.io/apimachinery/pkg/util/json"
	"k8s.io/apimachinery/pkg/util/jsonmergepatch"
	"k8s.io/apimachinery/pkg/util/managedfields"
	"k8s.io/apimachinery/pkg/util/strategicpatch"
	openapiproto "k8s.io/kube-openapi/pkg/util/proto"
	"sigs.k8s.io/structured-merge-diff/v6/fieldpath"
	"sigs.k8s.io/structured-merge-diff/v6/merge"
	"sigs.k8s.io/structured-merge-diff/v6/typed"
	"sigs.k8s.io/structured-merge-diff/v6/value"
)

// A question of one line, and what is asked about.
type question struct {
	Op        string            `json:"op"`
	GVK       []string          `json:"gvk"`
	Schema    json.RawMessage   `json:"schema"`
	Type      string            `json:"type"`
	A         json.RawMessage   `json:"a"`
	B         json.RawMessage   `json:"b"`
	C         json.RawMessage   `json:"c"`
	Overwrite bool              `json:"overwrite"`
	Text      string            `json:"text"`
	Flag      bool              `json:"flag"`
	Steps     []step            `json:"steps"`
	Patterns  []json.RawMessage `json:"patterns"`
}

// A write of one manager.
type step struct {
	Op      string          `json:"op"`
	Manager string          `json:"manager"`
	Version string          `json:"version"`
	Object  json.RawMessage `json:"object"`
}

type answer map[string]any

func gvk(q *question) schema.GroupVersionKind {
	return schema.GroupVersionKind{Group: q.GVK[0], Version: q.GVK[1], Kind: q.GVK[2]}
}

func raw(text []byte) any {
	if len(text) == 0 {
		return nil
	}
	return json.RawMessage(text)
}

func document(text json.RawMessage) []byte {
	if len(text) == 0 || string(text) == "null" {
		return nil
	}
	return text
}

func meta(q *question) (strategicpatch.PatchMetaFromStruct, error) {
	object, err := gescheme.Scheme.New(gvk(q))
	if err != nil {
		return strategicpatch.PatchMetaFromStruct{}, err
	}
	return strategicpatch.NewPatchMetaFromStruct(object)
}

func read(text json.RawMessage) (any, error) {
	var out any
	err := utiljson.Unmarshal(text, &out)
	return out, err
}

func toObject(text json.RawMessage) (*unstructured.Unstructured, error) {
	if document(text) == nil {
		return nil, nil
	}
	u := &unstructured.Unstructured{}
	if err := utiljson.Unmarshal(text, &u.Object); err != nil {
		return nil, err
	}
	return u, nil
}

var parsers = map[string]*typed.Parser{}

// The type that a question is about: of a schema that it brings, of a built-in kind, or deduced.
func typeOf(q *question) (typed.ParseableType, error) {
	if q.Type == "" && len(q.GVK) == 0 {
		return typed.DeducedParseableType, nil
	}
	if len(q.GVK) > 0 {
		t := gescheme.ResolveParseableType(gvk(q), gvkParser())
		if t == nil {
			return typed.ParseableType{}, errors.New("no such kind")
		}
		return *t, nil
	}
	parser := parsers[string(q.Schema)]
	if parser == nil {
		var err error
		if parser, err = typed.NewParser(typed.YAMLObject(q.Schema)); err != nil {
			return typed.ParseableType{}, err
		}
		parsers[string(q.Schema)] = parser
	}
	return parser.Type(q.Type), nil
}

func typedOf(q *question, text json.RawMessage, options ...typed.ValidationOptions) (*typed.TypedValue, error) {
	t, err := typeOf(q)
	if err != nil {
		return nil, err
	}
	v, err := read(text)
	if err != nil {
		return nil, err
	}
	return t.FromUnstructured(v, options...)
}

func show(v *typed.TypedValue) any {
	text, err := value.ToJSON(v.AsValue())
	if err != nil {
		return err.Error()
	}
	return raw(text)
}

func showSet(set *fieldpath.Set) any {
	if set == nil {
		return nil
	}
	return string(must(set.ToJSON()))
}

func readSet(text string) (*fieldpath.Set, error) {
	set := fieldpath.NewSet()
	err := set.FromJSON(bytesReader(text))
	return set, err
}

func bytesReader(text string) io.Reader { return &stringReader{text, 0} }

type stringReader struct {
	text string
	at   int
}

func (r *stringReader) Read(p []byte) (int, error) {
	if r.at >= len(r.text) {
		return 0, io.EOF
	}
	n := copy(p, r.text[r.at:])
	r.at += n
	return n, nil
}

var builtIn *managedfields.GvkParser

func gvkParser() *managedfields.GvkParser {
	if builtIn == nil {
		document := &openapi_v2.Document{}
		if err := proto.Unmarshal(testdata.OpenAPIV2Doc, document); err != nil {
			panic(err)
		}
		builtIn = must(managedfields.NewGVKParser(must(openapiproto.NewOpenAPIData(document)), false))
	}
	return builtIn
}

// The converter of an API whose versions have one form.
type same struct{}

func (same) Convert(object *typed.TypedValue, _ fieldpath.APIVersion) (*typed.TypedValue, error) {
	return object, nil
}
func (same) IsMissingVersionError(error) bool { return false }

func updates(q *question) (answer, error) {
	t, err := typeOf(q)
	if err != nil {
		return nil, err
	}
	updater := &merge.UpdaterBuilder{Converter: same{}}
	up := updater.BuildUpdater()
	live, err := t.FromUnstructured(nil)
	if err != nil {
		return nil, err
	}
	managers := fieldpath.ManagedFields{}
	var results []any
	for _, s := range q.Steps {
		v, err := read(s.Object)
		if err != nil {
			return nil, err
		}
		options := []typed.ValidationOptions{}
		if s.Op == "update" {
			options = append(options, typed.AllowDuplicates)
		}
		object, err := t.FromUnstructured(v, options...)
		if err != nil {
			results = append(results, answer{"error": "invalid"})
			continue
		}
		switch s.Op {
		case "update":
			next, changed, err := up.Update(live, object, fieldpath.APIVersion(s.Version), managers.Copy(), s.Manager)
			if err != nil {
				results = append(results, answer{"error": err.Error()})
				continue
			}
			live, managers = next, changed
		default:
			next, changed, err := up.Apply(live, object, fieldpath.APIVersion(s.Version), managers.Copy(), s.Manager, s.Op == "force-apply")
			if err != nil {
				if conflicts, ok := err.(merge.Conflicts); ok {
					var of []string
					for _, c := range conflicts {
						of = append(of, fmt.Sprintf("%s %s", c.Manager, c.Path))
					}
					sort.Strings(of)
					results = append(results, answer{"conflicts": of})
				} else {
					results = append(results, answer{"error": err.Error()})
				}
				continue
			}
			if next != nil {
				live = next
			}
			managers = changed
		}
		owned := answer{}
		for name, set := range managers {
			owned[name] = answer{"set": showSet(set.Set()), "version": set.APIVersion(), "applied": set.Applied()}
		}
		results = append(results, answer{"object": show(live), "managers": owned})
	}
	return answer{"results": results}, nil
}

type dryRun string

func (d dryRun) Run(context.Context, *unstructured.Unstructured, string) (string, error) {
	return string(d), nil
}

func compare(q *question) (answer, error) {
	config, err := toObject(q.A)
	if err != nil {
		return nil, err
	}
	live, err := toObject(q.B)
	if err != nil {
		return nil, err
	}
	options := []diff.Option{diff.WithGVKParser(gvkParser()), diff.WithManager("argocd-controller"), diff.IgnoreAggregatedRoles(q.Flag)}
	switch q.Text {
	case "structured":
		options = append(options, diff.WithStructuredMergeDiff(true))
	case "server-side":
		options = append(options, diff.WithServerSideDiff(true), diff.WithIgnoreMutationWebhook(!q.Overwrite), diff.WithServerSideDryRunner(dryRun(q.C)))
	}
	result, err := diff.Diff(config, live, options...)
	if err != nil {
		return nil, err
	}
	return answer{"modified": result.Modified, "live": raw(result.NormalizedLive), "predicted": raw(result.PredictedLive)}, nil
}

func remarshal(q *question, defaults bool) (answer, error) {
	object, err := gescheme.Scheme.New(gvk(q))
	if err != nil {
		return nil, err
	}
	decoder := json.NewDecoder(bytesReader(string(q.A)))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(object); err != nil {
		return nil, err
	}
	if defaults {
		gescheme.Scheme.Default(object)
	}
	text, err := json.Marshal(object)
	return answer{"result": raw(text)}, err
}

func answerTo(q *question) (a answer, err error) {
	defer func() {
		if r := recover(); r != nil {
			a, err = answer{"panic": fmt.Sprint(r)}, nil
		}
	}()
	switch q.Op {
	case "strategic-create":
		m, err := meta(q)
		if err != nil {
			return nil, err
		}
		patch, err := strategicpatch.CreateTwoWayMergePatchUsingLookupPatchMeta(document(q.A), document(q.B), m)
		return answer{"result": raw(patch)}, err
	case "strategic-three-way":
		m, err := meta(q)
		if err != nil {
			return nil, err
		}
		patch, err := strategicpatch.CreateThreeWayMergePatch(document(q.A), document(q.B), document(q.C), m, q.Overwrite)
		return answer{"result": raw(patch)}, err
	case "strategic-apply":
		m, err := meta(q)
		if err != nil {
			return nil, err
		}
		object, err := strategicpatch.StrategicMergePatchUsingLookupPatchMeta(document(q.A), document(q.B), m)
		return answer{"result": raw(object)}, err
	case "json-patch":
		patch, err := jsonpatch.DecodePatch(q.B)
		if err != nil {
			return nil, err
		}
		options := jsonpatch.NewApplyOptions()
		options.SupportNegativeIndices = false
		options.EscapeHTML = false
		object, err := patch.ApplyWithOptions(q.A, options)
		return answer{"result": raw(object)}, err
	case "merge-patch-apply":
		object, err := jsonpatch.MergePatch(q.A, q.B)
		return answer{"result": raw(object)}, err
	case "merge-patch-create":
		patch, err := jsonpatch.CreateMergePatch(q.A, q.B)
		return answer{"result": raw(patch)}, err
	case "merge-patch-three-way":
		patch, err := jsonmergepatch.CreateThreeWayJSONMergePatch(document(q.A), document(q.B), document(q.C))
		return answer{"result": raw(patch)}, err
	case "typed-validate":
		if _, err := typeOf(q); err != nil {
			return nil, err
		}
		_, strict := typedOf(q, q.A)
		_, loose := typedOf(q, q.A, typed.AllowDuplicates)
		return answer{"result": []bool{strict == nil, loose == nil}}, nil
	case "typed-fields":
		v, err := typedOf(q, q.A, typed.AllowDuplicates)
		if err != nil {
			return nil, err
		}
		set, err := v.ToFieldSet()
		return answer{"result": showSet(set)}, err
	case "typed-compare":
		a, err := typedOf(q, q.A, typed.AllowDuplicates)
		if err != nil {
			return nil, err
		}
		b, err := typedOf(q, q.B, typed.AllowDuplicates)
		if err != nil {
			return nil, err
		}
		c, err := a.Compare(b)
		if err != nil {
			return nil, err
		}
		return answer{"result": []any{showSet(c.Added), showSet(c.Modified), showSet(c.Removed)}}, nil
	case "typed-merge":
		a, err := typedOf(q, q.A, typed.AllowDuplicates)
		if err != nil {
			return nil, err
		}
		b, err := typedOf(q, q.B)
		if err != nil {
			return nil, err
		}
		out, err := a.Merge(b)
		if err != nil {
			return nil, err
		}
		return answer{"result": show(out)}, nil
	case "typed-remove", "typed-extract", "typed-extract-keys":
		a, err := typedOf(q, q.A, typed.AllowDuplicates)
		if err != nil {
			return nil, err
		}
		set, err := readSet(q.Text)
		if err != nil {
			return nil, err
		}
		switch q.Op {
		case "typed-remove":
			return answer{"result": show(a.RemoveItems(set))}, nil
		case "typed-extract":
			return answer{"result": show(a.ExtractItems(set))}, nil
		}
		return answer{"result": show(a.ExtractItems(set, typed.WithAppendKeyFields()))}, nil
	case "set-json":
		set, err := readSet(q.Text)
		if err != nil {
			return nil, err
		}
		return answer{"result": showSet(set)}, nil
	case "set-algebra":
		a, err := readSet(q.Text)
		if err != nil {
			return nil, err
		}
		b, err := readSet(q.Type)
		if err != nil {
			return nil, err
		}
		return answer{"result": []any{showSet(a.Union(b)), showSet(a.Intersection(b)), showSet(a.Difference(b)), showSet(a.RecursiveDifference(b)), showSet(a.Leaves())}}, nil
	case "updates":
		return updates(q)
	case "diff":
		return compare(q)
	case "normalize":
		object, err := toObject(q.A)
		if err != nil {
			return nil, err
		}
		diff.Normalize(object, diff.IgnoreAggregatedRoles(q.Flag))
		text, err := json.Marshal(object)
		return answer{"result": raw(text)}, err
	case "remarshal":
		return remarshal(q, false)
	case "default":
		return remarshal(q, true)
	case "mask":
		target, err := toObject(q.A)
		if err != nil {
			return nil, err
		}
		live, err := toObject(q.B)
		if err != nil {
			return nil, err
		}
		a, b, err := diff.HideSecretData(target, live, map[string]bool{"hidden": true})
		if err != nil {
			return nil, err
		}
		return answer{"result": []any{a, b}}, nil
	case "jq":
		// As Argo CD takes a field out: del(PATH) on the object, the first answer.
		v := any(nil)
		if err := json.Unmarshal(q.A, &v); err != nil {
			return nil, err
		}
		query, err := gojq.Parse("del(" + q.Text + ")")
		if err != nil {
			return answer{"unparsed": err.Error()}, nil
		}
		code, err := gojq.Compile(query)
		if err != nil {
			return answer{"unparsed": err.Error()}, nil
		}
		out, ok := code.Run(v).Next()
		if !ok {
			return nil, errors.New("no answer")
		}
		if err, ok := out.(error); ok {
			return nil, err
		}
		if _, ok := out.(map[string]any); !ok {
			return nil, errors.New("no object")
		}
		text, err := gojq.Marshal(out)
		return answer{"result": raw(text)}, err
	}
	return nil, fmt.Errorf("no operation %q", q.Op)
}

// Answers questions line by line: the other side of `diff-hunt`.
func oracle() {
	in := bufio.NewReaderSize(os.Stdin, 1<<20)
	out := bufio.NewWriter(os.Stdout)
	for {
		line, err := in.ReadBytes('\n')
		if len(line) == 0 && err != nil {
			return
		}
		var q question
		if err := json.Unmarshal(line, &q); err != nil {
			panic(err)
		}
		a, err := answerTo(&q)
		if err != nil {
			a = answer{"error": err.Error()}
		}
		text, err := json.Marshal(a)
		if err != nil {
			text = must(json.Marshal(answer{"panic": err.Error()}))
		}
		_, _ = out.Write(append(text, '\n'))
		_ = out.Flush()
	}
}
