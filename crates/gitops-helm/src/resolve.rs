//! Which charts take part in a render: conditions, tags, aliases and imported values.
//!
//! Helm works on one graph of charts that it changes as it goes. Where a chart is used twice under two
//! aliases, its own subcharts are shared between the two and the second use overwrites names and parents of
//! the first. The graph is rebuilt here with the same sharing, in a table of charts that refer to each other
//! by number, so that the same charts come out.

use std::ops::{Index, IndexMut};

use gitops_manifest as manifest;
use gitops_template::semver::{Constraint, Version};
use gitops_template::{Map, Str, Value};

use crate::coalesce::Mode;
use crate::metadata::Dependency;
use crate::render::Warnings;
use crate::values::Values;
use crate::{Chart, Error, HelmVersion, go};

/// The number of a chart in [`Charts`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct ChartId(usize);

/// The charts of a render.
pub(crate) struct Charts {
    pub(crate) helm: HelmVersion,
    charts: Vec<Instance>,
    requirements: Vec<Dependency>,
    pub(crate) warnings: Warnings,
}

/// One use of a chart.
#[derive(Clone)]
pub(crate) struct Instance {
    pub(crate) chart: Chart,
    /// The chart's name or its alias.
    pub(crate) name: String,
    /// Numbers of the requirements; `None` where the chart says nothing on dependencies.
    pub(crate) requirements: Option<Vec<usize>>,
    /// The defaults, imported values included.
    pub(crate) values: Option<manifest::Map>,
    pub(crate) charts: Vec<ChartId>,
    pub(crate) parent: Option<ChartId>,
}

impl Index<ChartId> for Charts {
    type Output = Instance;
    fn index(&self, id: ChartId) -> &Instance {
        &self.charts[id.0]
    }
}

impl IndexMut<ChartId> for Charts {
    fn index_mut(&mut self, id: ChartId) -> &mut Instance {
        &mut self.charts[id.0]
    }
}

impl Charts {
    /// The chart that is rendered.
    pub(crate) const ROOT: ChartId = ChartId(0);

    /// Builds the graph of a chart and resolves it for the user's values.
    pub(crate) fn resolve(
        chart: &Chart,
        values: &Values,
        helm: HelmVersion,
        warnings: Warnings,
    ) -> Result<Self, Error> {
        let mut charts = Self {
            helm,
            charts: Vec::new(),
            requirements: Vec::new(),
            warnings,
        };
        charts.add(chart, None)?;
        charts.enable(Self::ROOT, &go::node_map(values.nodes()), "")?;
        charts.import(Self::ROOT)?;
        Ok(charts)
    }

    fn add(&mut self, chart: &Chart, parent: Option<ChartId>) -> Result<ChartId, Error> {
        let id = ChartId(self.charts.len());
        let metadata = chart.metadata();
        let requirements = metadata.dependencies.as_ref().map(|dependencies| {
            let first = self.requirements.len();
            self.requirements.extend(dependencies.iter().cloned());
            (first..self.requirements.len()).collect()
        });
        self.charts.push(Instance {
            chart: chart.clone(),
            name: metadata.name.clone(),
            requirements,
            values: chart.values_for(self.helm)?.cloned(),
            charts: Vec::new(),
            parent,
        });
        let children = chart.charts().iter().map(|child| self.add(child, Some(id)));
        self[id].charts = children.collect::<Result<_, _>>()?;
        Ok(id)
    }

    /// Makes a chart for a requirement out of one that is there, and returns its number.
    fn copy(&mut self, chosen: ChartId, alias: &str) -> ChartId {
        let mut copy = self[chosen].clone();
        if !alias.is_empty() {
            alias.clone_into(&mut copy.name);
        }
        let id = ChartId(self.charts.len());
        self.charts.push(copy);
        if self.helm == HelmVersion::V4 {
            // Two copies of one chart do not share what is in it.
            let requirements = self[id].requirements.clone();
            self[id].requirements = requirements.map(|shared| {
                let first = self.requirements.len();
                for requirement in shared {
                    self.requirements
                        .push(self.requirements[requirement].clone());
                }
                (first..self.requirements.len()).collect()
            });
            let shared = std::mem::take(&mut self[id].charts);
            let children = shared.into_iter().map(|child| {
                let mut child = self[child].clone();
                child.parent = Some(id);
                self.charts.push(child);
                ChartId(self.charts.len() - 1)
            });
            self[id].charts = children.collect();
        }
        id
    }

    pub(crate) fn warn(&mut self, warning: String) {
        self.warnings.push(warning);
    }

    /// Returns a requirement.
    pub(crate) fn requirement(&self, index: usize) -> &Dependency {
        &self.requirements[index]
    }

    /// Returns the path of a chart in the names of its templates.
    pub(crate) fn full_path(&self, id: ChartId) -> String {
        match self[id].parent {
            None => self[id].name.clone(),
            Some(parent) => format!("{}/charts/{}", self.full_path(parent), self[id].name),
        }
    }

    fn is_compatible(&self, requirement: usize, chart: ChartId) -> bool {
        let wanted = &self.requirements[requirement];
        let Ok(version) = Version::parse(&self[chart].chart.metadata().version) else {
            return false;
        };
        self[chart].name == wanted.name
            && Constraint::parse(&wanted.version).is_ok_and(|wanted| wanted.check(&version))
    }

    fn set_charts(&mut self, id: ChartId, charts: Vec<ChartId>) {
        for child in &charts {
            self[*child].parent = Some(id);
        }
        self[id].charts = charts;
    }

    /// Leaves out the subcharts that are disabled and makes those with an alias.
    fn enable(&mut self, id: ChartId, values: &Map, path: &str) -> Result<(), Error> {
        let Some(requirements) = self[id].requirements.clone() else {
            return Ok(());
        };
        let present = self[id].charts.clone();
        // Charts that no requirement asks for stay as they are.
        let mut charts: Vec<ChartId> = present
            .iter()
            .copied()
            .filter(|chart| !requirements.iter().any(|r| self.is_compatible(*r, *chart)))
            .collect();
        for &requirement in &requirements {
            let chosen = present
                .iter()
                .copied()
                .find(|chart| self.is_compatible(requirement, *chart));
            let alias = self.requirements[requirement].alias.clone();
            if let Some(chosen) = chosen {
                charts.push(self.copy(chosen, &alias));
            }
            if !alias.is_empty() {
                self.requirements[requirement].name = alias;
            }
        }
        self.set_charts(id, charts);

        for &requirement in &requirements {
            self.requirements[requirement].enabled = true;
        }
        let values = self.lay_over(id, go::deep_copy_map(values), Mode::Coalesce)?;
        self.switch_by_tags(&requirements, &values);
        self.switch_by_conditions(&requirements, &values, path);
        let disabled: Vec<String> = requirements
            .iter()
            .filter(|requirement| !self.requirements[**requirement].enabled)
            .map(|requirement| self.requirements[*requirement].name.clone())
            .collect();
        let enabled: Vec<ChartId> = self[id]
            .charts
            .iter()
            .copied()
            .filter(|chart| !disabled.contains(&self[*chart].name))
            .collect();
        let requirements: Vec<usize> = requirements
            .into_iter()
            .filter(|requirement| !disabled.contains(&self.requirements[*requirement].name))
            .collect();
        for &chart in &enabled {
            let path = format!("{path}{}.", self[chart].name);
            self.enable(chart, &values, &path)?;
        }
        self[id].requirements = (!requirements.is_empty()).then_some(requirements);
        self.set_charts(id, enabled);
        Ok(())
    }

    fn switch_by_tags(&mut self, requirements: &[usize], values: &Map) {
        let Some(Value::Map(tags)) = values.get(b"tags") else {
            return;
        };
        for &requirement in requirements {
            let (mut on, mut off) = (false, false);
            let Dependency {
                name, tags: wanted, ..
            } = self.requirements[requirement].clone();
            for tag in &wanted {
                match tags.get(tag.as_bytes()) {
                    None => {}
                    Some(Value::Bool(true)) => on = true,
                    Some(Value::Bool(false)) => off = true,
                    Some(_) => self.warn(format!(
                        "Warning: Tag '{tag}' for chart {name} returned non-bool value"
                    )),
                }
            }
            self.requirements[requirement].enabled = on || !off;
        }
    }

    fn switch_by_conditions(&mut self, requirements: &[usize], values: &Map, path: &str) {
        for &requirement in requirements {
            let Dependency {
                name, condition, ..
            } = self.requirements[requirement].clone();
            for condition in condition.trim().split(',').filter(|c| !c.is_empty()) {
                match path_value(values, &format!("{path}{condition}")) {
                    None => {}
                    Some(Value::Bool(enabled)) => {
                        self.requirements[requirement].enabled = enabled;
                        break;
                    }
                    Some(_) => self.warn(format!(
                        "Warning: Condition path '{condition}' for chart {name} returned non-bool \
                         value"
                    )),
                }
            }
        }
    }

    /// Takes values of subcharts over into their parents, deepest first.
    fn import(&mut self, id: ChartId) -> Result<(), Error> {
        for i in 0..self[id].charts.len() {
            self.import(self[id].charts[i])?;
        }
        let Some(requirements) = self[id].requirements.clone() else {
            return Ok(());
        };
        let values = self.lay_over(id, Map::new(), Mode::Merge)?;
        let imported = Map::new();
        for requirement in requirements {
            let Dependency {
                name,
                import_values,
                ..
            } = self.requirements[requirement].clone();
            let mut seen = Vec::new();
            for import in &import_values {
                let (child, parent) = match import {
                    manifest::Value::Object(map) => {
                        let part =
                            |key| map.get(key).map_or_else(nil, |v| go::print(&go::value(v)));
                        (part("child"), part("parent"))
                    }
                    manifest::Value::String(export) => {
                        (format!("exports.{export}"), ".".to_owned())
                    }
                    _ => continue,
                };
                seen.push(manifest::Value::Object(
                    [("child", child.as_str()), ("parent", parent.as_str())].into(),
                ));
                let found = match table(&values, &format!("{name}.{child}")) {
                    Ok(found) => found,
                    Err(missing) => {
                        let of = match import {
                            manifest::Value::Object(_) => format!(" from chart {name}"),
                            _ => String::new(),
                        };
                        self.warn(format!(
                            "Warning: ImportValues missing table{of}: {missing:?} is not a table"
                        ));
                        continue;
                    }
                };
                let found = if parent == "." {
                    found
                } else {
                    parent.rsplit('.').fold(found, |inner, name| {
                        Map::from_iter([(Str::new(name), Value::Map(inner))])
                    })
                };
                self.coalesce_tables(&imported, &found, "", Mode::Merge);
            }
            self.requirements[requirement].import_values = seen;
        }
        let values = if imported.is_empty() {
            values
        } else {
            let values = go::deep_copy_map(&values);
            self.coalesce_tables(&values, &imported, "", Mode::Merge);
            values
        };
        self[id].values = Some(go::to_manifest_map(&values));
        Ok(())
    }
}

fn nil() -> String {
    "<nil>".to_owned()
}

/// Follows a path to a value that is no table.
fn path_value(values: &Map, path: &str) -> Option<Value> {
    let found = match path.rsplit_once('.') {
        None => values.get(path.as_bytes()),
        Some((path, name)) => table(values, path).ok()?.get(name.as_bytes()),
    }?;
    (!matches!(found, Value::Map(_))).then_some(found)
}

/// Follows a path to a table; the error is the name at which there is none.
pub(crate) fn table(values: &Map, path: &str) -> Result<Map, String> {
    path.split('.').try_fold(values.clone(), |table, name| {
        match table.get(name.as_bytes()) {
            Some(Value::Map(map)) => Ok(map),
            _ => Err(name.to_owned()),
        }
    })
}
