//! The parsed templates of a chart, kept from one render to the next.

use std::sync::{Arc, Mutex, PoisonError};

use gitops_template::{MissingKey, Templates};

use crate::engine::{Source, parse_error};
use crate::{Error, HelmVersion, functions, load};

/// How many sets of templates are kept: which subcharts take part depends on the values.
const KEPT: usize = 4;

/// The sets of templates that a chart was rendered with, the last used first.
#[derive(Debug, Default)]
pub(crate) struct CompiledCharts(Mutex<Vec<Compiled>>);

#[derive(Clone, Debug)]
struct Compiled {
    helm: HelmVersion,
    /// The names of the templates and their texts, which are known by their place in memory: the chart that
    /// keeps this keeps them.
    sources: Vec<(String, usize)>,
    templates: Arc<Templates>,
}

impl CompiledCharts {
    /// Returns the templates of the sources, which are in the order of parsing.
    pub(crate) fn get(
        &self,
        sources: &[Source],
        helm: HelmVersion,
    ) -> Result<Arc<Templates>, Error> {
        let matches = |compiled: &Compiled| {
            compiled.helm == helm
                && compiled.sources.len() == sources.len()
                && compiled
                    .sources
                    .iter()
                    .zip(sources)
                    .all(|((name, address), source)| {
                        *address == source.text.as_ptr() as usize && *name == source.name
                    })
        };
        {
            let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            if let Some(at) = kept.iter().position(matches) {
                kept[..=at].rotate_right(1);
                return Ok(Arc::clone(&kept[0].templates));
            }
        }
        // The lock is not held meanwhile: two renders at once may both parse, which does no harm.
        let templates = Arc::new(parse(sources, helm)?);
        let compiled = Compiled {
            helm,
            sources: sources
                .iter()
                .map(|source| (source.name.clone(), source.text.as_ptr() as usize))
                .collect(),
            templates: Arc::clone(&templates),
        };
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        kept.insert(0, compiled);
        kept.truncate(KEPT);
        Ok(templates)
    }
}

fn parse(sources: &[Source], helm: HelmVersion) -> Result<Templates, Error> {
    let mut templates = Templates::new(functions::functions(helm).clone())
        .named("gotpl")
        .missing_key(MissingKey::Zero);
    for source in sources {
        let text = load::text(&source.text);
        templates
            .parse(source.name.as_str(), &text)
            .map_err(|error| parse_error(&source.name, error))?;
    }
    Ok(templates)
}
