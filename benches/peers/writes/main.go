// Writes plays writes through the field manager, the defaults and the strategies of a Kubernetes API server, and records
// what they make of the objects: the expected results of crates/gitops-diff/tests/writes.rs.
//
//	go run -mod=mod . RUNS OPENAPI > crates/gitops-diff/tests/data/writes.jsonl
//
// RUNS is a file like the recorded one, of which the results are recorded anew; OPENAPI is the folder
// api/openapi-spec/v3 of the Kubernetes release.
package main

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"

	"context"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/util/managedfields"
	"k8s.io/kube-openapi/pkg/validation/spec"
	"k8s.io/kubernetes/pkg/api/legacyscheme"
	_ "k8s.io/kubernetes/pkg/apis/admissionregistration/install"
	_ "k8s.io/kubernetes/pkg/apis/apps/install"
	_ "k8s.io/kubernetes/pkg/apis/autoscaling/install"
	_ "k8s.io/kubernetes/pkg/apis/batch/install"
	_ "k8s.io/kubernetes/pkg/apis/coordination/install"
	_ "k8s.io/kubernetes/pkg/apis/core/install"
	_ "k8s.io/kubernetes/pkg/apis/discovery/install"
	_ "k8s.io/kubernetes/pkg/apis/networking/install"
	_ "k8s.io/kubernetes/pkg/apis/policy/install"
	_ "k8s.io/kubernetes/pkg/apis/rbac/install"
	_ "k8s.io/kubernetes/pkg/apis/scheduling/install"
	_ "k8s.io/kubernetes/pkg/apis/storage/install"

	genericapirequest "k8s.io/apiserver/pkg/endpoints/request"
	"k8s.io/apiserver/pkg/registry/rest"
	"k8s.io/kubernetes/pkg/registry/apps/daemonset"
	"k8s.io/kubernetes/pkg/registry/apps/deployment"
	"k8s.io/kubernetes/pkg/registry/apps/replicaset"
	"k8s.io/kubernetes/pkg/registry/apps/statefulset"
	"k8s.io/kubernetes/pkg/registry/autoscaling/horizontalpodautoscaler"
	"k8s.io/kubernetes/pkg/registry/batch/cronjob"
	"k8s.io/kubernetes/pkg/registry/core/configmap"
	"k8s.io/kubernetes/pkg/registry/core/namespace"
	"k8s.io/kubernetes/pkg/registry/core/persistentvolumeclaim"
	"k8s.io/kubernetes/pkg/registry/core/pod"
	"k8s.io/kubernetes/pkg/registry/core/secret"
	"k8s.io/kubernetes/pkg/registry/core/service"
	"k8s.io/kubernetes/pkg/registry/core/serviceaccount"
	"k8s.io/kubernetes/pkg/registry/networking/ingress"
	"k8s.io/kubernetes/pkg/registry/networking/networkpolicy"
	"k8s.io/kubernetes/pkg/registry/policy/poddisruptionbudget"
	"sigs.k8s.io/structured-merge-diff/v6/fieldpath"
)

type strategy interface {
	rest.RESTCreateStrategy
	PrepareForUpdate(ctx context.Context, obj, old runtime.Object)
}

var strategies = map[string]strategy{
	"DaemonSet": daemonset.Strategy, "Deployment": deployment.Strategy, "ReplicaSet": replicaset.Strategy, "StatefulSet": statefulset.Strategy,
	"HorizontalPodAutoscaler": horizontalpodautoscaler.Strategy, "CronJob": cronjob.Strategy, "ConfigMap": configmap.Strategy, "Namespace": namespace.Strategy,
	"PersistentVolumeClaim": persistentvolumeclaim.Strategy, "Pod": pod.Strategy, "Secret": secret.Strategy, "Service": service.Strategy, "ServiceAccount": serviceaccount.Strategy,
	"Ingress": ingress.Strategy, "NetworkPolicy": networkpolicy.Strategy, "PodDisruptionBudget": poddisruptionbudget.Strategy,
}
var statusStrategies = map[string]strategy{"Deployment": deployment.StatusStrategy}

// prepare does what the registry does with an object before it is stored.
func prepare(kind, subresource string, obj, old runtime.Object) {
	defer func() {
		if r := recover(); r != nil {
			fmt.Fprintln(os.Stderr, "strategy", kind, r)
		}
	}()
	ctx := genericapirequest.WithNamespace(context.Background(), "d")
	s := strategies[kind]
	if subresource == "status" {
		s = statusStrategies[kind]
	} else if subresource != "" {
		return
	}
	if s == nil {
		return
	}
	if old == nil {
		s.PrepareForCreate(ctx, obj)
	} else {
		s.PrepareForUpdate(ctx, obj, old.DeepCopyObject())
	}
	a, _ := meta.Accessor(obj)
	a.SetGeneration(0)
}

type op struct {
	Op          string                 `json:"op"`
	Manager     string                 `json:"manager"`
	Object      map[string]interface{} `json:"object"`
	Subresource string                 `json:"subresource"`
}
type run struct {
	Name string `json:"name"`
	Ops  []op   `json:"ops"`
}

func models(folder string) map[string]*spec.Schema {
	out := map[string]*spec.Schema{}
	files, _ := filepath.Glob(filepath.Join(folder, "*.json"))
	for _, f := range files {
		b, err := os.ReadFile(f)
		if err != nil {
			panic(err)
		}
		var doc struct {
			Components struct {
				Schemas map[string]*spec.Schema `json:"schemas"`
			} `json:"components"`
		}
		if err := json.Unmarshal(b, &doc); err != nil {
			panic(err)
		}
		for n, s := range doc.Components.Schemas {
			out[n] = s
		}
	}
	return out
}

func dropTimes(o runtime.Object) {
	a, _ := meta.Accessor(o)
	m := a.GetManagedFields()
	for i := range m {
		m[i].Time = nil
	}
	a.SetManagedFields(m)
}

func main() {
	tc, err := managedfields.NewTypeConverter(models(os.Args[2]), false)
	if err != nil {
		panic(err)
	}
	scheme := legacyscheme.Scheme
	var runs []run
	file, err := os.Open(os.Args[1])
	if err != nil {
		panic(err)
	}
	for lines := json.NewDecoder(file); lines.More(); {
		var r run
		if err := lines.Decode(&r); err != nil {
			panic(err)
		}
		runs = append(runs, r)
	}
	type result struct {
		Object   interface{} `json:"object,omitempty"`
		Conflict string      `json:"conflict,omitempty"`
		Error    string      `json:"error,omitempty"`
	}
	type outRun struct {
		run
		Results []result `json:"results"`
	}
	var outs []outRun
	for _, r := range runs {
		o := outRun{run: r}
		var live runtime.Object // internal
		for _, p := range r.Ops {
			u := &unstructured.Unstructured{Object: p.Object}
			gvk := u.GroupVersionKind()
			hub := schema.GroupVersion{Group: gvk.Group, Version: runtime.APIVersionInternal}
			reset := map[fieldpath.APIVersion]fieldpath.Filter{}
			if p.Subresource == "" {
				reset[fieldpath.APIVersion(gvk.GroupVersion().String())] = fieldpath.NewExcludeSetFilter(fieldpath.NewSet(fieldpath.MakePathOrDie("status")))
			}
			fm, err := managedfields.NewDefaultFieldManager(tc, runtime.UnsafeObjectConvertor(scheme), scheme, scheme, gvk, hub, p.Subresource, reset)
			if err != nil {
				panic(err)
			}
			decode := func(u map[string]interface{}) (runtime.Object, error) {
				b, _ := json.Marshal(u)
				obj, _, err := legacyscheme.Codecs.UniversalDecoder(hub).Decode(b, &gvk, nil)
				return obj, err
			}
			encode := func(obj runtime.Object) (interface{}, error) {
				v, err := scheme.ConvertToVersion(obj.DeepCopyObject(), gvk.GroupVersion())
				if err != nil {
					return nil, err
				}
				b, err := json.Marshal(v)
				if err != nil {
					return nil, err
				}
				var out map[string]interface{}
				json.Unmarshal(b, &out)
				return out, nil
			}
			before := live
			if before == nil {
				e, err := scheme.New(gvk)
				if err != nil {
					panic(err)
				}
				before = e
			}
			var res result
			var after runtime.Object
			switch p.Op {
			case "apply", "force-apply":
				after, err = fm.Apply(before, u, p.Manager, p.Op == "force-apply")
			case "update":
				after, err = decode(p.Object)
				if err == nil {
					after, err = fm.Update(before, after, p.Manager)
				}
			case "put":
				after, err = decode(p.Object)
			default:
				panic(p.Op)
			}
			if err != nil {
				if s, ok := err.(interface{ Status() metav1.Status }); ok {
					res.Conflict = s.Status().Message
				} else {
					res.Error = err.Error()
				}
			} else {
				h, err := scheme.ConvertToVersion(after.DeepCopyObject(), hub)
				if err != nil {
					panic(err)
				}
				if p.Op != "put" {
					prepare(gvk.Kind, p.Subresource, h, live)
				}
				// What is read back from storage is defaulted once more.
				stored, err := encode(h)
				if err != nil {
					panic(err)
				}
				if h, err = decode(stored.(map[string]interface{})); err != nil {
					panic(err)
				}
				live = h
				if p.Op != "put" {
					dropTimes(live)
				}
				res.Object, err = encode(live)
				if err != nil {
					res.Error = err.Error()
				}
			}
			o.Results = append(o.Results, res)
		}
		outs = append(outs, o)
	}
	w := json.NewEncoder(os.Stdout)
	w.SetEscapeHTML(false)
	for _, o := range outs {
		if err := w.Encode(o); err != nil {
			fmt.Fprintln(os.Stderr, err)
		}
	}
}
