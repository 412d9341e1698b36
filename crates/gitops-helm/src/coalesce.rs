//! Laying values over each other as Helm does: the user's over the chart's, a parent's over its subcharts'.
//!
//! The maps are references and partly shared: a table of globals that a subchart takes over is, below its
//! first level, the very table of its parent, so that what the subchart adds appears in the parent as well.
//! That is Helm's behaviour and visible in its output; the code follows its order of steps for that reason.

use gitops_manifest as manifest;
use gitops_template::{Map, MapType, Str, Value};

use crate::go;
use crate::resolve::{ChartId, Charts};
use crate::{Error, HelmVersion};

/// The key of the values that all charts see.
const GLOBAL: &str = "global";

/// Whether nulls go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mode {
    /// A null takes the default away and disappears with it.
    Coalesce,
    /// Nulls stay, for a later pass.
    Merge,
}

impl Charts {
    /// Lays `values`, which are taken as they are and changed, over the defaults of a chart and its subcharts.
    pub(crate) fn lay_over(
        &mut self,
        chart: ChartId,
        values: Map,
        mode: Mode,
    ) -> Result<Map, Error> {
        self.coalesce(chart, &values, "", mode)?;
        Ok(values)
    }

    fn coalesce(
        &mut self,
        chart: ChartId,
        values: &Map,
        prefix: &str,
        mode: Mode,
    ) -> Result<(), Error> {
        self.coalesce_values(chart, values, prefix, mode);
        let below = join(prefix, &self[chart].name);
        for i in 0..self[chart].charts.len() {
            let child = self[chart].charts[i];
            let name = self[child].name.clone();
            let table = match values.get(name.as_bytes()) {
                None => {
                    let table = Map::new();
                    values.insert(Str::new(&name), Value::Map(table.clone()));
                    table
                }
                Some(Value::Map(table)) => table,
                Some(other) => {
                    return Err(Error::NotATable {
                        chart: name,
                        value: percent_t(&other),
                    });
                }
            };
            self.coalesce_globals(&table, values, &below);
            self.coalesce(child, &table, &below, mode)?;
        }
        Ok(())
    }

    fn coalesce_values(&mut self, chart: ChartId, values: &Map, prefix: &str, mode: Mode) {
        let below = join(prefix, &self[chart].name);
        let Some(defaults) = self[chart].values.clone() else {
            return;
        };
        values.reserve(defaults.len());
        for (name, default) in &defaults {
            match values.get(name.as_bytes()) {
                None => {
                    if let Some(default) = self.default(default, mode) {
                        values.insert(go::text(name), default);
                    }
                }
                Some(Value::Nil) if mode == Mode::Coalesce => {
                    values.remove(name.as_bytes());
                }
                Some(Value::Map(table)) => {
                    if let Some(defaults) = default.as_object() {
                        let is_chart = self[chart]
                            .charts
                            .iter()
                            .any(|child| self[*child].name == name.as_str());
                        let mode = if is_chart { Mode::Merge } else { mode };
                        let path = join(&below, name);
                        self.coalesce_defaults(&table, defaults, &path, mode);
                    } else if !default.is_null() {
                        self.warn(format!(
                            "warning: skipped value for {}: Not a table.",
                            join(&below, name)
                        ));
                    }
                }
                Some(_) => {}
            }
        }
    }

    /// Returns what a default of a chart stands for. Helm 4 takes nulls out, except where they must stay for
    /// a later pass.
    fn default(&self, default: &manifest::Value, mode: Mode) -> Option<Value> {
        match (self.helm, mode) {
            (HelmVersion::V4, Mode::Coalesce) => go::value_without_nulls(default),
            _ => Some(go::value(default)),
        }
    }

    /// Lays a table over defaults of a chart, which are only read.
    fn coalesce_defaults(&mut self, table: &Map, defaults: &manifest::Map, path: &str, mode: Mode) {
        for (name, default) in defaults {
            let name = name.as_str();
            match (table.get(name.as_bytes()), default) {
                (None, default) => {
                    if let Some(default) = self.default(default, mode) {
                        table.insert(Str::new(name), default);
                    }
                }
                (Some(Value::Nil), default) => {
                    // The null of the user takes a default away. Where there was none it stays.
                    if mode == Mode::Coalesce && !default.is_null() {
                        table.remove(name.as_bytes());
                    }
                }
                (Some(Value::Map(table)), manifest::Value::Object(defaults)) => {
                    self.coalesce_defaults(&table, defaults, &join(path, name), mode);
                }
                (Some(Value::Map(_)), manifest::Value::Null) => {}
                (Some(Value::Map(_)), other) => self.warn_ignored(path, name, &go::value(other)),
                (Some(_), other @ manifest::Value::Object(_)) => {
                    self.warn_kept(path, name, &go::value(other));
                }
                (Some(_), _) => {}
            }
        }
    }

    /// Lays one table over another; both may be shared with other values, and both are changed.
    pub(crate) fn coalesce_tables(&mut self, table: &Map, below: &Map, path: &str, mode: Mode) {
        let defined: Vec<Str> = below
            .entries()
            .iter()
            .filter(|(_, value)| !matches!(value, Value::Nil))
            .map(|(name, _)| name.clone())
            .collect();
        for (name, value) in table.to_vec() {
            if matches!(value, Value::Nil) {
                below.insert(name, Value::Nil);
            }
        }
        for (name, value) in below.to_vec() {
            let known = table.get(name.as_bytes());
            match (known, value) {
                (Some(Value::Nil), _)
                    if mode == Mode::Coalesce && defined.binary_search(&name).is_ok() =>
                {
                    table.remove(name.as_bytes());
                }
                (None, value) => {
                    table.insert(name, value);
                }
                (Some(Value::Map(table)), Value::Map(below)) => {
                    let path = join(path, &name.to_text());
                    self.coalesce_tables(&table, &below, &path, mode);
                }
                (Some(_), value @ Value::Map(_)) => self.warn_kept(path, &name.to_text(), &value),
                (Some(Value::Map(_)), value) if !matches!(value, Value::Nil) => {
                    self.warn_ignored(path, &name.to_text(), &value);
                }
                _ => {}
            }
        }
    }

    /// Hands the globals of a parent down to a subchart.
    fn coalesce_globals(&mut self, table: &Map, parent: &Map, prefix: &str) {
        let own = match table.get(GLOBAL.as_bytes()) {
            None => Map::new(),
            Some(Value::Map(map)) => map,
            Some(_) => {
                self.warn(
                    "warning: skipping globals because destination global is not a table."
                        .to_owned(),
                );
                return;
            }
        };
        let globals = match parent.get(GLOBAL.as_bytes()) {
            None => Map::new(),
            Some(Value::Map(map)) => map,
            Some(_) => {
                self.warn(
                    "warning: skipping globals because source global is not a table.".to_owned(),
                );
                return;
            }
        };
        for (name, value) in globals.to_vec() {
            match (own.get(name.as_bytes()), value) {
                (known, Value::Map(given)) => {
                    // A copy of one level: what lies below stays the parent's.
                    let copy = Map::from_entries(&MapType::ANY, given.to_vec());
                    match known {
                        None => {}
                        Some(Value::Map(known)) => {
                            let path = join(prefix, &name.to_text());
                            self.coalesce_tables(&copy, &known, &path, Mode::Merge);
                        }
                        Some(_) => {
                            self.warn(format!(
                                "Conflict: cannot merge map onto non-map for {:?}. Skipping.",
                                name.to_text()
                            ));
                            continue;
                        }
                    }
                    own.insert(name, Value::Map(copy));
                }
                (Some(Value::Map(_)), _) => {
                    self.warn(format!("key {name} is table. Skipping"));
                }
                (_, value) => {
                    own.insert(name, value);
                }
            }
        }
        table.insert(Str::new(GLOBAL), Value::Map(own));
    }

    fn warn_kept(&mut self, path: &str, name: &str, value: &Value) {
        self.warn(format!(
            "warning: cannot overwrite table with non table for {} ({})",
            join(path, name),
            go::print(value)
        ));
    }

    fn warn_ignored(&mut self, path: &str, name: &str, value: &Value) {
        self.warn(format!(
            "warning: destination for {} is a table. Ignoring non-table value ({})",
            join(path, name),
            go::print(value)
        ));
    }
}

fn join(path: &str, name: &str) -> String {
    if path.is_empty() {
        name.to_owned()
    } else {
        format!("{path}.{name}")
    }
}

/// Prints a value as Go's `%t` does, which is made for booleans.
fn percent_t(value: &Value) -> String {
    match value {
        Value::Bool(value) => value.to_string(),
        Value::Nil | Value::Missing => "%!t(<nil>)".to_owned(),
        Value::List(list) => {
            let items: Vec<_> = list.items().iter().map(percent_t).collect();
            format!("[{}]", items.join(" "))
        }
        other => format!("%!t({}={})", other.type_name(), go::print(other)),
    }
}
