use gitops_diff::schema::{ListType, Scalar, Schema, SchemaError, Schemas, TypeKind, TypeRef};
use gitops_manifest::{Object, Value};
use serde_json::json;

fn object(value: serde_json::Value) -> Object {
    Object::try_from(value).unwrap()
}

fn keys(list: ListType<'_>) -> Vec<&str> {
    list.keys().iter().map(|key| key.as_str()).collect()
}

/// A definition with everything that a structural schema can say.
fn widget() -> Object {
    object(json!({
        "apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition",
        "metadata": {"name": "widgets.example.com"},
        "spec": {"group": "example.com", "names": {"kind": "Widget"}, "versions": [
            {"name": "v1", "schema": {"openAPIV3Schema": {"type": "object", "properties": {
                "spec": {"type": "object", "required": ["size"], "properties": {
                    "size": {"type": "integer", "format": "int32"},
                    "color": {"type": "string", "default": "red"},
                    "port": {"x-kubernetes-int-or-string": true},
                    "note": {"type": "string", "nullable": true},
                    "free": {"type": "object", "x-kubernetes-preserve-unknown-fields": true, "properties": {
                        "known": {"type": "boolean"},
                    }},
                    "labels": {"type": "object", "additionalProperties": {"type": "string"}},
                    "rgb": {"type": "object", "x-kubernetes-map-type": "atomic",
                            "properties": {"r": {"type": "number"}}},
                    "tags": {"type": "array", "x-kubernetes-list-type": "set", "items": {"type": "string"}},
                    "parts": {"type": "array", "x-kubernetes-list-type": "map",
                              "x-kubernetes-list-map-keys": ["name", "side"], "items": {
                        "type": "object", "properties": {
                            "name": {"type": "string"}, "side": {"type": "string", "default": "left"},
                        },
                    }},
                    "plain": {"type": "array", "items": {"type": "string", "default": "x"}},
                    "template": {"type": "object", "x-kubernetes-embedded-resource": true,
                                 "x-kubernetes-preserve-unknown-fields": true},
                }},
            }}}},
            {"name": "v0"},
        ]},
    }))
}

#[test]
fn built_in_kinds_have_their_lists_and_maps() {
    let schemas = Schemas::default();
    let pod = schemas.lookup("", "v1", "Pod").unwrap();
    let list = |path: &[&str]| pod.at(path).unwrap().list().unwrap();
    assert_eq!(keys(list(&["spec", "containers"])), ["name"]);
    assert_eq!(
        keys(list(&["spec", "containers", "[]", "ports"])),
        ["containerPort", "protocol"]
    );
    assert_eq!(
        keys(list(&["spec", "topologySpreadConstraints"])),
        ["topologyKey", "whenUnsatisfiable"]
    );
    assert!(list(&["spec", "tolerations"]).is_atomic());
    let finalizers = list(&["metadata", "finalizers"]);
    assert!(!finalizers.is_atomic() && keys(finalizers).is_empty());
    assert!(
        pod.at(&["spec", "nodeSelector"])
            .unwrap()
            .map()
            .unwrap()
            .is_atomic()
    );
    let map = |path: &[&str]| pod.at(path).unwrap().map().unwrap();
    assert!(!map(&["metadata", "labels"]).is_atomic());
    assert!(
        map(&["spec", "containers", "[]", "resources", "claims", "[]"])
            .element()
            .is_none()
    );
}

#[test]
fn built_in_fields_have_their_facts() {
    let schemas = Schemas::default();
    let deployment = schemas.lookup("apps", "v1", "Deployment").unwrap();
    let spec = deployment.at(&["spec"]).unwrap();
    let replicas = spec.field("replicas").unwrap();
    assert_eq!(replicas.ty().kind(), TypeKind::Int32);
    assert!(replicas.is_optional() && replicas.is_pointer());
    let strategy = spec.field("strategy").unwrap();
    assert!(strategy.patch().retain_keys && !strategy.patch().merge);
    let volumes = spec
        .at(&["template", "spec"])
        .unwrap()
        .field("volumes")
        .unwrap();
    assert!(volumes.patch().retain_keys && volumes.patch().merge);
    assert_eq!(volumes.merge_key().unwrap(), "name");
    let ports = schemas
        .lookup("", "v1", "Service")
        .and_then(|ty| ty.at(&["spec"])?.field("ports"))
        .unwrap();
    assert_eq!(ports.merge_key().unwrap(), "port");
    assert_eq!(keys(ports.ty().list().unwrap()), ["port", "protocol"]);
    let stamp = deployment
        .at(&["metadata"])
        .unwrap()
        .field("creationTimestamp")
        .unwrap();
    assert_eq!(stamp.ty().kind(), TypeKind::Time);
    assert!(stamp.omits_zero());
    let limits = spec.at(&[
        "template",
        "spec",
        "containers",
        "[]",
        "resources",
        "limits",
        "cpu",
    ]);
    assert_eq!(limits.unwrap().kind(), TypeKind::Quantity);
    let surge = spec.at(&["strategy", "rollingUpdate", "maxSurge"]).unwrap();
    assert_eq!(
        (surge.kind(), surge.scalar()),
        (TypeKind::IntOrString, Some(Scalar::Untyped))
    );
    let claim = schemas
        .lookup("", "v1", "PersistentVolume")
        .and_then(|ty| ty.at(&["spec", "claimRef"]))
        .unwrap();
    let reference = schemas
        .lookup("", "v1", "Event")
        .and_then(|ty| ty.at(&["involvedObject"]));
    assert!(reference.unwrap().map().unwrap().is_atomic());
    assert!(
        !claim.map().unwrap().is_atomic(),
        "granular in this one place"
    );
}

#[test]
fn kinds_are_found_by_group_version_and_kind() {
    let schemas = Schemas::default();
    assert_eq!(Schemas::builtin().kinds().len(), 168);
    assert!(schemas.lookup("apps", "v1", "Service").is_none());
    assert!(schemas.lookup("", "v1", "Deployment").is_none());
    assert!(
        schemas
            .lookup("rbac.authorization.k8s.io", "v1", "Role")
            .is_some()
    );
    let unknown = object(json!({"apiVersion": "example.com/v1", "kind": "Widget"}));
    assert!(schemas.of(&unknown).is_none());
    let deduced = schemas.of_or_deduced(&unknown);
    assert_eq!(deduced, TypeRef::deduced());
    assert_eq!(deduced.at(&["spec", "a", "b"]), Some(TypeRef::deduced()));
    assert!(deduced.list().unwrap().is_atomic());
}

#[test]
fn custom_resources_are_read_from_their_definition() {
    let mut schemas = Schemas::default();
    schemas.register_crd(&widget()).unwrap();
    assert!(
        schemas.lookup("example.com", "v0", "Widget").is_none(),
        "no schema in v0"
    );
    let widget = schemas.lookup("example.com", "v1", "Widget").unwrap();
    assert_eq!(
        widget
            .at(&["metadata", "ownerReferences"])
            .map(|ty| keys(ty.list().unwrap())),
        Some(vec!["uid"]),
        "metadata is that of the built-in kinds"
    );
    let spec = widget.at(&["spec"]).unwrap();
    let at = |path: &[&str]| spec.at(path).unwrap();
    assert_eq!(at(&["size"]).kind(), TypeKind::Int32);
    assert!(!spec.field("size").unwrap().is_optional());
    assert_eq!(
        spec.field("color").unwrap().default(),
        Some(&Value::from("red"))
    );
    assert_eq!(at(&["port"]).kind(), TypeKind::IntOrString);
    assert!(spec.field("note").unwrap().is_nullable());
    assert!(
        spec.at(&["unknown"]).is_none(),
        "a struct has no other fields"
    );
    assert_eq!(at(&["free", "known"]).kind(), TypeKind::Bool);
    assert_eq!(at(&["free", "other"]), TypeRef::deduced());
    assert_eq!(at(&["labels", "a"]).kind(), TypeKind::String);
    assert!(at(&["rgb"]).map().unwrap().is_atomic());
    assert!(!at(&["tags"]).list().unwrap().is_atomic());
    assert_eq!(keys(at(&["parts"]).list().unwrap()), ["name", "side"]);
    assert!(at(&["plain"]).list().unwrap().is_atomic());
    assert_eq!(
        at(&["plain"]).list().unwrap().element_default(),
        Some(&Value::from("x"))
    );
    assert_eq!(
        at(&["template", "metadata", "name"]).kind(),
        TypeKind::String
    );
    assert_eq!(at(&["template", "spec"]), TypeRef::deduced());
}

#[test]
fn registering_replaces_and_is_not_seen_by_clones() {
    let mut schemas = Schemas::default();
    let before = schemas.clone();
    schemas.register_crd(&widget()).unwrap();
    schemas.register_crd(&widget()).unwrap();
    assert!(before.lookup("example.com", "v1", "Widget").is_none());
    let gvk = gitops_manifest::GroupVersionKind::new("example.com", "v1", "Widget");
    schemas.forget(&gvk);
    assert!(schemas.lookup("example.com", "v1", "Widget").is_none());
}

#[test]
fn openapi_documents_are_read_with_references() {
    let document = json!({"openapi": "3.0.0", "components": {"schemas": {
        "io.k8s.api.apps.v1.Deployment": {
            "type": "object",
            "x-kubernetes-group-version-kind": [{"group": "apps", "version": "v1", "kind": "Deployment"}],
            "properties": {
                "metadata": {"type": "object"},
                "spec": {"allOf": [{"$ref": "#/components/schemas/io.k8s.api.apps.v1.DeploymentSpec"}], "default": {}},
                "other": {"$ref": "#/components/schemas/io.k8s.api.apps.v1.DeploymentSpec",
                          "x-kubernetes-map-type": "atomic"},
            },
        },
        "io.k8s.api.apps.v1.DeploymentSpec": {"type": "object", "properties": {
            "replicas": {"type": "integer", "format": "int32"},
            "list": {"type": "array", "items": {"type": "string"},
                     "x-kubernetes-patch-strategy": "merge", "x-kubernetes-patch-merge-key": "name"},
            "nested": {"$ref": "#/components/schemas/io.k8s.api.apps.v1.DeploymentSpec"},
            "size": {"$ref": "#/components/schemas/io.k8s.apimachinery.pkg.api.resource.Quantity"},
        }},
        "io.k8s.apimachinery.pkg.api.resource.Quantity": {"oneOf": [{"type": "string"}, {"type": "number"}]},
    }}});
    let mut schemas = Schemas::default();
    schemas.register_openapi(&document.into()).unwrap();
    let deployment = schemas.lookup("apps", "v1", "Deployment").unwrap();
    let spec = deployment.field("spec").unwrap();
    assert_eq!(spec.default(), Some(&json!({}).into()));
    assert!(!spec.ty().map().unwrap().is_atomic());
    assert!(
        deployment
            .at(&["other"])
            .unwrap()
            .map()
            .unwrap()
            .is_atomic()
    );
    assert!(
        spec.ty().field("replicas").unwrap().is_pointer(),
        "known of the built-in kind"
    );
    assert_eq!(
        keys(
            spec.ty()
                .at(&["nested", "nested", "list"])
                .unwrap()
                .list()
                .unwrap()
        ),
        ["name"]
    );
    assert_eq!(spec.ty().at(&["size"]).unwrap().kind(), TypeKind::Quantity);
}

#[test]
fn malformed_schemas_are_refused_with_their_place() {
    let read = |schema: serde_json::Value| {
        let document = json!({"openapi": "3.0.0", "components": {"schemas": {"a": schema}}});
        Schema::from_openapi(&document.into())
            .unwrap_err()
            .to_string()
    };
    assert_eq!(
        read(json!({"type": "object", "properties": {"b": {"type": "strange"}}})),
        "cannot read the schema: components.schemas.a.b must be a type of OpenAPI v3"
    );
    assert_eq!(
        read(json!({"type": "array", "items": {"$ref": "#/components/schemas/c"}})),
        "cannot read the schema: components.schemas.a[] refers to #/components/schemas/c, which the document does not have"
    );
    assert_eq!(
        read(json!({"type": "array", "items": {}, "x-kubernetes-list-type": "map"})),
        "cannot read the schema: components.schemas.a must be x-kubernetes-list-map-keys, a list of names"
    );
    let mut deep = json!({"type": "string"});
    for _ in 0..200 {
        deep = json!({"type": "array", "items": deep});
    }
    let document = json!({"openapi": "3.0.0", "components": {"schemas": {"a": deep}}});
    let error = Schema::from_openapi(&document.into()).unwrap_err();
    assert!(matches!(error, SchemaError::TooDeep { .. }));
    let service = object(json!({"apiVersion": "v1", "kind": "Service"}));
    assert!(Schemas::default().register_crd(&service).is_err());
}
