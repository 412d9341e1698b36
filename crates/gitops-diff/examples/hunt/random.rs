//! Random objects that nearly fit their schema, and random changes of them.

use gitops_diff::schema::{MapType, Schema, TypeKind, TypeRef};
use gitops_manifest::{Map, Str, Value};

/// A generator of random numbers (SplitMix64), the same on every machine.
pub(crate) struct Random(u64);

impl Random {
    pub(crate) const fn new(seed: u64) -> Self {
        Self(seed)
    }

    pub(crate) const fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    pub(crate) const fn below(&mut self, bound: usize) -> usize {
        (self.next() % bound as u64) as usize
    }

    /// Whether something of this probability in percent happens.
    pub(crate) const fn chance(&mut self, percent: usize) -> bool {
        self.below(100) < percent
    }

    pub(crate) fn pick<'a, T>(&mut self, of: &'a [T]) -> &'a T {
        &of[self.below(of.len())]
    }

    /// One of these texts, and of the last ones, which are rare, in so many percent.
    pub(crate) const fn rare(
        &mut self,
        of: &[&'static str],
        last: usize,
        percent: usize,
    ) -> &'static str {
        let rare = self.chance(percent);
        of[self.below(if rare { of.len() } else { of.len() - last })]
    }

    /// One of these texts.
    pub(crate) const fn text(&mut self, of: &[&'static str]) -> &'static str {
        of[self.below(of.len())]
    }
}

const NAMES: [&str; 5] = ["a", "b", "c", "web", "x"];
const TEXTS: [&str; 10] = [
    "",
    "a",
    "b",
    "web",
    "TCP",
    "UDP",
    "1",
    "ü\u{1f600}",
    "<&>",
    "a/b~c",
];
const QUANTITIES: [&str; 22] = [
    "1", "1000m", "0", "1Gi", "1024Mi", "1.5", "0.1", "100m", "1e3", "1E", "12e-3", "1k", "1500",
    "0.5Gi", "-1", "+2", "1n", "0.0001", ".5", "5.", "1Ki", "bad",
];
const TIMES: [&str; 8] = [
    "2026-01-02T03:04:05Z",
    "2026-01-02T03:04:05+02:00",
    "2026-01-02T03:04:05.123Z",
    "2026-01-02T03:04:05.123456789Z",
    "0001-01-01T00:00:00Z",
    "2026-01-02T03:04:05.100000Z",
    "2026-13-02T03:04:05Z",
    "",
];
const DURATIONS: [&str; 8] = ["1h0m0s", "90m", "0s", "1m30s", "1.5h", "0", "1h30m", "bad"];
const BYTES: [&str; 6] = ["", "YQ==", "YWI=", "YWJj", "not base64!", "YQ"];

fn number(text: &str) -> Value {
    Value::from_json(text).expect("it is a number")
}

fn any(random: &mut Random, depth: usize) -> Value {
    match random.below(if depth == 0 { 6 } else { 9 }) {
        0 => Value::Null,
        1 => Value::Bool(random.chance(50)),
        2 => number(random.text(&["0", "1", "2", "-1", "1.5", "9007199254740993", "1.0"])),
        3..6 => random.text(&TEXTS).into(),
        6 => (0..random.below(3))
            .map(|_| any(random, depth - 1))
            .collect::<Vec<_>>()
            .into(),
        _ => Value::Object(
            (0..random.below(3))
                .map(|_| (random.text(&NAMES), any(random, depth - 1)))
                .collect(),
        ),
    }
}

/// How wild what is made may be.
#[derive(Clone, Copy)]
pub(crate) struct Wild {
    /// Values that do not fit, unknown fields, missing keys, in percent.
    pub(crate) misfits: usize,
    /// Nulls, in percent.
    pub(crate) nulls: usize,
}

pub(crate) fn value(random: &mut Random, ty: TypeRef<'_>, depth: usize, wild: Wild) -> Value {
    if random.chance(wild.nulls) {
        return Value::Null;
    }
    if random.chance(wild.misfits) {
        return any(random, 2);
    }
    match ty.kind() {
        TypeKind::String => if random.chance(70) {
            random.text(&NAMES)
        } else {
            random.text(&TEXTS)
        }
        .into(),
        TypeKind::Bool => Value::Bool(random.chance(50)),
        TypeKind::Int32 => number(random.text(&["0", "1", "2", "80", "443", "-1"])),
        TypeKind::Int64 => {
            number(random.text(&["0", "1", "30", "9007199254740993", "-9223372036854775808"]))
        }
        TypeKind::Float => number(random.text(&["0", "0.5", "1", "1.0", "1e30"])),
        TypeKind::Bytes => random.rare(&BYTES, 2, 10).into(),
        TypeKind::Quantity => match random.below(10) {
            0 => number(random.text(&["0", "1", "0.5", "1000", "1.5", "1e3"])),
            _ => random.rare(&QUANTITIES, 1, 3 + wild.misfits).into(),
        },
        TypeKind::IntOrString => match random.below(2) {
            0 => number(random.text(&["0", "80", "8080"])),
            _ => random.text(&["80", "http", "50%", ""]).into(),
        },
        TypeKind::Time => random.rare(&TIMES, 2, 3).into(),
        TypeKind::MicroTime => random.rare(&TIMES, 2, 3).into(),
        TypeKind::Duration => random.rare(&DURATIONS, 1, 3).into(),
        TypeKind::Struct | TypeKind::Map if ty.map().is_some() => {
            Value::Object(map(random, ty.map().expect("it is one"), depth, wild))
        }
        TypeKind::List if ty.list().is_some() => {
            let list = ty.list().expect("it is one");
            let count = if depth == 0 { 0 } else { random.below(4) };
            let keys: Vec<Str> = list.keys().to_vec();
            let values = (0..count)
                .map(|_| {
                    let mut item = value(random, list.element(), depth - 1, wild);
                    add_keys(random, &mut item, list.element(), &keys, wild);
                    item
                })
                .collect::<Vec<_>>();
            values.into()
        }
        _ => any(random, depth.min(2)),
    }
}

fn add_keys(random: &mut Random, item: &mut Value, ty: TypeRef<'_>, keys: &[Str], wild: Wild) {
    for key in keys {
        if random.chance(wild.misfits) || key == "protocol" && random.chance(50) {
            continue;
        }
        if let (Value::Object(map), Some(field)) = (&mut *item, ty.field(key))
            && !map.contains_key(key)
        {
            map.insert(
                key.clone(),
                value(
                    random,
                    field.ty(),
                    1,
                    Wild {
                        misfits: 0,
                        nulls: 0,
                    },
                ),
            );
        }
    }
}

fn map(random: &mut Random, ty: MapType<'_>, depth: usize, wild: Wild) -> Map {
    let mut out = Map::new();
    if depth == 0 {
        return out;
    }
    let fields: Vec<_> = ty.fields().collect();
    if fields.is_empty() {
        let Some(element) = ty.element() else {
            return out;
        };
        for _ in 0..random.below(4) {
            let key = random.text(&NAMES);
            let value = value(random, element, depth - 1, wild);
            out.insert(key, value);
        }
        return out;
    }
    let interesting: Vec<_> = fields
        .iter()
        .filter(|field| {
            !matches!(
                field.ty().kind(),
                TypeKind::String | TypeKind::Bool | TypeKind::Int32 | TypeKind::Int64
            ) || field.patch().merge
                || field.patch().retain_keys
        })
        .collect();
    for _ in 0..1 + random.below(5) {
        let field = if random.chance(60) && !interesting.is_empty() {
            **random.pick(&interesting)
        } else {
            *random.pick(&fields)
        };
        let mut made = value(random, field.ty(), depth - 1, wild);
        if let (Some(key), Some(list)) = (field.merge_key(), field.ty().list())
            && let Value::Array(items) = &mut made
        {
            for item in items.make_mut() {
                add_keys(
                    random,
                    item,
                    list.element(),
                    std::slice::from_ref(key),
                    wild,
                );
            }
        }
        out.insert(field.name().clone(), made);
    }
    if random.chance(wild.misfits) {
        out.insert(random.text(&["unknown", "Name", "a"]), any(random, 2));
    }
    out
}

/// An object of a kind.
pub(crate) fn object(random: &mut Random, schema: &Schema, gvk: &[Str; 3], wild: Wild) -> Value {
    let ty = schema
        .lookup(&gvk[0], &gvk[1], &gvk[2])
        .expect("the kind is known");
    let mut object = match ty.map() {
        Some(fields) => map(random, fields, 9, wild),
        None => Map::new(),
    };
    // The deep fields of workloads come first to mind.
    for name in ["spec", "webhooks", "subsets", "rules"] {
        if let Some(field) = ty.field(name)
            && random.chance(85)
            && object
                .get(name)
                .and_then(Value::as_object)
                .is_none_or(Map::is_empty)
        {
            let mut made = value(random, field.ty(), 8, wild);
            if name == "spec"
                && random.chance(60)
                && let (Value::Object(spec), Some(template)) =
                    (&mut made, field.ty().field("template"))
            {
                let deep = value(random, template.ty(), 8, wild);
                let inner = template
                    .ty()
                    .field("spec")
                    .map(|inner| value(random, inner.ty(), 7, wild));
                spec.insert("template", deep);
                if let (Some(Value::Object(deep)), Some(inner)) = (spec.get_mut("template"), inner)
                {
                    deep.insert("spec", inner);
                }
            }
            object.insert(name, made);
        }
    }
    envelope(&mut object, gvk);
    Value::Object(object)
}

pub(crate) fn envelope(object: &mut Map, gvk: &[Str; 3]) {
    let version = if gvk[0].is_empty() {
        gvk[1].to_string()
    } else {
        format!("{}/{}", gvk[0], gvk[1])
    };
    object.insert("apiVersion", version);
    object.insert("kind", gvk[2].clone());
    let metadata = object.entry_object("metadata");
    metadata.remove("managedFields");
    metadata.insert("name", "web");
}

/// Changes some places of a value.
pub(crate) fn mutate(
    random: &mut Random,
    value: &Value,
    ty: TypeRef<'_>,
    times: usize,
    wild: Wild,
) -> Value {
    let mut value = value.clone();
    for _ in 0..times {
        change(random, &mut value, ty, 0, wild);
    }
    value
}

fn change(random: &mut Random, value: &mut Value, ty: TypeRef<'_>, depth: usize, wild: Wild) {
    let deeper = random.chance(if depth < 2 { 96 } else { 75 });
    match value {
        Value::Object(map) if deeper && !map.is_empty() => {
            let key = random.pick(map.entries()).0.clone();
            if depth == 0 && (key == "apiVersion" || key == "kind") {
                return;
            }
            let below = ty.under(&key).unwrap_or_else(|| TypeRef::deduced());
            if random.chance(18) {
                map.remove(&key);
            } else if random.chance(2 + wild.nulls) {
                map.insert(key, Value::Null);
            } else if let Some(below_value) = map.get_mut(&key) {
                change(random, below_value, below, depth + 1, wild);
            }
        }
        Value::Object(map) => {
            let more = self::value(random, ty, 3, wild);
            match more {
                Value::Object(more) if random.chance(80) => {
                    for (key, value) in more {
                        map.insert(key, value);
                    }
                }
                other => *value = other,
            }
        }
        Value::Array(items) => {
            let element = ty
                .list()
                .map_or_else(|| TypeRef::deduced(), |list| list.element());
            let items = items.make_mut();
            let len = items.len();
            match random.below(10) {
                _ if len == 0 => {
                    if let Value::Array(more) = self::value(random, ty, 3, wild) {
                        items.extend(more);
                    }
                }
                0 => {
                    items.remove(random.below(len));
                }
                1 => {
                    let (i, j) = (random.below(len), random.below(len));
                    items.swap(i, j);
                }
                2 => {
                    let (i, j) = (random.below(len), random.below(len + 1));
                    let item = items[i].clone();
                    if random.chance(wild.misfits * 4 + 10) {
                        items.insert(j, item);
                    } else {
                        items[i] = self::value(random, element, 3, wild);
                    }
                }
                3 => {
                    if let Value::Array(more) = self::value(random, ty, 3, wild) {
                        items.extend(more);
                    }
                }
                4 => items.clear(),
                _ => {
                    let i = random.below(len);
                    change(random, &mut items[i], element, depth + 1, wild);
                }
            }
        }
        scalar => *scalar = self::value(random, ty, 2, wild),
    }
}
