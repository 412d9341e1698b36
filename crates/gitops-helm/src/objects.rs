//! What templates see beside values: `.Chart`, `.Files`, `.Capabilities`.

use std::sync::Arc;

use base64::Engine as _;
use gitops_template::{
    Context, Kind, List, ListType, Map, MapType, Methods, Object, Result, Signature, Str, Type,
    Value,
};

use crate::HelmVersion;
use crate::capabilities::Capabilities;
use crate::functions;
use crate::glob::Glob;
use crate::go;
use crate::load::ChartFile;
use crate::metadata::{Dependency, Maintainer, Metadata};
use crate::resolve::{ChartId, Charts};

/// Returns the type of the data that templates get and of `.Values`.
pub(crate) const fn values_type(helm: HelmVersion) -> &'static MapType {
    static HELM_3: MapType = MapType::named("chartutil.Values", Type::Any, None);
    static HELM_4: MapType = MapType::named("common.Values", Type::Any, None);
    match helm {
        HelmVersion::V3 => &HELM_3,
        HelmVersion::V4 => &HELM_4,
    }
}

static MAINTAINERS: ListType =
    ListType::plain("[]*chart.Maintainer", Type::Object("*chart.Maintainer"));
static DEPENDENCIES: ListType =
    ListType::plain("[]*chart.Dependency", Type::Object("*chart.Dependency"));

fn text(text: &str) -> Value {
    Value::Str(Str::new(text))
}

/// A list of text, which is nil where it is empty.
fn texts(items: &[String]) -> Value {
    Value::List(if items.is_empty() {
        List::nil(&ListType::STRINGS)
    } else {
        List::strings(items.iter().map(String::as_str))
    })
}

/// A struct as JSON shows it: its fields by their names in JSON, those that are omitted left out.
struct Json(Vec<(&'static str, Value)>);

impl Json {
    fn value(fields: impl IntoIterator<Item = (&'static str, Value)>) -> Value {
        Value::object(Self(fields.into_iter().collect()))
    }

    /// Leaves out what Go's `omitempty` leaves out.
    fn omitting_empty(fields: Vec<(&'static str, Value)>) -> Value {
        Self::value(fields.into_iter().filter(|(_, value)| value.truth()))
    }
}

impl Object for Json {
    fn type_name(&self) -> &'static str {
        "struct"
    }
    fn fields(&self) -> Vec<(&'static str, Value)> {
        self.0.clone()
    }
}

/// `.Chart`.
pub(crate) struct ChartObject {
    chart: crate::Chart,
    name: String,
    dependencies: Option<Vec<Dependency>>,
    is_root: bool,
}

impl ChartObject {
    pub(crate) fn new(charts: &Charts, id: ChartId) -> Self {
        let instance = &charts[id];
        Self {
            chart: instance.chart.clone(),
            name: instance.name.clone(),
            dependencies: instance.requirements.as_ref().map(|requirements| {
                let requirements = requirements.iter();
                requirements
                    .map(|r| charts.requirement(*r).clone())
                    .collect()
            }),
            is_root: instance.parent.is_none(),
        }
    }

    fn metadata_fields(&self) -> Vec<(&'static str, Value)> {
        METADATA
            .iter()
            .map(|(name, _)| (*name, self.get(name).unwrap_or_default()))
            .collect()
    }

    /// Returns what Helm 4 has in the place of the struct: maps and lists without types.
    pub(crate) fn to_map(&self) -> Map {
        self.flat_fields()
            .into_iter()
            .map(|(name, value)| (Str::new(name), plain(&value)))
            .collect()
    }

    /// Returns the fields as if those of the metadata were the chart's own.
    pub(crate) fn flat_fields(&self) -> Vec<(&'static str, Value)> {
        let mut fields = self.metadata_fields();
        fields.push(("IsRoot", Value::Bool(self.is_root)));
        fields
    }

    fn get(&self, name: &str) -> Option<Value> {
        let Metadata {
            home,
            sources,
            version,
            description,
            keywords,
            maintainers,
            icon,
            api_version,
            condition,
            tags,
            app_version,
            deprecated,
            annotations,
            kube_version,
            kind,
            ..
        } = self.chart.metadata();
        Some(match name {
            "Name" => text(&self.name),
            "Home" => text(home),
            "Sources" => texts(sources),
            "Version" => text(version),
            "Description" => text(description),
            "Keywords" => texts(keywords),
            "Maintainers" => Value::List(if maintainers.is_empty() {
                List::nil(&MAINTAINERS)
            } else {
                let items = maintainers.iter().cloned();
                List::typed(
                    &MAINTAINERS,
                    items.map(MaintainerObject).map(Value::object).collect(),
                )
            }),
            "Icon" => text(icon),
            "APIVersion" => text(api_version),
            "Condition" => text(condition),
            "Tags" => text(tags),
            "AppVersion" => text(app_version),
            "Deprecated" => Value::Bool(*deprecated),
            "Annotations" => Value::Map(if annotations.is_empty() {
                Map::nil(&MapType::STRINGS)
            } else {
                let entries = annotations.iter();
                Map::from_entries(
                    &MapType::STRINGS,
                    entries
                        .map(|(key, value)| (Str::new(key), text(value)))
                        .collect(),
                )
            }),
            "KubeVersion" => text(kube_version),
            "Dependencies" => Value::List(match &self.dependencies {
                None => List::nil(&DEPENDENCIES),
                Some(items) => {
                    let items = items.iter().cloned();
                    let items = items.map(DependencyObject).map(Value::object);
                    List::typed(&DEPENDENCIES, items.collect())
                }
            }),
            "Type" => text(kind),
            "Metadata" => Value::object(MetadataObject(self.metadata_fields())),
            "IsRoot" => Value::Bool(self.is_root),
            _ => return None,
        })
    }
}

/// Makes maps of structs and plain lists of all lists; maps are left as they are.
fn plain(value: &Value) -> Value {
    match value {
        Value::List(list) => Value::list(list.items().iter().map(plain).collect()),
        Value::Object(object) => {
            let fields = object.fields().into_iter();
            Value::Map(
                fields
                    .map(|(name, value)| (Str::new(name), plain(&value)))
                    .collect(),
            )
        }
        other => other.clone(),
    }
}

/// The fields of `chart.Metadata` by their names in Go and in JSON.
const METADATA: &[(&str, &str)] = &[
    ("Name", "name"),
    ("Home", "home"),
    ("Sources", "sources"),
    ("Version", "version"),
    ("Description", "description"),
    ("Keywords", "keywords"),
    ("Maintainers", "maintainers"),
    ("Icon", "icon"),
    ("APIVersion", "apiVersion"),
    ("Condition", "condition"),
    ("Tags", "tags"),
    ("AppVersion", "appVersion"),
    ("Deprecated", "deprecated"),
    ("Annotations", "annotations"),
    ("KubeVersion", "kubeVersion"),
    ("Dependencies", "dependencies"),
    ("Type", "type"),
];

fn metadata_json(fields: &[(&'static str, Value)]) -> Vec<(&'static str, Value)> {
    let named = METADATA.iter().zip(fields);
    named
        .filter(|(_, (_, value))| value.truth())
        .map(|((_, json), (_, value))| (*json, value.clone()))
        .collect()
}

impl Object for ChartObject {
    fn type_name(&self) -> &'static str {
        "struct { chart.Metadata; IsRoot bool }"
    }
    fn field(&self, name: &str) -> Option<Value> {
        self.get(name)
    }
    fn fields(&self) -> Vec<(&'static str, Value)> {
        vec![
            (
                "Metadata",
                Value::object(MetadataObject(self.metadata_fields())),
            ),
            ("IsRoot", Value::Bool(self.is_root)),
        ]
    }
    fn to_json(&self) -> Option<Value> {
        let mut fields = metadata_json(&self.metadata_fields());
        fields.push(("IsRoot", Value::Bool(self.is_root)));
        Some(Json::value(fields))
    }
}

struct MetadataObject(Vec<(&'static str, Value)>);

impl Object for MetadataObject {
    fn type_name(&self) -> &'static str {
        "chart.Metadata"
    }
    fn field(&self, name: &str) -> Option<Value> {
        let field = self.0.iter().find(|(field, _)| *field == name)?;
        Some(field.1.clone())
    }
    fn fields(&self) -> Vec<(&'static str, Value)> {
        self.0.clone()
    }
    fn to_json(&self) -> Option<Value> {
        Some(Json::value(metadata_json(&self.0)))
    }
}

struct MaintainerObject(Maintainer);

impl Object for MaintainerObject {
    fn type_name(&self) -> &'static str {
        "*chart.Maintainer"
    }
    fn kind(&self) -> Kind {
        Kind::Ptr
    }
    fn field(&self, name: &str) -> Option<Value> {
        find(self.fields(), name)
    }
    fn fields(&self) -> Vec<(&'static str, Value)> {
        vec![
            ("Name", text(&self.0.name)),
            ("Email", text(&self.0.email)),
            ("URL", text(&self.0.url)),
        ]
    }
    fn to_json(&self) -> Option<Value> {
        Some(Json::omitting_empty(vec![
            ("name", text(&self.0.name)),
            ("email", text(&self.0.email)),
            ("url", text(&self.0.url)),
        ]))
    }
}

struct DependencyObject(Dependency);

impl DependencyObject {
    fn values(&self) -> [Value; 8] {
        let Dependency {
            name,
            version,
            repository,
            condition,
            tags,
            enabled,
            import_values,
            alias,
        } = &self.0;
        let imports = Value::List(if import_values.is_empty() {
            List::nil(&ListType::ANY)
        } else {
            List::new(import_values.iter().map(go::value).collect())
        });
        [
            text(name),
            text(version),
            text(repository),
            text(condition),
            texts(tags),
            Value::Bool(*enabled),
            imports,
            text(alias),
        ]
    }
}

impl Object for DependencyObject {
    fn type_name(&self) -> &'static str {
        "*chart.Dependency"
    }
    fn kind(&self) -> Kind {
        Kind::Ptr
    }
    fn field(&self, name: &str) -> Option<Value> {
        find(self.fields(), name)
    }
    fn fields(&self) -> Vec<(&'static str, Value)> {
        const NAMES: [&str; 8] = [
            "Name",
            "Version",
            "Repository",
            "Condition",
            "Tags",
            "Enabled",
            "ImportValues",
            "Alias",
        ];
        NAMES.into_iter().zip(self.values()).collect()
    }
    fn to_json(&self) -> Option<Value> {
        const NAMES: [&str; 8] = [
            "name",
            "version",
            "repository",
            "condition",
            "tags",
            "enabled",
            "import-values",
            "alias",
        ];
        let fields = NAMES.into_iter().zip(self.values());
        let kept =
            |(name, value): &(&str, Value)| value.truth() || matches!(*name, "name" | "repository");
        Some(Json::value(fields.filter(kept)))
    }
}

fn find(fields: Vec<(&'static str, Value)>, name: &str) -> Option<Value> {
    fields
        .into_iter()
        .find_map(|(field, value)| (field == name).then_some(value))
}

/// `.Files`: the files of a chart that are no templates.
pub(crate) struct Files(Arc<[ChartFile]>);

static FILES: MapType = MapType::named("engine.files", Type::List(&ListType::BYTES), None);

impl Files {
    /// Takes the files of a chart; of two with one name the last counts.
    pub(crate) fn new(files: &[ChartFile]) -> Self {
        let mut files = files.to_vec();
        files.reverse();
        files.sort_by(|a, b| a.name.cmp(&b.name));
        files.dedup_by(|later, first| later.name == first.name);
        Self(files.into())
    }

    fn get(&self, name: &str) -> &[u8] {
        let found = self.0.binary_search_by(|file| file.name.as_str().cmp(name));
        found.map_or(&[], |at| &self.0[at].data)
    }

    /// Makes a map of the last parts of the names. Of equal ones Go keeps any; here the last in order stays.
    fn by_base_name(&self, value: impl Fn(&[u8]) -> gitops_manifest::Str) -> String {
        let entries = self.0.iter().map(|file| {
            let base = file.name.rsplit('/').next().unwrap_or(&file.name);
            let value = gitops_manifest::Value::String(value(&file.data));
            (gitops_manifest::Str::new(base), value)
        });
        let map = gitops_manifest::Map::from_entries(entries.collect());
        functions::emit(&gitops_manifest::Value::Object(map)).unwrap_or_default()
    }
}

impl Object for Files {
    fn type_name(&self) -> &'static str {
        "engine.files"
    }
    fn kind(&self) -> Kind {
        Kind::Map
    }
    fn truth(&self) -> bool {
        !self.0.is_empty()
    }
    fn underlying(&self) -> Option<Value> {
        let entries = self.0.iter().map(|file| {
            let bytes = Value::List(List::bytes(&file.data));
            (Str::new(&file.name), bytes)
        });
        Some(Value::Map(Map::from_entries(&FILES, entries.collect())))
    }
    fn method(&self, name: &str) -> Option<Signature> {
        const STRING: &[Type] = &[Type::String];
        Some(match name {
            "Get" => Signature::new(STRING, Type::String),
            "GetBytes" => Signature::new(STRING, Type::List(&ListType::BYTES)),
            "Glob" => Signature::new(STRING, Type::Object("engine.files")),
            "AsConfig" | "AsSecrets" => Signature::new(&[] as &[Type], Type::String),
            "Lines" => Signature::new(STRING, Type::List(&ListType::STRINGS)),
            _ => return None,
        })
    }
    fn call(&self, name: &str, _: &mut Context<'_>, arguments: &mut [Value]) -> Result<Value> {
        let path = match arguments.first() {
            Some(Value::Str(path)) => path.to_text().into_owned(),
            _ => String::new(),
        };
        Ok(match name {
            "Get" => Value::Str(Str::from_bytes(self.get(&path))),
            "GetBytes" => Value::List(List::bytes(self.get(&path))),
            "Glob" => {
                let glob = Glob::parse(&path).unwrap_or_else(Glob::everything);
                let files = self.0.iter().filter(|file| glob.matches(&file.name));
                Value::object(Self(files.cloned().collect()))
            }
            "AsConfig" => {
                let string = |data: &[u8]| String::from_utf8_lossy(data).into();
                Value::from(self.by_base_name(string))
            }
            "AsSecrets" => {
                let encoder = base64::engine::general_purpose::STANDARD;
                Value::from(self.by_base_name(|data| encoder.encode(data).into()))
            }
            _ => {
                let data = self.get(&path);
                let data = data.strip_suffix(b"\n").unwrap_or(data);
                Value::List(if self.get(&path).is_empty() {
                    List::strings([] as [Str; 0])
                } else {
                    List::strings(data.split(|byte| *byte == b'\n').map(Str::from_bytes))
                })
            }
        })
    }
}

/// `.Capabilities`.
pub(crate) struct CapabilitiesObject {
    helm: HelmVersion,
    kube_version: Value,
    api_versions: Value,
    helm_version: Value,
}

impl CapabilitiesObject {
    pub(crate) fn new(capabilities: &Capabilities, helm: HelmVersion) -> Self {
        let Capabilities {
            kube_version,
            api_versions,
            helm_version,
            go_version,
            kube_client_version,
        } = capabilities;
        let versions = match helm {
            HelmVersion::V3 => &VERSION_SET,
            HelmVersion::V4 => &VERSION_SET_4,
        };
        Self {
            helm,
            kube_version: Value::object(KubeVersionObject {
                helm,
                in_place: true,
                version: Str::new(match helm {
                    HelmVersion::V3 => kube_version.version(),
                    HelmVersion::V4 => kube_version.as_written(),
                }),
                normalized: Str::new(kube_version.version()),
                major: Str::from(kube_version.major().to_string()),
                minor: Str::from(kube_version.minor().to_string()),
            }),
            api_versions: Value::List(List::typed(
                versions,
                api_versions.iter().map(|version| text(version)).collect(),
            )),
            helm_version: Value::object(BuildInfo {
                version: Str::new(helm_version),
                go_version: Str::new(go_version),
                kube_client_version: match helm {
                    HelmVersion::V3 => None,
                    HelmVersion::V4 => Some(Str::new(kube_client_version)),
                },
            }),
        }
    }
}

impl Object for CapabilitiesObject {
    fn type_name(&self) -> &'static str {
        match self.helm {
            HelmVersion::V3 => "*chartutil.Capabilities",
            HelmVersion::V4 => "*common.Capabilities",
        }
    }
    fn kind(&self) -> Kind {
        Kind::Ptr
    }
    fn field(&self, name: &str) -> Option<Value> {
        Some(match name {
            "KubeVersion" => self.kube_version.clone(),
            "APIVersions" => self.api_versions.clone(),
            "HelmVersion" => self.helm_version.clone(),
            _ => return None,
        })
    }
    fn fields(&self) -> Vec<(&'static str, Value)> {
        vec![
            ("KubeVersion", copied(&self.kube_version)),
            ("APIVersions", self.api_versions.clone()),
            ("HelmVersion", self.helm_version.clone()),
        ]
    }
    fn method(&self, name: &str) -> Option<Signature> {
        (name == "Copy").then(|| Signature::new(&[] as &[Type], Type::Object(self.type_name())))
    }
    fn call(&self, _: &str, _: &mut Context<'_>, _: &mut [Value]) -> Result<Value> {
        Ok(Value::object(Self {
            helm: self.helm,
            kube_version: self.kube_version.clone(),
            api_versions: self.api_versions.clone(),
            helm_version: self.helm_version.clone(),
        }))
    }
}

/// Returns what a function gets for a value.
fn copied(value: &Value) -> Value {
    let copy = match value {
        Value::Object(object) => object.passed(),
        _ => None,
    };
    copy.unwrap_or_else(|| value.clone())
}

#[derive(Clone)]
struct KubeVersionObject {
    helm: HelmVersion,
    /// Whether it has an address, which its methods need: it is the field, not a copy of it.
    in_place: bool,
    version: Str,
    /// The numbers of the version alone.
    normalized: Str,
    major: Str,
    minor: Str,
}

impl KubeVersionObject {
    fn exported(&self) -> Vec<(&'static str, Value)> {
        vec![
            ("Version", Value::Str(self.version.clone())),
            ("Major", Value::Str(self.major.clone())),
            ("Minor", Value::Str(self.minor.clone())),
        ]
    }
}

impl Object for KubeVersionObject {
    fn type_name(&self) -> &'static str {
        match self.helm {
            HelmVersion::V3 => "chartutil.KubeVersion",
            HelmVersion::V4 => "common.KubeVersion",
        }
    }
    fn field(&self, name: &str) -> Option<Value> {
        find(self.exported(), name)
    }
    fn fields(&self) -> Vec<(&'static str, Value)> {
        let mut fields = self.exported();
        if self.helm == HelmVersion::V4 {
            // Not exported, but printed with the others.
            let normalized = Value::Str(self.normalized.clone());
            fields.insert(1, ("normalizedVersion", normalized));
        }
        fields
    }
    fn to_json(&self) -> Option<Value> {
        Some(Json::value(self.exported()))
    }
    fn method(&self, name: &str) -> Option<Signature> {
        (self.in_place && matches!(name, "String" | "GitVersion"))
            .then(|| Signature::new(&[] as &[Type], Type::String))
    }
    fn call(&self, name: &str, _: &mut Context<'_>, _: &mut [Value]) -> Result<Value> {
        let version = match name {
            "String" => &self.normalized,
            _ => &self.version,
        };
        Ok(Value::Str(version.clone()))
    }
    fn text(&self) -> Option<String> {
        self.in_place.then(|| self.normalized.to_string())
    }
    fn passed(&self) -> Option<Value> {
        self.in_place.then(|| {
            Value::object(Self {
                in_place: false,
                ..self.clone()
            })
        })
    }
}

struct BuildInfo {
    version: Str,
    go_version: Str,
    /// Helm 4 tells it.
    kube_client_version: Option<Str>,
}

impl Object for BuildInfo {
    fn type_name(&self) -> &'static str {
        "version.BuildInfo"
    }
    fn field(&self, name: &str) -> Option<Value> {
        find(self.fields(), name)
    }
    fn fields(&self) -> Vec<(&'static str, Value)> {
        let mut fields = vec![
            ("Version", Value::Str(self.version.clone())),
            ("GitCommit", text("")),
            ("GitTreeState", text("")),
            ("GoVersion", Value::Str(self.go_version.clone())),
        ];
        if let Some(version) = &self.kube_client_version {
            fields.push(("KubeClientVersion", Value::Str(version.clone())));
        }
        fields
    }
    fn to_json(&self) -> Option<Value> {
        let mut fields = vec![
            ("version", Value::Str(self.version.clone())),
            ("go_version", Value::Str(self.go_version.clone())),
        ];
        if let Some(version) = &self.kube_client_version {
            fields.push(("kube_client_version", Value::Str(version.clone())));
        }
        Some(Json::omitting_empty(fields))
    }
}

static VERSION_SET: ListType =
    ListType::named("chartutil.VersionSet", Type::String, Some(&VersionSet));
static VERSION_SET_4: ListType =
    ListType::named("common.VersionSet", Type::String, Some(&VersionSet));

/// The method of `.Capabilities.APIVersions`.
struct VersionSet;

impl Methods for VersionSet {
    fn method(&self, name: &str) -> Option<Signature> {
        (name == "Has").then(|| Signature::new(&[Type::String] as &[Type], Type::Bool))
    }
    fn call(
        &self,
        _: &str,
        receiver: &Value,
        _: &mut Context<'_>,
        arguments: &mut [Value],
    ) -> Result<Value> {
        let has = match (receiver, arguments.first()) {
            (Value::List(list), Some(Value::Str(wanted))) => list
                .items()
                .iter()
                .any(|item| matches!(item, Value::Str(version) if version == wanted)),
            _ => false,
        };
        Ok(Value::Bool(has))
    }
}
